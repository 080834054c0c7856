local base64 = require "kataven.base64"
local errors = require "kataven.errors"
local kataven = require "kataven"
local spy = require "spec.support.spy"

-- The error for an answer to a POST, or to another method.
local function errorFor(response, method, path)
    local client = spy.client(spy.new(response), { retry = false })
    local value, err = client:request { method = method or "POST", path = path or "/api/v1/widget-keys" }
    assert.is_nil(value)
    return err
end

local CLASSES = {
    [199] = "APIError", [301] = "APIError", [302] = "APIError", [304] = "APIError", [400] = "BadRequestError",
    [401] = "AuthenticationError", [402] = "APIError", [403] = "PermissionDeniedError", [404] = "NotFoundError",
    [405] = "APIError", [408] = "APIError", [409] = "ConflictError", [410] = "APIError", [418] = "APIError",
    [422] = "UnprocessableEntityError", [429] = "RateLimitError", [500] = "ServerError", [501] = "ServerError",
    [502] = "ServerError", [503] = "ServerError", [504] = "ServerError", [599] = "ServerError",
}

describe("an error", function()
    it("is of the class that its status says", function()
        local cassette = kataven.cassette.open "spec/cassettes/errors.json"
        local client = spy.client(cassette, { retry = false })

        for status, class in pairs(CLASSES) do
            local value, err, more = client:request { method = "POST", path = "/api/v1/status/" .. status }
            assert.is_nil(value)
            assert.is_nil(more)
            assert.equal(class, err.name)
            assert.equal(status, err.status)
            assert.equal("req-" .. status, err.requestId)
            assert.equal("req-" .. status, err.headers["x-request-id"])
            assert.is_true(err:is(class))
            assert.is_true(err:is "APIError")
            assert.is_true(err:is "KatavenError")
            assert.is_false(err:is "ConnectionError")
            assert.is_false(err:is "Error")
            assert.is_false(err:is(class == "NotFoundError" and "ConflictError" or "NotFoundError"))
            assert.equal(status == 429 and 7 or nil, err.retryAfter)
            assert.equal(status == 408 or status >= 500, err.maybeApplied)
        end
        cassette:assertDone()
    end)

    it("is a plain APIError for a status of nobody's making", function()
        for _, status in ipairs { 600, 999 } do
            assert.equal("APIError", errorFor(spy.text("x", status)).name)
        end
    end)

    it("knows its family", function()
        for name, line in pairs {
            TimeoutError = { "ConnectionError", "KatavenError" },
            TLSError = { "ConnectionError", "KatavenError" },
            ConnectionError = { "KatavenError" },
            ResponseError = { "KatavenError" },
            CancelledError = { "KatavenError" },
            ClosedError = { "KatavenError" },
            CassetteError = { "KatavenError" },
        } do
            local err = errors.new { name = name, message = "m" }
            for _, ancestor in ipairs(line) do
                assert.is_true(err:is(ancestor), name)
            end
            assert.is_true(err:is(name))
            assert.is_false(err:is "APIError")
            assert.is_false(err:is(nil))
        end
    end)

    it("has all the fields", function()
        local transport = spy.new(function(_, wait)
            wait(1.5)
            return spy.text('{"error":"bad","detail":{"at":null}}', 400,
                { ["content-type"] = "application/json", ["x-request-id"] = "r1", ["retry-after"] = "3" })
        end)
        local client = spy.client(transport)
        local _, err = client:request { method = "POST", path = "/p?secret=1" }

        assert.same({
            name = "BadRequestError",
            message = '400 {"error":"bad","detail":{"at":null}}',
            status = 400,
            headers = { ["content-type"] = "application/json", ["x-request-id"] = "r1", ["retry-after"] = "3" },
            body = '{"error":"bad","detail":{"at":null}}',
            data = { error = "bad", detail = {} },
            retryAfter = 3,
            requestId = "r1",
            method = "POST",
            path = "/p",
            attempts = 1,
            elapsed = 1.5,
            maybeApplied = false,
        }, setmetatable(err, nil))
    end)

    it("reads well", function()
        assert.equal("NotFoundError: POST /api/v1/widget-keys: 404 no such key",
            tostring(errorFor(spy.text("no such key", 404))))
        assert.equal("UnprocessableEntityError: PATCH /p: 422 (no text)",
            tostring(errorFor(spy.text(" \n", 422), "PATCH", "/p")))
        assert.matches("^APIError: GET /p: 302 %(no text%); redirects are never followed: check baseUrl$",
            tostring(errorFor(spy.text("", 302), "GET", "/p")))
        assert.matches("^ServerError: POST /p: 500 oops; it may have been carried out all the same %(maybeApplied%)",
            tostring(errorFor(spy.text("oops", 500), "POST", "/p")))
        assert.equal("x: m", tostring(errors.new { name = "x", message = "m" }))
        assert.equal("failed: x: m!", "failed: " .. errors.new { name = "x", message = "m" } .. "!")
    end)

    it("can be raised, and keeps its text", function()
        local ok, err = pcall(kataven.assert, nil, errorFor(spy.text("no", 404)))

        assert.is_false(ok)
        assert.is_true(errors.isError(err))
        assert.is_false(errors.isError { name = "NotFoundError" })
        assert.is_false(errors.isError "NotFoundError")
    end)

    describe("decodes its body", function()
        local function dataOf(body, contentType)
            return errorFor({ status = 400, headers = { ["content-type"] = contentType }, body = body }).data
        end

        it("where it is JSON", function()
            assert.same({ a = 1 }, dataOf('{"a":1}', "application/json"))
            assert.same({ a = 1 }, dataOf(' {"a":1}', "text/plain"))
            assert.same({ 1 }, dataOf("[1]"))
            assert.equal("no", dataOf('"no"', "application/problem+json"))
            assert.equal(5, dataOf("5", "application/json"))
        end)

        it("and leaves it where it is not", function()
            assert.is_nil(dataOf("no", "text/plain"))
            assert.is_nil(dataOf("5", "text/plain"))
            assert.is_nil(dataOf("{broken", "application/json"))
            assert.is_nil(dataOf("", "application/json"))
            assert.is_nil(dataOf('{"a":1} x'))
        end)
    end)

    describe("shows the server's text", function()
        local function shown(body)
            return (errorFor(spy.text(body, 400)).message:gsub("^400 ", ""))
        end

        it("on one line, without control characters", function()
            assert.equal("a b c", shown "a\nb\r\n\t  c\n")
            assert.equal("[31mred [0m", shown "\27[31mred\27[0m")
            assert.equal("a b c", shown "a\0b\127c")
            assert.equal("a 31mb", shown "a\194\15531mb") -- U+009B, which terminals obey as ESC [
            assert.equal("§ é 日本", shown "§ é 日本")
        end)

        it("cut to 500 bytes", function()
            assert.equal(("x"):rep(500), shown(("x"):rep(500)))
            assert.equal(("x"):rep(497) .. "...", shown(("x"):rep(501)))
            assert.equal(("x"):rep(497) .. "...", shown(("x"):rep(1e6)))
        end)

        it("and never within a character", function()
            for before = 0, 3 do
                for _, char in ipairs { "é", "€", "😀" } do
                    local text = shown(("x"):rep(before) .. char:rep(600))
                    local rest = text:sub(before + 1):gsub(char, "")
                    assert.equal("...", rest)
                    assert.is_true(#text <= 500 and #text > 500 - 3 - #char)
                    -- Most of it blank, so that little is left of its beginning.
                    text = shown((" "):rep(1900 + before) .. char:rep(600))
                    assert.equal("...", (text:gsub("^ ?", ""):gsub(char, "")))
                end
            end
        end)

        it("in full in its body", function()
            local body = ("é\27\n"):rep(1000)

            assert.equal(body, errorFor(spy.text(body, 400)).body)
        end)
    end)

    it("shows a Retry-After for every status, where it can be read", function()
        for value, seconds in pairs {
            ["0"] = 0, ["120"] = 120, ["Wed, 21 Oct 2026 07:28:30 GMT"] = 30, ["Wed, 21 Oct 2026 07:27:00 GMT"] = 0,
            ["1.5"] = false, ["-1"] = false, ["soon"] = false, [""] = false, ["1 s"] = false, ["2026"] = 2026,
            ["Wednesday, 21-Oct-26 07:28:10 GMT"] = 10, ["Wed Oct 21 07:28:20 2026"] = 20,
        } do
            for _, status in ipairs { 400, 429, 503, 500 } do
                local err = errorFor(spy.text("x", status,
                    { ["retry-after"] = value, date = "Wed, 21 Oct 2026 07:28:00 GMT" }))
                assert.equal(seconds or nil, err.retryAfter, value)
            end
        end
    end)
end)

describe("a token that the server echoes", function()
    local function percent(text)
        return (text:gsub(".", function(c)
            return ("%%%02x"):format(c:byte())
        end))
    end

    local function unicode(text)
        return (text:gsub(".", function(c)
            return ("\\u%04x"):format(c:byte())
        end))
    end

    -- Nothing of the secret in any field, in whatever way it was written.
    local function check(err, ...)
        local parts = { tostring(err), err.message, err.body or "", err.path }
        for name, value in pairs(err.headers or {}) do
            parts[#parts + 1] = name .. ": " .. value
        end
        local function walk(value)
            if type(value) == "table" then
                for key, member in pairs(value) do
                    walk(key)
                    walk(member)
                end
            else
                parts[#parts + 1] = tostring(value)
            end
        end
        walk(err.data)
        local all = table.concat(parts, "\n")
        for _, secret in ipairs { ... } do
            assert.falsy(all:find(secret, 1, true), all)
        end
        assert.truthy(all:find("[redacted]", 1, true), all)
    end

    it("is [redacted] in every form and everywhere", function()
        local token = spy.TOKEN

        for _, form in ipairs { token, "Bearer " .. token, percent(token), unicode(token), base64.encode(token),
            base64.encode("x" .. token), base64.encode("user:" .. token) } do
            local body = ('{"error":"bad token %s","%s":1}'):format(form, form)
            local secret = form:find("^[%%\\]") and form or form:match "^Bearer (.*)$" or form:sub(5, -5)

            for _, status in ipairs { 401, 500, 200 } do
                local err = errorFor({
                    status = status,
                    headers = { ["content-type"] = "application/json", ["x-echo"] = form, [form] = "x",
                        ["x-request-id"] = form },
                    body = status == 200 and body .. "x" or body,
                })
                check(err, secret, token)
                assert.falsy(err.requestId:find(secret, 1, true))
            end
        end
    end)

    it("leaves no half of itself where a text is cut", function()
        for before = 470, 499 do
            local err = errorFor(spy.text(("x"):rep(before) .. spy.TOKEN, 400))
            assert.falsy(err.message:find("sk_l", 1, true), err.message)
            assert.falsy(err.message:find("4fA9", 1, true), err.message)
        end
    end)

    it("is [redacted] in a transport's words", function()
        for _, kind in ipairs { "connect", "connection", "timeout", "tls", "tooLarge", "cassette" } do
            local err = errorFor { kind = kind, sent = true, message = "sent Bearer " .. spy.TOKEN .. " there" }
            check(err, spy.TOKEN)
        end
    end)

    it("is [redacted] where it was used as an id", function()
        local client = spy.client(spy.new(spy.text("no such key", 404)))
        local _, err = client.widgetKeys.delete(spy.TOKEN)

        check(err, spy.TOKEN)
        assert.equal("/api/v1/widget-keys/[redacted]", err.path)
    end)

    it("stays in an answer that is a success", function()
        local client = spy.client(spy.new(spy.json(('{"id":"%s"}'):format(spy.TOKEN))))

        assert.equal(spy.TOKEN, client.widgetKeys.update("k1", {}).id)
    end)
end)
