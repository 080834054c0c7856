--- What runs inside Redis for the worker: each step from an entry to its reply
--- is one function, and so is done wholly or not at all, whoever dies when. The
--- text of a chunk (see kataven.redis.functions).
---
--- Who may do something with an entry is whoever the consumer group names as the
--- owner of it at that moment. A mark in the hash `sent` says that a write was
--- about to go out; it is set once, and goes with the entry. What bears a mark
--- is never sent again.

return [==[
local GROUP = "kataven"
-- Consumers that have nothing and were not heard of for so many milliseconds are forgotten.
local FORGET = 3600 * 1000
local DEAD = 1000 -- entries that the stream of dead letters keeps
local SHOWN = 20 -- names and values of an entry, there: anybody may have written it

-- The consumer and the count of deliveries of an entry that was not answered yet.
local function owner(stream, id)
    local row = redis.call("XPENDING", stream, GROUP, id, id, 1)[1]
    if row then
        return row[2], row[4]
    end
end

local function milliseconds()
    local time = redis.call("TIME")
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Redis has no way back: where a command of a function fails, those before it are done. What is to be done wholly or
-- not at all asks for all of it first. Gives an error to be returned: a command that the user may not call, or a key
-- of another type.
local function problemOf(commands, types)
    for _, words in ipairs(commands) do
        if not redis.acl_check_cmd(unpack(words)) then
            return redis.error_reply(("NOPERM the worker's user may not %s; docs/redis.md has what it needs"):format(
                table.concat(words, " ", 1, math.min(2, #words))))
        end
    end
    for _, pair in ipairs(types) do
        local found = redis.call("TYPE", pair[1]).ok
        if found ~= pair[2] and found ~= "none" then
            return redis.error_reply(("WRONGTYPE %s holds a %s, and the worker keeps a %s there: delete it, or take "
                .. "another stream"):format(pair[1], found, pair[2]))
        end
    end
end

-- What `finish` does, but for counting.
local function ending(stream, sent, list, dead, id)
    local commands = { { "TYPE", list }, { "DEL", list }, { "RPUSH", list, "" }, { "EXPIRE", list, 1 },
        { "XRANGE", stream, id, id }, { "XACK", stream, GROUP, id }, { "XDEL", stream, id }, { "HDEL", sent, id } }
    if dead then
        commands[#commands + 1] = { "XADD", dead, "*", "request", id }
    end
    return commands
end

-- A count that cannot be kept is no reason for anything else to fail.
local function count(metrics, name, by)
    redis.pcall("HINCRBY", metrics, name, by)
end

local worker = {}

-- Whether a worker can do here what it must: stream, sent, metrics, a reply's list, dead letters; consumer. Gives 1,
-- or the error that it would meet later.
function worker.check(keys, args)
    local stream, sent, metrics, list, dead = keys[1], keys[2], keys[3], keys[4], keys[5]
    local id = "0-1"
    local commands = ending(stream, sent, list, dead, id)
    for _, words in ipairs {
        { "TIME" }, { "XLEN", stream }, { "XREADGROUP", "GROUP", GROUP, args[1], "STREAMS", stream, ">" },
        { "XAUTOCLAIM", stream, GROUP, args[1], 0, "0-0" }, { "XCLAIM", stream, GROUP, args[1], 0, id },
        { "XPENDING", stream, GROUP }, { "XINFO", "CONSUMERS", stream, GROUP },
        { "XGROUP", "DELCONSUMER", stream, GROUP, args[1] }, { "HGET", sent, id }, { "HSET", sent, id, "" },
        { "HSET", metrics, "queued", 0 }, { "HINCRBY", metrics, "done", 1 },
    } do
        commands[#commands + 1] = words
    end
    return problemOf(commands, { { sent, "hash" }, { metrics, "hash" }, { dead, "stream" } }) or 1
end

-- Asks for leave to carry a request out: stream, sent, metrics; consumer, id, a token of this one handling, "read" or
-- "write", the most tries, the deadline in milliseconds or "". Gives "go", the tries and the milliseconds since it was
-- queued; or why not: "gone", "sent", "late", "poison". A write is marked from then on.
function worker.begin(keys, args)
    local stream, sent, metrics = keys[1], keys[2], keys[3]
    local consumer, id, token, kind = args[1], args[2], args[3], args[4]
    local who, tries = owner(stream, id)
    local waited = math.max(0, milliseconds() - tonumber(id:match "^%d+")) -- a clock may have been set back
    if who ~= consumer then
        return { "gone" }
    end
    local mark = redis.call("HGET", sent, id)
    if mark == token then
        return { "go", tries, waited } -- asked again, since the answer was lost
    elseif mark then
        return { "sent", tries, waited }
    elseif tries > tonumber(args[5]) then
        return { "poison", tries, waited }
    elseif args[6] ~= "" and waited >= tonumber(args[6]) then
        return { "late", tries, waited }
    end
    if kind == "write" then
        redis.call("HSET", sent, id, token)
    end
    if tries > 1 then
        count(metrics, "retried", 1)
    end
    return { "go", tries, waited }
end

-- Ends a request with its reply: stream, sent, metrics, the reply's list, and the stream of dead letters where it goes
-- there; consumer, id, "done" or "failed", the reply, the seconds that it is kept, repeated attempts, and why it goes
-- to the dead letters. Gives 1, or 0 where it is another's by now, or was answered.
function worker.finish(keys, args)
    local stream, sent, metrics, list, dead = keys[1], keys[2], keys[3], keys[4], keys[5]
    local id = args[2]
    local who, tries = owner(stream, id)
    if who ~= args[1] then
        if not who and #redis.call("XRANGE", stream, id, id) == 0 then
            redis.call("HDEL", sent, id) -- somebody has deleted the entry, and left its mark
        end
        return 0
    end
    local problem = problemOf(ending(stream, sent, list, dead, id), { { sent, "hash" }, dead and { dead, "stream" } })
    if problem then
        return problem
    end
    if redis.call("TYPE", list).ok ~= "list" then
        redis.call("DEL", list) -- the name is the reply's, whatever somebody put there
    end
    redis.call("RPUSH", list, args[4])
    redis.call("EXPIRE", list, args[5])
    if dead then
        local entry = redis.call("XRANGE", stream, id, id)[1]
        redis.call("XADD", dead, "MAXLEN", "~", DEAD, "*", "request", id, "reason", args[7], "tries", tries,
            unpack(entry and entry[2] or {}, 1, math.min(entry and #entry[2] or 0, SHOWN)))
        count(metrics, "dead", 1)
    end
    redis.call("XACK", stream, GROUP, id)
    redis.call("XDEL", stream, id)
    redis.call("HDEL", sent, id)
    count(metrics, args[3], 1)
    if args[6] ~= "0" then
        count(metrics, "retried", args[6])
    end
    return 1
end

-- A sign of life: stream, metrics; consumer, and the ids that it is at work on, which stay its own. Gives the numbers
-- queued and in flight, the milliseconds since the oldest was queued, and those ids that are another's by now.
function worker.beat(keys, args)
    local stream, metrics = keys[1], keys[2]
    local lost = {}
    for index = 2, #args do
        if owner(stream, args[index]) == args[1] then
            redis.call("XCLAIM", stream, GROUP, args[1], 0, args[index], "JUSTID")
        else
            lost[#lost + 1] = args[index]
        end
    end
    for _, row in ipairs(redis.call("XINFO", "CONSUMERS", stream, GROUP)) do
        -- Pairs of names and values.
        if row[4] == 0 and row[6] > FORGET then
            redis.call("XGROUP", "DELCONSUMER", stream, GROUP, row[2])
        end
    end
    local inFlight = redis.call("XPENDING", stream, GROUP)[1]
    local queued = redis.call("XLEN", stream) - inFlight
    local first = redis.call("XRANGE", stream, "-", "+", "COUNT", 1)[1]
    local now = milliseconds()
    local age = first and math.max(0, now - tonumber(first[1]:match "^%d+")) or 0
    redis.call("HSET", metrics, "queued", queued, "in_flight", inFlight, "oldest", ("%.3f"):format(age / 1000),
        "updated", ("%.3f"):format(now / 1000))
    return { queued, inFlight, age, lost }
end

-- Takes a consumer out of the group, unless it has entries: stream; consumer. Gives how many it has.
function worker.leave(keys, args)
    local held = #redis.call("XPENDING", keys[1], GROUP, "-", "+", 1, args[1])
    if held == 0 then
        redis.call("XGROUP", "DELCONSUMER", keys[1], GROUP, args[1])
    end
    return held
end

-- They end what has begun, and mostly give memory back: Redis must not refuse them where it has run out of it. (There
-- is no `pairs` while a library is loaded.)
local function offer(name)
    redis.register_function({
        function_name = "kataven_worker_" .. name,
        callback = worker[name],
        flags = { "allow-oom" },
    })
end
offer("check")
offer("begin")
offer("finish")
offer("beat")
offer("leave")
]==]
