local diff = require "kataven.cassette.diff"
local file = require "kataven.cassette.file"
local match = require "kataven.cassette.match"

local TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"

local function matcherOf(interactions, options)
    local parsed = assert(file.parse('{"version":1,"interactions":[' .. table.concat(interactions, ",") .. "]}"))

    options = options or {}
    options.names = options.names or {}
    return match.new(parsed, options)
end

local function recorded(method, path, more)
    return ([[{"request":{"method":"%s","path":"%s"%s},"response":{"status":200}}]]):format(method, path, more or "")
end

local function request(method, path, body, query)
    return {
        method = method,
        path = path,
        url = "http://h" .. path .. (query and "?" .. query or ""),
        headers = { ["Authorization"] = "Bearer " .. TOKEN, ["X-A"] = "got" },
        body = body,
    }
end

-- The message for a request that nothing answers.
local function explain(matcher, r)
    local interaction, miss = matcher:take(r)

    assert.is_nil(interaction)
    return diff.explain(matcher, miss, "x.json")
end

describe("kataven.cassette.diff", function()
    it("shows the request and each field that differs", function()
        local matcher = matcherOf({
            recorded("POST", "/k", [[,"query":"b=1","headers":{"x-a":"rec"},"json":
                {"name":"a","list":["x","y"],"gone":null,"same":[1],"empty":[],"odd name":true}]]),
        }, { names = { "x-a" } })

        assert.equal([[
no recorded interaction in x.json answers call 1:
  POST /k?a=1
  x-a: got
  body {"empty":{},"list":["x"],"name":"b","new":{"z":1},"odd name":false,"same":[1]}
nearest recorded:
  [1] POST /k?b=1
      query: recorded "b=1", got "a=1"
      header x-a: recorded "rec", got "got"
      body.empty: recorded [], got {}
      body.gone: recorded null, got nothing
      body.list[2]: recorded "y", got nothing
      body.name: recorded "a", got "b"
      body.new: recorded nothing, got {"z":1}
      body["odd name"]: recorded true, got false]],
            explain(matcher, request("POST", "/k",
                '{"name":"b","list":["x"],"same":[1],"empty":{},"odd name":false,"new":{"z":1}}', "a=1")))
    end)

    it("shows the three nearest, the nearest first", function()
        local matcher = matcherOf {
            recorded("DELETE", "/other/x"),
            recorded("GET", "/k"),
            recorded("PATCH", "/k/1", [[,"json":{"a":1,"b":1}]]),
            recorded("PATCH", "/k/2", [[,"json":{"a":2,"b":1}]]),
            recorded("PATCH", "/k/2", [[,"json":{"a":2,"b":2}]]),
        }
        local message = explain(matcher, request("PATCH", "/k/2", '{"a":2,"b":3,"c":1}'))
        local order = {}

        for index in message:gmatch "\n  %[(%d)%]" do
            order[#order + 1] = index
        end
        assert.same({ "4", "5", "3" }, order)
        assert.matches('path: recorded /k/1, got /k/2', message)
    end)

    it("says which call used one up", function()
        local matcher = matcherOf { recorded("GET", "/a"), recorded("GET", "/b") }
        matcher:take(request("GET", "/b"))
        matcher:take(request("GET", "/a"))

        local message = explain(matcher, request("GET", "/a"))
        assert.truthy(message:find([[
answers call 3:
  GET /a
nearest recorded:
  [1] GET /a (already used by call 2)
      the same request; `allowRepeats = true` would play it again
  [2] GET /b (already used by call 1)
      path: recorded /b, got /a]], 1, true), message)
    end)

    it("shows bodies that are not both JSON from where they part", function()
        local body = ("x"):rep(50)
        local matcher = matcherOf {
            recorded("POST", "/a", ([[,"body":"%sé1"]]):format(body)),
            recorded("POST", "/a"),
            recorded("POST", "/a", [[,"bodyBase64":"//8="]]),
        }
        local message = explain(matcher, request("POST", "/a", body .. "é2"))

        assert.matches('body, from byte 33: recorded "xxxxxxxxxxxxxxxxxxé1", got "xxxxxxxxxxxxxxxxxxé2"', message)
        assert.matches('body: recorded none, got "xxx', message)
        assert.matches("body, from byte 1: recorded 2 bytes that are not text, got ", message)
        assert.matches('body: recorded none, got %["é"%]', explain(matcher, request("POST", "/a", '["é"]')))
        matcher:take(request("POST", "/a"))
        assert.matches('recorded "xxx[^\n]+, got none', explain(matcher, request("POST", "/a")))
    end)

    it("keeps long things short, and characters whole", function()
        local fields, matcher = {}, matcherOf { recorded("POST", "/a", [[,"json":{"a":0}]]) }
        for i = 1, 30 do
            fields[i] = ('"n%02d":"%s"'):format(i, ("é"):rep(100))
        end
        local message = explain(matcher, request("POST", "/a", "{" .. table.concat(fields, ",") .. "}"))

        assert.matches("and 23 more differences", message)
        assert.matches('body%.n01: recorded nothing, got "[é]+…\n', message)
        for line in message:gmatch "[^\n]+" do
            assert.is_true(#line < 330, line)
        end
    end)

    it("shows no secret", function()
        local matcher = matcherOf({ recorded("POST", "/a", [[,"json":{"k":"pk_live_acme_1"}]]) },
            { names = { "authorization", "x-a" } })
        local message = explain(matcher, request("POST", "/" .. TOKEN,
            ('{"k":"pk_live_acme_2","t":"%s","%s":1}'):format(TOKEN, TOKEN), "t=" .. TOKEN))

        assert.is_nil(message:find(TOKEN, 1, true))
        assert.is_nil(message:find("live_acme", 1, true))
        assert.matches("authorization: %[redacted%]", message)
        assert.matches("POST /%[redacted%]%?t=%[redacted%]", message)
    end)

    it("shows no part of a secret that a reason is cut in", function()
        local matcher = matcherOf({ recorded("GET", "/a") }, {
            match = function()
                return false, ("x"):rep(90) .. TOKEN
            end,
        })
        local message = explain(matcher, request("GET", "/a"))

        assert.is_nil(message:find(TOKEN:sub(1, 5), 1, true), message)
        assert.matches("match says: x+%[redacted%]$", message)
    end)

    it("says so when there is nothing recorded", function()
        assert.matches("the file holds no interactions$", explain(matcherOf {}, request("GET", "/a")))
    end)
end)
