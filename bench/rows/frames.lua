--- A frame loop (`wait = "yield"`): how long a step takes, by the clock, and one that ends a call during a slow lookup
--- of a name. The loop has a core without the server, where there are two: waking the server is not to cost it its own.

local figures = require "bench.figures"
local shell = require "spec.support.shell"

local function numbers(text)
    local all = {}
    for number in text:gmatch "[%d.]+" do
        all[#all + 1] = tonumber(number)
    end
    return all
end

local function steps(context)
    local report = context.report
    local seconds = context.quick and 0.5 or 15
    local got = numbers(shell.run(context.elsewhere .. "%s bench/scripts/frames.lua %s %s", os.getenv "LUA_BIN",
        tostring(seconds), context.server.base "slow"))
    report:table("A frame loop, 60 frames a second, 20 calls in flight, upstream of 200 ms", {
        { "", "median, ms", "99th percentile", "longest" },
        { "one step", ("%.3f"):format(got[3]), ("%.3f"):format(got[4]), ("%.3f"):format(got[5]) },
        { "all 20 steps of a frame", ("%.3f"):format(got[6]), ("%.3f"):format(got[7]), ("%.3f"):format(got[8]) },
    })
    report:most("one step, 20 in flight, 99th percentile", got[4], 0.3,
        ("%.3f ms, of %d steps (in %d another process had the core)"):format(got[4], got[1], got[2]), " ms", true)
    report:most("one step, 20 in flight, the longest", got[5], 1,
        ("%.3f ms; in the first frame, with libcurl's initialisation and 20 connections, %.3f ms"):format(got[5],
            got[9]), " ms")
end

local function lookups(context)
    local report, ends = context.report, {}
    for round = 1, context.quick and 1 or 5 do
        local got = numbers(shell.run(context.elsewhere .. "env SLOW_DNS=2 LD_PRELOAD=%s %s bench/scripts/slow_dns.lua",
            context.build .. "/slow_dns.so", os.getenv "LUA_BIN"))
        for index = 1, 5 do
            ends[index] = ends[index] or {}
            ends[index][round] = got[index]
        end
    end
    for index, name in ipairs { "timeout", "cancel", "close" } do
        local longest = figures.quantile(ends[index], 1)
        report:most(("%s during a slow DNS answer"):format(name), longest, 5,
            ("%.2f ms, the longest of %d"):format(longest, #ends[index]), " ms", true)
    end
    report:note(("While the name was looked up, the first step of the process took up to %.2f ms, and the others up to "
        .. "%.2f ms."):format(figures.quantile(ends[4], 1), figures.quantile(ends[5], 1)))
end

return function(context)
    steps(context)
    lookups(context)
end
