-- Whether memory grows over very many calls: bench/scripts/million.lua <calls> <base URL>
-- Writes the KiB that are resident after a twentieth and at the end.

local kataven = require "kataven"
local meter = require "meter"

local client = kataven.new { apiKey = "sk_live_bench_1", baseUrl = arg[2] }

local function run(count)
    for _ = 1, count do
        kataven.assert(client.widgetKeys.list())
    end
    collectgarbage()
    collectgarbage()
    return meter.status "VmRSS"
end

local calls = tonumber(arg[1])
local warm = run(math.floor(calls / 20))
print(("%d %d"):format(warm, run(calls - math.floor(calls / 20))))
