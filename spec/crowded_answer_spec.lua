-- An answer may hold one JSON value for each 16 bytes of maxResponseBytes: small values take many times the memory in
-- Lua that they take in a text.

local kataven = require "kataven"
local servers = require "spec.support.servers"
local spy = require "spec.support.spy"

local LIMIT = 1600 -- a hundred values
local MESSAGE = "the answer holds more than 100 JSON values, one for each 16 bytes of maxResponseBytes;"
    .. " a larger maxResponseBytes lets it through"

local function client(transport, more)
    local options = { maxResponseBytes = LIMIT, retry = false }
    for name, value in pairs(more or {}) do
        options[name] = value or nil
    end
    return spy.client(transport, options)
end

-- Arrays of as many values as asked for, the array counted.
local function numbers(count)
    return "[" .. ("1"):rep(count - 1, ",") .. "]"
end

-- Lua 5.1's string.rep knows no separator.
if ("1"):rep(2, ",") ~= "1,1" then
    numbers = function(count)
        return "[" .. ("1,"):rep(count - 2) .. "1]"
    end
end

local function objects(count)
    return "[" .. ("{},"):rep(count - 2) .. "{}]"
end

local function members(count)
    return '{"a":[' .. ("null,"):rep(count - 4) .. 'null],"b":null}'
end

describe("an answer of too many values", function()
    it("is refused, and one of just as many taken", function()
        local request = { path = "/api/v1/things" }
        for _, make in ipairs { numbers, objects, members } do
            local value = assert(client(spy.new(spy.json(make(100)))):request(request))
            assert.is_table(value)
            local nothing, err = client(spy.new(spy.json(make(101)))):request(request)
            assert.is_nil(nothing)
            assert.equal("ResponseError", err.name)
            assert.equal("200, but " .. MESSAGE, err.message)
            assert.equal(make(101), err.body)
            assert.is_nil(err.data)
            assert.is_false(err.maybeApplied)
        end
    end)

    it("counts values, not names, brackets in strings or blanks", function()
        local text = '{ "[1,2,3]" : "' .. ("[{},1],"):rep(40) .. '", "n":[' .. (" 1 ,\n"):rep(96) .. "1 ]\t}"
        assert(client(spy.new(spy.json(text))):request { path = "/api/v1/things" })
    end)

    it("is refused by every method; a write may have been carried out", function()
        for method, call in pairs {
            list = function(keys) return keys.list() end,
            create = function(keys) return keys.create { name = "a" } end,
            update = function(keys) return keys.update("a", { name = "a" }) end,
            delete = function(keys) return keys.delete "a" end,
        } do
            local text = method == "list" and objects(101) or members(101)
            local value, err = call(client(spy.new(spy.json(text))).widgetKeys)
            assert.is_nil(value)
            assert.equal("ResponseError", err.name, method)
            assert.truthy(err.message:find(MESSAGE, 1, true), err.message)
            assert.equal(method ~= "list", err.maybeApplied)
        end
    end)

    it("leaves an error without its data", function()
        local answer = spy.json('{"error":"busy","more":' .. numbers(100) .. "}", 503)
        local _, err = client(spy.new(answer)).widgetKeys.list()
        assert.equal("ServerError", err.name)
        assert.equal(answer.body, err.body)
        assert.is_nil(err.data)

        answer = spy.json('{"error":"busy","more":' .. numbers(98) .. "}", 503)
        _, err = client(spy.new(answer)).widgetKeys.list()
        assert.equal(98, #err.data.more + 1)
    end)

    it("has the limit of the client, of 64 MiB where it has none", function()
        local text = objects(512 * 1024)
        local request = { path = "/api/v1/things" }
        assert(client(spy.new(spy.json(text)), { maxResponseBytes = 8 * 1024 * 1024 }):request(request))
        local _, err = client(spy.new(spy.json(text:sub(1, -2) .. ",{}]")), { maxResponseBytes = 8 * 1024 * 1024 })
            :request(request)
        assert.matches("holds more than 524288 JSON values", err.message)
        assert(client(spy.new(spy.json(text:sub(1, -2) .. ",{}]")), { maxResponseBytes = false }):request(request))
    end)

    it("may hold one at least", function()
        local value = assert(client(spy.new(spy.json "{}"), { maxResponseBytes = 2 }).widgetKeys.create { name = "a" })
        assert.same({}, value)
    end)

    it("takes little memory", function()
        local text = objects(2 * 1024 * 1024) -- 6 MiB
        local transport = spy.new(spy.json(text))
        collectgarbage()
        local before = collectgarbage "count"
        collectgarbage "stop"
        local value = client(transport, { maxResponseBytes = 8 * 1024 * 1024 }):request { path = "/api/v1/things" }
        local taken = collectgarbage "count" - before
        collectgarbage "restart"
        assert.is_true(value == nil) -- to show it would take for ever
        -- The error has the body, without secrets in it.
        assert.is_true(taken < 40 * 1024, ("%.0f KiB"):format(taken))
    end)

    it("is the same over the wire", function()
        local hub = servers.hub {}
        local wired = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url, proxy = false, retry = false,
            maxResponseBytes = LIMIT }
        for _, row in ipairs {
            { "list", objects }, { "create", members, { name = "a" } }, { "delete", members, "a" },
        } do
            for _, count in ipairs { 100, 101 } do
                hub:next { status = 200, headers = { ["Content-Type"] = "application/json" }, body = row[2](count) }
                local value, err = wired.widgetKeys[row[1]](row[3])
                assert.equal(count == 100, value ~= nil)
                if count == 101 then
                    assert.equal("ResponseError", err.name)
                    assert.truthy(err.message:find(MESSAGE, 1, true), err.message)
                    assert.equal(row[1] ~= "list", err.maybeApplied)
                end
            end
        end
        wired:close()
        hub:stop()
    end)

    it("is refused while it is recorded, and when it is replayed", function()
        local path = os.tmpname()
        local text = objects(101)
        for _, mode in ipairs { "record", "replay" } do
            local cassette = kataven.cassette.open(path, { mode = mode })
            local hub = mode == "record" and servers.hub {}
            if hub then
                hub:next { status = 200, headers = { ["Content-Type"] = "application/json" }, body = text }
            end
            local recorded = kataven.new { apiKey = hub and hub.apiKey or "sk_live_x", baseUrl = hub and hub.url or nil,
                proxy = false, retry = false, maxResponseBytes = LIMIT, transport = cassette }
            local keys, err = recorded.widgetKeys.list()
            assert.is_nil(keys)
            assert.equal("ResponseError", err.name)
            assert.truthy(err.message:find(MESSAGE, 1, true), err.message)
            recorded:close()
            if hub then
                hub:stop()
            end
        end
        os.remove(path)
    end)
end)
