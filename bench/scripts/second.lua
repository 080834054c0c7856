-- What another TLS connection takes in a process that has had one: of the same client, and of a new one; microseconds
-- by the clock, each the median of some. bench/scripts/second.lua <base URL> <base URL that closes>

local figures = require "bench.figures"
local kataven = require "kataven"
local meter = require "meter"

local TIMES = 7

local function new(base)
    return kataven.new { apiKey = "sk_live_bench_1", baseUrl = base }
end

local function timed(call)
    local began = meter.now()
    call()
    return (meter.now() - began) * 1e6
end

kataven.assert(new(arg[1]).widgetKeys.list())

local closing = new(arg[2])
kataven.assert(closing.widgetKeys.list())
local same, fresh = {}, {}
for index = 1, TIMES do
    same[index] = timed(function()
        kataven.assert(closing.widgetKeys.list()) -- the last one was closed by the server
    end)
    fresh[index] = timed(function()
        kataven.assert(new(arg[1]).widgetKeys.list())
    end)
end
print(("%.0f %.0f"):format(figures.median(same), figures.median(fresh)))
