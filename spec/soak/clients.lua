--- Very many clients: closed without a call, after one and during one, or left to the collector after one and during
--- one.

local core = require "kataven.core"
local kataven = require "kataven"

local clients = {}

-- A collector sees little of what a client holds outside of Lua, so it is called now and then, as a host would that
-- makes clients in a loop.
local COLLECT_EVERY = 100

local function new(origin)
    return kataven.new {
        apiKey = "sk_live_soak_1", baseUrl = origin, timeout = 30, retry = false,
        wait = function() coroutine.yield() end,
    }
end

-- A call in a coroutine; `result` is filled once it has ended.
local function begin(client, fault, id)
    local result = {}
    local co = coroutine.create(function()
        result.value, result.err = client.widgetKeys.list { headers = { ["X-Fault"] = fault, ["X-Id"] = id } }
    end)
    assert(coroutine.resume(co))
    return co, result
end

local function finish(co)
    while coroutine.status(co) ~= "dead" do
        core.wait(0.00005)
        assert(coroutine.resume(co))
    end
end

-- Each gives how it ended, and how it ought to have.
local STORIES = {
    { "closed without a call", function(origin)
        new(origin):close()
        return "ok"
    end },
    { "closed after a call", function(origin, id)
        local client = new(origin)
        local co, result = begin(client, "", id)
        finish(co)
        client:close()
        return result.value and result.value[1].id == id and "ok" or tostring(result.err)
    end },
    { "closed during a call", function(origin, id)
        local client = new(origin)
        local co, result = begin(client, "silent", id)
        for _ = 1, 3 do
            assert(coroutine.resume(co))
        end
        client:close()
        finish(co)
        return result.err and result.err.name == "ClosedError" and "ok" or tostring(result.err)
    end },
    { "collected after a call", function(origin, id)
        local co, result = begin(new(origin), "", id)
        finish(co)
        return result.value and result.value[1].id == id and "ok" or tostring(result.err)
    end },
    { "collected during a call", function(origin, id)
        local co = begin(new(origin), "silent", id)
        for _ = 1, 3 do
            assert(coroutine.resume(co))
        end
        return coroutine.status(co) == "suspended" and "ok" or "it ended"
    end },
}

local function runSome(origin, from, to, tally)
    for index = from, to do
        local story = STORIES[index % #STORIES + 1]
        local outcome = story[2](origin, tostring(index))
        tally[story[1]] = (tally[story[1]] or 0) + 1
        if outcome ~= "ok" and #tally.wrong < 10 then
            tally.wrong[#tally.wrong + 1] = ("%s: %s"):format(story[1], outcome)
        end
        if index % COLLECT_EVERY == 0 then
            collectgarbage()
        end
    end
end

---@param given { origin: string, count: integer, check: function, measure: table }
function clients.run(given)
    local measure, check = given.measure, given.check
    local tally = { wrong = {} }
    local before = measure.now()
    local started, warmUp = core.now(), math.floor(given.count / 10)
    runSome(given.origin, 1, warmUp, tally)
    local warm = measure.now()
    runSome(given.origin, warmUp + 1, given.count, tally)
    local after = measure.now()

    print(("clients: %d in %.1f s"):format(given.count, core.now() - started))
    local sum, parts = 0, {}
    for index, story in ipairs(STORIES) do
        local count = tally[story[1]] or 0
        sum = sum + count
        parts[index] = ("%s %d"):format(story[1], count)
    end
    print("      " .. table.concat(parts, ", "))
    print(measure.line("before", before))
    print(measure.line(("after %d (warm)"):format(warmUp), warm))
    print(measure.line("at the end", after))
    check("every client's call ended as it should", #tally.wrong == 0 and sum == given.count,
        #tally.wrong > 0 and table.concat(tally.wrong, "; ") or ("%d of %d"):format(sum, given.count))
    check("memory is where it was", measure.settled(warm, after, given.count - warmUp, 512))
    if before.fds then
        check("descriptors are where they were", after.fds == before.fds, ("%d, then %d"):format(before.fds, after.fds))
    end
end

return clients
