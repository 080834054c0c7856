local kataven = require "kataven"
local spy = require "spec.support.spy"

-- Every way in which a call can end, and whether a write may have had effect.
local OUTCOMES = {}

local function outcome(maybe, name, answer)
    OUTCOMES[#OUTCOMES + 1] = { maybe = maybe, name = name, answer = answer }
end

for _, status in ipairs { 301, 302, 304, 400, 401, 402, 403, 404, 405, 409, 410, 413, 422, 425, 429, 451, 499 } do
    outcome(false, "answer " .. status, spy.text("x", status))
end
for _, status in ipairs { 408, 500, 501, 502, 503, 504, 505, 507, 599 } do
    outcome(true, "answer " .. status, spy.text("x", status))
end
for _, status in ipairs { 200, 201, 202, 299 } do
    outcome(true, "refused body of a " .. status, spy.json("{broken", status))
end
for kind, maybe in pairs { connect = false, tls = false, cassette = false } do
    outcome(maybe, kind .. " not sent", { kind = kind, sent = false, message = "x" })
end
for _, kind in ipairs { "connection", "timeout", "cancelled", "tls" } do
    outcome(true, kind .. " after sending", { kind = kind, sent = true, message = "x" })
    outcome(false, kind .. " before sending", { kind = kind, sent = false, message = "x" })
end
outcome(true, "a 2xx cut short", { kind = "connection", sent = true, status = 200, message = "x" })
outcome(true, "a 2xx whose end never came", { kind = "timeout", sent = true, status = 201, message = "x" })
outcome(true, "a 2xx too large", { kind = "tooLarge", sent = true, status = 200, message = "x" })
outcome(true, "a 5xx cut short", { kind = "connection", sent = true, status = 502, message = "x" })
outcome(true, "a 4xx cut short", { kind = "connection", sent = true, status = 404, message = "x" })
outcome(true, "a 429 cut short", { kind = "timeout", sent = true, status = 429, message = "x" })
outcome(false, "a 4xx too large", { kind = "tooLarge", sent = true, status = 404, message = "x" })
outcome(true, "nothing that makes sense", function() end)

local WRITES = {
    create = function(client) return client.widgetKeys.create { name = "a" } end,
    update = function(client) return client.widgetKeys.update("k1", {}) end,
    delete = function(client) return client.widgetKeys.delete "k1" end,
    PUT = function(client) return client:request { method = "PUT", path = "/p" } end,
    POST = function(client) return client:request { method = "POST", path = "/p", body = {} } end,
}
local READS = {
    list = function(client) return client.widgetKeys.list() end,
    GET = function(client) return client:request { path = "/p" } end,
}

describe("maybeApplied", function()
    it("is true where a write may have been carried out, else false", function()
        for _, o in ipairs(OUTCOMES) do
            for name, call in pairs(WRITES) do
                local value, err = call(spy.client(spy.new(o.answer), { retry = false }))
                assert.is_nil(value)
                assert.equal(o.maybe, err.maybeApplied, name .. ": " .. o.name)
                local says = err.message:find("it may have been carried out all the same (maybeApplied)", 1, true)
                assert.equal(o.maybe, says ~= nil, err.message)
            end
        end
    end)

    it("is false for every read", function()
        for _, o in ipairs(OUTCOMES) do
            for name, call in pairs(READS) do
                local value, err = call(spy.client(spy.new(o.answer), { retry = false }))
                assert.is_nil(value)
                assert.is_false(err.maybeApplied, name .. ": " .. o.name)
            end
        end
    end)

    it("is of the last attempt, since the ones before it had no effect", function()
        local transport = spy.new({ kind = "connect", sent = false }, spy.text("x", 429), spy.text("x", 400))
        local _, err = spy.client(transport).widgetKeys.create { name = "a" }
        assert.same({ "BadRequestError", 3, false }, { err.name, err.attempts, err.maybeApplied })

        transport = spy.new({ kind = "connection", sent = false }, spy.text("x", 429), spy.text("x", 502))
        _, err = spy.client(transport).widgetKeys.create { name = "a" }
        assert.same({ "ServerError", 3, true }, { err.name, err.attempts, err.maybeApplied })
    end)

    it("is false where nothing was ever sent", function()
        local client = spy.client(spy.new(spy.json "{}"))
        local canceller = kataven.canceller()
        canceller:cancel()

        local _, err = client.widgetKeys.create({ name = "a" }, { cancel = canceller })
        assert.same({ "CancelledError", 0, false }, { err.name, err.attempts, err.maybeApplied })
        client:close()
        _, err = client.widgetKeys.create { name = "a" }
        assert.same({ "ClosedError", 0, false }, { err.name, err.attempts, err.maybeApplied })
    end)

    it("is true after a cancel or a close that came after sending", function()
        for name, stop in pairs {
            CancelledError = function(_, canceller) canceller:cancel() end,
            ClosedError = function(client) client:close() end,
        } do
            for _, sent in ipairs { true, false } do
                local client
                local canceller = kataven.canceller()
                client = spy.client(spy.new(function(_, wait)
                    stop(client, canceller)
                    assert.is_true(wait(1))
                    return nil, { kind = "cancelled", sent = sent, message = "x" }
                end))
                local _, err = client.widgetKeys.delete("k1", { cancel = canceller })
                assert.same({ name, 1, sent }, { err.name, err.attempts, err.maybeApplied })
            end
        end
    end)
end)
