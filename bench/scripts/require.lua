-- How often libcurl was asked to initialise itself or for a handle, after each step (bench/tools/counter.c is
-- preloaded): bench/scripts/require.lua <base URL>

local meter = require "meter"

local kataven = require "kataven"
local required = meter.counted()
local client = kataven.new { apiKey = "sk_live_bench_1", baseUrl = arg[1] }
local made = meter.counted()
kataven.assert(client.widgetKeys.list())
print(("%d %d %d"):format(required, made, meter.counted()))
