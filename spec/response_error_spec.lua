local kataven = require "kataven"
local spy = require "spec.support.spy"

describe("a success that is not what the API promises", function()
    it("is an error that says what came", function()
        local cassette = kataven.cassette.open "spec/cassettes/response_errors.json"
        local client = spy.client(cassette)

        local function create(name)
            local key, err = client.widgetKeys.create { name = name }
            assert.is_nil(key)
            assert.is_true(err:is "KatavenError")
            assert.is_false(err:is "APIError")
            assert.equal(1, err.attempts)
            assert.is_true(err.maybeApplied)
            return err, (err.message:match "^(.-); it may have been")
        end

        local err, message = create "html"
        assert.equal("ResponseError", err.name)
        assert.equal("200, but the answer is not JSON but text/html where a JSON object is promised", message)
        assert.equal("<html><body>Welcome to the captive portal</body></html>", err.body)
        assert.same({ 200, "r1", "text/html" }, { err.status, err.requestId, err.headers["content-type"] })
        assert.is_nil(err.data)

        err, message = create "array"
        assert.equal("201, but the answer is an array where a JSON object is promised", message)
        assert.same({ { id = "wk_1" } }, err.data)
        assert.equal("ResponseError", err.name)

        err, message = create "empty"
        assert.equal("201, but the answer is an empty body where a JSON object is promised", message)
        assert.same({ "ResponseError", "" }, { err.name, err.body })

        err, message = create "null"
        assert.equal("201, but the answer is null where a JSON object is promised", message)
        assert.equal("ResponseError", err.name)

        err, message = create "broken"
        assert.equal("201, but the answer is broken JSON: an object wants a name in double quotes here, at byte 14 "
            .. "where a JSON object is promised", message)
        assert.same({ "ResponseError", '{"id":"wk_1",}' }, { err.name, err.body })

        err, message = create "binary"
        assert.matches("the answer is broken JSON: bytes that are not UTF%-8, at byte 8 where a JSON", message)
        assert.equal("ResponseError", err.name)

        err, message = create "large"
        assert.matches("^the answer is too large", message)
        assert.same({ "ResponseError", 201 }, { err.name, err.status })

        err, message = create "short"
        assert.matches("^the connection broke before a whole answer came: the answer ends after 13 bytes", message)
        assert.same({ "ConnectionError", 201 }, { err.name, err.status })

        err, message = create "no HTTP"
        assert.equal("the connection broke before a whole answer came: Received HTTP/0.9 when not allowed", message)
        assert.equal("ConnectionError", err.name)

        cassette:assertDone()
    end)

    it("has nothing of a secret", function()
        local client = spy.client(spy.new(spy.json('["' .. spy.TOKEN .. '"]')))
        local _, err = client.widgetKeys.update("k1", {})

        assert.equal('["[redacted]"]', err.body)
        assert.same({ "[redacted]" }, err.data)
    end)

    it("does no harm where a read gives it", function()
        local client = spy.client(spy.new(spy.json "{}"))
        local keys, err = client.widgetKeys.list()

        assert.is_nil(keys)
        assert.equal("200, but the answer is an object where a JSON array is promised", err.message)
        assert.same({ "ResponseError", 1, false }, { err.name, err.attempts, err.maybeApplied })
    end)
end)
