-- This project's client, with everything that it checks and gives. `recorded` plays the same list from a cassette.

local kataven = require "kataven"
local worker = require "bench.worker"

local options = { apiKey = worker.token, baseUrl = worker.base }
if worker.kind == "recorded" then
    options.transport = kataven.cassette.open(arg[3], { mode = "replay", allowRepeats = true })
end
local client = kataven.new(options)

local function list()
    return kataven.assert(client.widgetKeys.list())
end

local function create()
    return kataven.assert(client.widgetKeys.create(worker.input))
end

worker.run(worker.kind == "create" and create or list)
