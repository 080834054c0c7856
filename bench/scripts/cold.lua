-- What a script is that lists once: bench/scripts/cold.lua <base URL>

local kataven = require "kataven"
local client = kataven.new { apiKey = "sk_live_bench_1", baseUrl = arg[1] }
print(#kataven.assert(client.widgetKeys.list()))
