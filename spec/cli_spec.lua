-- The command `kataven` as a whole: credentials, errors, colours, and what is around the commands.

local child = require "spec.support.child"
local command = require "spec.support.command"
local files = require "spec.support.files"
local json = require "dkjson"
local servers = require "spec.support.servers"
local shell = require "spec.support.shell"

local inside, joined, PLAIN = command.inside, command.joined, command.PLAIN
local CASSETTE = "spec/cassettes/command.json"

describe("kataven", function()
    local temporary

    before_each(function()
        temporary = os.tmpname()
    end)

    after_each(function()
        os.remove(temporary)
    end)

    local function refused(given, options)
        local out, err, code = inside(given, options)
        assert.equal("", out)
        assert.equal(2, code)
        assert.is_nil(err:match "\n.", err)
        return err
    end

    describe("refuses an argument that holds a credential", function()
        for name, given in pairs {
            ["alone"] = { "sk_live_acme_topsecret" },
            ["as an option's"] = { "widget-keys", "list", "--api-key-file", "sk_live_acme_topsecret" },
            ["behind an equals sign"] = { "--api-key=sk_live_acme_topsecret", "widget-keys", "list" },
            ["within a name"] = { "widget-keys", "create", "x sk_live_acme_topsecret" },
            ["percent-encoded"] = { "widget-keys", "list", "--base-url", "https://sk%5Flive_acme_topsecret@x" },
            ["in Base64"] = { "widget-keys", "create", "c2tfbGl2ZV9hY21lX3RvcHNlY3JldA==" },
            ["of an admin"] = { "widget-keys", "create", "eyJhbGciOi.topsecret.x" },
            ["after --"] = { "widget-keys", "create", "--", "sk_live_acme_topsecret" },
            ["beside a public one"] = { "widget-keys", "snippet", "pk_live_a_sk_live_acme_topsecret" },
        } do
            it(name, function()
                for _, with in ipairs { given, joined({ "--json" }, given) } do
                    local err = refused(with)

                    assert.matches("holds a credential, which everybody on this machine can see", err)
                    assert.is_nil(err:find("topsecret", 1, true))
                    assert.is_nil(err:find("c2tf", 1, true))
                end
            end)
        end

        it("but no widget key's text", function()
            local _, _, code = inside { "widget-keys", "snippet", "pk_live_acme_1" }
            assert.equal(0, code)
        end)
    end)

    describe("takes the API key", function()
        local server

        setup(function()
            server = servers.tcp()
        end)

        teardown(function()
            server:stop()
        end)

        -- The credentials of the one request that a command makes.
        local function sent(given, options)
            server:script { { { read = "request" }, { send = servers.answer { status = 200,
                headers = { ["Content-Type"] = "application/json" }, body = "[]" } } } }
            options = options or {}
            options.environment = options.environment or {}
            options.environment.KATAVEN_BASE_URL = server.url
            local _, err, code = inside(joined({ "widget-keys", "list" }, given), options)
            assert.equal(0, code, err)
            local header = server:wait { requests = 1 }.requests[1].header
            return header.authorization, header["x-account-id"], err
        end

        it("from the environment", function()
            assert.equal("Bearer sk_live_a_1", (sent({}, { environment = { KATAVEN_API_KEY = "sk_live_a_1" } })))
        end)

        it("from a file, which comes before the environment", function()
            files.write(temporary, "\n  sk_live_a_2 \r\n")
            assert.equal("Bearer sk_live_a_2", (sent({ "--api-key-file", temporary },
                { environment = { KATAVEN_API_KEY = "sk_live_a_1" } })))
        end)

        it("from standard input", function()
            assert.equal("Bearer sk_live_a_3", (sent({ "--api-key-file", "-" }, { input = "sk_live_a_3\n" })))
        end)

        it("with an account", function()
            local environment = { KATAVEN_API_KEY = "eyJa.b.c", KATAVEN_ACCOUNT_ID = "old" }
            local token, account = sent({ "--account", "acme" }, { environment = environment })
            assert.equal("Bearer eyJa.b.c", token)
            assert.equal("acme", account)
            assert.equal("old", select(2, sent({}, { environment = environment })))
        end)

        it("with a warning where others can read the file", function()
            files.write(temporary, "sk_live_a_4")
            shell.run("chmod 640 %s", temporary)
            local token, _, err = sent { "--api-key-file", temporary }
            assert.equal("Bearer sk_live_a_4", token)
            assert.equal(("kataven: other users can read %s: chmod 600 it\n"):format(temporary), err)
            shell.run("chmod 600 %s", temporary)
            _, _, err = sent { "--api-key-file", temporary }
            assert.equal("", err)
        end)
    end)

    describe("says what is wrong with", function()
        local LIST = { "widget-keys", "list" }

        it("a missing key", function()
            assert.equal("kataven: there is no API key: set KATAVEN_API_KEY, or give --api-key-file FILE\n",
                refused(LIST, { environment = { KATAVEN_API_KEY = "" } }))
        end)

        it("a public key", function()
            assert.matches("^kataven: the API key is a widget key %(pk_live_%.%.%.%), which is public .-"
                .. "give the account's secret key %(sk_live_%.%.%.%)\n$",
                refused(LIST, { environment = { KATAVEN_API_KEY = "pk_live_a_1" } }))
        end)

        it("a missing account", function()
            assert.matches("^kataven: %-%-account %(KATAVEN_ACCOUNT_ID%) is missing: .-%(use %-%-account, or set "
                .. "KATAVEN_ACCOUNT_ID%)\n$", refused(LIST, { environment = { KATAVEN_API_KEY = "eyJa.b.c" } }))
        end)

        it("the address", function()
            local environment = { KATAVEN_API_KEY = "sk_live_a_1", KATAVEN_BASE_URL = "http://hub.example" }
            assert.equal("kataven: --base-url (KATAVEN_BASE_URL) is http:// to another machine, which would send "
                .. "the key in "
                .. "clear; use https://\n", refused(LIST, { environment = environment }))
        end)

        it("a key's file", function()
            os.remove(temporary)
            local given = { "widget-keys", "list", "--api-key-file", temporary }
            assert.equal(("kataven: cannot read the API key from %s: No such file or directory\n"):format(temporary),
                refused(given))
            for _, text in ipairs { "", " \n", "two words", "two\nlines" } do
                files.write(temporary, text)
                shell.run("chmod 600 %s", temporary)
                assert.equal(("kataven: --api-key-file %s: it should hold the API key (sk_live_...) and nothing else\n")
                    :format(temporary), refused(given))
            end
        end)

        it("a cassette", function()
            assert.matches('^kataven: there is no cassette "none.json"%.', refused { "widget-keys", "list",
                "--cassette",
                "none.json" })
        end)

        it("an argument, as an object where asked", function()
            local err = refused { "--json", "widget-keys", "lst" }
            assert.equal("UsageError", json.decode(err).error.name)
        end)

        it("an argument, on a terminal too", function()
            assert.equal("kataven: a command is required; see kataven --help\n", refused({}, PLAIN))
        end)
    end)

    describe("without argparse", function()
        it("says what to install", function()
            local out, err, code = child.complete([[
                package.preload.argparse = function()
                    error("module 'argparse' not found:\n\tno file './argparse.lua'", 0)
                end
                arg = { [0] = "bin/kataven", "--version" }
                dofile "bin/kataven"
            ]])
            assert.equal("", out)
            assert.equal("kataven: the command needs the Lua library argparse; install it (Debian, Ubuntu: "
                .. "lua-argparse; "
                .. "LuaRocks: luarocks install argparse)\n", err)
            assert.equal(2, code)
        end)
    end)

    describe("has colours", function()
        local function list(environment, terminal)
            return (inside({ "--cassette", CASSETTE, "widget-keys", "list" },
                { terminal = terminal or command.TERMINAL, environment = environment }))
        end

        it("on a terminal", function()
            assert.matches("\27%[32mlive\27%[0m", list {})
            assert.matches("\27%[32mlive\27%[0m", list { NO_COLOR = "" })
        end)

        it("neither with NO_COLOR, nor where the terminal has none", function()
            assert.is_nil(list { NO_COLOR = "1" }:find "\27")
            assert.is_nil(list { TERM = "dumb" }:find "\27")
        end)

        it("not elsewhere", function()
            assert.is_nil(list({}, { stderr = true, stdin = true }):find "\27")
        end)

        it("for errors by where those go", function()
            local _, err = inside({ "none" }, { terminal = { stderr = true } })
            assert.matches("^\27%[31mkataven:\27%[0m ", err)
            _, err = inside({ "none" }, { terminal = { stdout = true } })
            assert.matches("^kataven: ", err)
        end)
    end)
end)
