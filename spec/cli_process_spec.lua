-- The command as a process: every command of it against the local hub, in a pipe and on a pseudo-terminal; output that
-- cannot be written, and Ctrl-C.

local child = require "spec.support.child"
local command = require "spec.support.command"
local json = require "dkjson"
local servers = require "spec.support.servers"
local shell = require "spec.support.shell"

local HAS_EXPECT = shell.try "command -v expect" == 0
local HAS_FULL = shell.try "test -c /dev/full" == 0

describe("bin/kataven", function()
    local hub, environment

    setup(function()
        hub = servers.hub {}
        environment = { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey }
    end)

    teardown(function()
        hub:stop()
    end)

    before_each(function()
        hub:reset()
    end)

    -- In a pipe, where it goes well: the document that it writes.
    local function piped(...)
        local out, err, code = command.run({ "widget-keys", ... }, environment)
        assert.equal(0, code, err)
        assert.equal("", err)
        return json.decode(out)
    end

    local function rows()
        return piped "list"
    end

    it("does everything in a pipe", function()
        local key = piped("create", "acme.com", "--domain", "acme.com", "--domain", "*.acme.com")
        assert.matches("^pk_live_", key.key)
        assert.same({ "acme.com", "*.acme.com" }, key.domain_allowlist)

        assert.equal("agent_7", piped("update", "acme.com", "--agent", "agent_7").agent_id)
        assert.same({}, piped("update", key.id, "--no-domains", "--no-agent").domain_allowlist)
        assert.equal("acme", piped("update", key.id:sub(1, 12), "--name", "acme").name)
        assert.is_string(piped("revoke", "acme").disabled_at)
        assert.equal(1, #piped("list", "--disabled"))
        assert.equal(0, #piped("list", "--live"))
        assert.same({ deleted = true, id = key.id }, piped("delete", "acme", "--yes"))
        assert.same({}, rows())
        assert.same({ 1, 4, 1 }, { hub:stats().creates, hub:stats().updates, hub:stats().deletes })

        local snippet, _, code = command.run { "widget-keys", "snippet", key.key }
        assert.equal(0, code)
        assert.equal(('data-client-key="%s"\n'):format(key.key), snippet)
    end)

    it("says that a used key stays", function()
        local id = piped("create", "acme.com").id
        hub:use(id)
        assert.is_string(piped("delete", id, "--yes").disabled_at)
    end)

    it("lists ten keys by name, without their text", function()
        for index = 10, 1, -1 do
            piped("create", ("key %02d"):format(index))
        end
        local list = rows()
        for index = 1, 10 do
            assert.equal(("key %02d"):format(index), list[index].name)
            assert.is_nil(list[index].key)
        end
    end)

    it("refuses to delete in a pipe without --yes", function()
        local id = piped("create", "acme.com").id
        local out, err, code = command.redirected({ "widget-keys", "delete", id }, "</dev/null", environment)
        assert.equal("", out)
        assert.matches("give %-%-yes", err)
        assert.equal(2, code)
        assert.equal(0, hub:stats().deletes)
    end)

    describe("on a terminal", function()
        local function terminal(given, options)
            options = options or {}
            options.environment = { NO_COLOR = "1" }
            for name, value in pairs(environment) do
                options.environment[name] = value
            end
            return command.onTerminal(given, options)
        end

        local function needsExpect()
            if not HAS_EXPECT then
                pending "there is no expect"
            end
            return HAS_EXPECT
        end

        it("does everything", function()
            if not needsExpect() then
                return
            end
            local out, code = terminal { "widget-keys", "create", "acme.com", "--domain", "acme.com" }
            assert.equal(0, code)
            local id, key = out:match("^id +(%S+)\nname +acme%.com\ndomains +acme%.com\ncreated [^\n]+\nkey "
                .. "+(pk_live_%S+)\n")
            assert.is_string(id, out)
            assert.truthy(out:find(('In a page: data-client-key="%s"\n'):format(key), 1, true))

            out, code = terminal { "widget-keys", "list" }
            assert.equal(0, code)
            assert.equal(("ID%s  NAME      STATE  CREATED   DOMAINS\n%s  acme.com  live   just now  acme.com\n"):format(
                (" "):rep(34), id), (out:gsub("1 minute ago", "just now")))

            out, code = terminal { "widget-keys", "update", "acme.com", "--name", "acme" }
            assert.equal(0, code)
            assert.matches("\nname +acme\n", out)
            out, code = terminal { "widget-keys", "revoke", "acme" }
            assert.equal(0, code)
            assert.matches("\ndisabled +%d%d%d%d%-", out)

            out, code = terminal({ "widget-keys", "delete", "acme" }, { at = "[y/N]", type = "n\\r" })
            assert.equal(1, code)
            assert.matches("nothing was deleted", out)
            assert.equal(0, hub:stats().deletes)
            out, code = terminal({ "widget-keys", "delete", "acme" }, { at = "[y/N]", type = "y\\r" })
            assert.equal(0, code)
            assert.truthy(out:find(('deleted "acme" (%s)\n'):format(id), 1, true))
            assert.equal(1, hub:stats().deletes)

            out, code = terminal { "widget-keys", "list" }
            assert.equal(0, code)
            assert.equal("The account has no widget keys.\n", out)
            out, code = terminal { "widget-keys", "snippet", key }
            assert.equal(0, code)
            assert.truthy(out:find(('data-client-key="%s"\n'):format(key), 1, true))
        end)

        it("keeps a table within its width", function()
            if not needsExpect() then
                return
            end
            piped("create", ("n"):rep(60), "--domain", ("d"):rep(60), "--domain", ("e"):rep(60))
            for _, columns in ipairs { 80, 100, 140 } do
                local out = terminal({ "widget-keys", "list" }, { columns = columns })
                for line in out:gmatch "[^\n]+" do
                    assert.is_true(#line:gsub("…", ".") <= columns, line)
                end
                assert.matches("\n%x%x%x%x%x%x%x%x", out)
            end
        end)

        it("takes the end of input for a no, and Ctrl-C for the end", function()
            if not needsExpect() then
                return
            end
            piped("create", "acme")
            local out, code = terminal({ "widget-keys", "delete", "acme" }, { at = "[y/N]", type = "\\004" })
            assert.equal(1, code)
            assert.matches("nothing was deleted", out)
            out, code = terminal({ "widget-keys", "delete", "acme" }, { at = "[y/N]", type = "\\003" })
            assert.equal(130, code)
            assert.matches("kataven: interrupted\n$", out)
            assert.equal(0, hub:stats().deletes)
        end)
    end)

    describe("where the output cannot be written", function()
        -- What is said of a minted key, which is there.
        local function saved(err)
            local id, key = err:match('^kataven: cannot write the output %(.-%), but the widget key "acme%.com" '
                .. '%((.-)%) was '
                .. "created; its text, shown this once, is (pk_live_%S+)\n$")
            assert.is_string(key, err)
            assert.equal(id, rows()[1].id)
            assert.equal(key:sub(-8), rows()[1].last8)
        end

        -- Runs it with a pipe for stdout, whose reader has gone.
        local function unread(given)
            local path = os.tmpname()
            os.remove(path)
            finally(function() os.remove(path) end)
            -- luasocket has this process ignore SIGPIPE, and its children after it.
            local words = { "sh", "-c", 'mkfifo "$0" && exec 3<>"$0" 4>"$0" 3<&- && exec "$@" >&4 4>&-', path }
            if shell.try "env --default-signal=PIPE true" == 0 then
                table.insert(words, 1, "env")
                table.insert(words, 2, "--default-signal=PIPE")
            end
            return command.run(given, environment, words)
        end

        local CREATE = { "widget-keys", "create", "acme.com" }

        it("gives a minted key's text on stderr: a full disk", function()
            if not HAS_FULL then
                return pending "there is no /dev/full"
            end
            local _, err, code = command.redirected(CREATE, ">/dev/full", environment)
            assert.equal(1, code)
            saved(err)
        end)

        it("gives a minted key's text on stderr: a pipe that nobody reads", function()
            local _, err, code = unread(CREATE)
            assert.equal(1, code)
            saved(err)
        end)

        it("mints no key where stdout is closed, and stderr may be too", function()
            if os.getenv "SPEC_UNDER" then
                return pending "valgrind's own report would take the number of a closed stdout"
            end
            local out, err, code = command.redirected(CREATE, ">&-", environment)
            assert.same({ "", 2 }, { out, code })
            assert.equal("kataven: stdout is closed, and the key's text, shown this once, would be lost: no key was "
                .. "made\n", err)
            out, err, code = command.redirected(CREATE, ">&- 2>&-", environment)
            assert.same({ "", "", 2 }, { out, err, code })
            assert.equal(0, hub:stats().creates)
        end)

        it("fails a list on a full disk", function()
            if not HAS_FULL then
                return pending "there is no /dev/full"
            end
            local _, err, code = command.redirected({ "widget-keys", "list" }, ">/dev/full", environment)
            assert.equal(1, code)
            assert.equal("kataven: cannot write the output: No space left on device\n", err)
            _, err, code = command.redirected({ "--help" }, ">/dev/full")
            assert.equal(1, code)
            assert.equal("kataven: cannot write the output: No space left on device\n", err)
        end)

        it("fails a list that is larger than a file may be", function()
            local path = os.tmpname()
            piped("create", ("n"):rep(3000))
            local _, err, code = command.run({ "widget-keys", "list" }, environment,
                { "sh", "-c", 'ulimit -f 1; exec "$@" >"$0"', path })
            os.remove(path)
            assert.equal(1, code)
            assert.equal("kataven: cannot write the output: File too large\n", err)
        end)

        it("ends a list quietly where nobody reads", function()
            piped("create", "acme.com")
            local _, err, code = unread { "widget-keys", "list" }
            assert.equal("", err)
            assert.equal(141, code)
        end)

        it("mistakes no socket for a closed stdout", function()
            local _, err, code = command.redirected({ "widget-keys", "list" }, "<&- >&-", environment)
            assert.equal(1, code)
            assert.equal("kataven: cannot write the output: Bad file descriptor\n", err)
            local out
            out, _, code = command.redirected({ "widget-keys", "list" }, "2>&-", environment)
            assert.equal(0, code)
            assert.equal("[]\n", out)
        end)
    end)

    describe("interrupted", function()
        local function interrupt(...)
            local server = servers.tcp { { { read = "request" }, { stall = true } } }
            finally(function() server:stop() end)
            local script = command.start({ ... }, { KATAVEN_BASE_URL = server.url, KATAVEN_API_KEY = "sk_live_a_1" })
            server:wait { requests = 1 }
            script:sleeps()
            script:signal "INT"
            return script:wait()
        end

        it("ends with 130", function()
            local out, err, code = interrupt("widget-keys", "list")
            assert.equal("", out)
            assert.equal("kataven: interrupted\n", err)
            assert.equal(130, code)
        end)

        it("says what may have been done", function()
            local out, err, code = interrupt("widget-keys", "create", "acme.com")
            assert.equal("", out)
            assert.equal("kataven: interrupted; it may be that it did create the key all the same: look with kataven "
                .. "widget-keys list\n", err)
            assert.equal(130, code)
            out, err, code = interrupt("widget-keys", "create", "acme.com", "--json")
            assert.equal("", out)
            assert.equal("InterruptedError", json.decode(err).error.name)
            assert.equal(130, code)
        end)
    end)

    -- Runs bin/kataven after some code.
    local function after(code)
        return child.complete(code .. '\narg = { [0] = "kataven", "--nonsense" }\ndofile "bin/kataven"')
    end

    it("ends with 130 where Ctrl-C comes while it starts", function()
        for _, code in ipairs {
            [[package.preload["kataven.cli"] = function() error "interrupted!" end]],
            [[require("kataven.cli").main = function() error "interrupted!" end]],
        } do
            assert.same({ "", "kataven: interrupted\n", 130 }, { after(code) })
        end
        local kataven = require "kataven"
        local new = kataven.new
        finally(function() kataven.new = new end)
        kataven.new = function()
            error("interrupted!", 0)
        end
        assert.same({ "", "kataven: interrupted\n", 130 },
            { command.inside({ "widget-keys", "list" }, { environment = { KATAVEN_API_KEY = "sk_live_a_1" } }) })
    end)

    it("says it in a line where its streams cannot be guarded", function()
        assert.same({ "", "kataven: cannot open /dev/null\n", 1 }, { after [[
            require("kataven.core").guardStreams = function() error("cannot open /dev/null", 0) end
        ]] })
    end)

    it("leaves the state open at its end, which a second Ctrl-C could break", function()
        local out, _, code = after [[
            local exit = os.exit
            os.exit = function(code, close)
                print(code, close)
                exit(code)
            end
        ]]
        assert.same({ "2\tnil\n", 2 }, { out, code })
    end)

    it("says in a line what it could not load", function()
        local HINT = "; run make in its directory, or make install (a link from elsewhere finds only what is "
            .. "installed)\n"
        local out, err, code = after [[package.loaded["kataven.cli"] = nil; package.path = "./none/?.lua"]]
        assert.same({ "", 1 }, { out, code })
        assert.matches("^kataven: cannot load its modules for Lua%S* [%w.-]+: module 'kataven.cli' not found; ", err)
        assert.equal(HINT, err:sub(-#HINT))
        out, err, code = after [[package.preload["kataven.core"] = function()
            error("error loading module 'kataven.core' from file 'core.so':\n\tundefined symbol", 0)
        end]]
        assert.same({ "", 1 }, { out, code })
        assert.truthy(err:find("module 'kataven.core' from file 'core.so': undefined symbol" .. HINT, 1, true), err)
    end)

    it("finds the checkout that it stands in", function()
        local here = shell.run "pwd":gsub("\n$", "")
        local _, err, code = child.complete(([[arg = { [0] = %q, "--version" } dofile(arg[0])]]):format(
            here .. "/bin/kataven"), { LUA_PATH = ";;" }, { "sh", "-c", 'cd / && exec "$@"', "sh" })
        assert.equal("", err)
        assert.equal(0, code)
    end)
end)
