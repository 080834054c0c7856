-- Microseconds of processor time for a call with so many in flight, all the time:
-- bench/scripts/flight.lua cqueues|parallel <in flight> <calls of each> <base URL>

local kataven = require "kataven"
local meter = require "meter"

local host, width, calls = arg[1], tonumber(arg[2]), tonumber(arg[3])
local client = kataven.new {
    apiKey = "sk_live_bench_1", baseUrl = arg[4], maxConcurrent = width, retry = false,
    wait = host == "cqueues" and "cqueues" or nil,
}

-- Runs `width` coroutines that make so many calls each, one after the other.
local function run(count)
    local function each()
        local value
        for _ = 1, count do
            value = kataven.assert(client.widgetKeys.list())
        end
        return value
    end
    if host == "cqueues" then
        local loop = require("cqueues").new()
        for _ = 1, width do
            loop:wrap(each)
        end
        assert(loop:loop())
        return
    end
    local tasks = {}
    for index = 1, width do
        tasks[index] = each
    end
    for _, result in ipairs(client:parallel(tasks)) do
        assert(result.value, result.err)
    end
end

run(1) -- makes the connections
local began = meter.cpu()
run(calls)
print(("%.1f"):format((meter.cpu() - began) * 1e6 / (width * calls)))
