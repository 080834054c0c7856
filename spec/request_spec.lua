local kataven = require "kataven"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

-- What client:request sends.
local function sent(given)
    local transport = spy.new(spy.json "{}")
    kataven.assert(spy.client(transport, { baseUrl = "http://127.0.0.1:1" }):request(given))
    return transport.requests[1]
end

local function urlOf(given)
    return (sent(given).url:gsub("^http://127%.0%.0%.1:1", ""))
end

local function bodyOf(body)
    return sent({ method = "POST", path = "/p", body = body }).body
end

-- What client:request gives for an answer.
local function got(body, contentType, status)
    return spy.client(spy.new {
        status = status or 200,
        headers = { ["content-type"] = contentType },
        body = body,
    }):request { path = "/p" }
end

local JSON = "application/json"

describe("client:request", function()
    it("reaches an endpoint that has no method of its own", function()
        local cassette = kataven.cassette.open "spec/cassettes/request.json"
        local client = spy.client(cassette)

        local agents, meta = client:request { path = "/api/v1/agents", query = { limit = 2, state = { "on", "new" } } }
        assert.same({ { id = "a1" }, { id = "a2" } }, agents)
        assert.same({ 200, 1 }, { meta.status, meta.attempts })

        local made = client:request {
            method = "PUT",
            path = "/api/v1/agents/a1",
            body = { name = "Anna", tags = kataven.array {}, settings = {} },
        }
        assert.same({ id = "a1", name = "Anna" }, made)
        assert.is_true(client:request { method = "DELETE", path = "/api/v1/agents/a1" })
        assert.equal("pong", client:request { path = "/ping" })

        local none, err = client:request { path = "/api/v1/agents/a9" }
        assert.is_nil(none)
        assert.same({ "NotFoundError", "GET", "/api/v1/agents/a9" }, { err.name, err.method, err.path })
        cassette:assertDone()
    end)

    it("takes a dot as well as a colon", function()
        local transport = spy.new(spy.json '{"a":1}')
        local client = spy.client(transport)

        assert.same({ a = 1 }, (client.request { path = "/p" }))
        assert.same({ a = 1 }, (client:request { path = "/p" }))
        assert.equal(2, #transport.requests)
    end)

    it("has the same authentication, headers and options as the rest", function()
        local request = sent { path = "/p", headers = { ["X-A"] = "1" }, timeout = 7 }

        assert.equal("Bearer " .. spy.TOKEN, request.headers.Authorization)
        assert.equal("application/json", request.headers.Accept)
        assert.equal("1", request.headers["X-A"])
        assert.equal(7, request.timeout)
    end)

    describe("method", function()
        it("is GET, or what is given, in capitals", function()
            assert.equal("GET", sent({ path = "/p" }).method)
            assert.equal("DELETE", sent({ path = "/p", method = "delete" }).method)
            assert.equal("M-SEARCH", sent({ path = "/p", method = "M-Search" }).method)
        end)

        it("is a word", function()
            local client = spy.client(spy.new(spy.json "{}"))

            for _, method in ipairs { "", "GET /x", "GET\r\nX: 1", "GET\0", "1", 5, false, {} } do
                assert.matches("^method must be a word such as GET or POST, got ", misuse(function()
                    client:request { path = "/p", method = method }
                end))
            end
        end)
    end)

    describe("query", function()
        it("goes behind the path, encoded and sorted by name", function()
            assert.equal("/p?a=1&b=x%20y%26z&c=true", urlOf { path = "/p", query = { c = true, b = "x y&z", a = 1 } })
            assert.equal("/p?%C3%A9%3D=%E2%82%AC", urlOf { path = "/p", query = { ["é="] = "€" } })
            assert.equal("/p?a=", urlOf { path = "/p", query = { a = "" } })
            assert.equal("/p?a=line%0Abreak", urlOf { path = "/p", query = { a = "line\nbreak" } })
        end)

        it("repeats a name for an array", function()
            assert.equal("/p?a=2&a=1&a=false&b=0", urlOf { path = "/p", query = { a = { 2, "1", false }, b = 0 } })
            assert.equal("/p", urlOf { path = "/p", query = { a = {} } })
        end)

        it("has numbers as JSON has them", function()
            assert.equal("/p?a=25&b=0.5&c=-1", urlOf { path = "/p", query = { a = 25.0, b = 0.5, c = -1 } })
        end)

        it("joins what the path has already", function()
            assert.equal("/p?z=1&a=2", urlOf { path = "/p?z=1", query = { a = 2 } })
            assert.equal("/p?a=2", urlOf { path = "/p?", query = { a = 2 } })
            assert.equal("/p?z=1", urlOf { path = "/p?z=1", query = {} })
            assert.equal("/p", urlOf { path = "/p?" })
        end)

        it("is no part of the path that transports and errors see", function()
            assert.equal("/p", sent({ path = "/p?z=1", query = { a = 2 } }).path)
        end)

        it("says what it wants", function()
            local client = spy.client(spy.new(spy.json "{}"))
            local function wrong(query)
                return misuse(function()
                    client:request { path = "/p", query = query }
                end)
            end

            assert.matches('^query must be a table of names and values, got a string %("a=1"%)', wrong "a=1")
            assert.matches("^query must have names as keys, got a number %(1%)", wrong { "a" })
            for _, value in ipairs { { b = 1 }, { 1, x = 2 }, { { 1 } }, kataven.null, 0 / 0, math.huge, print,
                { [2] = "a" } } do
                assert.matches('^query%["a"%] must be a string, a number, a boolean or an array of them, got ',
                    wrong { a = value })
            end
        end)
    end)

    describe("body", function()
        it("is JSON made of a table", function()
            assert.equal("{}", bodyOf {})
            assert.equal("[]", bodyOf(kataven.array {}))
            assert.equal('[1,"a",true,null,{}]', bodyOf { 1, "a", true, kataven.null, {} })
            assert.equal('{"a":{"b":[{"c":null}]}}', bodyOf { a = { b = { { c = kataven.null } } } })
            assert.equal('{"a":1.5,"b":25,"c":-0.1,"d":1e+300}', bodyOf { a = 1.5, b = 25.0, c = -0.1, d = 1e300 })
            assert.equal('{"a":0.1,"b":9007199254740991}', bodyOf { a = 0.1, b = 9007199254740991 })
            assert.equal([[{"":"","\"\\\n":"é"}]], bodyOf { [""] = "", ['"\\\n'] = "é" })
        end)

        it("is a string of JSON, sent unchanged", function()
            for _, text in ipairs { ' { "b" : 1.0,\n"a":[ ] }', "[]", "null", '"\\u00e9"', "not JSON", "\255\0" } do
                assert.equal(text, bodyOf(text))
            end
        end)

        it("may go with any method", function()
            assert.equal("{}", sent({ path = "/p", body = {} }).body)
            assert.equal("{}", sent({ path = "/p", method = "DELETE", body = {} }).body)
        end)

        it("says where it cannot be JSON", function()
            local client = spy.client(spy.new(spy.json "{}"))
            local circle = {}
            circle.a = circle
            local function wrong(body)
                return misuse(function()
                    client:request { method = "POST", path = "/p", body = body }
                end)
            end

            assert.equal("body must be a table or a string of JSON, got a number (5)", wrong(5))
            assert.equal("body must be a table or a string of JSON, got kataven.null", wrong(kataven.null))
            assert.equal("body.a is not a finite number", wrong { a = 0 / 0 })
            assert.equal("body.a is not a finite number", wrong { a = -math.huge })
            assert.equal("body.a[2].b is a function, which JSON has no form for", wrong { a = { 1, { b = print } } })
            assert.equal("body[1] is a userdata or a coroutine, which JSON has no form for", wrong { io.stdout })
            assert.matches("^body is not an array: it has holes", wrong { 1, nil, 3 })
            assert.matches("^body%.a is not an array: it has holes or other keys", wrong { a = { 1, x = 2 } })
            assert.matches("^body mixes names with other keys", wrong { x = 1, [5] = 2 })
            assert.equal("body.a is not UTF-8", wrong { a = "\255" })
            assert.equal("body has a name that is not UTF-8", wrong { ["\255"] = 1 })
            assert.equal("body.a[1] has a name that is not UTF-8", wrong { a = { { ["\255"] = 1 } } })
            assert.matches("^body%.a%.a%.a%..- is nested more than 128 deep", wrong(circle))
        end)
    end)

    describe("gives", function()
        it("the decoded value", function()
            assert.same({ a = 1 }, (got('{"a":1,"b":null}', JSON)))
            assert.same({ 1, kataven.null }, (got("[1,null]", JSON)))
            assert.equal("x", (got('"x"', JSON)))
            assert.equal(5, (got("5", JSON)))
            assert.is_true(got("true", JSON))
            assert.same({ a = 1 }, (got('{"a":1}', "application/problem+json; charset=utf-8")))
            assert.same({ a = 1 }, (got '{"a":1}'))
            assert.same({ a = 1 }, (got('{"a":1}', "APPLICATION/JSON")))
        end)

        it("false as a value", function()
            local value, meta = got("false", JSON)

            assert.is_false(value)
            assert.equal(200, meta.status)
        end)

        it("kataven.null for null", function()
            assert.equal(kataven.null, (got("null", JSON)))
            assert.equal(kataven.null, (got("null")))
        end)

        it("true for an empty body", function()
            assert.is_true(got("", nil, 204))
            assert.is_true(got("", JSON, 200))
            assert.is_true(got(" \n", "text/plain"))
        end)

        it("the text where the answer is not JSON", function()
            assert.equal("hello", (got("hello", "text/plain")))
            assert.equal("hello", (got "hello"))
            assert.equal('{"a":1}', (got('{"a":1}', "text/plain")))
            assert.equal("<p>\0\255", (got("<p>\0\255", "text/html")))
            assert.equal(" a ", (got(" a ", "text/csv; header=present")))
        end)

        it("an error for what calls itself JSON and is broken", function()
            local value, err = got('{"a":', JSON)

            assert.is_nil(value)
            assert.equal("ResponseError", err.name)
            assert.equal("200, but the answer is broken JSON: the text ends too early, at byte 6", err.message)
            assert.same({ 200, '{"a":', false }, { err.status, err.body, err.maybeApplied })
        end)
    end)

    it("says what it wants", function()
        local client = spy.client(spy.new(spy.json "{}"))

        assert.equal("client:request takes a table { path = ... }, got nothing",
            misuse(function() client:request() end))
        assert.equal('client:request takes a table { path = ... }, got a string ("/p")',
            misuse(function() client:request "/p" end))
        assert.equal("client:request takes a table { path = ... }, got nothing",
            misuse(function() client.request() end))
        assert.equal('unknown option "pth"; did you mean "path"?', misuse(function() client:request { pth = "/" } end))
        assert.equal('unknown option "params"; known are method, path, query, body, timeout, deadline, retry, headers, '
            .. "cancel", misuse(function() client:request { path = "/p", params = {} } end))
        assert.matches("^timeout must be", misuse(function() client:request { path = "/p", timeout = -1 } end))
        assert.matches("^cancel must be", misuse(function() client:request { path = "/p", cancel = 1 } end))
    end)

    it("refuses a body for HEAD, and shows no credential in the wrong place", function()
        local client = spy.client(spy.new(spy.json "{}"), {})
        assert.matches("^a HEAD request has no body", misuse(function()
            client:request { method = "HEAD", path = "/p", body = {} }
        end))
        assert.is_nil(misuse(function()
            client:request { path = "/p", query = { sk_live_acme_x = print } }
        end):find("acme", 1, true))
        assert.is_nil(misuse(function()
            client:request { path = "/p", body = { sk_live_acme_x = print } }
        end):find("acme", 1, true))
    end)
end)
