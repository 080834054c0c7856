-- What becomes of requests whose worker has died, or seems to have.

local desks = require "spec.support.redis.desk"
local json = require "dkjson"
local redis = require "spec.support.redis"
local socket = require "socket"

local STREAM = "{kataven}"
local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

desks.describe("a worker that takes over", function(desk)
    it("has no more marked than it may, when it takes over others as well", function()
        desk:prepare()
        local left, ids = {}, {}
        for index = 1, 12 do
            desk.hub:next { n = 1, delay = 0.05 }
            left[index] = desk:queue("create", json.encode { name = "left" .. index })
        end
        desk:take("dead", left)
        socket.sleep(0.2)
        desk:start { concurrency = 3, lease = 0.2 }
        for index = 1, 12 do
            desk.hub:next { n = 1, delay = 0.05 }
            ids[index] = desk:queue("create", json.encode { name = "new" .. index })
        end
        local most = 0
        desk.untilTrue("all of them", function()
            most = math.max(most, desk.server:call("HLEN", STREAM .. ":sent"))
            return desk.server:call("XLEN", STREAM) == 0
        end)
        assert.is_true(most >= 1 and most <= 3, most)
        assert.is_true(desk.hub:stats().mostInFlight <= 3)
        for _, list in ipairs { left, ids } do
            for _, id in ipairs(list) do
                assert.is_true(desk:await(id).ok)
            end
        end
    end)

    it("takes over also while it has all that it may have at once", function()
        desk:prepare()
        local left = desk:queue "list"
        desk:take("dead", { left })
        for index = 1, 40 do
            desk.hub:next { n = 1, delay = 0.2 }
            desk:queue("create", json.encode { name = "n" .. index })
        end
        desk:start { concurrency = 1, lease = 0.3 }
        desk:await(left)
        assert.is_true(desk.server:call("XLEN", STREAM) > 5)
    end)

    it("takes over what a dead one left: what was not sent, and reads; and answers a write that was", function()
        desk:prepare()
        local unsent, sent = desk:queue("create", '{"name":"unsent"}'), desk:queue("create", '{"name":"sent"}')
        local read = desk:queue "list"
        desk:take("dead", { unsent, sent, read })
        for id, kind in pairs { [sent] = "write", [read] = "read" } do
            assert.equal("go", desk.server:call("FCALL", "kataven_worker_begin", 3, STREAM, STREAM .. ":sent",
                STREAM .. ":metrics", "dead", id, "dead/1", kind, 5, "")[1])
        end
        local worker = desk:start { lease = 0.2 }
        assert.is_true(desk:await(unsent).ok)
        assert.is_true(desk:await(read).ok)
        local reply = desk:await(sent)
        assert.same({ "ConnectionError", true, "POST", "/api/v1/widget-keys" },
            { reply.error.name, reply.error.maybeApplied, reply.error.method, reply.error.path })
        assert.matches("it may have been carried out all the same", reply.error.message)
        assert.same({ unsent = 1 }, desk.hub:created())
        assert.equal(2, desk:metrics().retried)
        assert.equal(0, desk.server:call("HLEN", STREAM .. ":sent"))
        assert.matches("was taken over", desk:finish(worker))
    end)

    it("may carry out only what is its own, and a write only once", function()
        desk:prepare()
        local id, free = desk:queue("create", '{"name":"a"}'), desk:queue("create", '{"name":"b"}')
        desk:take("owner", { id })
        local function begin(consumer, which, token)
            return desk.server:call("FCALL", "kataven_worker_begin", 3, STREAM, STREAM .. ":sent",
                STREAM .. ":metrics", consumer, which, token, "write", 5, "")[1]
        end
        assert.equal("gone", begin("other", id, "other/1"))
        assert.equal("gone", begin("other", free, "other/2"))
        assert.equal(0, desk.server:call("HLEN", STREAM .. ":sent"))
        assert.equal("go", begin("owner", id, "owner/1"))
        assert.equal("go", begin("owner", id, "owner/1"), "it asks again, where the answer was lost")
        assert.equal("sent", begin("owner", id, "owner/2"))
        assert.equal("gone", begin("other", id, "owner/1"))
    end)

    -- Redis looks at ten entries for each that is wanted, from where it was told to.
    it("takes over what lies behind many that others are at work on", function()
        desk:prepare()
        local others = {}
        for index = 1, 25 do
            others[index] = desk:queue "list"
        end
        local left = desk:queue "list"
        desk:take("alive", others)
        desk:take("dead", { left })
        local function keep()
            local words = { "XCLAIM", STREAM, "kataven", "alive", "0" }
            for _, id in ipairs(others) do
                words[#words + 1] = id
            end
            words[#words + 1] = "JUSTID"
            desk.server:call(unpack(words))
        end
        desk.server:call("XCLAIM", STREAM, "kataven", "dead", "0", left, "IDLE", "3600000", "JUSTID")
        desk:start { concurrency = 1, lease = 2 }
        desk.untilTrue("the reply", function()
            keep()
            return desk.server:call("EXISTS", STREAM .. ":reply:" .. left) == 1
        end)
        assert.is_true(desk:await(left).ok)
        assert.equal(25, desk.server:call("XLEN", STREAM))
    end)

    it("gives up what too many have died of, and says so", function()
        desk:prepare()
        local read, write = desk:queue "list", desk:queue("create", '{"name":"a"}')
        desk:take("dead", { read, write })
        for _, id in ipairs { read, write } do
            desk.server:call("XCLAIM", STREAM, "kataven", "dead", 0, id, "RETRYCOUNT", 3)
        end
        desk:start { lease = 0.2, tries = 3 }
        for _, id in ipairs { read, write } do
            local reply = desk:await(id)
            assert.same({ "WorkerError", false }, { reply.error.name, reply.error.maybeApplied })
            assert.matches("given up after 3 tries", reply.error.message)
        end
        local dead = desk.server:call("XRANGE", STREAM .. ":dead", "-", "+")
        assert.equal(2, #dead)
        assert.equal("4", dead[1][2][6])
        assert.equal(0, desk.hub:stats().total)
    end)

    -- Lua text for a worker: reading the entry of a key of this name does something, each time, and before the mark.
    local function poisonous(name, deed)
        return ([[
            local request = require "kataven.redis.request"
            local read = request.read
            function request.read(fields)
                if table.concat(fields, " "):find(%q, 1, true) then
                    %s
                end
                return read(fields)
            end
        ]]):format(name, deed)
    end

    -- The dead letter of a request, by the names of its fields.
    local function deadLetter(id)
        local letters = desk.server:call("XRANGE", STREAM .. ":dead", "-", "+")
        assert.equal(1, #letters)
        local fields = {}
        for index = 1, #letters[1][2], 2 do
            fields[letters[1][2][index]] = letters[1][2][index + 1]
        end
        assert.equal(id, fields.request)
        return fields
    end

    it("gives up what makes its handling fail each time, and carries the others out", function()
        desk:prepare()
        local poison, good = desk:queue("create", '{"name":"poison"}'), desk:queue("create", '{"name":"good"}')
        local worker = desk:start { lease = 0.2, tries = 2, before = poisonous("poison", 'error "it hurts"') }
        local reply = desk:await(poison)
        assert.same({ "WorkerError", false, "POST", "/api/v1/widget-keys" },
            { reply.error.name, reply.error.maybeApplied, reply.error.method, reply.error.path })
        assert.matches("given up after 2 tries", reply.error.message)
        assert.is_true(desk:await(good).ok)
        local letter = deadLetter(poison)
        assert.same({ "create", '{"name":"poison"}' }, { letter.method, letter.body })
        assert.matches("given up after 2 tries", letter.reason)
        local _, raised = desk:finish(worker):gsub("handling [%d-]+ raised: [^\n]*it hurts", "")
        assert.equal(2, raised)
        assert.same({ good = 1 }, desk.hub:created())
        assert.equal(0, desk.server:call("XLEN", STREAM))
        assert.equal(1, desk:metrics().dead)
    end)

    it("gives up what ends the worker each time", function()
        desk:prepare()
        local id = desk:queue("update", "k/1", '{"name":"poison"}')
        for _ = 1, 2 do
            local worker = desk:start { lease = 0.2, tries = 2, before = poisonous("poison", "os.exit(7)") }
            assert.equal(7, (select(3, worker:wait())))
        end
        desk:start { lease = 0.2, tries = 2, before = poisonous("poison", "os.exit(7)") }
        local reply = desk:await(id)
        assert.same({ "WorkerError", false, "PATCH", "/api/v1/widget-keys/k%2F1" },
            { reply.error.name, reply.error.maybeApplied, reply.error.method, reply.error.path })
        assert.matches("given up after 2 tries", deadLetter(id).reason)
        assert.equal(0, desk.hub:stats().total)
    end)

    it("answers a write that ends its worker after the mark, at once, and has no dead letter of it", function()
        desk:prepare()
        local id = desk:queue("create", '{"name":"deadly"}')
        local worker = desk:start { lease = 0.2, before = [[
            require "kataven.redis.request".send = function() os.exit(7) end
        ]] }
        assert.equal(7, (select(3, worker:wait())))
        desk:start { lease = 0.2 }
        local reply = desk:await(id)
        assert.same({ "ConnectionError", true }, { reply.error.name, reply.error.maybeApplied })
        assert.equal(0, desk.server:call("XLEN", STREAM .. ":dead"))
        assert.equal(0, desk.hub:stats().total)
    end)

    it("leaves no mark of what somebody deleted, whether its worker has died or is at work on it", function()
        desk:prepare()
        local left = desk:queue("create", '{"name":"left"}')
        desk:take("dead", { left })
        desk.server:call("FCALL", "kataven_worker_begin", 3, STREAM, STREAM .. ":sent", STREAM .. ":metrics", "dead",
            left, "dead/1", "write", 5, "")
        assert.equal(1, desk.server:call("HLEN", STREAM .. ":sent"))
        desk.server:call("XDEL", STREAM, left)
        local worker = desk:start { lease = 0.2 }
        local function noMark()
            return desk.server:call("HLEN", STREAM .. ":sent") == 0
        end
        desk.untilTrue("the dead one's mark to go", noMark)

        desk.hub:next { n = 1, delay = 0.3 }
        local slow = desk:queue("create", '{"name":"slow"}')
        desk.untilTrue("the request", function() return desk.hub:stats().creates == 1 end)
        assert.is_false(noMark())
        desk.server:call("XDEL", STREAM, slow)
        desk.untilTrue("the living one's mark to go", noMark)
        local log = desk:finish(worker)
        assert.truthy(log:find("were deleted from {kataven} by somebody, unanswered: " .. left, 1, true), log)
        assert.truthy(log:find(slow .. " was answered already", 1, true), log)
        assert.same({ slow = 1 }, desk.hub:created())
    end)

    it("keeps what it is at work on, for longer than a lease", function()
        desk.hub:next { n = 1, delay = 1.5 }
        desk:start { lease = 0.6 }
        local id = desk:queue("create", '{"name":"slow"}')
        desk.untilTrue("the request", function() return desk.hub:stats().creates == 1 end)
        desk:start { lease = 0.6 }
        assert.is_true(desk:await(id).ok)
        assert.equal(1, desk.hub:stats().creates)
    end)

    it("stays silent when another answered while it was stopped, and sends nothing that is another's", function()
        desk.hub:next { n = 1, delay = 0.5 }
        local slow = desk:start { lease = 0.3 }
        local id = desk:queue("create", '{"name":"slow"}')
        desk.untilTrue("the request", function() return desk.hub:stats().creates == 1 end)
        slow:signal "STOP"
        local other = desk:start { lease = 0.3 }
        local reply = desk:await(id)
        assert.is_true(reply.error.maybeApplied)
        slow:signal "CONT"
        assert.matches("was answered already, perhaps by this worker", desk:finish(slow))
        desk:finish(other)
        assert.equal(0, desk.server:call("EXISTS", STREAM .. ":reply:" .. id))
        assert.same({ slow = 1 }, desk.hub:created())
    end)

    it("does not send again what a Redis has forgotten that lost its last seconds", function()
        local forgetful = redis.start {}
        finally(function() forgetful:stop() end)
        assert(forgetful:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
        local id = assert(forgetful:call("FCALL", "kataven_create", 1, STREAM, '{"name":"once"}'))
        forgetful:call "SAVE" -- it is there, and nobody has had it
        local worker = redis.worker(forgetful, desk.hub, { lease = 0.5 })
        desk:keep(worker)
        assert.truthy(forgetful:call("BLPOP", STREAM .. ":reply:" .. id, 30)[2]:find '"ok":true')
        forgetful:restart "KILL"
        local answer = forgetful:call("BLPOP", STREAM .. ":reply:" .. id, 30)
        assert.is_true(json.decode(answer[2]).error.maybeApplied)
        assert.matches("sent before, which Redis has forgotten", desk:finish(worker))
        assert.same({ once = 1 }, desk.hub:created())
    end)
end)
