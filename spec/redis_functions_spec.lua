-- What runs inside Redis: the functions that queue requests, and what scripts use in their place.

local functions = require "kataven.redis.functions"
local redis = require "spec.support.redis"
local servers = require "spec.support.servers"

local STREAM = "{kataven}"
local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

describe("kataven.redis.functions", function()
    it("gives a library and a snippet that are Lua", function()
        local load = rawget(_G, "loadstring") or load
        assert.truthy(functions.library():find "^#!lua name=kataven\n")
        assert.is_function(load((functions.library():gsub("^[^\n]*", ""))))
        assert.is_function(load(functions.snippet()))
        assert.is_nil((functions.library() .. functions.snippet()):find "%$%l")
    end)

    it("refuses options that it does not know, and a max that is no number of requests", function()
        for _, case in ipairs {
            { { maxx = 1 }, 'unknown option "maxx"; did you mean "max"?' },
            { { max = 0 }, "max must be a finite number of at least 1, got a number (0)" },
            { { max = 1.5 }, "max must be a whole number, got a number (1.5)" },
            { { max = "9" }, 'max must be a finite number of at least 1, got a string ("9")' },
            { 5, "the options must be a table, got a number (5)" },
        } do
            for _, make in pairs { functions.library, functions.snippet } do
                local ok, why = pcall(make, case[1])
                assert.is_false(ok)
                assert.equal(case[2], (why:gsub("^.-:%d+: ", "")))
            end
        end
    end)
end)

local missing = redis.missing()
if missing then
    describe("the functions inside Redis", function()
        it("queue requests", function()
            pending(missing)
        end)
    end)
    return
end

