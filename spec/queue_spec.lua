local core = require "kataven.core"
local loop = require "spec.support.loop"
local spy = require "spec.support.spy"

describe("maxConcurrent", function()
    local transport, host, inFlight, most, started

    before_each(function()
        stub(core, "random").returns(0)
        inFlight, most, started = 0, 0, {}
        -- Each answer takes a second; /busy says 429 the first time.
        local busy = true
        transport = spy.new(function(request, wait)
            started[#started + 1] = request.path
            if request.path == "/busy" and busy then
                busy = false
                return spy.text("busy", 429, { ["retry-after"] = "10" })
            end
            inFlight = inFlight + 1
            most = math.max(most, inFlight)
            local over = wait(1)
            inFlight = inFlight - 1
            if over then
                return nil, { kind = "cancelled", sent = true, message = "x" }
            end
            return spy.json "[]"
        end)
        host = loop.new(transport)
    end)

    after_each(function()
        core.random:revert()
    end)

    local function clientOf(max)
        return spy.client(transport, { maxConcurrent = max, wait = host.wait })
    end

    -- Starts a call, whose result comes into the table that is returned.
    local function spawn(client, path, more)
        local result = {}
        result.thread = host.spawn(function()
            local options = { path = path }
            for name, value in pairs(more or {}) do
                options[name] = value
            end
            result.value, result.result = client:request(options)
            result.at = transport.time
        end)
        return result
    end

    local function paths(count)
        local list = {}
        for index = 1, count do
            list[index] = "/" .. index
        end
        return list
    end

    it("is never exceeded, and never wasted", function()
        for _, max in ipairs { 1, 2, 7 } do
            local client = clientOf(max)
            inFlight, most, started = 0, 0, {}
            local began, results = transport.time, {}
            for index, path in ipairs(paths(14)) do
                results[index] = spawn(client, path)
            end
            host.run()

            assert.equal(max, most)
            assert.same(paths(14), started)
            for _, result in ipairs(results) do
                assert.same({}, result.value)
                assert.equal(1, result.result.attempts)
            end
            -- A waiting call looks for its turn each 10 ms.
            assert.near(14 / max, transport.time - began, 0.011 * 14 / max)
        end
    end)

    it("is 20 where nothing is said", function()
        local client = clientOf(nil)
        for _, path in ipairs(paths(50)) do
            spawn(client, path)
        end
        host.run()
        assert.equal(20, most)
        assert.equal(50, #started)
    end)

    it("is of each client", function()
        local a, b = clientOf(1), clientOf(1)
        spawn(a, "/a")
        spawn(b, "/b")
        host.run()
        assert.equal(2, most)
    end)

    it("counts a call's time in the queue, not as its attempt's", function()
        local client = clientOf(1)
        spawn(client, "/1")
        local second = spawn(client, "/2", { timeout = 5 })
        host.run()

        assert.near(2, second.result.elapsed, 0.02)
        assert.equal(5, transport.requests[2].timeout)
    end)

    it("has a turn given up during back-off", function()
        local client = clientOf(1)
        local busy = spawn(client, "/busy")
        local others = { spawn(client, "/1"), spawn(client, "/2") }
        host.run()

        assert.same({ "/busy", "/1", "/2", "/busy" }, started)
        assert.equal(1, most)
        assert.is_true(others[2].at < 2.1)
        assert.near(11, busy.at, 0.02)
        assert.equal(2, busy.result.attempts)
    end)

    it("has who comes back queue again, behind those who wait", function()
        local client = clientOf(1)
        spawn(client, "/busy")
        host.run(5)
        for _, path in ipairs(paths(8)) do
            spawn(client, path)
        end
        host.run()
        -- At 10 s five or six have had their turn, and the rest goes first.
        assert.equal("/busy", table.remove(started))
        assert.same({ "/busy", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8" }, started)
    end)

    it("leaves a deadline in force", function()
        local client = clientOf(1)
        spawn(client, "/1")
        local late = spawn(client, "/2", { deadline = 0.5, method = "POST" })
        local third = spawn(client, "/3")
        host.run()

        assert.is_nil(late.value)
        assert.is_true(late.result:is "TimeoutError")
        assert.equal("the deadline of 0.5 s passed before it could be sent (maxConcurrent = 1)",
            late.result.message)
        assert.same({ 0, false }, { late.result.attempts, late.result.maybeApplied })
        assert.near(0.5, late.at, 0.001)
        assert.same({ "/1", "/3" }, started)
        assert.is_true(third.at < 2.1)
    end)

    it("is not held by a call that raised, once it was collected", function()
        local broken = true
        local client = spy.client(spy.new(function(_, wait)
            if broken then
                error("broken")
            end
            wait(1)
            return spy.json "[]"
        end), { maxConcurrent = 1 })

        for _ = 1, 5 do
            assert.is_false((pcall(client.widgetKeys.list)))
            collectgarbage()
            collectgarbage()
        end
        broken = false
        assert.same({}, (client.widgetKeys.list { deadline = 5 }))
    end)

    it("is not held by a coroutine that was dropped under way", function()
        local client = clientOf(1)
        local first = spawn(client, "/1")
        local second = spawn(client, "/2")
        host.run(0.2)
        assert.same({ "/1" }, started)

        host.drop(first.thread)
        first.thread = nil
        collectgarbage()
        collectgarbage()
        host.run()
        assert.same({ "/1", "/2" }, started)
        assert.is_true(second.at < 1.3)
        assert.is_nil(first.at)
    end)

    it("is not blocked by a coroutine that was dropped in the queue", function()
        local client = clientOf(1)
        spawn(client, "/1")
        local second, third = spawn(client, "/2"), spawn(client, "/3")
        host.run(0.2)

        host.drop(second.thread)
        second.thread = nil
        collectgarbage()
        collectgarbage()
        host.run()
        assert.same({ "/1", "/3" }, started)
        assert.is_true(third.at < 2.1)
    end)

    it("lets a call wait that others overtake nowhere", function()
        local client, order = clientOf(2), {}
        for index, path in ipairs(paths(9)) do
            host.spawn(function()
                client:request { path = path }
                order[#order + 1] = index
                if index <= 3 then
                    client:request { path = path .. "/again" }
                end
            end)
        end
        host.run()
        assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, order)
        assert.equal(12, #started)
    end)
end)
