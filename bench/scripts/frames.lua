-- How long the steps of a frame loop take, with 20 calls in flight all the time:
-- bench/scripts/frames.lua <seconds> <base URL>
--
-- A step is what one resumed coroutine does in a frame. All calls begin in the first frame, so that their connections
-- are made at once and their answers come at once ever after: the worst that such a loop meets. Steps in which the
-- system gave the processor to somebody else are counted apart. Writes: steps, those left out, and in milliseconds the
-- 50th and 99th percentile and the longest of steps, and the same three of frames.

local figures = require "bench.figures"
local kataven = require "kataven"
local meter = require "meter"

local WIDTH, FRAME = 20, 1 / 60
local client = kataven.new { apiKey = "sk_live_bench_1", baseUrl = arg[2], wait = "yield" }
local threads = {}
for index = 1, WIDTH do
    threads[index] = coroutine.create(function()
        while true do
            kataven.assert(client.widgetKeys.list())
        end
    end)
end

local steps, frames, left = {}, {}, 0
local ends = meter.now() + tonumber(arg[1])
local now, preempted = meter.now, meter.preempted
while now() < ends do
    local frameBegan, framePreempted = now(), preempted()
    for index = 1, WIDTH do
        local before = preempted()
        local began = now()
        local ok, problem = coroutine.resume(threads[index])
        local spent = now() - began
        assert(ok, problem)
        if preempted() == before then
            steps[#steps + 1] = spent * 1000
        else
            left = left + 1
        end
    end
    local spent = now() - frameBegan
    if preempted() == framePreempted then
        frames[#frames + 1] = spent * 1000
    end
    meter.sleep(FRAME - spent)
end
local function three(list)
    return ("%.3f %.3f %.3f"):format(figures.quantile(list, 0.5), figures.quantile(list, 0.99),
        figures.quantile(list, 1))
end
print(#steps, left, three(steps), three(frames))
