--- Very many calls through one client, side by side, some of which meet a fault, are cancelled, or are dropped.

local canary = require "spec.support.canary"
local core = require "kataven.core"
local kataven = require "kataven"
local socket = require "socket"

local calls = {}

local SIDE_BY_SIDE, MOST_IN_FLIGHT = 16, 12
local TIMEOUT, LATE = 5, 0.02
local KEY = "sk_live_soak_T0kEnqZ9xW4b"
local hasKey = canary.seeker "T0kEnqZ9xW4b"

-- How many of a thousand calls want what, and how they may end: by the error's name, or "ok". The rest are well.
-- What comes `once` is met by a first attempt only: reads succeed then, writes are not repeated.
local FAULTS = {
    { "busy", 25, read = "ok", write = "ok" },
    { "down", 25, read = "ok", write = "ServerError" },
    { "reset", 20, read = "ok", write = "ConnectionError" },
    { "no body", 20, read = "ok", write = "ConnectionError" },
    { "no head", 20, read = "ok", write = "ConnectionError" },
    { "noise", 10, read = "ok", write = "ConnectionError" },
    { "silent", 4, read = "TimeoutError", write = "TimeoutError" },
    { "broken", 10, read = "ResponseError", write = "ResponseError" },
    { "large", 5, read = "ResponseError", write = "ResponseError" },
    { "big", 5, read = "ok" },
    { "stale", 10, read = "ok", write = "ok" },
    { "interim", 10, read = "ok", write = "ok" },
    { "cancel", 10, read = "CancelledError", write = "CancelledError" },
    { "deadline", 4, read = "TimeoutError", write = "TimeoutError" },
    -- On a machine that is very busy their time may be over first.
    { "raise", 10, read = "TimeoutError", write = "TimeoutError" },
    { "drop", 10, read = "TimeoutError", write = "TimeoutError" },
}

