-- Every request is answered once, and no write is sent twice, whoever dies when: workers are killed while they work,
-- and Redis is restarted underneath.

local child = require "spec.support.child"
local json = require "dkjson"
local redis = require "spec.support.redis"
local servers = require "spec.support.servers"
local socket = require "socket"

local missing = redis.missing()
if missing then
    describe("requests through Redis", function()
        it("are sent once", function()
            pending(missing)
        end)
    end)
    return
end

-- All ten rounds once; what there is to be seen depends little on the Lua.
local ROUNDS = _VERSION == "Lua 5.4" and os.getenv "DRIVER" ~= "perform" and 10 or 2
local REQUESTS = 1000
local STREAM = "{kataven}"
-- Of a worker: on a busy machine one that is killed over and over takes the same request many times.
local MANY = 1000
-- Of the hub's answers: so long that a worker that is killed has some in flight.
local LATENCY = 0.01
-- How long a PING may take. A busy machine lets it wait; a script that blocked Redis would for longer.
local LONGEST_PING = 2

describe("requests through Redis", function()
    local server, hub, watch

    lazy_setup(function()
        -- With "everysec" Redis may answer before it has written, so that one that crashes forgets a mark.
        server = redis.start { appendonly = "yes", appendfsync = "always" }
        hub = servers.hub { latency = LATENCY, limits = { inFlight = 0 } }
        -- PINGs all the time, and says at the end how long the longest took, and how many were lost with Redis itself.
        watch = child.start(([[
            local socket = require "socket"
            local longest, count, lost, connection = 0, 0, 0, nil
            io.write "on\n"
            io.flush()
            while not os.rename(%q, %q) do
                if not connection then
                    connection = socket.connect("127.0.0.1", %d)
                end
                if connection then
                    connection:settimeout(30)
                    local before = socket.gettime()
                    connection:send "PING\r\n"
                    local line = connection:receive "*l"
                    if line == "+PONG" then
                        longest, count = math.max(longest, socket.gettime() - before), count + 1
                    elseif not line then
                        connection, lost = nil, lost + 1
                    end
                end
                socket.sleep(0.01)
            end
            io.write(("%%.3f %%d %%d\n"):format(longest, count, lost))
        ]]):format(server.directory .. "/enough", server.directory .. "/enough.seen", server.port), {})
        assert.equal("on", watch:line())
    end)

    lazy_teardown(function()
        watch:stop()
        server:stop()
        hub:stop()
        redis.forget()
    end)

    before_each(function()
        hub:reset { limits = { inFlight = 0 } }
        server:call "FLUSHALL"
    end)

    -- Queues so many requests, most of them writes, whose names or ids say which they are. Gives them by their ids.
    local function queue(count, round)
        local commands, wanted = {}, {}
        for index = 1, count do
            local name = ("round %d, number %d"):format(round, index)
            if index % 10 == 0 then
                commands[index] = { "FCALL", "kataven_update", 1, STREAM, name, '{"disabled":true}' }
                wanted[index] = { method = "update" }
            elseif index % 100 == 1 then
                commands[index] = { "FCALL", "kataven_list", 1, STREAM }
                wanted[index] = { method = "list" }
            else
                commands[index] = { "FCALL", "kataven_create", 1, STREAM, json.encode { name = name } }
                wanted[index] = { method = "create", name = name }
            end
        end
        local requests = {}
        for index, id in ipairs(server:all(commands)) do
            assert.is_string(id)
            requests[id] = wanted[index]
        end
        return requests
    end

    -- Calls a function again and again until nothing is queued or in flight.
    local function untilDone(meanwhile)
        local deadline = socket.gettime() + 100
        while server:call("XLEN", STREAM) > 0 do
            meanwhile()
            assert.is_true(socket.gettime() < deadline, "requests were left")
        end
    end

    -- Reads all replies, and holds them against what the hub has done. Gives counts.
    local function verify(requests)
        local created, seen = hub:created(), { maybe = 0, created = 0, requests = 0 }
        local commands, ids = {}, {}
        for id in pairs(requests) do
            ids[#ids + 1] = id
            commands[#commands + 1] = { "LRANGE", STREAM .. ":reply:" .. id, 0, -1 }
        end
        for index, replies in ipairs(server:all(commands)) do
            local wanted = requests[ids[index]]
            assert.equal(1, #replies, "replies to " .. ids[index])
            local reply = json.decode(replies[1])
            local count = wanted.name and created[wanted.name] or 0
            seen.requests = seen.requests + 1
            seen.created = seen.created + count
            if wanted.method == "list" then
                assert.is_true(reply.ok, replies[1])
            elseif reply.ok then
                assert.equal(1, count, replies[1])
            elseif reply.error.maybeApplied then
                seen.maybe = seen.maybe + 1
                assert.equal("ConnectionError", reply.error.name)
                assert.is_true(count <= 1)
            else
                -- There is no such key to update.
                assert.equal("update", wanted.method, replies[1])
                assert.equal("NotFoundError", reply.error.name)
            end
        end
        for name, count in pairs(created) do
            assert.equal(1, count, name)
        end
        return seen
    end

    local function stop(worker)
        worker:signal "TERM"
        local _, errors, status = worker:wait()
        assert.equal(0, status, errors)
    end

    it(("are answered once, and sent once, in %d rounds with a worker that is killed"):format(ROUNDS), function()
        local kills, maybe, total, created = 0, 0, 0, 0
        local started = socket.gettime()
        for round = 1, ROUNDS do
            hub:reset { limits = { inFlight = 0 } }
            local steady = redis.worker(server, hub, { lease = 1, tries = MANY })
            local victim = redis.worker(server, hub, { lease = 1, tries = MANY })
            local requests = queue(REQUESTS, round)
            untilDone(function()
                socket.sleep(math.random() * 0.15)
                if victim and server:call("XLEN", STREAM) > 50 then
                    victim:stop()
                    kills = kills + 1
                    victim = redis.worker(server, hub, { lease = 1, tries = MANY })
                end
            end)
            stop(steady)
            stop(victim)
            local seen = verify(requests)
            maybe, total, created = maybe + seen.maybe, total + seen.requests, created + seen.created
            assert.equal(seen.created, hub:stats().creates)
            assert.equal(0, server:call("HLEN", STREAM .. ":sent"))
        end
        assert.equal(ROUNDS * REQUESTS, total)
        assert.is_true(kills >= ROUNDS, "the worker was killed too rarely to prove anything")
        assert.is_true(maybe > 0, "nothing was in flight when it was killed")
        print(("# figures: %d requests in %d rounds and %.0f s; %d times a worker was killed; %d keys made, none "
            .. "twice; %d replies say maybeApplied"):format(
            total, ROUNDS, socket.gettime() - started, kills, created, maybe))
    end)

    for _, signal in ipairs { "TERM", "KILL" } do
        it(("survive a Redis that is ended by SIG%s and started again"):format(signal), function()
            local workers = {}
            for index = 1, 2 do
                workers[index] = redis.worker(server, hub, { lease = 2, tries = MANY })
            end
            local requests = queue(REQUESTS, 1)
            for _ = 1, 3 do
                socket.sleep(0.05)
                server:restart(signal, function()
                    socket.sleep(math.random() * 0.3)
                end)
            end
            untilDone(function()
                socket.sleep(0.05)
            end)
            for _, worker in ipairs(workers) do
                stop(worker)
            end
            local seen = verify(requests)
            assert.equal(REQUESTS, seen.requests)
            assert.equal(seen.created, hub:stats().creates)
        end)
    end

    it("PING was answered throughout", function()
        os.execute("touch " .. server.directory .. "/enough")
        local output = watch:wait()
        local longest, count = output:match "([%d.]+) (%d+) %d+\n"
        assert.is_true(tonumber(count) > 100, output)
        assert.is_true(tonumber(longest) < LONGEST_PING, output)
        print(("# figures: %s PINGs, the longest took %.0f ms"):format(count, longest * 1000))
    end)
end)
