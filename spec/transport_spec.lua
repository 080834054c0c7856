local kataven = require "kataven"
local spy = require "spec.support.spy"

-- A client over a transport that returns these two things.
local function returning(response, failure)
    return spy.client(spy.new(function()
        return response, failure
    end), { retry = false })
end

describe("a transport of one's own", function()
    it("takes ten lines", function()
        local seen
        local transport = {}
        function transport:send(request, wait)
            seen = { self = self, request = request, wait = wait }
            return { status = 201, headers = { ["x-request-id"] = "r1" }, body = '{"id":"k1"}' }
        end

        local client = kataven.new { apiKey = spy.TOKEN, transport = transport, userAgent = "x" }
        local key, meta = client.widgetKeys.create({ name = "a" }, { headers = { ["X-A"] = "1" }, timeout = 3 })

        assert.equal("k1", key.id)
        assert.same({ 201, "r1", 1 }, { meta.status, meta.requestId, meta.attempts })
        assert.equal(transport, seen.self)
        assert.equal("function", type(seen.wait))
        seen.request.headers["User-Agent"] = nil
        assert.same({
            method = "POST",
            url = "https://api.kataven.ai/v1/widget-keys",
            path = "/api/v1/widget-keys",
            headers = {
                Accept = "application/json",
                ["Accept-Encoding"] = "identity",
                Authorization = "Bearer " .. spy.TOKEN,
                ["Content-Type"] = "application/json",
                ["X-A"] = "1",
            },
            body = '{"name":"a"}',
            timeout = 3,
            connectTimeout = 3,
        }, seen.request)
    end)

    it("is asked once for each attempt, and gets a table of its own each time", function()
        local transport = spy.new(spy.text("x", 429, { ["retry-after"] = "0" }), spy.json "[]")
        local _, meta = spy.client(transport).widgetKeys.list()

        assert.equal(2, meta.attempts)
        assert.equal(2, #transport.requests)
        assert.not_equal(transport.requests[1], transport.requests[2])
        assert.same(transport.requests[1], transport.requests[2])
    end)

    it("may do with its headers as it likes: the next attempt has them all", function()
        local seen = {}
        local transport = spy.new(function(request)
            seen[#seen + 1] = request.headers.Authorization
            for name in pairs(request.headers) do
                request.headers[name] = nil
            end
            request.headers["X-Mine"] = "1"
            return spy.text("x", 503)
        end)
        local client = spy.client(transport, { retry = { max = 1, baseDelay = 0 } })
        client.widgetKeys.list()
        client.widgetKeys.list()
        local expected = "Bearer " .. spy.TOKEN
        assert.same({ expected, expected, expected, expected }, seen)
    end)

    it("lives by the system's clock where it has none", function()
        local transport = { send = function() return spy.json "[]" end }
        local _, meta = kataven.new({ apiKey = spy.TOKEN, transport = transport }).widgetKeys.list()

        assert.is_true(meta.elapsed >= 0 and meta.elapsed < 5)
    end)

    it("may leave out headers and body", function()
        local value, meta = returning({ status = 204 }).widgetKeys.delete "k1"
        assert.is_true(value)
        assert.same({}, meta.headers)

        local _, err = returning({ status = 404 }).widgetKeys.delete "k1"
        assert.same({ "NotFoundError", "" }, { err.name, err.body })
    end)

    it("does not know of maxResponseBytes, which holds for what it gives", function()
        local answer = spy.json(("[%s]"):format((" "):rep(98)))
        local client = spy.client(spy.new(answer), { maxResponseBytes = 100, retry = false })
        assert.same({}, client.widgetKeys.list())

        client = spy.client(spy.new(answer), { maxResponseBytes = 99, retry = false })
        local _, err = client.widgetKeys.list()
        assert.same({ "ResponseError", 200, 1, false }, { err.name, err.status, err.attempts, err.maybeApplied })
        assert.equal("the answer is larger than maxResponseBytes allows", err.message)
        _, err = client.widgetKeys.create { name = "a" }
        assert.same({ "ResponseError", true }, { err.name, err.maybeApplied })
    end)

    it("may write headers in any case", function()
        local _, err = returning({ status = 429, headers = { ["Retry-After"] = 7, ["X-Request-Id"] = "r1" } })
            .widgetKeys.list()

        assert.same({ 7, "r1" }, { err.retryAfter, err.requestId })
        assert.same({ ["retry-after"] = "7", ["x-request-id"] = "r1" }, err.headers)
    end)

    it("says what failed with a kind", function()
        for kind, name in pairs {
            connect = "ConnectionError", connection = "ConnectionError", timeout = "TimeoutError", tls = "TLSError",
            tooLarge = "ResponseError", cancelled = "CancelledError", cassette = "CassetteError",
        } do
            local value, err = returning(nil, { kind = kind, sent = false, message = "words of it" }).widgetKeys.list()
            assert.is_nil(value)
            assert.equal(name, err.name)
            assert.is_true(err:is "KatavenError")
            if kind ~= "cancelled" then
                assert.truthy(err.message:find("words of it", 1, true), err.message)
            end
            assert.is_nil(err.status)
            assert.equal(1, err.attempts)
        end
    end)

    it("says with a status that an answer had begun", function()
        local _, err = returning(nil, { kind = "timeout", sent = true, status = 200 }).widgetKeys.list()

        assert.equal(200, err.status)
        assert.matches("no whole answer within timeout = 30 s", err.message)
    end)

    it("is told which limit an attempt had, where it ran out of time", function()
        local client = returning(nil, { kind = "timeout", sent = false, message = "x" })
        local _, err = client.widgetKeys.list { timeout = 5 }
        assert.equal("no connection within timeout = 5 s: x", err.message)
        _, err = client.widgetKeys.list()
        assert.equal("no connection within timeout = 30 s and connectTimeout = 10 s: x", err.message)
        _, err = client.widgetKeys.list { timeout = 5, deadline = 2 }
        assert.equal("no connection within the deadline of 2 s: x", err.message)
    end)

    it("may say little", function()
        for _, problem in ipairs {
            { kind = "connection", sent = true },
            { kind = "connection", sent = true, message = "" },
            { kind = "connection", sent = true, message = 5 },
            { kind = "connection", sent = true, message = {} },
            { kind = "connection", sent = true, message = false },
            { kind = "tls", sent = false },
            { kind = "timeout", sent = true, message = { "x" }, status = "200" },
            { kind = "cassette" },
        } do
            local _, err = returning(nil, problem).widgetKeys.list()
            assert.is_true(err:is "KatavenError")
            assert.is_true(#err.message > 0)
            assert.is_nil(err.status)
        end
    end)

    it("is taken to have sent a request where it does not say", function()
        for kind, sent in pairs { connect = false, tls = false, cassette = false, connection = true, timeout = true,
            tooLarge = true, cancelled = true } do
            local transport = spy.new { kind = kind, message = "x" }
            local _, err = spy.client(transport, { retry = { max = 1, baseDelay = 0 } }).widgetKeys.delete "k1"
            assert.equal(sent, err.maybeApplied, kind)
            assert.equal(kind == "connect" and 2 or 1, #transport.requests, kind)
        end
        -- It cannot have sent what it says it could not connect for.
        local transport = spy.new { kind = "connect", sent = true }
        local _, err = spy.client(transport).widgetKeys.delete "k1"
        assert.same({ 1, true }, { #transport.requests, err.maybeApplied })
    end)

    it("that returns nothing of use gives a ConnectionError, and a write may have happened", function()
        for _, garbage in ipairs {
            {}, { nil, "oops" }, { nil, {} }, { nil, { kind = "odd" } }, { nil, { kind = 5 } }, { "ok" }, { true },
            { {} }, { { status = "200", body = "[]" } }, { { status = 0, body = "" } }, { { status = 200.5 } },
            { { status = 1000 } }, { { status = 0 / 0 } }, { { status = 200, body = {} } },
            { { status = 200, headers = "x", body = "[]" } }, { { status = 200, body = 5 } }, { false, "oops" },
        } do
            for method, write in pairs { list = false, delete = true } do
                local client = returning(garbage[1], garbage[2])
                local value, err = client.widgetKeys[method](write and "k1" or nil)
                assert.is_nil(value)
                assert.equal("ConnectionError", err.name)
                assert.matches("the transport returned neither a response nor a failure", err.message)
                assert.same({ 1, write }, { err.attempts, err.maybeApplied })
            end
        end
        local _, err = returning(nil, "broken pipe").widgetKeys.list()
        assert.matches("neither a response nor a failure: broken pipe$", err.message)
    end)

    it("that raises has it reach the caller", function()
        local thing = {}
        local ok, err = pcall(spy.client(spy.new(function() error(thing) end)).widgetKeys.list)

        assert.is_false(ok)
        assert.equal(thing, err)
    end)

    it("is told when the call is over, by what wait returns", function()
        local told, client = {}, nil
        client = spy.client(spy.new(function(_, wait)
            told[1] = wait(0.1)
            client:close()
            told[2] = wait(0.1)
            return nil, { kind = "cancelled", sent = false }
        end))
        local _, err = client.widgetKeys.list()

        assert.same({ false, true }, told)
        assert.equal("ClosedError", err.name)
    end)

    -- Waits until it is told to stop, and knows no time itself.
    local function patient(step)
        return function(_, wait)
            for _ = 1, 10000 do
                if wait(step) then
                    return nil, { kind = "cancelled", sent = true }
                end
            end
            error "it was never told"
        end
    end

    it("is told when its time is up, and need not keep it", function()
        for step, most in pairs { [0.01] = 2.1, [50] = 51 } do
            local transport = spy.new(patient(step))
            local client = spy.client(transport, { retry = false })
            local _, err = client.widgetKeys.create({ name = "a" }, { timeout = 2 })
            assert.same({ "TimeoutError", true }, { err.name, err.maybeApplied })
            assert.matches("^no whole answer within timeout = 2 s: the transport was told to stop", err.message)
            assert.is_true(transport.time >= 2 and transport.time <= most, transport.time)
            _, err = client.widgetKeys.list { timeout = 5, deadline = 3 }
            assert.matches("^no whole answer within the deadline of 3 s: ", err.message)
        end
    end)

    it("that stops by itself was in time until its time is up, and was late from then on", function()
        for seconds, name in pairs { [1.9] = "CancelledError", [2] = "TimeoutError", [2.01] = "TimeoutError" } do
            local transport
            transport = spy.new(function()
                transport.time = transport.time + seconds
                return nil, { kind = "cancelled", sent = true }
            end)
            local _, err = spy.client(transport, { retry = false }).widgetKeys.list { timeout = 2 }
            assert.equal(name, err.name, tostring(seconds))
        end
    end)

    it("that is late and was told to stop was told so first", function()
        local canceller, transport = kataven.canceller(), nil
        transport = spy.new(function()
            transport.time = transport.time + 5
            canceller:cancel()
            return nil, { kind = "cancelled", sent = true }
        end)
        local _, err = spy.client(transport, { retry = false }).widgetKeys.list { timeout = 2, cancel = canceller }
        assert.equal("CancelledError", err.name)
    end)

    it("that has no clock never waits longer than its time", function()
        local client = kataven.new { apiKey = spy.TOKEN, transport = { send = function(_, ...)
            return patient(3600)(...)
        end } }
        local began = os.time()
        local _, err = client.widgetKeys.list { deadline = 0.1 }
        assert.equal("TimeoutError", err.name)
        assert.is_true(os.time() - began < 60)
    end)

    it("need not be a table", function()
        local object = setmetatable({}, {
            __index = function(_, name)
                return name == "send" and function() return spy.json "[]" end or nil
            end,
        })
        assert.same({}, (kataven.new({ apiKey = spy.TOKEN, transport = object }).widgetKeys.list()))
    end)
end)
