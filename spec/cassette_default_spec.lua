-- Scripts that know nothing of cassettes, run with KATAVEN_CASSETTE.

local child = require "spec.support.child"
local servers = require "spec.support.servers"

local SCRIPT = [[
local kataven = require "kataven"
local client = kataven.new {}
local key = kataven.assert(client.widgetKeys.create { name = "a" })
print(key.id, #kataven.assert(kataven.new({}).widgetKeys.list()))
]]

local LIST = [[{"request":{"method":"GET","path":"/api/v1/widget-keys"},"response":{"status":200,"json":[]}}]]

describe("KATAVEN_CASSETTE", function()
    local path

    before_each(function()
        path = os.tmpname()
        os.remove(path)
    end)

    after_each(function()
        os.remove(path)
    end)

    local function write(...)
        local handle = assert(io.open(path, "wb"))
        handle:write('{"version":1,"interactions":[', table.concat({ ... }, ","), "]}")
        handle:close()
    end

    local function run(script, environment)
        local all = { KATAVEN_CASSETTE = path }
        for name, value in pairs(environment or {}) do
            all[name] = value
        end
        return child.run(script, all)
    end

    it("records a script and replays it, without a change to it or a key", function()
        local hub = servers.hub {}
        local live, errors = run(SCRIPT, { KATAVEN_CASSETTE_MODE = "record", KATAVEN_BASE_URL = hub.url,
            KATAVEN_API_KEY = hub.apiKey })
        hub:stop()
        assert.equal("", errors)
        assert.matches("^%S+\t1\n$", live)
        assert.same({ live, "" }, { run(SCRIPT) })
        assert.same({ live, "" }, { run(SCRIPT, { CI = "true", KATAVEN_CASSETTE_MODE = "record" }) })
    end)

    it("tells at the end what was never played, and changes nothing else", function()
        write(LIST, LIST)
        local script = [[require("kataven").new({}).widgetKeys.list() print "done"]]
        local output, errors = run(script)
        assert.equal("done\n", output)
        local told = "kataven: %s: 1 of 2 interactions were never played:\n  [2] GET /api/v1/widget-keys\n"
        assert.equal(told:format(path), errors)
        -- After an error too, which stays the first thing to be read.
        output, errors = run [[require("kataven").new {} error "its own"]]
        assert.equal("", output)
        assert.matches("its own.*kataven: .*2 of 2 interactions were never played", errors)
    end)

    it("tells at the end what could not be saved", function()
        os.execute(("mkdir -p %s/full"):format(path))
        local hub = servers.hub {}
        local script = [[print(#require("kataven").new({}).widgetKeys.list())]]
        -- A directory is no cassette to replay, but one to record over, as it seems.
        local output, errors = run(script, { KATAVEN_CASSETTE_MODE = "record", KATAVEN_BASE_URL = hub.url,
            KATAVEN_API_KEY = hub.apiKey })
        hub:stop()
        os.execute(("rm -r %s"):format(path))
        assert.equal("0\n", output)
        assert.matches("^kataven: .- could not be saved: ", errors)
    end)

    it("still wants a key for a recording, and says what is wrong with the file", function()
        local _, errors = run("require('kataven').new {}", { KATAVEN_CASSETTE_MODE = "record" })
        assert.truthy(errors:find("apiKey is missing", 1, true))
        _, errors = run "require('kataven').new {}"
        assert.truthy(errors:find("KATAVEN_CASSETTE: there is no cassette", 1, true))
        assert.matches("lua_?%w*:1: ", errors)
    end)

    it("is nothing to a client with a transport of its own, and nothing when empty", function()
        local script = [[
            local transport = { send = function() return { status = 200, body = "[{}]" } end }
            print(#require("kataven").new({ apiKey = "sk_live_a", transport = transport }).widgetKeys.list())
        ]]
        assert.same({ "1\n", "" }, { run(script) })
        local _, errors = run("require('kataven').new {}", { KATAVEN_CASSETTE = "" })
        assert.truthy(errors:find("apiKey is missing", 1, true))
    end)

    it("lets a host run while it replays, and does not sleep in it", function()
        write [[
            { "request": { "method": "GET", "path": "/api/v1/widget-keys" },
              "response": { "status": 429, "headers": { "retry-after": "30" }, "body": "later" } },
            { "request": { "method": "GET", "path": "/api/v1/widget-keys" }, "response": { "status": 200, "json": [] } }
        ]]
        local output, errors = run [[
            local slept, times = 0, 0
            ngx = { sleep = function(seconds) slept, times = slept + seconds, times + 1 end }
            local client = require("kataven").new { apiKey = "sk_live_a" }
            local keys, meta = client.widgetKeys.list()
            print(#keys, meta.elapsed >= 30, times, slept)
        ]]
        assert.same({ "0\ttrue\t1\t0.001\n", "" }, { output, errors })
    end)
end)
