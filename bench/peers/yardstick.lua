-- The yardstick (bench/tools/yardstick.c). Its body is made before.

local cjson = require "cjson"
local worker = require "bench.worker"
local yardstick = require "yardstick"

worker.run(yardstick.new(cjson.decode, worker.url, worker.kind == "create" and worker.body or nil))
