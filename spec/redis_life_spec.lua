-- How a worker begins and ends, what it needs of Redis, and what it does when that goes away.

local desks = require "spec.support.redis.desk"
local redis = require "spec.support.redis"
local socket = require "socket"

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local STREAM = "{kataven}"

desks.describe("the life of a worker beside Redis", function(desk)
    it("finishes what is in flight on SIGTERM, takes nothing new, and leaves no trace in the group", function()
        desk.hub:next { n = 1, delay = 0.5 }
        local worker = desk:start()
        local id = desk:queue("create", '{"name":"in flight"}')
        desk.untilTrue("the request", function() return desk.hub:stats().creates == 1 end)
        worker:signal "TERM"
        desk.untilTrue("its end", function()
            local later = desk:queue "list" -- one of them comes too late
            socket.sleep(0.05)
            return desk.server:call("EXISTS", STREAM .. ":reply:" .. later) == 0
        end)
        local _, errors, status = worker:wait()
        assert.equal(0, status, errors)
        assert.is_true(desk:await(id).ok)
        assert.is_true(desk.server:call("XLEN", STREAM) > 0)
        assert.same({}, desk.server:call("XINFO", "CONSUMERS", STREAM, "kataven"))
        assert.matches("SIGTERM: takes nothing new", errors)
    end)

    it("ends at once when it has nothing to do, and hears SIGINT as well", function()
        local worker = desk:start()
        socket.sleep(0.2) -- it waits in Redis
        local before = socket.gettime()
        worker:signal "INT"
        local _, errors, status = worker:wait()
        assert.equal(0, status, errors)
        assert.is_true(socket.gettime() - before < 3) -- it waits for 5 s at a time
    end)

    it("gives up when there is no more time, and says what it has left", function()
        desk.hub:next { n = 1, delay = 20 }
        local worker = desk:start { grace = 0.2 }
        local id = desk:queue("create", '{"name":"slow"}')
        desk.untilTrue("the request", function() return desk.hub:stats().creates == 1 end)
        local errors = desk:finish(worker, 1)
        assert.truthy(errors:find("0.2 s were not enough; left for another worker: " .. id, 1, true))
        desk:start { lease = 0.2 }
        assert.is_true(desk:await(id).error.maybeApplied)
    end)

    it("comes back when Redis has lost everything, and makes what it needs anew", function()
        local worker = desk:start()
        assert.is_true(desk:await(desk:queue "list").ok)
        desk.server:call "FLUSHALL"
        desk.server:call("FUNCTION", "FLUSH")
        desk.untilTrue("the functions", function()
            return desk.server:call("FCALL", "kataven_list", 1, STREAM)
        end)
        assert.is_true(desk:await(desk:queue "list").ok)
        assert.matches("the functions were loaded.*the functions were loaded", desk:finish(worker))
    end)

    it("says at once that the password is wrong, and shows none", function()
        local locked = redis.start { requirepass = "a@secret" }
        finally(function() locked:stop() end)
        for _, user in ipairs { ":not-it-at-all@", "" } do
            local worker = redis.worker(locked, desk.hub, {
                url = ("redis://%s127.0.0.1:%d"):format(user, locked.port), unready = true })
            local _, errors, status = worker:wait()
            assert.equal(1, status)
            assert.matches("cannot work with redis://127.0.0.1:%d+: %u+ ", errors)
            assert.is_nil(errors:find "not%-it")
        end
        local worker = redis.worker(locked, desk.hub, {
            url = ("redis://:a%%40secret@127.0.0.1:%d"):format(locked.port) })
        local errors = desk:finish(worker)
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
            assert(desk.server:call(unpack(words)))
        end
        assert(desk.server:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
        local worker = desk:start { lease = 0.3,
            url = ("redis://kataven-worker:change-me@127.0.0.1:%d"):format(desk.server.port) }
        local caller = desk.server:connect()
        finally(function()
            caller:close()
            desk.server:call("ACL", "DELUSER", "kataven-worker", "kataven-caller")
        end)
        assert(caller:call("AUTH", "kataven-caller", "change-me-too"))
        local id = assert(caller:call("FCALL", "kataven_create", 1, STREAM, '{"name":"acme"}'))
        assert.truthy(caller:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]:find '"ok":true')
        assert.matches("^NOPERM", select(2, caller:call("GET", STREAM)))
        assert.matches("^NOPERM", select(2, caller:call("XLEN", "another")))
        socket.sleep(0.5) -- some signs of life
        local errors = desk:finish(worker)
        assert.is_nil(errors:find "NOPERM", errors)
    end)

    it("says what to do where it may not load the functions", function()
        assert(desk.server:call("ACL", "SETUSER", "weak", "on", ">x", "~*", "+@all", "-function|load"))
        finally(function() desk.server:call("ACL", "DELUSER", "weak") end)
        local worker = redis.worker(desk.server, desk.hub, {
            url = ("redis://weak:x@127.0.0.1:%d"):format(desk.server.port), unready = true })
        local _, errors, status = worker:wait()
        assert.equal(1, status)
        assert.matches('let somebody load the functions who may: "kataven redis%-functions %-%-load"', errors)
    end)

    it("ends at once where it may not do, or cannot, what it must", function()
        finally(function() desk.server:call("ACL", "DELUSER", "weak") end)
        for _, case in ipairs { { "xreadgroup", "XREADGROUP GROUP" }, { "expire", "EXPIRE {kataven}:reply:0-1" },
            { "xautoclaim", "XAUTOCLAIM {kataven}" }, { "time", "TIME" } } do
            assert(desk.server:call("ACL", "SETUSER", "weak", "reset", "on", ">x", "~*", "+@all", "-" .. case[1]))
            local worker = redis.worker(desk.server, desk.hub, {
                url = ("redis://weak:x@127.0.0.1:%d"):format(desk.server.port), unready = true })
            local _, errors, status = worker:wait()
            assert.equal(1, status)
            assert.truthy(errors:find("NOPERM the worker's user may not " .. case[2], 1, true), errors)
        end
        for name, kind in pairs { sent = "hash", metrics = "hash", dead = "stream" } do
            desk.server:call("SET", STREAM .. ":" .. name, "mine")
            local worker = redis.worker(desk.server, desk.hub, { unready = true })
            local _, errors, status = worker:wait()
            assert.equal(1, status)
            assert.truthy(errors:find(("WRONGTYPE {kataven}:%s holds a string, and the worker keeps a %s there")
                :format(name, kind), 1, true), errors)
            desk.server:call("DEL", STREAM .. ":" .. name)
        end
    end)

    it("answers once where a right is taken away and given again", function()
        assert(desk.server:call("ACL", "SETUSER", "weak", "reset", "on", ">x", "~*", "+@all"))
        finally(function() desk.server:call("ACL", "DELUSER", "weak") end)
        local worker = desk:start { url = ("redis://weak:x@127.0.0.1:%d"):format(desk.server.port) }
        for _, right in ipairs { "expire", "xack", "hdel", "del" } do
            assert(desk.server:call("ACL", "SETUSER", "weak", "-" .. right))
            local id = desk:queue "list"
            socket.sleep(0.5) -- some attempts
            assert.equal(0, desk.server:call("EXISTS", STREAM .. ":reply:" .. id))
            assert(desk.server:call("ACL", "SETUSER", "weak", "+" .. right))
            desk.untilTrue("its end", function() return desk.server:call("XLEN", STREAM) == 0 end)
            assert.equal(1, desk.server:call("LLEN", STREAM .. ":reply:" .. id))
        end
        assert.equal(4, desk:metrics().done)
        assert.matches("Redis refuses: NOPERM the worker's user may not EXPIRE", desk:finish(worker))
    end)

    it("leaves functions alone that are newer than it is", function()
        assert(desk.server:call("FUNCTION", "LOAD", (require "kataven.redis.functions".library()
            :gsub("return %d+ end", "return 99 end"))))
        local worker = redis.worker(desk.server, desk.hub, { unready = true })
        local _, errors, status = worker:wait()
        assert.equal(1, status)
        assert.matches("version 99, and this worker knows %d+: it needs a newer kataven", errors)
    end)

    it("warns of a Redis that may forget", function()
        local forgetful = redis.start { ["maxmemory-policy"] = "allkeys-lru" }
        finally(function() forgetful:stop() end)
        local errors = desk:finish(redis.worker(forgetful, desk.hub))
        assert.matches("keeps no append%-only file", errors)
        assert.matches("maxmemory%-policy is allkeys%-lru", errors)
        forgetful:call("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        assert.matches("maxmemory%-policy is volatile%-ttl", desk:finish(redis.worker(forgetful, desk.hub)))
    end)

    it("connects anew where its Redis has become a replica", function()
        local node = redis.start {}
        finally(function() node:stop() end)
        local worker = redis.worker(node, desk.hub, { lease = 0.3 })
        desk:keep(worker)
        local before = node:call("INFO", "stats"):match "total_connections_received:(%d+)"
        node:call("REPLICAOF", "127.0.0.1", 1)
        desk.untilTrue("new connections", function()
            return node:call("INFO", "stats"):match "total_connections_received:(%d+)" - before >= 2
        end)
        node:call("REPLICAOF", "NO", "ONE")
        local id = assert(node:call("FCALL", "kataven_list", 1, STREAM))
        assert.truthy(node:call("BLPOP", STREAM .. ":reply:" .. id, 30))
        desk:finish(worker)
    end)

    it("waits for a Redis that is not there yet", function()
        local later = redis.start {}
        finally(function() later:stop() end)
        local worker
        later:restart("KILL", function()
            worker = redis.worker(later, desk.hub, { unready = true })
            desk:keep(worker)
            socket.sleep(0.3)
        end)
        assert.equal("ready", worker:line())
        -- Its two connections tell once.
        local _, count = desk:finish(worker):gsub("no connection to redis://127.0.0.1:%d+: connection refused; "
            .. "trying again", "")
        assert.equal(1, count)
    end)
end)
