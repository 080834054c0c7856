local core = require "kataven.core"
local kataven = require "kataven"
local loop = require "spec.support.loop"
local scheduler = require "spec.support.scheduler"
local servers = require "spec.support.servers"
local spy = require "spec.support.spy"

local load = rawget(_G, "loadstring") or load

describe("client:close", function()
    it("has later calls fail, with nothing sent", function()
        local transport = spy.new(spy.json "{}")
        local client = spy.client(transport)
        client:close()

        for _, call in ipairs {
            function() return client.widgetKeys.list() end,
            function() return client.widgetKeys.create { name = "a" } end,
            function() return client.widgetKeys.update("k1", {}) end,
            function() return client.widgetKeys.delete "k1" end,
            function() return client:request { path = "/p" } end,
        } do
            local value, err = call()
            assert.is_nil(value)
            assert.is_true(err:is "ClosedError")
            assert.is_true(err:is "KatavenError")
            assert.matches("the client is closed; make a new one with kataven.new", err.message)
            assert.same({ 0, false }, { err.attempts, err.maybeApplied })
        end
        assert.equal(0, #transport.requests)
    end)

    it("closes the descriptor at once, also after a wait that raised, once that was collected", function()
        if not core.descriptors or not io.open "/proc/self/fd" then
            pending("there is no descriptor here, or no /proc to see it in")
            return
        end
        local shown
        local client = kataven.new {
            apiKey = spy.TOKEN, baseUrl = "http://127.0.0.1:1",
            wait = function(_, fd)
                shown = fd or shown
                error "the host is in trouble"
            end,
        }
        local function isOpen()
            local handle = io.open("/proc/self/fdinfo/" .. shown)
            local text = handle and handle:read "*a" or ""
            return handle ~= nil and handle:close() and text:find("tfd:", 1, true) ~= nil
        end
        -- In a function of its own, whose frame is gone when the garbage is collected.
        local function call()
            coroutine.wrap(function()
                pcall(client.widgetKeys.list)
            end)()
        end
        call()
        assert.is_number(shown)
        assert.is_true(isOpen())
        collectgarbage()
        collectgarbage()
        client:close()
        assert.is_false(isOpen())
        assert.matches("closed", tostring(client)) -- and so it is not the collector who did it
    end)

    it("closes the descriptor once the last call that waits on it has heard of it", function()
        if not core.descriptors or not io.open "/proc/self/fd" then
            pending("there is no descriptor here, or no /proc to see it in")
            return
        end
        local silent = servers.silent()
        local host, shown = scheduler.new(), nil
        local client = kataven.new {
            apiKey = spy.TOKEN, baseUrl = silent.url,
            wait = function(seconds, fd)
                shown = fd or shown
                host.wait(seconds, fd)
            end,
        }
        local function isOpen()
            local handle = io.open("/proc/self/fdinfo/" .. shown)
            local text = handle and handle:read "*a" or ""
            return handle ~= nil and handle:close() and text:find("tfd:", 1, true) ~= nil
        end
        local ended, seen = 0, {}
        for _ = 1, 3 do
            host.spawn(function()
                local _, err = client.widgetKeys.list()
                assert.equal("ClosedError", err.name)
                ended = ended + 1
                seen[ended] = isOpen()
            end)
        end
        host.spawn(function()
            host.wait(0.02)
            collectgarbage "stop" -- so that it is not the collector who does it
            client:close()
            seen.closed = isOpen()
        end)
        host.run()
        collectgarbage "restart"
        silent:stop()
        assert.same({ true, true, false, closed = true }, seen)
    end)

    it("may be called again, with a dot as well", function()
        local client = spy.client(spy.new(spy.json "[]"))
        for _ = 1, 3 do
            assert.equal(0, select("#", client:close()))
            assert.equal(0, select("#", client.close()))
        end
        local _, err = client.widgetKeys.list()
        assert.equal("ClosedError", err.name)
    end)

    it("shows in tostring", function()
        local client = spy.client(spy.new())

        assert.equal("kataven.Client (https://api.kataven.ai/v1)", tostring(client))
        client:close()
        assert.equal("kataven.Client (https://api.kataven.ai/v1, closed)", tostring(client))
    end)

    it("leaves other clients and the transport alone", function()
        local transport = spy.new(spy.json "[]")
        local a, b = spy.client(transport), spy.client(transport)
        a:close()

        assert.same({}, (b.widgetKeys.list()))
    end)

    it("may be forgotten", function()
        local weak = setmetatable({}, { __mode = "k" })
        do
            local client = spy.client(spy.new(spy.json "[]"))
            client.widgetKeys.list()
            weak[client] = true
        end
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(weak))
    end)

    describe("while calls are in the host's hands", function()
        local transport, host, client, results

        before_each(function()
            stub(core, "random").returns(0)
            transport = spy.new(function(request, wait)
                if request.path == "/busy" then
                    return spy.text("busy", 429, { ["retry-after"] = "30" })
                elseif wait(1) then
                    return nil, { kind = "cancelled", sent = true, message = "x" }
                end
                return spy.json "[]"
            end)
            host = loop.new(transport)
            client = spy.client(transport, { wait = host.wait, maxConcurrent = 2 })
            results = {}
        end)

        after_each(function()
            core.random:revert()
        end)

        local function spawn(options)
            local index = #results + 1
            results[index] = {}
            host.spawn(function()
                results[index].value, results[index].err = client:request(options)
            end)
        end

        it("ends each of them with a ClosedError", function()
            spawn { path = "/busy", method = "POST" }
            spawn { path = "/p" }
            spawn { path = "/p", method = "POST" }
            spawn { path = "/p", method = "POST" }
            host.run(0.5)
            assert.equal(3, #transport.requests)
            client:close()
            host.run()

            local seen = {}
            for index, result in ipairs(results) do
                assert.is_nil(result.value)
                assert.equal("ClosedError", result.err.name)
                seen[index] = { result.err.attempts, result.err.maybeApplied }
            end
            assert.same({ { 1, false }, { 1, false }, { 1, true }, { 0, false } }, seen)
            assert.matches("ended while it waited to try again, after RateLimitError", results[1].err.message)
            assert.matches("the client was closed while the request was under way", results[2].err.message)
            assert.matches("it may have been carried out all the same", results[3].err.message)
            assert.matches("ended while it waited for its turn", results[4].err.message)
            assert.equal(3, #transport.requests)
        end)

        it("may come from one of them", function()
            spawn { path = "/p" }
            host.spawn(function()
                client:request { path = "/p" }
                client:close()
                results.closed = true
            end)
            host.run()
            assert.is_true(results.closed)
            assert.same({}, results[1].value)
        end)

        it("counts before a cancel", function()
            local canceller = kataven.canceller()
            spawn { path = "/p", cancel = canceller }
            host.run(0.5)
            canceller:cancel()
            client:close()
            host.run()
            assert.equal("ClosedError", results[1].err.name)
        end)
    end)

    it("happens at the end of a block, where Lua has such blocks", function()
        local run = load [[
            do
                local client <close> = ...
                assert(client.widgetKeys.list())
            end
        ]]
        assert.equal(_VERSION >= "Lua 5.4", run ~= nil)
        if run then
            local client = spy.client(spy.new(spy.json "[]"))
            run(client)
            local _, err = client.widgetKeys.list()
            assert.equal("ClosedError", err.name)
        end
    end)

    it("ends a call whose log closes the client, before it is sent and before a back-off", function()
        for _, when in ipairs { "request", "retry" } do
            local transport, client = spy.new(spy.text("x", 503)), nil
            client = spy.client(transport, {
                wait = function() error("waited") end,
                log = function(event)
                    if event.event == when then
                        client:close()
                    end
                end,
            })
            local _, err = client.widgetKeys.list()
            assert.equal("ClosedError", err.name)
            assert.equal(when == "retry" and 1 or 0, #transport.requests)
        end
    end)
end)
