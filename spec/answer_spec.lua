-- An answer that is what the API promises is decoded from libcurl's memory, and any other, and any other transport's,
-- from a text: the two must not be told apart.

local kataven = require "kataven"
local servers = require "spec.support.servers"
local spy = require "spec.support.spy"

local kindOf = rawget(math, "type") or type

-- As text, so that an integer and a float differ, and so do a null and nothing.
local function show(value)
    if type(value) ~= "table" then
        return value == kataven.null and "null" or kindOf(value) == "float" and "float " .. value
            or type(value) .. " " .. tostring(value)
    end
    local parts = {}
    for key, item in pairs(value) do
        parts[#parts + 1] = tostring(key) .. "=" .. show(item)
    end
    table.sort(parts)
    return "{" .. table.concat(parts, "; ") .. "}"
end

local OBJECTS = {
    "{}",
    ' { "id" : "a" } ',
    '{"id":"a","count":0,"more":-0,"last":null}',
    '{"a":25.0,"b":1e3,"c":0.5,"d":9007199254740992,"e":9007199254740993,"f":1e300,"g":-7}',
    '{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10}',
    '{"\\u0061":1,"b\\n":2,"":3}',
    '{"a":1,"a":2}', '{"a":1,"a":"x"}', '{"a":1,"a":null}', '{"a":null,"a":1}',
    '{"a":[1,2.5,{"b":3,"c":null},[4]],"b":{"c":{"d":5}},"e":6}',
    '{"a":[],"b":{},"c":[null],"d":[null,1]}',
    '{"a":"\\u00e9\\ud83d\\ude00","b":"' .. ("long "):rep(5000) .. '","c":null}',
}
local REFUSED = { "", " ", "null", "1", '"a"', "true", "[1]", "[null]", '[{},"a"]', "[[]]", '[{"a":1},[1]]', "{", "[{]",
    '{"a":01}', '[{"a":1,}]', '{"a":"\255"}', '["a"]', "[]]", "{}{}" }

describe("an answer", function()
    local hub, client

    setup(function()
        hub = servers.hub {}
        client = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url, proxy = false, retry = false }
    end)

    teardown(function()
        client:close()
        hub:stop()
    end)

    -- What a method makes of a body that came over the wire, and of the same from a transport that hands it over.
    local function both(text, status, use)
        hub:reset()
        hub:next { status = status, headers = { ["Content-Type"] = "application/json" }, body = text }
        local value, problem = use(client.widgetKeys)
        local other, otherProblem = use(spy.client(spy.new(spy.json(text, status)), { retry = false }).widgetKeys)
        assert.equal(show(other), show(value), text)
        if value == nil then
            assert.equal(otherProblem.name, problem.name, text)
            assert.equal(otherProblem.message, problem.message, text)
            assert.equal(text, problem.body)
            assert.equal(otherProblem.maybeApplied, problem.maybeApplied)
        end
        return value, problem
    end

    local METHODS = {
        list = function(keys) return keys.list() end,
        create = function(keys) return keys.create { name = "a" } end,
        update = function(keys) return keys.update("a", {}) end,
        delete = function(keys) return keys.delete "a" end,
    }

    for method, use in pairs(METHODS) do
        it(("of %s is the same from libcurl's memory as from a text"):format(method), function()
            for _, object in ipairs(OBJECTS) do
                local rows = "[" .. object .. "," .. object .. "]"
                assert.truthy(both(method == "list" and rows or object, 200, use))
                both(method == "list" and object or rows, 200, use)
                both(method == "list" and rows or object, 500, use)
            end
            if method == "list" then
                assert.same({}, both("[]", 200, use))
                assert.same({}, both(" [ ] ", 200, use))
            end
            for _, text in ipairs(REFUSED) do
                both(text, 200, use)
            end
            if method == "list" then
                local _, problem = both("[{},[]]", 200, use)
                assert.equal("ResponseError", problem.name)
                assert.truthy(problem.message:find("an item of the array is an empty array where an object is promised",
                    1, true), problem.message)
            end
        end)
    end
end)
