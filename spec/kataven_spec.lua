local kataven = require "kataven"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

local function call(answer)
    local transport = spy.new(answer)
    return spy.client(transport):request { path = "/p" }
end

describe("kataven", function()
    it("has a version", function()
        assert.matches("^%d+%.%d+%.%d+", kataven._VERSION)
        assert.equal(require "kataven.version", kataven._VERSION)
    end)

    it("has no other names, and tolerates the question", function()
        assert.is_nil(kataven.nosuch)
        assert.is_nil(kataven[1])
        assert.equal("table", type(kataven.cassette))
        assert.equal(require "kataven.cassette", kataven.cassette)
    end)

    describe("new", function()
        it("makes a client, which needs an apiKey only", function()
            local client = kataven.new { apiKey = spy.TOKEN, transport = spy.new() }

            assert.equal("function", type(client.widgetKeys.list))
            assert.equal("kataven.Client (https://api.kataven.ai/v1)", tostring(client))
        end)

        it("raises at its caller's line", function()
            assert.matches("takes a table of options, got a string", misuse(function() kataven.new(spy.TOKEN) end))
            assert.matches('unknown option "apikey"; did you mean "apiKey"%?',
                misuse(function() kataven.new { apikey = spy.TOKEN } end))
            assert.matches("call it with a dot: kataven%.new { %.%.%. }",
                misuse(function() kataven:new { apiKey = spy.TOKEN } end))
            assert.matches("baseUrl must not hold a query", misuse(function()
                kataven.new { apiKey = spy.TOKEN, baseUrl = "https://example.com/?a" }
            end))
        end)

        it("gives clients that share nothing", function()
            local first, second = spy.new(spy.json "[]"), spy.new(spy.json "[]")
            local a, b = spy.client(first), spy.client(second, { apiKey = "sk_live_other_1" })

            a:close()
            assert.same({}, (b.widgetKeys.list()))
            assert.equal(0, #first.requests)
            assert.equal("Bearer sk_live_other_1", second.requests[1].headers.Authorization)
        end)
    end)

    describe("assert", function()
        it("lets through what a call gave", function()
            local value, meta = kataven.assert(call(spy.json '{"a":1}'))

            assert.same({ a = 1 }, value)
            assert.equal(200, meta.status)
            assert.equal(4, select("#", kataven.assert(1, nil, nil, nil)))
        end)

        it("raises the error itself, as it is", function()
            local ok, err = pcall(kataven.assert, call(spy.text("no", 404)))

            assert.is_false(ok)
            assert.equal("NotFoundError", err.name)
            assert.is_true(err:is "APIError")
        end)

        it("never takes a decoded false for a failure", function()
            local value, meta = kataven.assert(call(spy.json "false"))

            assert.is_false(value)
            assert.equal(200, meta.status)
        end)

        it("raises something of other people's failures too", function()
            assert.error(function() kataven.assert(nil, "oops") end, "oops")
            assert.error(function() kataven.assert(nil) end, "assertion failed!")
            assert.error(function() kataven.assert(false) end, "assertion failed!")
            assert.error(function() kataven.assert() end, "assertion failed!")
        end)
    end)

    describe("array", function()
        local function sent(body)
            local transport = spy.new(spy.json "{}")
            spy.client(transport):request { method = "POST", path = "/p", body = body }
            return transport.requests[1].body
        end

        it("has an empty table sent as []", function()
            assert.equal('{"a":[],"b":{}}', sent { a = kataven.array {}, b = {} })
            assert.equal("[]", sent(kataven.array {}))
            assert.equal("[1,[]]", sent { 1, kataven.array {} })
        end)

        it("gives back the same table, marked once or twice", function()
            local list = { "a" }

            assert.equal(list, kataven.array(list))
            assert.equal(list, kataven.array(list))
            assert.equal('["a"]', sent(list))
        end)

        it("takes plain tables only", function()
            assert.matches("kataven.array takes a table, got nothing", misuse(function() kataven.array() end))
            assert.matches('takes a table, got a string %("a"%)', misuse(function() kataven.array "a" end))
            assert.matches("a plain table, but this one has a metatable",
                misuse(function() kataven.array(setmetatable({}, {})) end))
        end)

        it("marks, and does not excuse what is no array", function()
            local client = spy.client(spy.new(spy.json "{}"))

            assert.matches("body%.a is not an array", misuse(function()
                client:request { path = "/p", body = { a = kataven.array { b = 1 } } }
            end))
        end)
    end)

    describe("null", function()
        it("sends null, and stands for it inside arrays", function()
            local transport = spy.new(spy.json '{"a":[null,1],"b":null}')
            local value = spy.client(transport):request {
                method = "POST",
                path = "/p",
                body = { a = kataven.null, b = { kataven.null } },
            }

            assert.equal('{"a":null,"b":[null]}', transport.requests[1].body)
            assert.equal(kataven.null, value.a[1])
            assert.is_nil(value.b)
        end)
    end)

    describe("canceller", function()
        it("is unused at first", function()
            local canceller = kataven.canceller()

            assert.is_false(canceller.cancelled)
            canceller:cancel()
            assert.is_true(canceller.cancelled)
            assert.is_false(kataven.canceller().cancelled)
        end)
    end)
end)
