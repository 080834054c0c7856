-- A wait that raises must not lose a key that was minted meanwhile: before a write goes out, the wait is tried.

local kataven = require "kataven"
local servers = require "spec.support.servers"
local spy = require "spec.support.spy"

local JSON = { ["Content-Type"] = "application/json" }

local WRITES = {
    create = function(client) return client.widgetKeys.create { name = "x" } end,
    update = function(client) return client.widgetKeys.update("k1", { disabled = true }) end,
    delete = function(client) return client.widgetKeys.delete "k1" end,
    ["a POST of one's own"] = function(client) return client:request { method = "POST", path = "/p" } end,
    ["a PUT of one's own"] = function(client) return client:request { method = "PUT", path = "/p", body = {} } end,
    ["a task of client:parallel"] = function(client)
        local results = client:parallel { function() return client.widgetKeys.create { name = "x" } end }
        return results[1].value, results[1].err
    end,
}

describe("before a write goes out, the wait is tried:", function()
    local server

    lazy_setup(function()
        server = servers.tcp {}
    end)

    lazy_teardown(function()
        server:stop()
    end)

    -- Answers every request, and counts those that write.
    local function serve()
        local list = servers.answer { headers = JSON, body = "[]" }
        local key = servers.answer { status = 201, headers = JSON, body = "{}" }
        server:script { default = { { read = "request" }, { send = list },
            { ["repeat"] = true, steps = { { read = "request" }, { effect = "served" }, { send = key } } } } }
    end

    local function served()
        return server:log().effects.served or 0
    end

    -- A client with a connection that is warm, and what makes its wait raise.
    local function warm(options)
        serve()
        local core, mood = require "kataven.core", { raising = false, calls = 0 }
        options.apiKey, options.baseUrl, options.maxConcurrent = "sk_live_spec_probe", server.url, 1
        function options.wait(seconds, fd)
            mood.calls = mood.calls + 1
            if mood.raising then
                error(mood.raising, 0)
            end
            core.wait(seconds, fd)
        end
        local client = kataven.new(options)
        assert(client.widgetKeys.list())
        return client, mood
    end

    for name, write in pairs(WRITES) do
        it("one that raises costs nothing, " .. name, function()
            -- Whatever collected the call would give its place back as well.
            collectgarbage "stop"
            finally(function() collectgarbage "restart" end)
            local client, mood = warm {}
            for _, problem in ipairs { "not here", { "a table" } } do
                mood.raising = problem
                local ok, why = pcall(write, client)
                assert.is_false(ok)
                assert.equal(problem, why)
            end
            assert.equal(0, served())

            mood.raising = false
            assert(write(client))
            assert.equal(1, served())
            client:close()
        end)

        it("through a transport of somebody's own too, " .. name, function()
            local transport = spy.new(spy.json("{}", 201))
            local client = spy.client(transport, { wait = function() error("not here", 0) end })
            local ok, why = pcall(write, client)
            assert.is_false(ok)
            assert.equal("not here", why)
            assert.equal(0, #transport.requests)
        end)
    end

    it("once for each call, however many attempts it makes, and never for what only reads", function()
        local seen
        local function client(...)
            seen = {}
            return spy.client(spy.new(...), { wait = function(seconds) seen[#seen + 1] = seconds end })
        end
        assert(client(spy.json "{}").widgetKeys.create { name = "x" })
        assert.same({ 0.001 }, seen)
        assert(client(spy.text("later", 429, { ["retry-after"] = "0" }), spy.json "{}").widgetKeys.delete "k1")
        assert.same({ 0.001 }, seen)
        assert(client(spy.json "[]").widgetKeys.list())
        assert(client(spy.json "{}"):request { method = "HEAD", path = "/p" })
        assert.same({}, seen)
    end)

    it("which a canceller may use to end the call, with nothing sent", function()
        local transport, canceller = spy.new(spy.json "{}"), kataven.canceller()
        local client = spy.client(transport, { wait = function() canceller:cancel() end })
        local value, err = client.widgetKeys.create({ name = "x" }, { cancel = canceller })
        assert.is_nil(value)
        assert.equal("CancelledError", err.name)
        assert.is_false(err.maybeApplied)
        assert.equal(0, #transport.requests)
    end)

    it("and while a cassette is recorded", function()
        local path = os.tmpname()
        os.remove(path)
        local client, mood = warm { transport = kataven.cassette.open(path, { mode = "record" }) }
        mood.raising = "not here"
        assert.same({ false, "not here" }, { pcall(WRITES.create, client) })
        assert.equal(0, served())
        client:close()
        os.remove(path)
    end)
end)
