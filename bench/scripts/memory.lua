-- Bytes of the allocator, Lua's own included, for an idle client and for a call in flight:
-- bench/scripts/memory.lua idle|flight <count> <base URL>

local kataven = require "kataven"
local meter = require "meter"

local count = tonumber(arg[2])

local function new(maxConcurrent)
    return kataven.new { apiKey = "sk_live_bench_1", baseUrl = arg[3], maxConcurrent = maxConcurrent, wait = "yield" }
end

local function heap()
    collectgarbage()
    collectgarbage()
    return meter.heap()
end

local function start(client)
    local thread = coroutine.create(function()
        kataven.assert(client.widgetKeys.list())
    end)
    assert(coroutine.resume(thread))
    return thread
end

-- Steps them for so long, or until all have ended.
local function run(threads, longest)
    local ends, alive = meter.now() + longest, true
    while alive and meter.now() < ends do
        alive = false
        for _, thread in ipairs(threads) do
            if coroutine.status(thread) == "suspended" then
                assert(coroutine.resume(thread))
                alive = true
            end
        end
        meter.sleep(0.001)
    end
    assert(longest < 5 or not alive, "they did not end")
end

local kept, threads = {}, {}
kept[1] = new(1)
run({ start(kept[1]) }, 10) -- what is allocated once
local before
if arg[1] == "idle" then
    before = heap()
    for index = 1, count do
        kept[index + 1] = new()
        run({ start(kept[index + 1]) }, 10)
    end
else
    local client = new(count)
    before = heap()
    for index = 1, count do
        threads[index] = start(client)
    end
    run(threads, 0.1)
    for _, thread in ipairs(threads) do
        assert(coroutine.status(thread) == "suspended")
    end
end
print(("%.0f"):format((heap() - before) / count))
