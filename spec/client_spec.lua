local core = require "kataven.core"
local kataven = require "kataven"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

describe("a client", function()
    it("says what it is, and where it calls", function()
        assert.equal("kataven.Client (http://127.0.0.1:8080/hub-api)",
            tostring(spy.client(spy.new(), { baseUrl = "http://127.0.0.1:8080/hub-api/" })))
        assert.equal("kataven.Client", getmetatable(spy.client(spy.new())))
    end)

    it("has these members and no other", function()
        local names = {}
        for name in pairs(spy.client(spy.new())) do
            names[#names + 1] = name
        end
        table.sort(names)
        assert.same({ "close", "parallel", "queue", "request", "widgetKeys" }, names)
    end)

    it("does not initialise libcurl before it calls", function()
        local ready = core.curlReady()
        local client = kataven.new { apiKey = spy.TOKEN }
        assert.equal(ready, core.curlReady())
        client:close()
        assert.equal(ready, core.curlReady())
    end)

    it("gives a meta with every success", function()
        local client = spy.client(spy.new(function(_, wait)
            wait(2)
            return { status = 200, headers = { ["x-request-id"] = "r1", ["x-a"] = "b, c" }, body = "{}" }
        end))
        for _, call in ipairs {
            function() return client.widgetKeys.create { name = "a" } end,
            function() return client.widgetKeys.update("k1", {}) end,
            function() return client.widgetKeys.delete "k1" end,
            function() return client:request { path = "/p" } end,
        } do
            local _, meta, more = call()
            assert.same({
                status = 200,
                headers = { ["x-request-id"] = "r1", ["x-a"] = "b, c" },
                requestId = "r1",
                attempts = 1,
                elapsed = 2,
            }, meta)
            assert.is_nil(more)
        end
    end)

    it("gives tables that are the caller's own", function()
        local client = spy.client(spy.new(spy.json '[{"id":"k1"}]'))
        local keys, meta = client.widgetKeys.list()
        keys[1].id, meta.headers["content-type"], meta.status = "changed", "changed", 0

        local again, same = client.widgetKeys.list()
        assert.equal("k1", again[1].id)
        assert.same({ "application/json", 200 }, { same.headers["content-type"], same.status })
    end)

    it("may be one of many", function()
        local clients = {}
        for index = 1, 200 do
            clients[index] = spy.client(spy.new(spy.json(("[{\"id\":\"k%d\"}]"):format(index))))
        end
        for index, client in ipairs(clients) do
            assert.equal("k" .. index, client.widgetKeys.list()[1].id)
        end
    end)

    it("lives as long as something of it is held", function()
        local list = spy.client(spy.new(spy.json "[]")).widgetKeys.list
        collectgarbage()
        collectgarbage()
        assert.same({}, (list()))
    end)

    it("raises misuse at its caller's line from within a coroutine, too", function()
        local client = spy.client(spy.new(spy.json "[]"))
        local message = misuse(function()
            local ok, problem = coroutine.resume(coroutine.create(function()
                client.widgetKeys.delete(5)
            end))
            assert.is_false(ok)
            error(problem, 0)
        end)
        assert.matches("^widgetKeys.delete takes a key's id", message)
    end)
end)