describe("the functions inside Redis", function()
    local server

    lazy_setup(function()
        server = redis.start {}
    end)

    lazy_teardown(function()
        server:stop()
        redis.forget()
    end)

    before_each(function()
        server:call "FLUSHALL"
        assert(server:call("FUNCTION", "LOAD", "REPLACE", functions.library { max = 5 }))
    end)

    -- The last entry of the stream, by the names of its fields.
    local function last(stream)
        local entry = server:call("XREVRANGE", stream or STREAM, "+", "-", "COUNT", 1)[1]
        local fields = {}
        for index = 1, #entry[2], 2 do
            fields[entry[2][index]] = entry[2][index + 1]
        end
        return fields, entry[1]
    end

    it("queue each method, and give the request's id", function()
        for _, case in ipairs {
            { { "list" }, { method = "list" } },
            { { "create", '{"name":"acme.com"}' }, { method = "create", body = '{"name":"acme.com"}' } },
            { { "update", "wk_1", '{"disabled":true}' },
                { method = "update", id = "wk_1", body = '{"disabled":true}' } },
            { { "delete", "a/b" }, { method = "delete", id = "a/b" } },
        } do
            local id = assert(server:call("FCALL", "kataven_" .. case[1][1], 1, STREAM, unpack(case[1], 2)))
            local fields, newest = last()
            assert.equal(newest, id)
            assert.same(case[2], fields)
        end
    end)

    it("keep an empty allowlist a list, and null a null", function()
        for given, sent in pairs {
            ['{"domain_allowlist":[]}'] = '{"domain_allowlist":[]}',
            -- What cjson makes of an empty table in a script.
            ['{"domain_allowlist":{}}'] = '{"domain_allowlist":[]}',
            ['{"domain_allowlist":["a","*.b"]}'] = '{"domain_allowlist":["a","*.b"]}',
            ['{"agent_id":null}'] = '{"agent_id":null}',
            ['{"name":"\\u00e4 \\" \\\\ \\n"}'] = '{"name":"ä \\" \\\\ \\n"}',
            -- The first and the last letter of each length.
            ['{"name":"\194\128\223\191\224\160\128\237\159\191\238\128\128\239\191\191"}'] =
                '{"name":"\194\128\223\191\224\160\128\237\159\191\238\128\128\239\191\191"}',
            ['{"name":"\240\144\128\128\241\128\128\128\244\143\191\191"}'] =
                '{"name":"\240\144\128\128\241\128\128\128\244\143\191\191"}',
            ["{}"] = "{}",
            [" { } "] = "{}",
        } do
            server:call("DEL", STREAM)
            assert(server:call("FCALL", "kataven_update", 1, STREAM, "wk_1", given))
            assert.equal(sent, last().body)
        end
    end)

    it("take the options of a request", function()
        assert(server:call("FCALL", "kataven_list", 1, STREAM, '{"deadline":2.5,"timeout":10}'))
        assert.same({ method = "list", deadline = "2.5", timeout = "10" }, last())
        assert(server:call("FCALL", "kataven_delete", 1, STREAM, "wk_1", '{"timeout":1}'))
        assert.same({ method = "delete", id = "wk_1", timeout = "1" }, last())
    end)

    local REFUSED = {
        { { "create" }, "usage: FCALL kataven_create 1 <stream> <input> [options], got 1 key and 0 arguments" },
        { { "create", "{}", "{}", "{}" },
            "usage: FCALL kataven_create 1 <stream> <input> [options], got 1 key and 3 arguments" },
        { { "create", "{}" }, 'name is missing: kataven_create needs {"name":"..."}' },
        { { "create", '{"nmae":"a"}' }, 'unknown field "nmae"; did you mean "name"?' },
        { { "create", '{"domainAllowlist":[]}' }, 'unknown field "domainAllowlist"; did you mean "domain_allowlist"?' },
        { { "create", '{"domains":[]}' }, 'unknown field "domains"; did you mean "domain_allowlist"?' },
        { { "create", '{"colour":"red"}' }, 'unknown field "colour"; known are name, domain_allowlist, agent_id' },
        { { "create", '{"name":"a","disabled":true}' },
            'unknown field "disabled": a key is born live; kataven_update can revoke it' },
        { { "create", '{"name":"a","timeout":5}' },
            'unknown field "timeout": the options of a request go into a JSON object of their own, the last argument' },
        { { "create", '{"name":5}' }, "name must be a string, got a number (5)" },
        { { "create", '{"name":null}' }, "name must be a string, got null" },
        { { "create", '{"name":["a"]}' }, "name must be a string, got a table" },
        { { "create", '{"name":"a","agent_id":7}' }, "agent_id must be a string or null, got a number (7)" },
        { { "create", '{"name":"a","domain_allowlist":"a.com"}' },
            'domain_allowlist must be an array of strings, got a string ("a.com")' },
        { { "create", '{"name":"a","domain_allowlist":null}' },
            "domain_allowlist must be an array of strings, got null" },
        { { "create", '{"name":"a","domain_allowlist":["a",false]}' },
            "domain_allowlist[2] must be a string, got a boolean (false)" },
        { { "create", '{"name":"a","domain_allowlist":{"a":"b"}}' },
            'domain_allowlist must be an array of strings, got the key a string ("a")' },
        { { "create", '{"name":"a\255"}' }, "name is not UTF-8" },
        { { "create", '{"name":"a","agent_id":"\192\128"}' }, "agent_id is not UTF-8" },
        { { "create", '{"name":"a","domain_allowlist":["a","\237\160\128"]}' }, "domain_allowlist[2] is not UTF-8" },
        { { "update", "wk_1", '{"name":"\226\130\172\172"}' }, "name is not UTF-8" },
        { { "create", "[]" },
            'kataven_create takes a JSON object of fields (name, domain_allowlist, agent_id), got a string ("[]")' },
        { { "create", "acme.com" },
            "kataven_create takes a JSON object of fields (name, domain_allowlist, agent_id), got a string "
                .. '("acme.com")' },
        { { "create", '{"name":"a"' },
            "kataven_create takes a JSON object of fields (name, domain_allowlist, agent_id), got broken JSON: "
                .. "Expected comma or object end but found T_END at character 12" },
        { { "update", "wk_1", '{"disabled":"yes"}' }, 'disabled must be a boolean, got a string ("yes")' },
        { { "update", "", "{}" }, "id is empty: it must be the id of a key, as list gives it" },
        { { "update", "..", "{}" }, 'id must not be "..", which a server may read as another path' },
        { { "delete", "." }, 'id must not be ".", which a server may read as another path' },
        { { "delete", "a\nb" }, "id holds a control character: it must be the id of a key, as list gives it" },
        { { "delete", "a", '{"deadlin":1}' }, 'unknown option "deadlin"; did you mean "deadline"?' },
        { { "delete", "a", '{"deadline":0}' }, "deadline must be a finite number greater than 0, got a number (0)" },
        { { "list", '{"timeout":"5"}' }, 'timeout must be a finite number greater than 0, got a string ("5")' },
        { { "list", '{"timeout":0x10}' },
            "the options must be a JSON object (timeout, deadline), got broken JSON: a number in it is none" },
        { { "create", '{"name":"' .. ("x"):rep(65536) .. '"}' },
            "a request may have 65536 bytes, and this one has 65563" },
        { { "list", "5" }, 'the options must be a JSON object (timeout, deadline), got a string ("5")' },
    }

    it("refuse what the module refuses, and say why", function()
        for _, case in ipairs(REFUSED) do
            local id, why = server:call("FCALL", "kataven_" .. case[1][1], 1, STREAM, unpack(case[1], 2))
            assert.is_nil(id)
            assert.equal("KATAVEN " .. case[2], why)
        end
        assert.equal(0, server:call("XLEN", STREAM))
    end)

    it("show no credential that slipped in", function()
        local _, why = server:call("FCALL", "kataven_create", 1, STREAM, '{"name":"a","agent_id":7,"sk_live_x_1":1}')
        assert.is_nil(why:find "sk_live")
        _, why = server:call("FCALL", "kataven_list", 1, STREAM, '{"timeout":"sk_live_x_1"}')
        assert.equal("KATAVEN timeout must be a finite number greater than 0, got a string", why)
    end)

    it("want one key", function()
        local _, why = server:call("FCALL", "kataven_list", 0)
        assert.equal("KATAVEN usage: FCALL kataven_list 1 <stream> [options], got 0 keys and 0 arguments", why)
    end)

    it("refuse a request when the stream is full, and lose none of the others", function()
        local ids = {}
        for index = 1, 5 do
            ids[index] = assert(server:call("FCALL", "kataven_create", 1, STREAM, ('{"name":"n%d"}'):format(index)))
        end
        local id, why = server:call("FCALL", "kataven_create", 1, STREAM, '{"name":"one more"}')
        assert.is_nil(id)
        assert.equal("KATAVENFULL {kataven} holds 5 requests, as many as it may, so this one was not added; "
            .. "try again later", why)
        local held = server:call("XRANGE", STREAM, "-", "+")
        for index, entry in ipairs(held) do
            assert.equal(ids[index], entry[1])
        end
        assert.equal(5, #held)
        server:call("XDEL", STREAM, ids[1])
        assert.is_string(server:call("FCALL", "kataven_create", 1, STREAM, '{"name":"one more"}'))
    end)

    it("queue within MULTI, all or none of it, and leave the rest of a MULTI alone when they refuse", function()
        server:call "MULTI"
        server:call("HSET", "customer", "name", "acme")
        server:call("FCALL", "kataven_create", 1, STREAM, '{"name":"acme"}')
        assert.equal(0, server:connect():call("XLEN", STREAM))
        local results = server:call "EXEC"
        assert.equal(1, results[1])
        assert.equal(select(2, last()), results[2])

        server:call "MULTI"
        server:call("FCALL", "kataven_create", 1, STREAM, '{"name":7}')
        server:call("HSET", "customer", "name", "other")
        results = server:call "EXEC"
        assert.equal("KATAVEN name must be a string, got a number (7)", results[1].problem)
        -- Redis has no way back: what a MULTI holds besides is done.
        assert.equal("other", server:call("HGET", "customer", "name"))
        server:call "MULTI"
        server:call("FCALL", "kataven_list", 1, STREAM)
        server:call "DISCARD"
        assert.equal(1, server:call("XLEN", STREAM))
    end)

    it("cannot be called from within a script: Redis has no FCALL there", function()
        local _, why = server:call("EVAL", "return redis.call('FCALL', 'kataven_list', 1, KEYS[1])", 1, STREAM)
        assert.matches("not allowed from script", why)
    end)

    it("say their version", function()
        assert.equal(functions.VERSION, server:call("FCALL_RO", "kataven_version", 0))
    end)

    describe("the snippet", function()
        local function eval(body, ...)
            return server:call("EVAL", functions.snippet { max = 5 } .. body, ...)
        end

        it("queues from a script, of tables and of JSON", function()
            for _, case in ipairs {
                { "kataven.list(KEYS[1])", { method = "list" } },
                { "kataven.list(KEYS[1], { deadline = 5 })", { method = "list", deadline = "5" } },
                { 'kataven.create(KEYS[1], { name = "a", domain_allowlist = {} })',
                    { method = "create", body = '{"name":"a","domain_allowlist":[]}' } },
                { 'kataven.create(KEYS[1], [[{"name":"a"}]])', { method = "create", body = '{"name":"a"}' } },
                { 'kataven.update(KEYS[1], "wk_1", { agent_id = cjson.null })',
                    { method = "update", id = "wk_1", body = '{"agent_id":null}' } },
                { 'kataven.delete(KEYS[1], "wk_1")', { method = "delete", id = "wk_1" } },
            } do
                server:call("DEL", STREAM)
                local id = assert(eval("return " .. case[1], 1, STREAM))
                local fields, newest = last()
                assert.equal(newest, id)
                assert.same(case[2], fields)
            end
        end)

        it("ends a script before it has written anything, where a request is refused", function()
            local script = [[
                local request = kataven.create(KEYS[1], { name = ARGV[1] ~= "" and ARGV[1] or nil })
                redis.call("HSET", KEYS[2], "request", request)
                return request
            ]]
            local _, why = eval(script, 2, STREAM, "{kataven}:customer", "")
            assert.matches("^KATAVEN name is missing", why)
            for _ = 1, 5 do
                assert(eval(script, 2, STREAM, "{kataven}:customer", "acme"))
            end
            server:call("DEL", "{kataven}:customer")
            _, why = eval(script, 2, STREAM, "{kataven}:customer", "acme")
            assert.matches("^KATAVENFULL {kataven} holds 5 requests", why)
            assert.equal(0, server:call("EXISTS", "{kataven}:customer"))
        end)

        it("queues from another library's functions, which may catch a refusal", function()
            assert(server:call("FUNCTION", "LOAD", "REPLACE", "#!lua name=shop\n" .. functions.snippet { max = 5 } .. [[
                redis.register_function("shop_register", function(keys, args)
                    local ok, request = pcall(kataven.create, keys[1], { name = args[1] })
                    return ok and request or "refused: " .. tostring(request)
                end)
            ]]))
            local id = server:call("FCALL", "shop_register", 1, STREAM, "acme")
            assert.equal(select(2, last()), id)
            server:call("FUNCTION", "DELETE", "shop")
        end)
    end)

    it("work in a cluster, where every key of a stream is in the slot of its tag", function()
        local cluster = redis.start { ["cluster-enabled"] = "yes", ["cluster-port"] = servers.freePort() }
        finally(function() cluster:stop() end)
        assert(cluster:call("CLUSTER", "ADDSLOTSRANGE", 0, 16383))
        for _ = 1, 500 do
            if cluster:call("CLUSTER", "INFO"):find "cluster_state:ok" then
                break
            end
            require "socket".sleep(0.02)
        end
        assert(cluster:call("FUNCTION", "LOAD", functions.library()))
        local id, why = cluster:call("FCALL", "kataven_create", 1, STREAM, '{"name":"acme"}')
        assert.is_string(id, why)
        assert(cluster:call("XGROUP", "CREATE", STREAM, "kataven", "0"))
        assert(cluster:call("XREADGROUP", "GROUP", "kataven", "me", "STREAMS", STREAM, ">"))
        local sent, metrics = STREAM .. ":sent", STREAM .. ":metrics"
        local function begin(...)
            return cluster:call("FCALL", "kataven_worker_begin", 3, ...)
        end
        assert.equal("go", begin(STREAM, sent, metrics, "me", id, "t", "write", 5, "")[1])
        assert.equal(1, cluster:call("FCALL", "kataven_worker_finish", 5, STREAM, sent, metrics,
            STREAM .. ":reply:" .. id, STREAM .. ":dead", "me", id, "failed", "{}", 60, 0, "why"))
        -- And whoever names keys of several slots is told so by Redis.
        assert.matches("hash to the same slot", select(2, begin(STREAM, "a", "b", "me", id, "t", "write", 5, "")))
    end)
end)
