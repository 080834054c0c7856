-- The worker beside Redis: requests, their replies, and what is counted.

local desks = require "spec.support.redis.desk"
local json = require "dkjson"
local redis = require "spec.support.redis"
local socket = require "socket"

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local STREAM = "{kataven}"

desks.describe("the worker beside Redis", function(desk)
    it("answers each method with what the desk.server sent", function()
        desk:start()
        local created, text = desk:await(desk:queue("create", '{"name":"acme.com","domain_allowlist":[]}'))
        assert.is_true(created.ok)
        assert.equal("acme.com", created.value.name)
        assert.truthy(created.value.key:find "^pk_live_")
        assert.truthy(text:find('"domain_allowlist":[]', 1, true))
        assert.equal(201, created.meta.status)
        assert.equal(1, created.meta.attempts)
        assert.is_string(created.meta.requestId)
        assert.equal("application/json", created.meta.headers["content-type"])

        local listed = desk:await(desk:queue "list")
        assert.equal(1, #listed.value)
        assert.is_nil(listed.value[1].key)
        local changed = desk:await(desk:queue("update", created.value.id,
            '{"domain_allowlist":["a.com"],"disabled":true}'))
        assert.same({ "a.com" }, changed.value.domain_allowlist)
        assert.is_string(changed.value.disabled_at)
        assert.is_true(desk:await(desk:queue("delete", created.value.id)).value)
        assert.same({}, desk:await(desk:queue "list").value)
    end)

    it("answers with the error, all its fields, and never the key", function()
        desk.hub:next { { n = 1, status = 401, body = "who is " .. desk.hub.apiKey .. "?" },
            { n = 1, status = 500, headers = { ["Content-Type"] = "application/json" }, body = '{"why":[],"n":null}' },
            { n = 1, status = 400, body = "caf\233" } }
        local worker = desk:start()
        local first, text = desk:await(desk:queue("create", '{"name":"a"}'))
        assert.is_false(first.ok)
        local err = first.error
        assert.equal("AuthenticationError", err.name)
        assert.same({ 401, "POST", "/api/v1/widget-keys", 1, false, "who is [redacted]?" },
            { err.status, err.method, err.path, err.attempts, err.maybeApplied, err.body })
        assert.is_table(err.headers)
        assert.is_number(err.elapsed)
        assert.is_nil(text:find(desk.hub.apiKey, 1, true))
        local second, whole = desk:await(desk:queue("create", '{"name":"b"}'))
        assert.is_true(second.error.maybeApplied)
        assert.truthy(whole:find('"data":{"why":[],"n":null}', 1, true))
        assert.equal("caf?", desk:await(desk:queue("create", '{"name":"c"}')).error.body)
        assert.is_nil(desk:finish(worker):find(desk.hub.apiKey, 1, true))
    end)

    it("puts no API key into Redis that a server echoes, and no key where SLOWLOG would keep it", function()
        desk.hub:next { n = 1, status = 201, headers = { ["Content-Type"] = "application/json",
            ["X-Echo"] = desk.hub.apiKey },
            body = ('{"id":"wk_1","key":"pk_live_x","name":"%s"}'):format(desk.hub.apiKey) }
        desk:start()
        desk.server:call("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 1000)
        local reply, text = desk:await(desk:queue("create", '{"name":"a"}'))
        desk.server:call("CONFIG", "SET", "slowlog-log-slower-than", 10000)
        assert.is_nil(text:find(desk.hub.apiKey, 1, true))
        assert.same({ id = "wk_1", key = "pk_live_x", name = "[redacted]" }, reply.value)
        local seen = json.encode(desk.server:call("SLOWLOG", "GET", 1000))
        assert.truthy(seen:find "kataven_worker_finish")
        assert.is_nil(seen:find "pk_live_x")
    end)

    it("tells when to come back", function()
        desk.hub:next { n = 1, status = 429, headers = { ["Retry-After"] = "3600" }, body = "rate_limited" }
        desk:start()
        local reply = desk:await(desk:queue("delete", "wk_1"))
        assert.same({ "RateLimitError", 3600, false },
            { reply.error.name, reply.error.retryAfter, reply.error.maybeApplied })
    end)

    it("keeps a reply for so long, and the stream of what is done not at all", function()
        desk:start { replyExpiry = 50 }
        local id = desk:queue "list"
        desk.untilTrue("a reply", function() return desk.server:call("EXISTS", STREAM .. ":reply:" .. id) == 1 end)
        local left = desk.server:call("TTL", STREAM .. ":reply:" .. id)
        assert.is_true(left > 20 and left <= 50)
        assert.equal(0, desk.server:call("XLEN", STREAM))
        assert.equal(0, desk.server:call("XPENDING", STREAM, "kataven")[1])
    end)

    it("answers where somebody's own key has the reply's name, and where nothing can be counted", function()
        desk:start { replyExpiry = 300.0 }
        desk.server:call("DEL", STREAM .. ":metrics")
        desk.server:call("SET", STREAM .. ":metrics", "mine")
        for _, fields in ipairs { { "method", "list" }, { "method", "nothing" } } do
            local id = ("%d-0"):format(desk.server:call("TIME")[1] * 1000)
            desk.server:call("SET", STREAM .. ":reply:" .. id, "mine")
            assert.equal(id, desk.server:call("XADD", STREAM, id, unpack(fields)))
            desk.untilTrue("its end", function() return desk.server:call("XLEN", STREAM) == 0 end)
            assert.is_table(desk:await(id))
            desk.server:call("DEL", STREAM)
            socket.sleep(1)
            desk.untilTrue("the group", function() return desk.server:call("EXISTS", STREAM) == 1 end)
        end
        assert.equal(1, desk.server:call("XLEN", STREAM .. ":dead"))
    end)

    it("works over a local socket, in another database and on another stream", function()
        desk:start { url = desk.server.unixUrl .. "?db=3", stream = "keys of {acme}" }
        desk.server:call("SELECT", 3)
        local id = assert(desk.server:call("FCALL", "kataven_list", 1, "keys of {acme}"))
        local answer = desk.server:call("BLPOP", "keys of {acme}:reply:" .. id, 30)
        desk.server:call("SELECT", 0)
        assert.truthy(answer[2]:find('"value":[]', 1, true))
    end)

    it("carries out what was queued before there was any worker, and many at once", function()
        desk.hub:reset { limits = { inFlight = 0 } }
        assert(desk.server:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
        local ids = {}
        for index = 1, 20 do
            desk.hub:next { n = 1, delay = 0.3 }
            ids[index] = desk:queue("create", json.encode { name = "n" .. index })
        end
        desk:start { concurrency = 20 }
        for _, id in ipairs(ids) do
            assert.is_true(desk:await(id).ok)
        end
        assert.is_true(desk.hub:stats().mostInFlight > 10)
    end)

    it("has no more in flight than it may", function()
        desk:start { concurrency = 3 }
        local ids = {}
        for index = 1, 12 do
            desk.hub:next { n = 1, delay = 0.05 }
            ids[index] = desk:queue("create", json.encode { name = "n" .. index })
        end
        for _, id in ipairs(ids) do
            assert.is_true(desk:await(id).ok)
        end
        assert.is_true(desk.hub:stats().mostInFlight <= 3)
    end)

    it("answers what was queued when Redis has run out of memory, which takes no more then", function()
        local full = redis.start {}
        finally(function() full:stop() end)
        local worker = redis.worker(full, desk.hub)
        desk:keep(worker)
        desk.hub:next { n = 1, delay = 0.5 }
        local id = assert(full:call("FCALL", "kataven_create", 1, STREAM, '{"name":"a"}'))
        desk.untilTrue("the request", function() return desk.hub:stats().creates == 1 end)
        full:call("CONFIG", "SET", "maxmemory", 1)
        assert.matches("^OOM", select(2, full:call("FCALL", "kataven_list", 1, STREAM)))
        assert.truthy(full:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]:find('"ok":true', 1, true))
    end)

    it("answers an entry that is no request, and puts it to the dead letters", function()
        -- More than Redis's Lua takes as arguments at once.
        local wide = { "f1", "1" }
        for index = 2, 5000 do
            wide[2 * index - 1], wide[2 * index] = "f" .. index, "1"
        end
        desk:start()
        for _, case in ipairs {
            { { "method", "create", "body", '{"name":7}' }, "name must be a string, got a number (7)" },
            { { "method", "create", "body", "[]" }, "the entry's body must be a JSON object: it is none" },
            { { "method", "create" }, "an entry of create has a body" },
            { { "method", "list", "id", "x" }, "an entry of list has no id" },
            { { "method", "drop" }, 'the entry\'s method must be list, create, update or delete, got "drop"' },
            { { "methd", "list" },
                'unknown field "methd" in the entry; known are method, id, body, timeout, deadline' },
            { wide, 'unknown field "f1" in the entry; known are method, id, body, timeout, deadline' },
            { { "method", "list", "timeout", "soon" }, "timeout must be a finite number greater than 0" },
        } do
            local entry = { "XADD", STREAM, "*" }
            for _, word in ipairs(case[1]) do
                entry[#entry + 1] = word
            end
            local id = desk.server:all({ entry })[1]
            local reply = desk:await(id)
            assert.same({ "MisuseError", false }, { reply.error.name, reply.error.maybeApplied })
            assert.equal(case[2], reply.error.message)
            local dead = desk.server:call("XREVRANGE", STREAM .. ":dead", "+", "-", "COUNT", 1)[1][2]
            assert.same({ "request", id, "reason", case[2], "tries", "1", case[1][1], case[1][2] },
                { unpack(dead, 1, 8) })
        end
        assert.equal(0, desk.hub:stats().total)
        assert.equal(8, desk:metrics().dead)
        assert.equal(0, desk.server:call("XLEN", STREAM))
    end)

    it("sends nothing when the deadline passed in the queue", function()
        assert(desk.server:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
        local late = desk:queue("create", '{"name":"late"}', '{"deadline":0.05}')
        local prompt = desk:queue("list", '{"deadline":60}')
        socket.sleep(0.1)
        desk:start()
        local reply = desk:await(late)
        assert.same({ "TimeoutError", "the deadline of 0.05 s passed before it could be sent", false },
            { reply.error.name, reply.error.message, reply.error.maybeApplied })
        assert.is_true(desk:await(prompt).ok)
        assert.equal(0, desk.hub:stats().creates)
    end)

    it("sends nothing when the deadline passed between the leave to send it and that answer", function()
        local worker = desk:start()
        local before = desk:queue "list"
        desk:await(before)
        local name = desk.server:call("XINFO", "CONSUMERS", STREAM, "kataven")[1][2]
        local id = ("%d-0"):format(before:match "^%d+" + 1)
        desk.untilTrue("that to be long ago", function()
            local now = desk.server:call "TIME"
            return now[1] * 1000 + now[2] / 1000 - id:match "^%d+" > 100
        end)
        -- Marked by the very handling that asks, which has not heard of it: the connection broke.
        desk.server:call("HSET", STREAM .. ":sent", id, name .. "/2")
        desk.server:call("XADD", STREAM, id, "method", "create", "body", '{"name":"late"}', "deadline", "0.1")
        local reply = desk:await(id)
        assert.same({ "TimeoutError", false }, { reply.error.name, reply.error.maybeApplied })
        assert.matches("the deadline of 0.1 s passed before it could be sent", reply.error.message)
        assert.equal(1, desk.hub:stats().total)
        assert.equal(0, desk.server:call("HLEN", STREAM .. ":sent"))
        desk:finish(worker)
    end)

    it("counts a deadline from now where the clock was set back since, and no time below zero", function()
        local worker = desk:start()
        desk.hub:next { n = 1, delay = 2 }
        desk.server:call("XADD", STREAM, "99999999999999-1", "method", "list", "deadline", "0.3")
        local reply = desk:await "99999999999999-1"
        assert.same({ "TimeoutError", 1 }, { reply.error.name, desk.hub:stats().total })
        desk.server:call("XADD", STREAM, "99999999999999-2", "method", "list")
        assert.is_true(desk:await("99999999999999-2").ok)
        desk:finish(worker)
        desk.server:call("XADD", STREAM, "99999999999999-3", "method", "list")
        assert.same({ 1, 0, 0, {} }, desk.server:call("FCALL", "kataven_worker_beat", 2, STREAM, STREAM .. ":metrics",
            "somebody"))
        assert.equal(0, desk:metrics().oldest)
    end)

    it("passes timeout and the rest of the deadline on", function()
        desk:start()
        desk.hub:next { { n = 1, delay = 3 }, { n = 1, delay = 3 } }
        local reply = desk:await(desk:queue("create", '{"name":"slow"}', '{"timeout":0.2}'))
        assert.same({ "TimeoutError", true }, { reply.error.name, reply.error.maybeApplied })
        reply = desk:await(desk:queue("create", '{"name":"slow"}', '{"deadline":0.5}'))
        assert.matches("the deadline of 0%.[45]", reply.error.message)
    end)

    it("takes off a deadline what a request has waited in the queue", function()
        -- It was queued three of its four seconds ago; on a slow machine it may be too late altogether.
        local now = desk.server:call "TIME"
        local id = ("%.0f-7"):format(now[1] * 1000 + math.floor(now[2] / 1000) - 3000)
        desk.hub:next { { n = 1, delay = 5 }, { n = 1, delay = 5 } }
        desk.server:call("XADD", STREAM, id, "method", "list", "deadline", "4")
        desk:start()
        local reply = desk:await(id)
        assert.equal("TimeoutError", reply.error.name)
        local left = tonumber(reply.error.message:match "the deadline of ([%d.]+) s")
        assert.is_true(left <= 1 or left == 4 and reply.error.attempts == 0, reply.error.message)
    end)

    it("counts, in Redis and in its log", function()
        local worker = desk:start { lease = 0.3, report = 0.1 }
        desk:await(desk:queue "list")
        desk:await(desk:queue("delete", "no such key"))
        desk.untilTrue("the numbers", function()
            local found = desk:metrics()
            return found.done == 1 and found.failed == 1 and found.queued == 0 and found.in_flight == 0
        end)
        desk.hub:next { n = 1, delay = 1.5 }
        desk:await(desk:queue("update", "x", "{}")) -- answered late: meanwhile the numbers show it
        assert.is_true(math.abs(desk:metrics().updated - socket.gettime()) < 10)
        for index = 1, 25 do
            desk.hub:next { n = 1, delay = 1.5 }
            desk:queue("create", json.encode { name = "n" .. index })
        end
        desk.untilTrue("a queue", function()
            local found = desk:metrics()
            return found.in_flight == 20 and found.queued == 5 and found.oldest > 0.3
        end)
        local log = desk:finish(worker)
        assert.matches("queued 5, in flight 20 %(here 20%), the oldest [%d.]+ s; here done 1, failed 2, retried 0",
            log)
        assert.matches("ended; done 21, failed 2, retried 0", log)
    end)

    it("keeps of a reply what seal makes of it, and answers where that fails", function()
        desk:start { options = [[seal = function(text, id)
            if text:find "raise" then error("no", 0) end
            return id .. " " .. text:reverse()
        end,]] }
        local id = desk:queue "list"
        local text = desk.server:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]
        assert.equal(id, text:match "^%S+")
        assert.is_true(json.decode(text:match " (.*)$":reverse()).ok)
        local reply = desk:await(desk:queue("create", '{"name":"raise"}'))
        assert.same({ "WorkerError", true }, { reply.error.name, reply.error.maybeApplied })
        assert.matches("it was carried out$", reply.error.message)
        -- An error that the worker itself makes is sealed as well.
        id = desk.server:call("XADD", STREAM, "*", "method", "nothing")
        text = desk.server:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]
        assert.equal("MisuseError", json.decode(text:match " (.*)$":reverse()).error.name)
        id = desk.server:call("XADD", STREAM, "*", "method", "raise")
        reply = desk:await(id)
        assert.same({ "WorkerError", false }, { reply.error.name, reply.error.maybeApplied })
        assert.equal(id, desk.server:call("XREVRANGE", STREAM .. ":dead", "+", "-", "COUNT", 1)[1][2][2])
    end)
end)
