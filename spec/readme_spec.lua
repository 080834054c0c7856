-- What the README shows is what happens: every Lua example in it runs, against the local hub.

local build = require "spec.support.build"
local child = require "spec.support.child"
local default = require "kataven.cassette.default"
local examplesOf = require "spec.support.examples"
local files = require "spec.support.files"
local json = require "dkjson"
local options = require "kataven.options"
local redis = require "spec.support.redis"
local servers = require "spec.support.servers"
local shell = require "spec.support.shell"
local spy = require "spec.support.spy"

local read, blocks = examplesOf.read, examplesOf.blocks
local README = read "README.md"
local root = shell.run "pwd":match "[^\n]+"

describe("README.md", function()
    local hub

    setup(function()
        hub = servers.hub {}
    end)

    teardown(function()
        hub:stop()
    end)

    local examples = blocks(README, "lua")

    it("has examples", function()
        assert.is_true(#examples >= 8)
    end)

    for _, example in ipairs(examples) do
        it(("runs the example at line %d"):format(example.line), function()
            if example.text:find 'require "copas"'
                and (_VERSION ~= "Lua 5.1" or not require("kataven.core").descriptors) then
                return pending "copas 1 is packaged for Lua 5.1 only, and needs epoll"
            end
            hub:reset()
            local environment = { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey }
            if example.text:find 'require "redis"' then
                local missing = redis.missing()
                if missing then
                    return pending(missing)
                end
                local server = redis.start {}
                local worker = redis.worker(server, hub)
                environment.REDIS_URL = server.url
                finally(function()
                    worker:stop()
                    server:stop()
                    redis.forget()
                end)
            end
            local output, errors = child.run(example.text .. '\nio.write("ran to its end")\n', environment)
            assert.equal("", errors)
            assert.truthy(output:find("ran to its end", 1, true))
        end)
    end

    it("shows what the first script prints", function()
        hub:reset()
        local output = child.run(examples[1].text, { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey })
        assert.truthy(output:find('data%-client%-key="pk_live_[%w_]+"'))
        assert.truthy(output:find("acme.com\tlive", 1, true))
    end)

    describe("has a recipe for a lost answer, which", function()
        local recipe

        for _, example in ipairs(examples) do
            if example.text:find("err.maybeApplied then", 1, true) then
                recipe = example.text
            end
        end

        -- The account after the recipe was run, its keys by their ids: "live" or "revoked". Of the first create the
        -- answer is lost; `lose` gets the account, and has happen to it what happened on the way.
        local function run(rows, lose)
            local account = { rows = rows }
            function account.add(name)
                rows[#rows + 1] = { id = "k" .. #rows + 1, name = name }
                return rows[#rows]
            end
            local creates = 0
            local before = default.place(spy.new(function(request)
                local id = request.path:match "[^/]+$"
                if request.method == "GET" then
                    return spy.json(json.encode(rows))
                elseif request.method == "PATCH" then
                    for _, row in ipairs(rows) do
                        row.disabled_at = row.disabled_at or row.id == id and "now" or nil
                    end
                    return spy.json "{}"
                end
                creates = creates + 1
                local name = json.decode(request.body).name
                if creates == 1 then
                    lose(account, name)
                    return nil, { kind = "connection", sent = true, message = "lost" }
                end
                return spy.json(json.encode(account.add(name)), 201)
            end))
            local getenv = stub(os, "getenv").invokes(function(name)
                return name == "KATAVEN_API_KEY" and spy.TOKEN or nil
            end)
            finally(function()
                default.place(before)
                getenv:revert()
            end)
            assert((rawget(_G, "loadstring") or load)(recipe))()
            local states = {}
            for _, row in ipairs(rows) do
                states[row.id] = row.disabled_at and "revoked" or "live"
            end
            return states
        end

        local NAME = recipe:match 'local name = "([^"]+)"'

        it("revokes the new key, and no other", function()
            assert.same({ k1 = "revoked", k2 = "live" }, run({}, function(account, name)
                account.add(name)
            end))
            assert.same({ k1 = "live" }, run({}, function() end))
        end)

        it("leaves a key alone that had the name before", function()
            assert.same({ k1 = "live", k2 = "revoked", k3 = "live" }, run({ { id = "k1", name = NAME } },
                function(account, name)
                    account.add(name)
                end))
            assert.same({ k1 = "live", k2 = "live" }, run({ { id = "k1", name = NAME } }, function() end))
        end)

        it("cannot tell another program's new key of that name from its own, and says so", function()
            assert.same({ k1 = "revoked", k2 = "revoked", k3 = "live" }, run({}, function(account, name)
                account.add(name)
                account.add(name)
            end))
            assert.truthy(README:find("One program at a time may make keys of a name", 1, true))
        end)
    end)

    -- A search path as it is elsewhere.
    local function absolute(path)
        return ((";" .. path):gsub(";([^/;])", ";" .. root .. "/%1"):sub(2))
    end

    -- Runs a block of shell commands as it stands there, but for its Lua and what `replaced` says, where `mint.lua` and
    -- `my_script.lua` are the first script.
    local function runBlock(text, replaced)
        local folder = shell.run "mktemp -d":gsub("\n$", "")
        finally(function() shell.run("rm -r %s", folder) end)
        for _, name in ipairs { "mint.lua", "my_script.lua" } do
            files.write(folder .. "/" .. name, examples[1].text)
        end
        for from, to in pairs(replaced) do
            text = text:gsub(from, to)
        end
        files.write(folder .. "/block.sh", "set -e\n" .. text:gsub("lua5%.4", child.interpreter()))
        return shell.run("cd %s && LUA_PATH=%s LUA_CPATH=%s KATAVEN_BASE_URL=%s KATAVEN_API_KEY=%s sh ./block.sh",
            folder, absolute(package.path), absolute(package.cpath), hub.url, hub.apiKey)
    end

    local MINTED = 'data%-client%-key="pk_live_[%w_]+"\n%S+\tacme%.com\tlive\n$'

    it("shows how a checkout runs a script", function()
        hub:reset()
        local output = runBlock(blocks(README:match "\n## Try it\n(.-)\n## ", "sh")[2].text, {
            ["make\n"] = ("make -s -C '%s' LUA=%s DRIVER=%s\n"):format(root, build.lua, build.driver),
            ["make %-s env"] = ("make -s -C '%s' LUA=%s DRIVER=%s env"):format(root, build.lua, build.driver),
        })
        assert.matches(MINTED, output)
    end)

    it("shows how a script is recorded, and played without a key", function()
        hub:reset()
        local output = runBlock(blocks(README:match "\n## Test your scripts\n(.-)\n## ", "sh")[1].text, {
            -- The second line is to do without the hub and its key.
            ["\n(KATAVEN_CASSETTE=mint.json lua)"] = "\nunset KATAVEN_API_KEY KATAVEN_BASE_URL\n%1",
        })
        assert.matches('^data%-client%-key="pk_live_[%w_]+"\n%S+\tacme%.com\tlive\n'
            .. 'data%-client%-key="pk_live_%[redacted%]"\n%S+\tacme%.com\tlive\n$', output)
        assert.same({ 1, 2 }, { hub:stats().creates, hub:stats().total })
    end)

    it("shows the command at work", function()
        hub:reset()
        local section = README:match "\n## The command\n(.-)\n## "
        local ran = 0
        for line in blocks(section, "sh")[1].text:gmatch "[^\n]+" do
            local given = line:match "^kataven ([^|#]+)"
            if given then
                local output = shell.run('KATAVEN_BASE_URL=%s KATAVEN_API_KEY=%s %s bin/kataven ' .. given,
                    hub.url, hub.apiKey,
                    child.interpreter())
                assert.is_true(#output > 0, line)
                ran = ran + 1
            end
        end
        assert.is_true(ran >= 7)
        local stats = hub:stats()
        assert.same({ 1, 2, 1 }, { stats.creates, stats.updates, stats.deletes })
    end)

    it("shows a file that the account is made to look like", function()
        hub:reset()
        local section = README:match "\n### An account like a file\n(.-)\n## "
        local folder = os.tmpname()
        os.remove(folder)
        shell.run("mkdir %s", folder)
        finally(function() shell.run("rm -r %s", folder) end)
        files.write(folder .. "/keys.json", blocks(section, "json")[1].text)
        local codes, output, ran = { 3, 0, 0, 0 }, nil, 0
        for line in blocks(section, "sh")[1].text:gmatch "[^\n]+" do
            local given, code = line:gsub("%s+#.*$", ""), nil
            ran = ran + 1
            if given:find "^kataven" then
                code, output = shell.try("cd %s && KATAVEN_BASE_URL=%s KATAVEN_API_KEY=%s %s %s"
                    .. given:match "^kataven(.*)$", folder, hub.url, hub.apiKey, child.interpreter(),
                    root .. "/bin/kataven")
            elseif shell.try "command -v jq" == 0 then
                code, output = shell.try("cd %s && " .. given, folder)
                assert.matches("^acme.com\tpk_live_[%w_]+\nshop.example\tpk_live_[%w_]+\nstaging\tpk_live_", output)
            end
            assert.equal(codes[ran], code or 0, output)
        end
        assert.equal(4, ran)
        assert.same({ 3, 0 }, { hub:stats().creates, hub:stats().updates })
    end)

    it("shows the plan of a file as it is", function()
        local shown = README:match "\n### An account like a file\n(.-)\n## ":match "\n```\n(%+.-)```\n"
        local ids = {}
        for id in shown:gmatch "%((%x[%x-]+)%)\n" do
            ids[#ids + 1] = id
        end
        local wanted = require("kataven.cli.apply.file").parse(blocks(README, "json")[1].text)
        local lines = {}
        for index, line in ipairs(require("kataven.cli.apply.diff").lines(require("kataven").plan(wanted, {
            { id = "wk_1", name = "acme.com", domain_allowlist = { "*.acme.com", "acme.com" } },
            { id = ids[1], name = "shop.example", domain_allowlist = { "shop.example" } },
            { id = ids[2], name = "former-customer" },
        }))) do
            lines[index] = line.text .. "\n"
        end
        assert.equal(shown, table.concat(lines))
    end)

    it("shows the cassette that its example plays", function()
        local shown = blocks(README:match "\n## Test your scripts\n(.-)\n## ", "json")[1]
        assert.same(json.decode(read "spec/cassettes/readme.json"), json.decode(shown.text))
    end)

    it("names every option of kataven.new and no other", function()
        local section = README:match("\n## Options of `kataven.new`\n(.-)\n## ")
        local named = {}
        for row in section:gmatch("\n| (`[^|]*)|") do
            for name in row:gmatch("`(%w+)`") do
                named[name] = true
            end
        end
        local known = {}
        for _, name in ipairs(options.CLIENT_KNOWN) do
            known[name] = true
        end
        assert.same(known, named)
    end)
end)
