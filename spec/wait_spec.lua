local core = require "kataven.core"
local kataven = require "kataven"
local loop = require "spec.support.loop"
local spy = require "spec.support.spy"

describe("wait", function()
    before_each(function()
        stub(core, "random").returns(0)
    end)

    after_each(function()
        core.random:revert()
    end)

    -- Seconds and descriptors that a wait function was called with.
    local function waits(transport, options, callOptions)
        local seen = {}
        options = options or {}
        options.wait = function(seconds, fd)
            seen[#seen + 1] = seconds
            assert.is_nil(fd) -- a recorded conversation has nothing to watch
        end
        local value, result = spy.client(transport, options).widgetKeys.list(callOptions)
        return seen, value, result
    end

    it("is called for each back-off, with the time that is left", function()
        assert.same({ 0.5, 1 }, (waits(spy.new(spy.text("x", 503), spy.text("x", 503), spy.json "[]"))))
        assert.same({ 7 }, (waits(spy.new(spy.text("x", 429, { ["retry-after"] = "7" }), spy.json "[]"))))
    end)

    it("is not called where there is nothing to wait for", function()
        assert.same({}, (waits(spy.new(spy.json "[]"))))
        assert.same({}, (waits(spy.new(spy.text("x", 400)))))
        assert.same({}, (waits(spy.new(spy.text("x", 429, { ["retry-after"] = "0" }), spy.json "[]"))))
        assert.same({}, (waits(spy.new(spy.text("x", 503)), { retry = { baseDelay = 0 } })))
    end)

    it("is handed to the transport, and never asked for less than a millisecond", function()
        local transport = spy.new(function(_, wait)
            wait(0)
            wait(0.0001)
            wait(-5)
            wait(2)
            return spy.json "[]"
        end)

        assert.same({ 0.001, 0.001, 0.001, 2 }, (waits(transport)))
        assert.same({ 0.001 }, (waits(spy.new(spy.text("x", 503), spy.json "[]"), { retry = { baseDelay = 1e-4 } })))
    end)

    it("may return whatever it likes", function()
        for _, value in ipairs { true, false, "stop", 5 } do
            local calls = 0
            local told = {}
            local client = spy.client(spy.new(spy.text("x", 503), function(_, wait)
                told[1] = wait(1)
                return spy.json "[]"
            end), {
                wait = function()
                    calls = calls + 1
                    return value
                end,
            })
            assert.same({}, (client.widgetKeys.list()))
            assert.equal(2, calls)
            assert.same({ false }, told)
        end
    end)

    it("may come back early, and is called again", function()
        local transport = spy.new(spy.text("x", 503), spy.json "[]")
        local now, seen = 0, {}
        function transport.clock()
            return {
                now = function() return now end,
                advance = function() end, -- time passes only as the wait below has it
            }
        end
        local client = spy.client(transport, {
            wait = function(seconds)
                seen[#seen + 1] = seconds
                now = now + 0.2
            end,
        })
        local _, meta = client.widgetKeys.list()

        assert.equal(3, #seen)
        for index, seconds in ipairs { 0.5, 0.3, 0.1 } do
            assert.near(seconds, seen[index], 1e-9)
        end
        assert.near(0.6, meta.elapsed, 1e-9)
    end)

    it("has its time passed once, by whoever moves the clock", function()
        for _, part in ipairs { 0, 0.5, 1 } do
            local transport = spy.new(spy.text("x", 503), spy.json "[]")
            local client = spy.client(transport, {
                wait = function(seconds)
                    transport.time = transport.time + seconds * part
                end,
            })
            local _, meta = client.widgetKeys.list()
            assert.equal(0.5, meta.elapsed)
        end
    end)

    it("raises to the caller, with whatever it raises", function()
        local thing = {}
        for _, answers in ipairs {
            { spy.text("x", 503) },
            { function(_, wait) wait(1) end },
        } do
            local client = spy.client(spy.over(answers), { wait = function() error(thing) end })
            local ok, err = pcall(client.widgetKeys.list)
            assert.is_false(ok)
            assert.equal(thing, err)
        end
    end)

    it("leaves a usable client behind when it raised", function()
        local broken = true
        local transport = spy.new(function(_, wait)
            wait(1)
            return spy.json "[]"
        end)
        local client = spy.client(transport, {
            maxConcurrent = 2,
            wait = function()
                if broken then
                    error("no")
                end
            end,
        })
        for _ = 1, 10 do
            assert.is_false((pcall(client.widgetKeys.list)))
            collectgarbage()
            collectgarbage()
        end
        broken = false
        for _ = 1, 3 do
            assert.same({}, (client.widgetKeys.list()))
        end
        client:close()
        local _, err = client.widgetKeys.list()
        assert.equal("ClosedError", err.name)
    end)

    it("may yield, on every Lua: nothing of the client's stands in its way", function()
        local transport = spy.new(spy.text("x", 503), function(_, wait)
            wait(3)
            return spy.json '[{"id":"k1"}]'
        end)
        local client = spy.client(transport, { wait = coroutine.yield })
        local yielded = {}
        local thread = coroutine.create(function()
            local keys, meta = client.widgetKeys.list()
            return keys[1].id, meta.attempts
        end)

        local ok, first, second
        repeat
            ok, first, second = coroutine.resume(thread)
            assert.is_true(ok, first)
            yielded[#yielded + 1] = first
        until coroutine.status(thread) == "dead"
        assert.same({ 0.5, 3, "k1" }, yielded)
        assert.equal(2, second)
    end)

    it("may yield through every method", function()
        local client, host
        local transport = spy.new(function(request, wait)
            wait(1)
            return spy.json(request.method == "GET" and "[]" or "{}")
        end)
        host = loop.new(transport)
        client = spy.client(transport, { wait = host.wait })

        local done = {}
        for name, call in pairs {
            list = function() return client.widgetKeys:list() end,
            create = function() return client.widgetKeys.create { name = "a" } end,
            update = function() return client.widgetKeys.update("k1", {}) end,
            delete = function() return client.widgetKeys.delete("k1", { cancel = kataven.canceller() }) end,
            request = function() return client:request { method = "PUT", path = "/p" } end,
        } do
            host.spawn(function()
                done[name] = { kataven.assert(call()) }
            end)
        end
        host.run()
        for _, name in ipairs { "list", "create", "update", "delete", "request" } do
            assert.same({ {} }, { done[name] and done[name][1] })
            -- A write has tried one wait before, and a read stays behind the writes that were there first.
            assert.near(name == "list" and done.list[2].elapsed < 1.0005 and 1 or 1.001, done[name][2].elapsed, 1e-9)
        end
        assert.near(1.001, transport.time, 1e-9) -- side by side
    end)

    it("may start calls of its own", function()
        local client
        local transport = spy.new(spy.text("x", 503), spy.json "[1]", spy.json "[]")
        client = spy.client(transport, {
            wait = function()
                assert.same({ 1 }, (client:request { path = "/inner" }))
            end,
        })
        local keys, meta = client.widgetKeys.list()

        assert.same({}, keys)
        assert.equal(2, meta.attempts)
        assert.same({ "/api/v1/widget-keys", "/inner", "/api/v1/widget-keys" },
            { transport.requests[1].path, transport.requests[2].path, transport.requests[3].path })
    end)

    it("may be anything that can be called", function()
        local calls = 0
        local client = spy.client(spy.new(spy.text("x", 503), spy.json "[]"), {
            wait = setmetatable({}, { __call = function(_, seconds) calls = calls + seconds end }),
        })
        client.widgetKeys.list()
        assert.equal(0.5, calls)
    end)
end)
