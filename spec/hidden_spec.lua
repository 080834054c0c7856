-- A table that is empty, but whose metatable could hide content, is not taken for an empty one, wherever it is given:
-- a proxy's content would be lost without a word, and an allowlist of none blocks a key. What holds anything is taken
-- as it is, on every Lua.

local cjson = require "cjson"
local kataven = require "kataven"
local spy = require "spec.support.spy"

-- A table that shows the content of another in one way.
local WAYS = {
    __index = function(content) return { __index = content } end,
    ["__index as a function"] = function(content)
        return { __index = function(_, key) return content[key] end }
    end,
    __pairs = function(content)
        return { __pairs = function() return next, content, nil end }
    end,
    __ipairs = function(content)
        return { __ipairs = function() return ipairs(content) end }
    end,
    __len = function(content)
        return { __len = function() return #content end }
    end,
    ["a read-only proxy"] = function(content)
        return {
            __index = content,
            __newindex = function() error "read-only" end,
            __pairs = function() return next, content, nil end,
            __len = function() return #content end,
            __metatable = false,
        }
    end,
    ["a protected one"] = function(content) return { __index = content, __metatable = "locked" } end,
    ["an empty list of a class"] = function()
        local List = { append = function() end }
        List.__index = List
        return List
    end,
    ["any answer"] = function()
        return { __index = function() return true end }
    end,
}

local HIDDEN = " looks empty, but its metatable could hide content, as that of a read-only proxy does: "
    .. "pass a plain table with the content itself"

local LIVE = { id = "k1", name = "a", domain_allowlist = { "a.example" } }

-- Every place that takes a table: what it is called, what it holds, and what gives it there.
local function places(client)
    local keys = client.widgetKeys
    local sites = { "a.example" }
    return {
        { "domain_allowlist", sites, function(t) keys.create({ name = "a", domain_allowlist = t }) end },
        { "domain_allowlist", sites, function(t) keys.update("k1", { domain_allowlist = t }) end },
        { "the table of a key's fields", { name = "a" }, function(t) keys.create(t) end },
        { "the table of a key's fields", { disabled = true }, function(t) keys.update("k1", t) end },
        { "the table of a call's options", { timeout = 1 }, function(t) keys.list(t) end },
        { "the table of a call's options", { timeout = 1 }, function(t) keys.create({ name = "a" }, t) end },
        { "the table of a call's options", { timeout = 1 }, function(t) keys.update("k1", {}, t) end },
        { "the table of a call's options", { timeout = 1 }, function(t) keys.delete("k1", t) end },
        { "headers", { ["X-A"] = "1" }, function(t) keys.list({ headers = t }) end },
        { "retry", { max = 0 }, function(t) keys.list({ retry = t }) end },
        { "the table of options for kataven.new", { apiKey = "sk_live_a_1" }, function(t) kataven.new(t) end },
        { "headers", { ["X-A"] = "1" }, function(t) kataven.new { apiKey = spy.TOKEN, headers = t } end },
        { "retry", { max = 0 }, function(t) kataven.new { apiKey = spy.TOKEN, retry = t } end },
        { "the table of client:request", { path = "/x" }, function(t) client:request(t) end },
        { "headers", { ["X-A"] = "1" }, function(t) client:request { path = "/x", headers = t } end },
        { "query", { a = 1 }, function(t) client:request { path = "/x", query = t } end },
        { 'query["a"]', { 1, 2 }, function(t) client:request { path = "/x", query = { a = t } } end },
        { "body", { a = 1 }, function(t) client:request { method = "POST", path = "/x", body = t } end },
        { "body.a", { 1 }, function(t) client:request { method = "POST", path = "/x", body = { a = t } } end },
        { "body.a[2].b", { 1 }, function(t)
            client:request { method = "POST", path = "/x", body = { a = { 1, { b = t } } } }
        end },
        { "the array of tasks", { function() end }, function(t) client:parallel(t) end },
        { "the table of options for client:parallel", { progress = print }, function(t) client:parallel({}, t) end },
        { "the table of options for client:queue", { max = 1 }, function(t) client:queue(t) end },
        { "kataven.plan: the array of wanted keys", { { name = "a" } }, function(t)
            kataven.plan(t, { LIVE }, { prune = true })
        end },
        { "kataven.plan: entry 1: it", { disabled = true }, function(t) kataven.plan({ t }, { LIVE }) end },
        { 'kataven.plan: entry 1 ("a"): domain_allowlist', sites, function(t)
            kataven.plan({ { name = "a", domain_allowlist = t } }, { LIVE })
        end },
        { "the list of the account's keys", { LIVE }, function(t) kataven.plan({ { name = "a" } }, t) end },
        { "key 1 of the account", LIVE, function(t) kataven.plan({ { name = "a" } }, { t }) end },
        { "the domain_allowlist of key 1 of the account", sites, function(t)
            kataven.plan({ { name = "a", domain_allowlist = {} } }, { { id = "k1", name = "a", domain_allowlist = t } })
        end },
        { "the table of options for kataven.plan", { prune = true }, function(t) kataven.plan({}, {}, t) end },
        { "kataven.cassette.open: the table of options", { mode = "record" }, function(t)
            kataven.cassette.open("spec/cassettes/widget_keys.json", t)
        end },
        { "kataven.cassette.open: matchHeaders", { "X-A" }, function(t)
            kataven.cassette.open("spec/cassettes/widget_keys.json", { matchHeaders = t })
        end },
    }
end

describe("an empty table whose metatable could hide content", function()
    for name, way in pairs(WAYS) do
        it(("(%s) is refused wherever a table is taken"):format(name), function()
            local transport = spy.new(spy.json "{}")
            for _, place in ipairs(places(spy.client(transport))) do
                local ok, message = pcall(place[3], setmetatable({}, way(place[2])))
                assert.is_false(ok, place[1])
                assert.equal(place[1] .. HIDDEN, message:match "^spec/hidden_spec.lua:%d+: (.*)$" or message)
            end
            assert.same({}, transport.requests)
            assert.error_matches(function() kataven.array(setmetatable({}, way {})) end,
                "kataven.array takes a plain table, but this one has a metatable")
        end)
    end

    it("is refused by a worker of Redis's", function()
        local settings = require "kataven.redis.settings"
        for _, way in pairs(WAYS) do
            local _, problem = settings.read(setmetatable({}, way { stream = "x" }))
            assert.equal("the table of a worker's options" .. HIDDEN, problem)
            _, problem = settings.read { client = setmetatable({}, way { apiKey = "sk_live_a_1" }) }
            assert.equal("client" .. HIDDEN, problem)
        end
    end)
end)

describe("a table that hides nothing", function()
    local transport, client

    before_each(function()
        transport = spy.new(spy.json "{}")
        client = spy.client(transport)
    end)

    local function body()
        return transport.requests[#transport.requests].body
    end

    it("may be empty", function()
        for _, empty in ipairs {
            {}, kataven.array {}, setmetatable({}, {}), setmetatable({}, { __metatable = false }),
            setmetatable({}, { __newindex = function() error "sealed" end, __name = "sealed" }),
            setmetatable({}, cjson.empty_array_mt or {}), setmetatable({}, cjson.array_mt or {}),
            setmetatable({}, { __jsontype = "array" }), setmetatable({}, { __serialize = "seq" }),
        } do
            kataven.assert(client.widgetKeys.update("k1", { domain_allowlist = empty }, empty))
            assert.equal('{"domain_allowlist":[]}', body())
            kataven.assert(client.widgetKeys.update("k1", empty))
            assert.equal("{}", body())
            assert.same({}, client:parallel(empty, empty))
            assert.same({}, kataven.plan(empty, empty, empty).changes)
        end
    end)

    it("may be a table with a metatable and entries of its own, which are all that count", function()
        local class = {
            __index = function(_, key) return type(key) == "number" and "other.example" or nil end,
            __pairs = function() return next, { "other.example" }, nil end,
            __ipairs = function() return ipairs { "other.example" } end,
            __len = function() return 7 end,
        }
        local list = setmetatable({ "a.example", "b.example" }, class)
        local text = '["a.example","b.example"]'

        kataven.assert(client.widgetKeys.update("k1", { domain_allowlist = list }))
        assert.equal('{"domain_allowlist":' .. text .. "}", body())
        kataven.assert(client.widgetKeys.create(setmetatable({ name = "a", domain_allowlist = list }, class)))
        assert.equal('{"domain_allowlist":' .. text .. ',"name":"a"}', body())
        kataven.assert(client:request { method = "POST", path = "/x", body = { list = list } })
        assert.equal('{"list":' .. text .. "}", body())
        kataven.assert(client:request { path = "/x", query = setmetatable({ a = list }, class) })
        assert.matches("%?a=a%.example&a=b%.example$", transport.requests[#transport.requests].url)
        kataven.assert(client:request(setmetatable({ path = "/x",
            headers = setmetatable({ ["X-A"] = "1" }, class) }, class)))
        assert.equal("1", transport.requests[#transport.requests].headers["X-A"])
        assert.is_nil(transport.requests[#transport.requests].headers[1])
    end)

    it("is planned by its own entries", function()
        local class = {
            __index = function(_, key) return type(key) == "number" and { name = "z", id = "z" } or nil end,
            __pairs = function() return next, {}, nil end,
            __len = function() return 0 end,
        }
        local wanted = setmetatable({ { name = "a", domain_allowlist = setmetatable({ "b.example" }, class) } }, class)
        local plan = kataven.plan(wanted, setmetatable({ LIVE, { id = "k2", name = "b" } }, class), { prune = true })

        assert.same({ "update", "revoke" }, { plan.changes[1].action, plan.changes[2].action })
        assert.same({ "b.example" }, plan.changes[1].patch.domain_allowlist)
        assert.equal(2, #plan.changes)
    end)

    it("is run in parallel by its own entries", function()
        local class = { __len = function() return 0 end, __pairs = function() return next, {}, nil end }
        local results = client:parallel(setmetatable({ function() return 1 end, function() return 2 end }, class))
        assert.same({ 1, 2 }, { results[1].value, results[2].value })
    end)
end)
