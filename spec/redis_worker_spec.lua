-- The worker: replies, errors, what is taken over, what ends it, and what it tells.

local json = require "dkjson"
local redis = require "spec.support.redis"
local servers = require "spec.support.servers"
local settings = require "kataven.redis.settings"
local socket = require "socket"

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

describe("kataven.redis.settings", function()
    it("says what is wrong with an option", function()
        for _, case in ipairs {
            { { steam = "x" }, 'unknown option "steam"; did you mean "stream"?' },
            { { stream = "" }, "stream is empty" },
            { { concurrency = 0 }, "concurrency must be a finite number of at least 1, got a number (0)" },
            { { tries = 1.5 }, "tries must be a whole number, got a number (1.5)" },
            { { lease = "1" }, 'lease must be a finite number greater than 0, got a string ("1")' },
            { { grace = -1 }, "grace must be a finite number of at least 0, got a number (-1)" },
            { { seal = "rot13" }, 'seal must be a function, got a string ("rot13")' },
            { { client = { wait = print } }, "client.wait is the worker's own" },
            { { url = "redis://:secret@x:y" }, "url cannot be read: its port must be a number from 1 to 65535" },
            { 7, "a worker takes a table of options, got a number" },
        } do
            local resolved, problem = settings.read(case[1])
            assert.is_nil(resolved)
            assert.equal(case[2], problem)
        end
    end)

    it("has the defaults that are documented", function()
        local o = settings.read { url = "redis://x" }
        assert.same({ "{kataven}", 20, 30, 5, 300, 10000, 60 },
            { o.stream, o.concurrency, o.lease, o.tries, o.replyExpiry, o.max, o.grace })
    end)
end)

local missing = redis.missing()
if missing then
    describe("the worker", function()
        it("carries requests out", function()
            pending(missing)
        end)
    end)
    return
end

local STREAM = "{kataven}"

