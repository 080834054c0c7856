-- What becomes of requests whose worker has died, or seems to have.

local desks = require "spec.support.redis.desk"
local json = require "dkjson"
local redis = require "spec.support.redis"
local servers = require "spec.support.servers"
local socket = require "socket"

local missing = redis.missing()
if missing then
    describe("a worker that takes over", function()
        it("works", function()
            pending(missing)
        end)
    end)
    return
end

local STREAM = "{kataven}"

describe("a worker that takes over", function()
    local server, hub, desk

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
        desk = desks.new(server, hub)
    end)

    after_each(function()
        desk:close()
    end)

    it("has no more marked than it may, when it takes over others as well", function()
        desk:prepare()
        local left, ids = {}, {}
        for index = 1, 12 do
            hub:next { n = 1, delay = 0.05 }
            left[index] = desk:queue("create", json.encode { name = "left" .. index })
        end
        desk:take("dead", left)
        socket.sleep(0.2)
        desk:start { concurrency = 3, lease = 0.2 }
        for index = 1, 12 do
            hub:next { n = 1, delay = 0.05 }
            ids[index] = desk:queue("create", json.encode { name = "new" .. index })
        end
        local most = 0
        desk.untilTrue("all of them", function()
            most = math.max(most, server:call("HLEN", STREAM .. ":sent"))
            return server:call("XLEN", STREAM) == 0
        end)
        assert.is_true(most >= 1 and most <= 3, most)
        assert.is_true(hub:stats().mostInFlight <= 3)
        for _, list in ipairs { left, ids } do
            for _, id in ipairs(list) do
                assert.is_true(desk:await(id).ok)
            end
        end
    end)

    it("takes over what a dead one left: what was not sent, and reads; and answers a write that was", function()
        desk:prepare()
        local unsent, sent = desk:queue("create", '{"name":"unsent"}'), desk:queue("create", '{"name":"sent"}')
        local read = desk:queue "list"
        desk:take("dead", { unsent, sent, read })
        for id, kind in pairs { [sent] = "write", [read] = "read" } do
            assert.equal("go", server:call("FCALL", "kataven_worker_begin", 3, STREAM, STREAM .. ":sent",
                STREAM .. ":metrics", "dead", id, "dead/1", kind, 5, "")[1])
        end
        local worker = desk:start { lease = 0.2 }
        assert.is_true(desk:await(unsent).ok)
        assert.is_true(desk:await(read).ok)
        local reply = desk:await(sent)
        assert.same({ "ConnectionError", true, "create" },
            { reply.error.name, reply.error.maybeApplied, reply.error.method })
        assert.matches("it may have been carried out all the same", reply.error.message)
        assert.same({ unsent = 1 }, hub:created())
        assert.equal(2, desk:metrics().retried)
        assert.equal(0, server:call("HLEN", STREAM .. ":sent"))
        assert.matches("was taken over", desk:finish(worker))
    end)

    it("gives up what too many have died of, and says so", function()
        desk:prepare()
        local read, write = desk:queue "list", desk:queue("create", '{"name":"a"}')
        desk:take("dead", { read, write })
        for _, id in ipairs { read, write } do
            server:call("XCLAIM", STREAM, "kataven", "dead", 0, id, "RETRYCOUNT", 3)
        end
        desk:start { lease = 0.2, tries = 3 }
        for _, id in ipairs { read, write } do
            local reply = desk:await(id)
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
        desk:start { lease = 0.6 }
        local id = desk:queue("create", '{"name":"slow"}')
        desk.untilTrue("the request", function() return hub:stats().creates == 1 end)
        desk:start { lease = 0.6 }
        assert.is_true(desk:await(id).ok)
        assert.equal(1, hub:stats().creates)
    end)

    it("stays silent when another answered while it was stopped, and sends nothing that is another's", function()
        hub:next { n = 1, delay = 0.5 }
        local slow = desk:start { lease = 0.3 }
        local id = desk:queue("create", '{"name":"slow"}')
        desk.untilTrue("the request", function() return hub:stats().creates == 1 end)
        slow:signal "STOP"
        local other = desk:start { lease = 0.3 }
        local reply = desk:await(id)
        assert.is_true(reply.error.maybeApplied)
        slow:signal "CONT"
        assert.matches("was answered by another worker meanwhile", desk:finish(slow))
        desk:finish(other)
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
        desk:keep(worker)
        assert.truthy(forgetful:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]:find '"ok":true')
        forgetful:restart "KILL"
        local answer = forgetful:call("BLPOP", STREAM .. ":reply:" .. id, 30)
        assert.is_true(json.decode(answer[2]).error.maybeApplied)
        assert.matches("sent before, which Redis has forgotten", desk:finish(worker))
        assert.same({ once = 1 }, hub:created())
    end)
end)
