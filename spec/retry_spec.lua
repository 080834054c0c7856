local core = require "kataven.core"
local kataven = require "kataven"
local spy = require "spec.support.spy"

local METHODS = { "GET", "POST", "PATCH", "DELETE" }

-- How often a request is sent when it is always answered so.
local function attempts(method, answer, options)
    local transport = spy.new(answer)
    local client = spy.client(transport, options)
    local value, err = client:request { method = method, path = "/p" }

    assert.is_nil(value)
    assert.equal(#transport.requests, err.attempts)
    return err.attempts
end

-- The pauses between the requests of one call, and how it ended.
local function pauses(answers, options, callOptions)
    local transport = spy.over(answers)
    local times, send = {}, transport.send

    function transport.send(...)
        times[#times + 1] = transport.time
        return send(...)
    end

    local value, result = spy.client(transport, options).widgetKeys.list(callOptions)
    local between = {}
    for index = 2, #times do
        between[index - 1] = times[index] - times[index - 1]
    end
    -- No call waits after its last attempt.
    assert.equal(times[#times], transport.time)
    return between, value, result
end

local function limited(retryAfter, status)
    return spy.text("slow down", status or 429, { ["retry-after"] = retryAfter })
end

describe("retries", function()
    local random

    before_each(function()
        random = 0
        stub(core, "random").invokes(function()
            return random
        end)
    end)

    after_each(function()
        core.random:revert()
    end)

    it("tell a story like this one", function()
        local cassette = kataven.cassette.open "spec/cassettes/retry.json"
        local client = spy.client(cassette)

        local keys, meta = client.widgetKeys.list()
        assert.same({}, keys)
        assert.equal(3, meta.attempts)
        assert.equal(2 + 30 + 1, meta.elapsed)

        local key
        key, meta = client.widgetKeys.create { name = "acme.com" }
        assert.equal("wk_1", key.id)
        assert.equal(3, meta.attempts)
        assert.equal(0.5 + 3, meta.elapsed)

        local deleted, err = client.widgetKeys.delete(key.id)
        assert.is_nil(deleted)
        assert.same({ "ConnectionError", 1, true }, { err.name, err.attempts, err.maybeApplied })
        cassette:assertDone()
    end)

    it("of an answer depend on its status and the method", function()
        local always = { [429] = true }
        local reads = { [408] = true, [500] = true, [502] = true, [503] = true, [504] = true }

        for _, status in ipairs { 301, 400, 401, 403, 404, 405, 408, 409, 410, 422, 425, 429, 500, 501, 502, 503, 504,
            505, 507, 599 } do
            for _, method in ipairs(METHODS) do
                local wanted = (always[status] or reads[status] and method == "GET") and 4 or 1
                assert.equal(wanted, attempts(method, spy.text("x", status)), method .. " " .. status)
            end
        end
    end)

    it("of a failure depend on whether the request went out, and the method", function()
        for _, case in ipairs {
            -- kind, sent, attempts of a GET, of a write
            { "connect", false, 4, 4 },
            { "connection", false, 4, 4 },
            { "connection", true, 4, 1 },
            { "timeout", false, 4, 4 },
            { "timeout", true, 4, 1 },
            { "tls", false, 1, 1 },
            { "tls", true, 1, 1 },
            { "tooLarge", true, 1, 1 },
            { "cancelled", true, 1, 1 },
            { "cassette", false, 1, 1 },
        } do
            for _, method in ipairs(METHODS) do
                local answer = { kind = case[1], sent = case[2], message = "x" }
                assert.equal(method == "GET" and case[3] or case[4], attempts(method, answer),
                    method .. " " .. case[1] .. " " .. tostring(case[2]))
            end
        end
    end)

    it("are none for a 2xx whose body is refused", function()
        for _, method in ipairs(METHODS) do
            assert.equal(1, attempts(method, spy.json "{broken"))
        end
    end)

    it("are none for other methods that write", function()
        for _, method in ipairs { "PUT", "MERGE", "CONNECT" } do
            assert.equal(1, attempts(method, spy.text("x", 503)))
            assert.equal(4, attempts(method, spy.text("x", 429)))
        end
    end)

    it("end where one succeeds, and give what it gave", function()
        local between, value, meta = pauses { spy.text("x", 503), { kind = "connect", sent = false },
            spy.json '[{"id":"k1"}]' }

        assert.same({ 0.5, 1 }, between)
        assert.equal("k1", value[1].id)
        assert.same({ 200, 3, 1.5 }, { meta.status, meta.attempts, meta.elapsed })
    end)

    it("end with the last error", function()
        local _, value, err = pauses { spy.text("a", 503), spy.text("b", 502), spy.text("c", 500), spy.text("d", 504),
            spy.json "[]" }

        assert.is_nil(value)
        assert.same({ 504, "d", 4, 3.5 }, { err.status, err.body, err.attempts, err.elapsed })
    end)

    it("of a write end as soon as one may have had effect", function()
        local transport = spy.new({ kind = "connect", sent = false }, limited "1", { kind = "timeout", sent = true },
            spy.json("{}", 201))
        local value, err = spy.client(transport).widgetKeys.create { name = "a" }

        assert.is_nil(value)
        assert.same({ "TimeoutError", 3, true }, { err.name, err.attempts, err.maybeApplied })
        assert.equal(3, #transport.requests)
        for _, request in ipairs(transport.requests) do
            assert.equal('{"name":"a"}', request.body)
        end
    end)

    describe("back off", function()
        it("for twice as long each time, up to maxDelay", function()
            assert.same({ 0.5, 1, 2 }, (pauses { spy.text("x", 500) }))
            assert.same({ 0.5, 1, 2, 4, 8, 8, 8 }, (pauses({ spy.text("x", 500) }, { retry = { max = 7 } })))
            assert.same({ 3, 4, 4 }, (pauses({ spy.text("x", 500) }, { retry = { baseDelay = 3, maxDelay = 4 } })))
            assert.same({ 1, 1, 1 }, (pauses({ spy.text("x", 500) }, { retry = { baseDelay = 3, maxDelay = 1 } })))
            assert.same({ 0, 0, 0 }, (pauses({ spy.text("x", 500) }, { retry = { baseDelay = 0 } })))
        end)

        it("less up to a quarter at random", function()
            random = 0.5
            assert.same({ 0.4375, 0.875, 1.75 }, (pauses { { kind = "connect", sent = false } }))
            random = 1 - 2 ^ -20
            for index, pause in ipairs((pauses { spy.text("x", 502) })) do
                local whole = 2 ^ (index - 2)
                assert.is_true(pause > whole * 0.75 and pause < whole * 0.7501)
            end
        end)

        it("also where Retry-After is absent or junk, or not for this status", function()
            for _, junk in ipairs { "soon", "-5", "1.5", "", "5 seconds", "0x5", "Tomorrow" } do
                assert.same({ 0.5, 1, 2 }, (pauses { limited(junk) }))
            end
            assert.same({ 0.5, 1, 2 }, (pauses { limited(nil) }))
            for _, status in ipairs { 408, 500, 502, 504 } do
                assert.same({ 0.5, 1, 2 }, (pauses { limited("5", status) }))
            end
        end)
    end)

    describe("after Retry-After", function()
        it("wait as long as it says, on 429 and on 503", function()
            assert.same({ 7, 7, 7 }, (pauses { limited "7" }))
            assert.same({ 7, 7, 7 }, (pauses { limited("7", 503) }))
            assert.same({ 7, 7, 7 }, (pauses { limited " 7\t" }))
            assert.same({ 0 }, (pauses { limited "0", spy.json "[]" }))
            assert.same({ 5, 0.5 * 2 }, (pauses { limited "5", limited(nil), spy.json "[]" }))
        end)

        it("wait for the longest of several, a date among them or not, and whatever junk", function()
            for _, text in ipairs { "3, 7", "7,3", "7, 7", "soon, 7", "7, Sun, 06 Nov 1994 08:49:37 GMT", "7,,",
                "Wed, 21 Oct 2026 07:28:07 GMT, 3", "Wed, 21 Oct 2026 07:28:07 GMT, Wed, 21 Oct 2026 07:28:03 GMT" } do
                local answer = limited(text)
                answer.headers.date = "Wed, 21 Oct 2026 07:28:00 GMT"
                assert.same({ 7 }, (pauses { answer, spy.json "[]" }))
            end
            -- In lines of their own, as a transport may give them.
            local answer = limited "5"
            answer.headers["Retry-After"] = "7"
            assert.same({ 7 }, (pauses { answer, spy.json "[]" }))
            assert.same({}, (pauses { limited "1, 3600" }))
        end)

        it("and up to a tenth of that longer, at random", function()
            random = 0.5
            assert.same({ 21 }, (pauses { limited "20", spy.json "[]" }))
            random = 1 - 2 ^ -20
            local pause = pauses({ limited "20", spy.json "[]" })[1]
            assert.is_true(pause > 21.99 and pause < 22)
        end)

        it("count a date from the server's own", function()
            local answer = limited "Wed, 21 Oct 2026 07:28:30 GMT"
            answer.headers.date = "Wed, 21 Oct 2026 07:28:00 GMT"
            assert.same({ 30 }, (pauses { answer, spy.json "[]" }))

            answer.headers.date = "Wed, 21 Oct 2026 08:00:00 GMT"
            assert.same({ 0 }, (pauses { answer, spy.json "[]" }))
        end)

        it("are not tried beyond maxWait, nor too early instead", function()
            random = 1 - 2 ^ -20
            assert.is_true(pauses({ limited "60", spy.json "[]" })[1] >= 60)

            local between, value, err = pauses { limited "61", spy.json "[]" }
            assert.same({}, between)
            assert.is_nil(value)
            assert.same({ "RateLimitError", 61, 1, 0 }, { err.name, err.retryAfter, err.attempts, err.elapsed })

            assert.same({}, (pauses { limited("61", 503) }))
            assert.same({}, (pauses { limited "99999999999999999999" }))
            assert.same({}, (pauses({ limited "1" }, { retry = { maxWait = 0 } })))
            assert.same(3, #pauses({ limited "0" }, { retry = { maxWait = 0 } }))
            assert.is_true(pauses({ limited "3600", spy.json "[]" }, { retry = { maxWait = 3600 } })[1] >= 3600)
        end)
    end)

    describe("end at a deadline", function()
        it("before it, where the next attempt would come later", function()
            local between, value, err = pauses({ spy.text("x", 503) }, { deadline = 1 })

            assert.same({ 0.5 }, between)
            assert.is_nil(value)
            assert.same({ "ServerError", 503, 2, 0.5 }, { err.name, err.status, err.attempts, err.elapsed })
            assert.same({}, (pauses({ spy.text("x", 503) }, nil, { deadline = 0.5 })))
            assert.same({}, (pauses({ limited "5" }, { deadline = 5 })))
            assert.same({ 5 }, (pauses({ limited "5" }, { deadline = 5.001 })))
        end)

        it("with less time for each attempt", function()
            local transport = spy.new(spy.text("x", 503))
            spy.client(transport, { timeout = 2 }).widgetKeys.list { deadline = 3 }

            local timeouts = {}
            for index, request in ipairs(transport.requests) do
                timeouts[index] = request.timeout
            end
            assert.same({ 2, 2, 1.5 }, timeouts)
        end)

        it("also where a wait took longer than it was to", function()
            local transport = spy.new(spy.text("x", 503))
            local client = spy.client(transport, {
                deadline = 3,
                wait = function()
                    transport.time = transport.time + 10
                end,
            })
            local value, err = client.widgetKeys.list()

            assert.is_nil(value)
            assert.same({ 503, 1 }, { err.status, err.attempts })
            assert.equal(1, #transport.requests)
        end)
    end)

    describe("are set", function()
        local function count(client, call)
            local _, value, err = pauses({ spy.text("x", 503) }, { retry = client }, { retry = call })
            assert.is_nil(value)
            return err.attempts
        end

        it("for a client", function()
            assert.equal(4, count(nil))
            assert.equal(4, count(true))
            assert.equal(1, count(false))
            assert.equal(4, count {})
            assert.equal(1, count { max = 0 })
            assert.equal(2, count { max = 1 })
            assert.equal(6, count { max = 5 })
        end)

        it("for a call, over the client's", function()
            assert.equal(1, count(nil, false))
            assert.equal(3, count(nil, { max = 2 }))
            assert.equal(4, count(false, true))
            assert.equal(3, count(false, { max = 2 }))
            assert.equal(1, count(false, { maxDelay = 1 }))
            assert.equal(1, count({ max = 0 }, { baseDelay = 1 }))
            assert.equal(6, count({ max = 5 }, true))
            assert.equal(6, count({ max = 5 }, { baseDelay = 1 }))
            assert.equal(1, count({ max = 5 }, { max = 0 }))
        end)

        it("member by member", function()
            local client = { max = 2, baseDelay = 3, maxDelay = 100 }

            assert.same({ 3, 6, 12 }, (pauses({ spy.text("x", 500) }, { retry = client }, { retry = { max = 3 } })))
            assert.same({ 1, 2 }, (pauses({ spy.text("x", 500) }, { retry = client }, { retry = { baseDelay = 1 } })))
            assert.same({ 2, 100 }, { client.max, client.maxDelay })
            client.max = 0
            assert.same({ 3 }, (pauses({ spy.text("x", 500) }, { retry = client }, { retry = { max = 1 } })))
            assert.same({ 0.5 }, (pauses({ spy.text("x", 500) }, { retry = false }, { retry = { max = 1 } })))
        end)
    end)
end)

describe("the random part", function()
    it("is in [0, 1), and not always the same", function()
        local seen, kinds = {}, 0

        for _ = 1, 200 do
            local value = core.random()
            assert.is_true(value >= 0 and value < 1)
            if not seen[value] then
                seen[value], kinds = true, kinds + 1
            end
        end
        assert.is_true(kinds > 100)
    end)

    it("is used", function()
        local seen = {}

        for _ = 1, 20 do
            local pause = pauses({ spy.text("x", 500), spy.json "[]" })[1]
            assert.is_true(pause > 0.375 and pause <= 0.5)
            seen[pause] = true
        end
        assert.is_not_nil(next(seen, next(seen)))
    end)
end)
