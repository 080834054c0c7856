-- How long the steps of a frame loop take, with 20 calls in flight all the time:
-- bench/scripts/frames.lua <seconds> <base URL>
--
-- A step is what one resumed coroutine does in a frame. All calls begin in the first frame, so that their connections
-- are made at once and their answers come at once ever after: the worst that such a loop meets. Of steps in which
-- the system gave the processor to somebody else the processor time counts, of all others the clock's. Writes: steps,
-- how many were of the former kind, and in milliseconds the 50th and 99th percentile and the longest of steps, the
-- same three of frames, and the longest step of the first frame.

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

local now, cpu, preempted = meter.now, meter.cpu, meter.preempted

-- Runs something; gives the milliseconds that it took, and whether the processor was taken away meanwhile.
local function timed(run, ...)
    local before, used, began = preempted(), cpu(), now()
    local ok, problem = run(...)
    local spent, taken = now() - began, false
    if preempted() ~= before then
        spent, taken = cpu() - used, true
    end
    assert(ok, problem)
    return spent * 1000, taken
end

local steps, frames, takenAway, first = {}, {}, 0, nil

local function frame()
    for index = 1, WIDTH do
        local spent, taken = timed(coroutine.resume, threads[index])
        steps[#steps + 1] = spent
        takenAway = takenAway + (taken and 1 or 0)
    end
    return true
end

-- Lua's collector takes up to 2 ms at a time wherever memory is asked for. What a frame loop does that cares for such
-- times: it lets it work in what is left of a frame.
collectgarbage "stop"

local ends = now() + tonumber(arg[1])
while now() < ends do
    local began = now()
    frames[#frames + 1] = timed(frame)
    first = first or figures.quantile(steps, 1)
    collectgarbage("step", 200)
    meter.sleep(began + FRAME - now())
end

local function three(list)
    return ("%.3f %.3f %.3f"):format(figures.quantile(list, 0.5), figures.quantile(list, 0.99),
        figures.quantile(list, 1))
end
print(#steps, takenAway, three(steps), three(frames), ("%.3f"):format(first))