describe("the worker", function()
    local server, hub, workers

    lazy_setup(function()
        server = redis.start { appendonly = "yes", unixsocket = true }
        hub = servers.hub { limits = { inFlight = 0 } }
    end)

    lazy_teardown(function()
        server:stop()
        hub:stop()
        redis.forget()
    end)

    before_each(function()
        workers = {}
        server:call "FLUSHALL"
        server:call("FUNCTION", "FLUSH")
        hub:reset { limits = { inFlight = 0 } }
    end)

    after_each(function()
        for _, worker in ipairs(workers) do
            worker:stop()
        end
    end)

    local function start(options)
        local worker = redis.worker(server, hub, options)
        workers[#workers + 1] = worker
        return worker
    end

    -- Ends one with SIGTERM; gives its log.
    local function finish(worker, wanted)
        worker:signal "TERM"
        local _, errors, status = worker:wait()
        assert.equal(wanted or 0, status, errors)
        return errors
    end

    -- Queues a request by a function; gives its id.
    local function queue(name, ...)
        local id, why = server:call("FCALL", "kataven_" .. name, 1, STREAM, ...)
        assert.is_string(id, why)
        return id
    end

    -- The reply, and its text.
    local function await(id)
        local answer = server:call("BLPOP", STREAM .. ":reply:" .. id, 30)
        assert.is_table(answer, "no reply to " .. id)
        return json.decode(answer[2]), answer[2]
    end

    -- Waits for something that is about to happen.
    local function untilTrue(what, ask)
        local deadline = socket.gettime() + 30
        repeat
            if ask() then
                return
            end
            socket.sleep(0.01)
        until socket.gettime() > deadline
        error("waited in vain for " .. what, 2)
    end

    local function metrics()
        local raw, found = server:call("HGETALL", STREAM .. ":metrics"), {}
        for index = 1, #raw, 2 do
            found[raw[index]] = tonumber(raw[index + 1])
        end
        return found
    end

    -- A worker that took so many entries and died, as far as Redis can tell. Gives their ids.
    local function takenBy(consumer, ids)
        local taken = server:call("XREADGROUP", "GROUP", "kataven", consumer, "COUNT", #ids, "STREAMS", STREAM, ">")
        assert.equal(#ids, #taken[1][2])
    end

    local function prepared()
        assert(server:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
        assert(server:call("XGROUP", "CREATE", STREAM, "kataven", "0", "MKSTREAM"))
    end

    it("answers each method with what the server sent", function()
        start()
        local created, text = await(queue("create", '{"name":"acme.com","domain_allowlist":[]}'))
        assert.is_true(created.ok)
        assert.equal("acme.com", created.value.name)
        assert.truthy(created.value.key:find "^pk_live_")
        assert.truthy(text:find('"domain_allowlist":[]', 1, true))
        assert.equal(201, created.meta.status)
        assert.equal(1, created.meta.attempts)
        assert.is_string(created.meta.requestId)
        assert.equal("application/json", created.meta.headers["content-type"])

        local listed = await(queue "list")
        assert.equal(1, #listed.value)
        assert.is_nil(listed.value[1].key)
        local changed = await(queue("update", created.value.id, '{"domain_allowlist":["a.com"],"disabled":true}'))
        assert.same({ "a.com" }, changed.value.domain_allowlist)
        assert.is_string(changed.value.disabled_at)
        assert.is_true(await(queue("delete", created.value.id)).value)
        assert.same({}, await(queue "list").value)
    end)

    it("answers with the error, all its fields, and never the key", function()
        hub:next { { n = 1, status = 401, body = "who is " .. hub.apiKey .. "?" },
            { n = 1, status = 500, headers = { ["Content-Type"] = "application/json" }, body = '{"why":[],"n":null}' },
            { n = 1, status = 400, body = "caf\233" } }
        local worker = start()
        local first, text = await(queue("create", '{"name":"a"}'))
        assert.is_false(first.ok)
        local err = first.error
        assert.equal("AuthenticationError", err.name)
        assert.same({ 401, "POST", "/api/v1/widget-keys", 1, false, "who is [redacted]?" },
            { err.status, err.method, err.path, err.attempts, err.maybeApplied, err.body })
        assert.is_table(err.headers)
        assert.is_number(err.elapsed)
        assert.is_nil(text:find(hub.apiKey, 1, true))
        local second, whole = await(queue("create", '{"name":"b"}'))
        assert.is_true(second.error.maybeApplied)
        assert.truthy(whole:find('"data":{"why":[],"n":null}', 1, true))
        assert.equal("caf?", await(queue("create", '{"name":"c"}')).error.body)
        assert.is_nil(finish(worker):find(hub.apiKey, 1, true))
    end)

    it("tells when to come back", function()
        hub:next { n = 1, status = 429, headers = { ["Retry-After"] = "3600" }, body = "rate_limited" }
        start()
        local reply = await(queue("delete", "wk_1"))
        assert.same({ "RateLimitError", 3600, false },
            { reply.error.name, reply.error.retryAfter, reply.error.maybeApplied })
    end)

    it("keeps a reply for so long, and the stream of what is done not at all", function()
        start { replyExpiry = 50 }
        local id = queue "list"
        untilTrue("a reply", function() return server:call("EXISTS", STREAM .. ":reply:" .. id) == 1 end)
        local left = server:call("TTL", STREAM .. ":reply:" .. id)
        assert.is_true(left > 20 and left <= 50)
        assert.equal(0, server:call("XLEN", STREAM))
        assert.equal(0, server:call("XPENDING", STREAM, "kataven")[1])
    end)

    it("works over a local socket, in another database and on another stream", function()
        start { url = server.unixUrl .. "?db=3", stream = "keys of {acme}" }
        server:call("SELECT", 3)
        local id = assert(server:call("FCALL", "kataven_list", 1, "keys of {acme}"))
        local answer = server:call("BLPOP", "keys of {acme}:reply:" .. id, 30)
        server:call("SELECT", 0)
        assert.truthy(answer[2]:find('"value":[]', 1, true))
    end)

    it("carries out what was queued before there was any worker, and many at once", function()
        hub:reset { limits = { inFlight = 0 } }
        assert(server:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
        local ids = {}
        for index = 1, 20 do
            hub:next { n = 1, delay = 0.3 }
            ids[index] = queue("create", json.encode { name = "n" .. index })
        end
        start { concurrency = 20 }
        for _, id in ipairs(ids) do
            assert.is_true(await(id).ok)
        end
        assert.is_true(hub:stats().mostInFlight > 10)
    end)

    it("has no more in flight than it may", function()
        start { concurrency = 3 }
        local ids = {}
        for index = 1, 12 do
            hub:next { n = 1, delay = 0.05 }
            ids[index] = queue("create", json.encode { name = "n" .. index })
        end
        for _, id in ipairs(ids) do
            assert.is_true(await(id).ok)
        end
        assert.is_true(hub:stats().mostInFlight <= 3)
    end)

    it("has no more marked than it may, when it takes over others as well", function()
        prepared()
        local left, ids = {}, {}
        for index = 1, 12 do
            hub:next { n = 1, delay = 0.05 }
            left[index] = queue("create", json.encode { name = "left" .. index })
        end
        takenBy("dead", left)
        socket.sleep(0.2)
        start { concurrency = 3, lease = 0.2 }
        for index = 1, 12 do
            hub:next { n = 1, delay = 0.05 }
            ids[index] = queue("create", json.encode { name = "new" .. index })
        end
        local most = 0
        untilTrue("all of them", function()
            most = math.max(most, server:call("HLEN", STREAM .. ":sent"))
            return server:call("XLEN", STREAM) == 0
        end)
        assert.is_true(most >= 1 and most <= 3, most)
        assert.is_true(hub:stats().mostInFlight <= 3)
        for _, list in ipairs { left, ids } do
            for _, id in ipairs(list) do
                assert.is_true(await(id).ok)
            end
        end
    end)

    it("answers what was queued when Redis has run out of memory, which takes no more then", function()
        local full = redis.start {}
        finally(function() full:stop() end)
        local worker = redis.worker(full, hub)
        workers[#workers + 1] = worker
        hub:next { n = 1, delay = 0.5 }
        local id = assert(full:call("FCALL", "kataven_create", 1, STREAM, '{"name":"a"}'))
        untilTrue("the request", function() return hub:stats().creates == 1 end)
        full:call("CONFIG", "SET", "maxmemory", 1)
        assert.matches("^OOM", select(2, full:call("FCALL", "kataven_list", 1, STREAM)))
        assert.truthy(full:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]:find('"ok":true', 1, true))
    end)

    it("answers an entry that is no request, and puts it to the dead letters", function()
        start()
        for _, case in ipairs {
            { { "method", "create", "body", '{"name":7}' }, "name must be a string, got a number (7)" },
            { { "method", "create", "body", "[]" }, "the entry's body must be a JSON object: it is none" },
            { { "method", "create" }, "an entry of create has a body" },
            { { "method", "list", "id", "x" }, "an entry of list has no id" },
            { { "method", "drop" }, 'the entry\'s method must be list, create, update or delete, got "drop"' },
            { { "methd", "list" },
                'unknown field "methd" in the entry; known are method, id, body, timeout, deadline' },
            { { "method", "list", "timeout", "soon" }, "timeout must be a finite number greater than 0" },
        } do
            local id = server:call("XADD", STREAM, "*", unpack(case[1]))
            local reply = await(id)
            assert.same({ "MisuseError", false }, { reply.error.name, reply.error.maybeApplied })
            assert.equal(case[2], reply.error.message)
            local dead = server:call("XREVRANGE", STREAM .. ":dead", "+", "-", "COUNT", 1)[1][2]
            assert.same({ "request", id, "reason", case[2], "tries", "1", case[1][1], case[1][2] },
                { unpack(dead, 1, 8) })
        end
        assert.equal(0, hub:stats().total)
        assert.equal(7, metrics().dead)
        assert.equal(0, server:call("XLEN", STREAM))
    end)

    it("sends nothing when the deadline passed in the queue", function()
        assert(server:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
        local late, prompt = queue("create", '{"name":"late"}', '{"deadline":0.05}'), queue("list", '{"deadline":60}')
        socket.sleep(0.1)
        start()
        local reply = await(late)
        assert.same({ "TimeoutError", "the deadline of 0.05 s passed before it could be sent", false },
            { reply.error.name, reply.error.message, reply.error.maybeApplied })
        assert.is_true(await(prompt).ok)
        assert.equal(0, hub:stats().creates)
    end)

    it("passes timeout and the rest of the deadline on", function()
        start()
        hub:next { { n = 1, delay = 3 }, { n = 1, delay = 3 } }
        local reply = await(queue("create", '{"name":"slow"}', '{"timeout":0.2}'))
        assert.same({ "TimeoutError", true }, { reply.error.name, reply.error.maybeApplied })
        reply = await(queue("create", '{"name":"slow"}', '{"deadline":0.5}'))
        assert.matches("the deadline of 0%.[45]", reply.error.message)
    end)

    it("takes over what a dead one left: what was not sent, and reads; and answers a write that was", function()
        prepared()
        local unsent, sent = queue("create", '{"name":"unsent"}'), queue("create", '{"name":"sent"}')
        local read = queue "list"
        takenBy("dead", { unsent, sent, read })
        for id, kind in pairs { [sent] = "write", [read] = "read" } do
            assert.equal("go", server:call("FCALL", "kataven_worker_begin", 3, STREAM, STREAM .. ":sent",
                STREAM .. ":metrics", "dead", id, "dead/1", kind, 5, "")[1])
        end
        local worker = start { lease = 0.2 }
        assert.is_true(await(unsent).ok)
        assert.is_true(await(read).ok)
        local reply = await(sent)
        assert.same({ "ConnectionError", true, "create" },
            { reply.error.name, reply.error.maybeApplied, reply.error.method })
        assert.matches("it may have been carried out all the same", reply.error.message)
        assert.same({ unsent = 1 }, hub:created())
        assert.equal(2, metrics().retried)
        assert.equal(0, server:call("HLEN", STREAM .. ":sent"))
        assert.matches("was taken over", finish(worker))
    end)

    it("gives up what too many have died of, and says so", function()
        prepared()
        local read, write = queue "list", queue("create", '{"name":"a"}')
        takenBy("dead", { read, write })
        for _, id in ipairs { read, write } do
            server:call("XCLAIM", STREAM, "kataven", "dead", 0, id, "RETRYCOUNT", 3)
        end
        start { lease = 0.2, tries = 3 }
        for _, id in ipairs { read, write } do
            local reply = await(id)
            assert.same({ "WorkerError", false }, { reply.error.name, reply.error.maybeApplied })
            assert.matches("given up after 3 tries", reply.error.message)
        end
        local dead = server:call("XRANGE", STREAM .. ":dead", "-", "+")
        assert.equal(2, #dead)
        assert.equal("4", dead[1][2][6])
        assert.equal(0, hub:stats().total)
    end)

    it("keeps what it is at work on, for longer than a lease", function()
        hub:next { n = 1, delay = 1.5 }
        start { lease = 0.6 }
        local id = queue("create", '{"name":"slow"}')
        untilTrue("the request", function() return hub:stats().creates == 1 end)
        start { lease = 0.6 }
        assert.is_true(await(id).ok)
        assert.equal(1, hub:stats().creates)
    end)

    it("stays silent when another answered while it was stopped, and sends nothing that is another's", function()
        hub:next { n = 1, delay = 0.5 }
        local slow = start { lease = 0.3 }
        local id = queue("create", '{"name":"slow"}')
        untilTrue("the request", function() return hub:stats().creates == 1 end)
        slow:signal "STOP"
        local other = start { lease = 0.3 }
        local reply = await(id)
        assert.is_true(reply.error.maybeApplied)
        slow:signal "CONT"
        assert.matches("was answered by another worker meanwhile", finish(slow))
        finish(other)
        assert.equal(0, server:call("EXISTS", STREAM .. ":reply:" .. id))
        assert.same({ slow = 1 }, hub:created())
    end)

    it("does not send again what a Redis has forgotten that lost its last seconds", function()
        local forgetful = redis.start {}
        finally(function() forgetful:stop() end)
        assert(forgetful:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
        local id = assert(forgetful:call("FCALL", "kataven_create", 1, STREAM, '{"name":"once"}'))
        forgetful:call "SAVE" -- it is there, and nobody has had it
        local worker = redis.worker(forgetful, hub, { lease = 0.5 })
        workers[#workers + 1] = worker
        assert.truthy(forgetful:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]:find '"ok":true')
        forgetful:restart "KILL"
        local answer = forgetful:call("BLPOP", STREAM .. ":reply:" .. id, 30)
        assert.is_true(json.decode(answer[2]).error.maybeApplied)
        assert.matches("sent before, which Redis has forgotten", finish(worker))
        assert.same({ once = 1 }, hub:created())
    end)

    it("finishes what is in flight on SIGTERM, takes nothing new, and leaves no trace in the group", function()
        hub:next { n = 1, delay = 0.5 }
        local worker = start()
        local id = queue("create", '{"name":"in flight"}')
        untilTrue("the request", function() return hub:stats().creates == 1 end)
        worker:signal "TERM"
        untilTrue("its end", function()
            local later = queue "list" -- one of them comes too late
            socket.sleep(0.05)
            return server:call("EXISTS", STREAM .. ":reply:" .. later) == 0
        end)
        local _, errors, status = worker:wait()
        assert.equal(0, status, errors)
        assert.is_true(await(id).ok)
        assert.is_true(server:call("XLEN", STREAM) > 0)
        assert.same({}, server:call("XINFO", "CONSUMERS", STREAM, "kataven"))
        assert.matches("SIGTERM: takes nothing new", errors)
    end)

    it("ends at once when it has nothing to do, and hears SIGINT as well", function()
        local worker = start()
        socket.sleep(0.2) -- it waits in Redis
        local before = socket.gettime()
        worker:signal "INT"
        local _, errors, status = worker:wait()
        assert.equal(0, status, errors)
        assert.is_true(socket.gettime() - before < 3) -- it waits for 5 s at a time
    end)

    it("gives up when there is no more time, and says what it has left", function()
        hub:next { n = 1, delay = 20 }
        local worker = start { grace = 0.2 }
        local id = queue("create", '{"name":"slow"}')
        untilTrue("the request", function() return hub:stats().creates == 1 end)
        local errors = finish(worker, 1)
        assert.truthy(errors:find("0.2 s were not enough; left for another worker: " .. id, 1, true))
        start { lease = 0.2 }
        assert.is_true(await(id).error.maybeApplied)
    end)

    it("comes back when Redis has lost everything, and makes what it needs anew", function()
        local worker = start()
        assert.is_true(await(queue "list").ok)
        server:call "FLUSHALL"
        server:call("FUNCTION", "FLUSH")
        untilTrue("the functions", function()
            return server:call("FCALL", "kataven_list", 1, STREAM)
        end)
        assert.is_true(await(queue "list").ok)
        assert.matches("the functions were loaded.*the functions were loaded", finish(worker))
    end)

    it("counts, in Redis and in its log", function()
        start { lease = 0.3 }
        await(queue "list")
        await(queue("delete", "no such key"))
        untilTrue("the numbers", function()
            local found = metrics()
            return found.done == 1 and found.failed == 1 and found.queued == 0 and found.in_flight == 0
        end)
        hub:next { n = 1, delay = 1.5 }
        await(queue("update", "x", "{}")) -- answered late: meanwhile the numbers show it
        assert.is_true(math.abs(metrics().updated - socket.gettime()) < 10)
        for index = 1, 25 do
            hub:next { n = 1, delay = 1.5 }
            queue("create", json.encode { name = "n" .. index })
        end
        untilTrue("a queue", function()
            local found = metrics()
            return found.in_flight == 20 and found.queued == 5 and found.oldest > 0.3
        end)
    end)

    it("keeps of a reply what seal makes of it, and answers where that fails", function()
        start { options = [[seal = function(text, id)
            if text:find "raise" then error("no", 0) end
            return id .. " " .. text:reverse()
        end,]] }
        local id = queue "list"
        local text = server:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]
        assert.equal(id, text:match "^%S+")
        assert.is_true(json.decode(text:match " (.*)$":reverse()).ok)
        local reply = await(queue("create", '{"name":"raise"}'))
        assert.same({ "WorkerError", true }, { reply.error.name, reply.error.maybeApplied })
    end)

    it("says at once that the password is wrong, and shows none", function()
        local locked = redis.start { requirepass = "a@secret" }
        finally(function() locked:stop() end)
        for _, user in ipairs { ":not-it-at-all@", "" } do
            local worker = redis.worker(locked, hub, {
                url = ("redis://%s127.0.0.1:%d"):format(user, locked.port), unready = true })
            local _, errors, status = worker:wait()
            assert.equal(1, status)
            assert.matches("cannot work with redis://127.0.0.1:%d+: %u+ ", errors)
            assert.is_nil(errors:find "not%-it")
        end
        local worker = redis.worker(locked, hub, {
            url = ("redis://:a%%40secret@127.0.0.1:%d"):format(locked.port) })
        local errors = finish(worker)
        assert.is_nil(errors:find "secret")
    end)

    it("needs no more rights than those documented", function()
        local guide = assert(io.open "docs/redis.md"):read "*a"
        local rules = {}
        for line in guide:gmatch "\nACL SETUSER ([^\n]+)" do
            rules[line:match "^%S+"] = line
        end
        for _, line in pairs(rules) do
            local words = { "ACL", "SETUSER" }
            for word in line:gmatch "%S+" do
                words[#words + 1] = word
            end
            assert(server:call(unpack(words)))
        end
        finally(function() server:call("ACL", "DELUSER", "kataven-worker", "kataven-caller") end)
        assert(server:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
        local worker = start { lease = 0.3,
            url = ("redis://kataven-worker:change-me@127.0.0.1:%d"):format(server.port) }
        local caller = server:connect()
        finally(function()
            caller:close()
            server:call("ACL", "DELUSER", "kataven-worker", "kataven-caller")
        end)
        assert(caller:call("AUTH", "kataven-caller", "change-me-too"))
        local id = assert(caller:call("FCALL", "kataven_create", 1, STREAM, '{"name":"acme"}'))
        assert.truthy(caller:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]:find '"ok":true')
        assert.matches("^NOPERM", select(2, caller:call("GET", STREAM)))
        assert.matches("^NOPERM", select(2, caller:call("XLEN", "another")))
        socket.sleep(0.5) -- some signs of life
        local errors = finish(worker)
        assert.is_nil(errors:find "NOPERM", errors)
    end)

    it("says what to do where it may not load the functions", function()
        assert(server:call("ACL", "SETUSER", "weak", "on", ">x", "~*", "+@all", "-function|load"))
        finally(function() server:call("ACL", "DELUSER", "weak") end)
        local worker = redis.worker(server, hub, {
            url = ("redis://weak:x@127.0.0.1:%d"):format(server.port), unready = true })
        local _, errors, status = worker:wait()
        assert.equal(1, status)
        assert.matches('let somebody load the functions who may: "kataven redis%-functions %-%-load"', errors)
    end)

    it("leaves functions alone that are newer than it is", function()
        assert(server:call("FUNCTION", "LOAD", (require "kataven.redis.functions".library()
            :gsub("return 1 end", "return 99 end"))))
        local worker = redis.worker(server, hub, { unready = true })
        local _, errors, status = worker:wait()
        assert.equal(1, status)
        assert.matches("version 99, and this worker knows 1: it needs a newer kataven", errors)
    end)

    it("warns of a Redis that may forget", function()
        local forgetful = redis.start { ["maxmemory-policy"] = "allkeys-lru" }
        finally(function() forgetful:stop() end)
        local errors = finish(redis.worker(forgetful, hub))
        assert.matches("keeps no append%-only file", errors)
        assert.matches("maxmemory%-policy is allkeys%-lru", errors)
    end)

    it("waits for a Redis that is not there yet", function()
        local later = redis.start {}
        finally(function() later:stop() end)
        local worker
        later:restart("KILL", function()
            worker = redis.worker(later, hub, { unready = true })
            workers[#workers + 1] = worker
            socket.sleep(0.3)
        end)
        assert.equal("ready", worker:line())
        assert.matches("no connection to redis://127.0.0.1:%d+: connection refused; trying again", finish(worker))
    end)
end)
