-- maxConcurrent over real connections, as the server sees it (spec/queue_spec.lua has it by a spy's clock).

local core = require "kataven.core"
local kataven = require "kataven"
local scheduler = require "spec.support.scheduler"
local servers = require "spec.support.servers"

local JSON = { ["Content-Type"] = "application/json" }
local LIST = servers.answer { headers = JSON, body = "[]" }
local BUSY = servers.answer { status = 503, headers = { ["Retry-After"] = "1" }, body = "busy" }

-- A server's steps: a request and its answer, for each of these.
local function exchanges(answers)
    local steps = {}
    for _, answer in ipairs(answers) do
        steps[#steps + 1] = { read = "request" }
        steps[#steps + 1] = { send = answer }
    end
    return steps
end

describe("maxConcurrent, over real connections,", function()
    local hub, server, host, client

    lazy_setup(function()
        hub = servers.hub { latency = 0.02 }
        server = servers.tcp()
    end)

    lazy_teardown(function()
        hub:stop()
        server:stop()
    end)

    before_each(function()
        hub:reset()
        host = scheduler.new()
    end)

    after_each(function()
        client:close()
    end)

    local function new(url, options)
        client = kataven.new {
            apiKey = url == hub.url and hub.apiKey or "sk_live_spec_x", baseUrl = url,
            maxConcurrent = options.maxConcurrent, log = options.log, wait = not options.blocking and host.wait or nil,
        }
    end

    local function spawn(path, more)
        return host.spawn(function()
            local options = { path = path }
            for name, value in pairs(more or {}) do
                options[name] = value
            end
            assert(client:request(options))
        end)
    end

    -- The paths that reached the scripted server, in order.
    local function paths()
        local list = {}
        for index, request in ipairs(server:log().requests) do
            list[index] = request.target
        end
        return list
    end

    it("is never exceeded, and reached", function()
        for _, max in ipairs { 1, 3, 8 } do
            hub:reset()
            -- The first ones are held until all of them are there.
            hub:next { n = max, delay = 1 }
            new(hub.url, { maxConcurrent = max })
            for _ = 1, 5 * max do
                host.spawn(function() assert(client.widgetKeys.list()) end)
            end
            host.run()
            local stats = hub:stats()
            assert.same({ 5 * max, max }, { stats.total, stats.mostInFlight })
            assert.is_true(stats.connections <= max)
            client:close()
        end
    end)

    it("keeps the order of reads and writes, in whichever order their host goes on with them", function()
        for _, backwards in ipairs { false, true } do
            server:script { default = { { ["repeat"] = true, steps = { { read = "request" },
                { send = servers.answer { headers = JSON, body = "{}" } } } } } }
            client = kataven.new { apiKey = "sk_live_spec_x", baseUrl = server.url, maxConcurrent = 1,
                wait = function() coroutine.yield() end }
            local threads, wanted, left = {}, {}
            for index, method in ipairs { "POST", "GET", "GET", "DELETE", "GET", "PATCH", "POST", "GET" } do
                wanted[index] = "/" .. index
                threads[index] = coroutine.create(function()
                    assert(client:request { method = method, path = wanted[index] })
                end)
                assert(coroutine.resume(threads[index]))
            end
            repeat
                left = 0
                for at = 1, #threads do
                    local thread = threads[backwards and #threads + 1 - at or at]
                    if coroutine.status(thread) ~= "dead" then
                        left = left + 1
                        assert(coroutine.resume(thread))
                    end
                end
                core.wait(0.001)
            until left == 0
            assert.same(wanted, paths())
            client:close()
        end
    end)

    it("has the rest wait their turn, in order", function()
        for _, max in ipairs { 1, 3 } do
            -- Nobody is answered before all are in line.
            server:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { wait = "all are there" },
                { send = LIST } } } } }
            local begun, wanted, there = {}, {}, 0
            new(server.url, { maxConcurrent = max, log = function(event)
                begun[#begun + 1] = event.event == "request" and event.path or nil
            end })
            for index = 1, 20 do
                wanted[index] = ("/%d/%d"):format(max, index)
                host.spawn(function()
                    there = there + 1
                    assert(client:request { path = wanted[index] })
                end)
            end
            host.run(function() return there == 20 end)
            assert.equal(max, #begun)
            server:signal "all are there"
            host.run()
            assert.equal(20, #begun)
            local place = {}
            for at, path in ipairs(begun) do
                place[path] = at
            end
            -- Whoever is called has its turn, and may wake when the loop pleases; but of those before a call only they
            -- that have a turn as well, fewer than `max`, can begin after it.
            for index, path in ipairs(wanted) do
                assert.is_true(index - place[path] < max, ("%s began as number %s"):format(path, place[path]))
            end
            -- Where there are several, connections overtake one another.
            if max == 1 then
                assert.same(wanted, paths())
            end
            assert.equal(20, #paths())
            client:close()
        end
    end)

    -- Two calls at once where one may be out, each of which is answered in time, but not at once. A wrong length of the
    -- turn's lease would let the second one out beside the first.
    for _, times in ipairs { { timeout = 1.5, connectTimeout = 10 }, { timeout = 0.7, connectTimeout = 0.1 } } do
        it(("has a turn for as long as an attempt may take, timeout = %g and connectTimeout = %g"):format(times.timeout,
            times.connectTimeout), function()
            hub:next { n = 2, delay = 0.25 }
            client = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url, maxConcurrent = 1, wait = host.wait,
                timeout = times.timeout, connectTimeout = times.connectTimeout, retry = false }
            for _ = 1, 2 do
                host.spawn(function() assert(client.widgetKeys.list()) end)
            end
            host.run()
            local stats = hub:stats()
            assert.same({ 2, 1 }, { stats.total, stats.mostInFlight })
        end)
    end

    -- A call that blocks until its timeout. `run` is called in the midst of it, by a hook: Ctrl-C sets one as well.
    local function during(timeout, run)
        local begun = false
        server:script { { { read = "request" }, { stall = true } }, exchanges { LIST, LIST } }
        client = kataven.new { apiKey = "sk_live_spec_x", baseUrl = server.url, maxConcurrent = 1, timeout = timeout,
            retry = false }
        local jit = rawget(_G, "jit")
        if jit then
            jit.off() -- what is compiled has no hooks
        end
        debug.sethook(function()
            -- The second time that it blocks is after a look at the hooks.
            if not begun and debug.getinfo(2, "S").source:find "transport.lua" then
                begun = server:log().requests[1] ~= nil
                if begun then
                    debug.sethook()
                    run()
                end
            end
        end, "l")
        local results = { pcall(client.widgetKeys.list) }
        debug.sethook()
        if jit then
            jit.on()
        end
        assert.is_true(begun)
        return results
    end

    it("has a turn given back at once when a hook raises while the host is blocked", function()
        -- So that it is not the collector who does it.
        collectgarbage "stop"
        local results = during(20, function() error("interrupted", 0) end)
        local value, err = client.widgetKeys.list { deadline = 3 }
        collectgarbage "restart"
        assert.same({ false, "interrupted" }, results)
        assert.same({}, value, tostring(err))
    end)

    it("has a hook's own call wait for the turn of the call that it interrupts", function()
        local value, err
        during(2.5, function()
            value, err = client.widgetKeys.list { deadline = 0.3 }
        end)
        assert.is_nil(value)
        assert.equal("TimeoutError", err.name)
        assert.matches("passed before it could be sent %(maxConcurrent = 1%)", err.message)
        assert.equal(1, #server:log().requests)
    end)

    it("does not count a call in back-off", function()
        server:script { default = exchanges { BUSY, LIST, LIST, LIST } }
        new(server.url, { maxConcurrent = 1 })
        for _, path in ipairs { "/busy", "/1", "/2" } do
            spawn(path)
        end
        host.run()
        assert.same({ "/busy", "/1", "/2", "/busy" }, paths())
        assert.equal(1, server:log().connections)
    end)

    describe("does not count a call", function()
        local canceller

        -- One call in flight, whose coroutine it gives, and one that waits for its turn.
        local function start()
            canceller = kataven.canceller()
            server:script { { { read = "request" }, { stall = true } }, exchanges { LIST } }
            new(server.url, { maxConcurrent = 1 })
            local first = host.spawn(function()
                local _, err = client:request { path = "/first", cancel = canceller }
                assert.equal("CancelledError", err.name)
            end)
            spawn("/second", { deadline = 20 })
            host.run(function() return server:log().requests[1] end)
            return first
        end

        it("that was cancelled", function()
            start()
            canceller:cancel()
            host.run()
            assert.same({ "/first", "/second" }, paths())
        end)

        it("whose coroutine was dropped", function()
            host.drop(start())
            collectgarbage()
            collectgarbage()
            host.run()
            assert.same({ "/first", "/second" }, paths())
        end)
    end)

    it("is no concern of a host that blocks: its calls come one after the other", function()
        new(hub.url, { blocking = true })
        for _ = 1, 5 do
            host.spawn(function() assert(client.widgetKeys.list()) end)
        end
        host.run()
        local stats = hub:stats()
        assert.same({ 5, 1, 1 }, { stats.total, stats.mostInFlight, stats.connections })
    end)
end)
