local core = require "kataven.core"
local kataven = require "kataven"
local loop = require "spec.support.loop"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

-- A transport that answers after a second, and lets itself be cancelled.
local function slow(answer)
    return spy.new(function(_, wait)
        if wait(1) then
            return nil, { kind = "cancelled", sent = true, message = "cancelled" }
        end
        return answer
    end)
end

describe("a canceller", function()
    local canceller

    before_each(function()
        canceller = kataven.canceller()
        stub(core, "random").returns(0)
    end)

    after_each(function()
        core.random:revert()
    end)

    -- Runs calls in a loop, and uses the canceller at a time. Gives what each gave.
    local function cancelAt(time, transport, options, ...)
        local host = loop.new(transport)
        options.wait = host.wait
        local client, results = spy.client(transport, options), {}
        for index, call in ipairs { ... } do
            results[index] = {}
            host.spawn(function()
                results[index].value, results[index].result = call(client)
            end)
        end
        host.run(time)
        canceller:cancel()
        host.run()
        return results
    end

    local function list(client)
        return client.widgetKeys.list { cancel = canceller }
    end

    it("used before a call ends it at once, with nothing sent", function()
        local transport = spy.new(spy.json "[]")
        canceller:cancel()
        local keys, err = list(spy.client(transport))

        assert.is_nil(keys)
        assert.is_true(err:is "CancelledError")
        assert.is_false(err:is "ConnectionError")
        assert.equal("CancelledError: GET /api/v1/widget-keys: cancelled before it was sent", tostring(err))
        assert.same({ 0, 0, false }, { err.attempts, err.elapsed, err.maybeApplied })
        assert.equal(0, #transport.requests)
    end)

    it("unused changes nothing", function()
        local results = cancelAt(5, slow(spy.json "[]"), {}, list)

        assert.same({}, results[1].value)
        assert.equal(1, results[1].result.attempts)
    end)

    it("ends a call under way", function()
        local results = cancelAt(0.5, slow(spy.json "{}"), {}, list, function(client)
            return client.widgetKeys.create({ name = "a" }, { cancel = canceller })
        end)

        for index, applied in ipairs { false, true } do
            local err = results[index].result
            assert.is_nil(results[index].value)
            assert.equal("CancelledError", err.name)
            assert.matches("cancelled while the request was under way", err.message)
            assert.same({ 1, applied }, { err.attempts, err.maybeApplied })
        end
    end)

    it("ends a call that waits to try again", function()
        local transport = spy.new(spy.text("slow down", 429, { ["retry-after"] = "30" }))
        local results = cancelAt(0.5, transport, {}, function(client)
            return client.widgetKeys.create({ name = "a" }, { cancel = canceller })
        end)

        local err = results[1].result
        assert.equal("CancelledError", err.name)
        assert.matches("ended while it waited to try again, after RateLimitError: .-slow down", err.message)
        assert.same({ 429, 1, false }, { err.status, err.attempts, err.maybeApplied })
        assert.equal(1, #transport.requests)
    end)

    it("ends a call that waits for its turn", function()
        local transport = slow(spy.json "[]")
        local results = cancelAt(0.5, transport, { maxConcurrent = 1 }, function(client)
            return client.widgetKeys.list()
        end, list)

        assert.same({}, results[1].value)
        local err = results[2].result
        assert.same({ "CancelledError", 0, false }, { err.name, err.attempts, err.maybeApplied })
        assert.matches("ended while it waited for its turn; nothing was sent", err.message)
        assert.is_true(err.elapsed < 0.6)
        assert.equal(1, #transport.requests)
    end)

    it("ends all calls that were given it, and no other", function()
        local results = cancelAt(0.5, slow(spy.json "[]"), {}, list, function(client)
            return client.widgetKeys.list()
        end, list, function(client)
            return client.widgetKeys.list { cancel = kataven.canceller() }
        end)

        assert.equal("CancelledError", results[1].result.name)
        assert.same({}, results[2].value)
        assert.equal("CancelledError", results[3].result.name)
        assert.same({}, results[4].value)
    end)

    it("ends calls of several clients", function()
        local first, second = slow(spy.json "[]"), slow(spy.json "[]")
        local host = loop.new(first)
        local a = spy.client(first, { wait = host.wait })
        local b = spy.client(second, { wait = host.wait })
        local names = {}
        for index, client in ipairs { a, b } do
            host.spawn(function()
                local _, err = list(client)
                names[index] = err.name
            end)
        end
        host.run(0)
        canceller:cancel()
        host.run()
        assert.same({ "CancelledError", "CancelledError" }, names)
    end)

    it("stays used, and may be used again", function()
        local client = spy.client(spy.new(spy.json "[]"))
        canceller:cancel()
        canceller:cancel()

        for _ = 1, 2 do
            local _, err = list(client)
            assert.equal("CancelledError", err.name)
        end
        assert.same({}, (client.widgetKeys.list()))
    end)

    it("takes no answer away that came all the same", function()
        local transport = spy.new(function(_, wait)
            canceller:cancel()
            wait(1)
            return spy.json('{"id":"k1"}', 201)
        end)
        local key = spy.client(transport).widgetKeys.create({ name = "a" }, { cancel = canceller })

        assert.equal("k1", key.id)
    end)

    it("stops the retries of an answer that came all the same", function()
        local transport = spy.new(function()
            canceller:cancel()
            return spy.text("busy", 503)
        end)
        local keys, err = list(spy.client(transport))

        assert.is_nil(keys)
        assert.same({ "CancelledError", 503, 1 }, { err.name, err.status, err.attempts })
        assert.equal(1, #transport.requests)
    end)

    it("works for client:request, too", function()
        local results = cancelAt(0.5, slow(spy.json "{}"), {}, function(client)
            return client:request { method = "PUT", path = "/p", cancel = canceller }
        end)

        assert.equal("CancelledError", results[1].result.name)
    end)

    it("forgets the calls that are over", function()
        local client = spy.client(spy.new(spy.json "[]"))
        local weak = setmetatable({}, { __mode = "k" })
        for _ = 1, 10 do
            local keys, meta = list(client)
            weak[keys], weak[meta] = true, true
        end
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(weak))
        canceller:cancel()
    end)

    it("is used with a colon", function()
        assert.equal("call it with a colon: canceller:cancel()", misuse(function() canceller.cancel() end))
        assert.equal("call it with a colon: canceller:cancel()", misuse(function() canceller.cancel {} end))
        assert.is_false(canceller.cancelled)
    end)

    it("ends a back-off that its log was told of, before any wait", function()
        local transport, waited = spy.new(spy.text("x", 503)), false
        local client = spy.client(transport, {
            wait = function() waited = true end,
            log = function(event)
                if event.event == "retry" then
                    canceller:cancel()
                end
            end,
        })
        local _, err = client.widgetKeys.list { cancel = canceller }
        assert.equal("CancelledError", err.name)
        assert.equal(503, err.status)
        assert.is_false(waited)
    end)

    it("ends a call that its log is told of, before it is sent", function()
        local transport = spy.new(spy.json "{}")
        local client = spy.client(transport, { log = function() canceller:cancel() end })
        local _, err = client.widgetKeys.create({ name = "x" }, { cancel = canceller })
        assert.equal("CancelledError", err.name)
        assert.equal(0, err.attempts)
        assert.is_false(err.maybeApplied)
        assert.equal(0, #transport.requests)
    end)
end)