local PLAN = {}
for _, fault in ipairs(FAULTS) do
    for _ = 1, fault[2] do
        PLAN[#PLAN + 1] = fault
    end
end

-- Which fault a call meets: a fixed walk over the thousand, so that all are spread and every run is the same. 7 and
-- 1000 share no divisor.
local function faultOf(index)
    return PLAN[index * 7 % 1000 + 1]
end

local METHODS = { "GET", "POST", "GET", "PATCH", "GET", "DELETE", "GET" }

local STALLS = { silent = true, cancel = true, deadline = true, raise = true, drop = true }

local function send(client, method, id, options)
    if method == "GET" then
        return client.widgetKeys.list(options)
    elseif method == "POST" then
        return client.widgetKeys.create({ name = "key " .. id, domain_allowlist = { "*.acme.com" } }, options)
    elseif method == "PATCH" then
        return client.widgetKeys.update("k" .. id, { disabled = true, agent_id = kataven.null }, options)
    end
    return client.widgetKeys.delete("k" .. id, options)
end

-- Whether a value is the answer to the call with this id, and to no other.
local function isOwn(method, value, id)
    if method == "DELETE" then
        return value == true
    end
    local object = method == "GET" and value[1] or value
    return object and object.id == tostring(id)
end

-- A loop over one client. `calling` is called for each call in a coroutine of its own, SIDE_BY_SIDE at a time.
local function newLoop()
    local loop = { live = {}, count = 0, raises = setmetatable({}, { __mode = "k" }) }
    local fds = {}

    -- What luasocket wants to have for a descriptor.
    local function watched(fd)
        fds[fd] = fds[fd] or { getfd = function() return fd end, dirty = function() return false end }
        return fds[fd]
    end

    function loop.wait(seconds, fd)
        local co = coroutine.running()
        if loop.raises[co] then
            error(loop.raises[co], 0)
        end
        coroutine.yield(seconds, fd)
    end

    -- Resumes all that wait, then waits for the first of them. `ended(co, problem)` hears of each that is over.
    function loop.turn(ended)
        local shortest, watch = math.huge, nil
        for co, started in pairs(loop.live) do
            local good, seconds, fd = coroutine.resume(co)
            if not good or coroutine.status(co) == "dead" then
                loop.live[co] = nil
                loop.count = loop.count - 1
                ended(co, not good and seconds or nil, started)
            else
                shortest, watch = math.min(shortest, seconds), fd or watch
            end
        end
        if loop.count > 0 and shortest < math.huge then
            socket.select(watch and { watched(watch) } or nil, nil, shortest)
        end
    end

    function loop.spawn(run)
        local co = coroutine.create(run)
        loop.live[co] = true
        loop.count = loop.count + 1
        return co
    end

    return loop
end

-- Counts of how calls ended, and what ought not to have been.
local function newTally()
    local tally = { ends = {}, wrong = {}, foreign = 0, leaks = 0, calls = 0, writes = 0, attempts = 0 }

    function tally.add(fault, kind, outcome, wanted)
        tally.ends[outcome] = (tally.ends[outcome] or 0) + 1
        if outcome ~= wanted and #tally.wrong < 10 then
            tally.wrong[#tally.wrong + 1] = ("%s %s gave %s, not %s"):format(kind,
                fault and fault[1] or "without a fault", outcome, tostring(wanted))
        end
    end

    return tally
end

local function one(client, loop, tally, index)
    local fault = faultOf(index)
    local method = METHODS[index % #METHODS + 1]
    if fault and fault[1] == "big" then
        method = "GET"
    end
    local name = fault and fault[1]
    local options = { headers = { ["X-Id"] = tostring(index) } }
    if name then
        options.headers["X-Fault"] = STALLS[name] and "silent" or name
    end
    if name == "silent" then
        options.timeout, options.retry = LATE, false
    elseif name == "deadline" then
        options.deadline = LATE
    elseif name == "raise" or name == "drop" then
        options.timeout = 1
    elseif name == "cancel" then
        options.cancel = kataven.canceller()
    end
    local kind = method == "GET" and "read" or "write"
    local co = loop.spawn(function()
        local value, err = send(client, method, index, options)
        if value and not isOwn(method, value, index) then
            tally.foreign = tally.foreign + 1
        end
        if not value and hasKey(err) then
            tally.leaks = tally.leaks + 1
        end
        tally.attempts = tally.attempts + err.attempts
        local outcome = value and "ok" or err.name
        if err.maybeApplied and kind == "read" then
            outcome = "a read that may have had an effect"
        end
        tally.add(fault, kind, outcome, fault and fault[kind] or not fault and "ok")
    end)
    tally.calls = tally.calls + 1
    return co, name, options.cancel
end

local function runSome(client, loop, tally, from, to)
    local due = {} -- what is to be done to a coroutine, after some turns
    local index = from

    local function ended(co, problem)
        local what = due[co]
        due[co] = nil
        if problem then
            local wanted = what and what.name == "raise" and "raised" or nil
            tally.add(what and { what.name } or nil, "call", tostring(problem), wanted)
        end
    end

    while index <= to or loop.count > 0 do
        while index <= to and loop.count < SIDE_BY_SIDE do
            local co, name, canceller = one(client, loop, tally, index)
            if name == "raise" or name == "drop" or name == "cancel" then
                due[co] = { name = name, canceller = canceller, turns = index % 5 + 1 }
            end
            index = index + 1
        end
        loop.turn(ended)
        for co, what in pairs(due) do
            what.turns = what.turns - 1
            if what.turns == 0 and what.name == "cancel" then
                what.canceller:cancel()
            elseif what.turns == 0 and what.name == "raise" then
                loop.raises[co] = "raised"
            elseif what.turns == 0 then
                loop.live[co] = nil
                loop.count = loop.count - 1
                due[co] = nil
                tally.add(nil, "call", "dropped", "dropped")
            end
        end
    end
end

local function endsText(ends)
    local names, parts = {}, {}
    for name in pairs(ends) do
        names[#names + 1] = name
    end
    table.sort(names)
    for index, name in ipairs(names) do
        parts[index] = ("%s %d"):format(name, ends[name])
    end
    return table.concat(parts, ", ")
end

local WANTED = { "ok", "ServerError", "ConnectionError", "TimeoutError", "ResponseError", "CancelledError", "raised",
    "dropped" }

---@param given { origin: string, count: integer, check: function, measure: table }
function calls.run(given)
    local measure, check = given.measure, given.check
    local before = measure.now()
    local loop, tally = newLoop(), newTally()
    local client = kataven.new {
        apiKey = KEY, baseUrl = given.origin, timeout = TIMEOUT, wait = loop.wait,
        maxConcurrent = MOST_IN_FLIGHT, maxResponseBytes = 1024 * 1024,
        retry = { max = 3, baseDelay = 0.001, maxDelay = 0.004 },
    }
    local started, warmUp = core.now(), math.floor(given.count / 10)
    runSome(client, loop, tally, 1, warmUp)
    local warm = measure.now()
    runSome(client, loop, tally, warmUp + 1, given.count)
    local after = measure.now()
    local seconds = core.now() - started

    local stats
    loop.spawn(function()
        stats = kataven.assert(client:request { path = "/stats" })
    end)
    while loop.count > 0 do
        loop.turn(function(_, problem) assert(not problem, problem) end)
    end
    client:close()
    client = nil -- luacheck: ignore 311 (it is to be collected)
    local closed = measure.now()

    print(("calls: %d through one client in %.1f s; the server has seen %d requests and %d connections in all"):format(
        tally.calls, seconds, stats.requests, stats.connections))
    print("      " .. endsText(tally.ends))
    print(measure.line("before", before))
    print(measure.line(("after %d (warm)"):format(warmUp), warm))
    print(measure.line("at the end", after))
    print(measure.line("client closed", closed))
    local sum, missing = 0, {}
    for _, count in pairs(tally.ends) do
        sum = sum + count
    end
    for _, name in ipairs(WANTED) do
        if not tally.ends[name] then
            missing[#missing + 1] = name
        end
    end
    check("every call ended once, as it should", #tally.wrong == 0 and sum == given.count,
        #tally.wrong > 0 and table.concat(tally.wrong, "; ") or ("%d of %d"):format(sum, given.count))
    check("every end was among them", #missing == 0, #missing > 0 and "none was " .. table.concat(missing, ", ") or nil)
    check("every answer went to its own call", tally.foreign == 0, ("%d were another's"):format(tally.foreign))
    check("the key is in no error", tally.leaks == 0, ("it is in %d"):format(tally.leaks))
    check("no write had two effects", stats.twice == 0 and stats.writes > 0, ("%d of %d"):format(stats.twice,
        stats.writes))
    check("memory is where it was", measure.settled(warm, after, given.count - warmUp, 1024))
    if before.fds then
        -- While it is open the client keeps some connections, more or fewer.
        check("descriptors are no more than its connections", after.fds <= warm.fds + MOST_IN_FLIGHT,
            ("%d, then %d"):format(warm.fds, after.fds))
        check("descriptors are where they were once it is closed", closed.fds == before.fds,
            ("%d, then %d"):format(before.fds, closed.fds))
    end
end

return calls
