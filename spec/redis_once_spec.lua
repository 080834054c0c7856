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
-- How long a PING may take. A busy machine lets it wait, and so does a Redis that starts; a script that blocked Redis
-- would for longer, until Redis says after 5 seconds that it is busy.
local LONGEST_PING = 4
-- What Redis itself is ended for, under the same requests.
local RESTARTS = 3

describe("requests through Redis", function()
    local server, hub, watch
    local restarts, workers = 0, {}

    lazy_setup(function()
        -- With "everysec" Redis may answer before it has written, so that one that crashes forgets a mark.
        server = redis.start { appendonly = "yes", appendfsync = "always" }
        hub = servers.hub { latency = LATENCY, limits = { inFlight = 0 } }
        -- PINGs all the time, and says at the end: how long the longest took, also of those that nobody answered; how
        -- many were answered; how many were lost with their connection; and an answer that was none, as a script that
        -- blocks has Redis give after a while. One that starts says that it is loading.
        watch = child.start(([[
            local socket = require "socket"
            local longest, count, lost, odd, connection = 0, 0, 0, "none", nil
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
                    local line, why = connection:receive "*l"
                    if not line and why ~= "timeout" then
                        connection, lost = nil, lost + 1
                    else
                        longest = math.max(longest, socket.gettime() - before)
                        if line == "+PONG" then
                            count = count + 1
                        elseif not line then
                            connection = connection:close() and nil
                        elseif not line:find "^%%-LOADING" then
                            odd = line
                        end
                    end
                end
                socket.sleep(0.01)
            end
            io.write(("%%.3f %%d %%d %%s\n"):format(longest, count, lost, odd))
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
        server:call "FLUSHALL"
    end)

    after_each(function()
        for _, worker in ipairs(workers) do
            worker:stop()
        end
        workers = {}
    end)

    local function start()
        local worker = redis.worker(server, hub, { lease = 1, tries = MANY })
        workers[#workers + 1] = worker
        return worker
    end

    -- Queues so many requests, most of them writes, for a hub that was reset. Gives what each is about by the request's
    -- id: a name or a key's id that no other one has.
    local function queue(count)
        hub:reset { limits = { inFlight = 0 } }
        -- Used ones: deleting such a key again would be an effect again, and be seen.
        local keys = hub:mint(count / 5, true)
        local commands, wanted = {}, {}
        for index = 1, count do
            local ofTen, ofHundred = index % 10, index % 100
            local method = (ofTen == 0 or ofHundred == 2) and "update" or (ofTen == 5 or ofHundred == 3) and "delete"
                or ofHundred == 1 and "list" or "create"
            local absent = ofHundred == 2 or ofHundred == 3
            local name = "number " .. index
            local id = absent and name or (method == "update" or method == "delete") and table.remove(keys) or nil
            commands[index] = { "FCALL", "kataven_" .. method, 1, STREAM }
            wanted[index] = { method = method, absent = absent, id = id, name = method == "create" and name or nil }
            for _, word in ipairs { id or false, method == "create" and json.encode { name = name } or false,
                method == "update" and '{"disabled":true}' or false } do
                commands[index][#commands[index] + 1] = word or nil
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
        local created, effects, stats = hub:created(), hub:effects(), hub:stats()
        local seen = { requests = 0, create = 0, update = 0, delete = 0 }
        seen.maybe = { create = 0, update = 0, delete = 0 }
        local commands, ids = {}, {}
        for id in pairs(requests) do
            ids[#ids + 1] = id
            commands[#commands + 1] = { "LRANGE", STREAM .. ":reply:" .. id, 0, -1 }
        end
        for index, replies in ipairs(server:all(commands)) do
            local wanted = requests[ids[index]]
            local method = wanted.method
            assert.equal(1, #replies, "replies to " .. ids[index])
            local reply = json.decode(replies[1])
            seen.requests = seen.requests + 1
            if method == "list" then
                assert.is_true(reply.ok, replies[1])
            else
                local count = method == "create" and created[wanted.name]
                    or effects[wanted.id] and effects[wanted.id][method .. "s"] or 0
                seen[method] = seen[method] + count
                if reply.ok then
                    assert.equal(1, count, replies[1])
                elseif reply.error.maybeApplied then
                    seen.maybe[method] = seen.maybe[method] + 1
                    assert.equal("ConnectionError", reply.error.name)
                    assert.is_true(count <= 1, replies[1])
                else
                    assert.is_true(wanted.absent, replies[1])
                    assert.equal("NotFoundError", reply.error.name)
                    assert.equal(0, count)
                end
            end
        end
        -- And nothing was done that nobody asked for.
        assert.same({ stats.creates, stats.updates, stats.deletes }, { seen.create, seen.update, seen.delete })
        return seen
    end

    local function stop(worker)
        worker:signal "TERM"
        local _, errors, status = worker:wait()
        assert.equal(0, status, errors)
    end

    it(("are answered once, and sent once, in %d rounds with a worker that is killed"):format(ROUNDS), function()
        local kills, total = 0, { requests = 0, create = 0, update = 0, delete = 0 }
        local maybe = { create = 0, update = 0, delete = 0 }
        local started = socket.gettime()
        for _ = 1, ROUNDS do
            local steady, victim = start(), start()
            local requests = queue(REQUESTS)
            untilDone(function()
                socket.sleep(math.random() * 0.15)
                if server:call("XLEN", STREAM) > 50 then
                    victim:stop()
                    kills = kills + 1
                    victim = start()
                end
            end)
            stop(steady)
            stop(victim)
            local seen = verify(requests)
            for name in pairs(total) do
                total[name] = total[name] + seen[name]
            end
            for method in pairs(maybe) do
                maybe[method] = maybe[method] + seen.maybe[method]
            end
            assert.equal(0, server:call("HLEN", STREAM .. ":sent"))
        end
        assert.equal(ROUNDS * REQUESTS, total.requests)
        assert.is_true(kills >= ROUNDS, "the worker was killed too rarely to prove anything")
        assert.is_true(maybe.create > 0, "no create was in flight when it was killed")
        assert.is_true(maybe.update + maybe.delete > 0, "no update or delete was in flight when it was killed")
        print(("# figures: %d requests in %d rounds and %.0f s; %d times a worker was killed; %d keys made, %d "
            .. "changed, %d deleted, none twice; %d replies say maybeApplied, to %d creates, %d updates, %d deletes")
            :format(total.requests, ROUNDS, socket.gettime() - started, kills, total.create, total.update, total.delete,
            maybe.create + maybe.update + maybe.delete, maybe.create, maybe.update, maybe.delete))
    end)

    -- Waits until so many fewer requests are left than there were that the workers must have taken new ones, and gives
    -- how many are left.
    local function untilFewer(before)
        local deadline = socket.gettime() + 30
        local left
        repeat
            left = server:call("XLEN", STREAM)
            assert.is_true(socket.gettime() < deadline, "nothing was done")
        until left <= before - 60 or left == 0 -- two workers have 40 in flight at most
        return left
    end

    for _, signal in ipairs { "TERM", "KILL" } do
        it(("survive a Redis that is ended by SIG%s and started again"):format(signal), function()
            local lefts, first, second = {}, start(), start()
            local requests = queue(REQUESTS)
            local left = REQUESTS
            for index = 1, RESTARTS do
                left = untilFewer(left)
                assert.is_true(left > 0, "nothing was left to do, so that the restart proves nothing")
                lefts[index] = left
                server:restart(signal, function()
                    socket.sleep(math.random() * 0.3)
                end)
                restarts = restarts + 1
            end
            untilDone(function()
                socket.sleep(0.05)
            end)
            stop(first)
            stop(second)
            assert.equal(REQUESTS, verify(requests).requests)
            print(("# figures: %d, %d and %d of %d requests were left when Redis ended by SIG%s"):format(lefts[1],
                lefts[2], lefts[3], REQUESTS, signal))
        end)
    end

    it("PING was answered throughout", function()
        os.execute("touch " .. server.directory .. "/enough")
        local output = watch:wait()
        local longest, count, lost, odd = output:match "([%d.]+) (%d+) (%d+) (.-)\n"
        assert.is_true(tonumber(count) > 100, output)
        assert.is_true(tonumber(longest) < LONGEST_PING, output)
        assert.equal("none", odd)
        -- Redis takes the one connection with it when it ends. It stops listening before, so that no second one is
        -- made.
        assert.is_true(tonumber(lost) <= restarts, output)
        print(("# figures: %s PINGs, the longest took %.0f ms; %s were lost in %d restarts"):format(
            count, longest * 1000, lost, restarts))
    end)
end)
