--- Plays faults of the scripted TCP server to every method, in every way of waiting, and checks what each call says of
--- itself against what the server saw. spec/faults holds the faults, spec/faults_spec.lua makes tests of them.
---
--- Every call carries a header `X-Call` of its own, which a clean answer echoes: so an answer that belongs to another
--- call shows, and so do two effects of one call. Its `X-Part` tells the server whom to play the fault to.
---
--- The key of the calls is looked for in every error and every event of the log.

local canary = require "spec.support.canary"
local kataven = require "kataven"
local servers = require "spec.support.servers"
local socket = require "socket"

local faults = {}

--- A call that meets no fault has so long; whatever ends before has not ended by its timeout.
faults.PATIENCE = 20
--- What a busy machine may add to a time that is exact. A call that a fault keeps for ever is far beyond.
faults.SLACK = 20
--- The timeout where a fault needs one.
faults.TIMEOUT = 0.15

faults.MAX_BYTES = 100000

faults.KEY = "sk_live_faults_T0kEnqZ9xW4b"
local hasKey = canary.seeker "T0kEnqZ9xW4b" -- a part of it is bad enough

-- "{x-call}" has as many bytes as the value that takes its place, so that a Content-Length fits.
local function id(number)
    return ("cl%06d"):format(number)
end

local JSON = { ["Content-Type"] = "application/json", ["X-Call"] = "{x-call}" }

--- What a server in order answers, after a request was read: with an effect.
function faults.clean(extra)
    local function answer(status, body)
        local steps = { { effect = "served" }, { send = servers.answer {
            status = status, headers = JSON, body = body,
        }, echo = "x-call" } }
        for _, step in ipairs(extra or {}) do
            steps[#steps + 1] = step
        end
        return steps
    end
    return {
        choose = "method",
        cases = {
            GET = answer(200, '[{"id":"{x-call}"}]'),
            HEAD = answer(200, ""),
            POST = answer(201, '{"id":"{x-call}"}'),
        },
        steps = answer(200, '{"id":"{x-call}"}'),
    }
end

local LARGE = ("x"):rep(8 * 1024 * 1024)

local CALLS = {
    list = function(client, options) return client.widgetKeys.list(options) end,
    create = function(client, options, name) return client.widgetKeys.create({ name = name }, options) end,
    update = function(client, options, name) return client.widgetKeys.update("wk_1", { name = name }, options) end,
    delete = function(client, options) return client.widgetKeys.delete("wk_1", options) end,
    head = function(client, options)
        options.method, options.path = "HEAD", "/api/v1/widget-keys"
        return client:request(options)
    end,
}

faults.METHODS = { "list", "create", "update", "delete", "head" }
faults.WRITES = { create = true, update = true, delete = true }

---------------------------------------------------------------------------------------------- ways of waiting

-- Runs coroutines that yield seconds and a descriptor, as an event loop does, until all have ended.
local function loop(functions)
    local threads, fd = {}, nil
    for index, run in ipairs(functions) do
        threads[index] = coroutine.create(run)
    end
    local watched = { getfd = function() return fd end, dirty = function() return false end }
    while true do
        local alive, soonest = false, math.huge
        for _, thread in ipairs(threads) do
            if coroutine.status(thread) ~= "dead" then
                local ok, seconds, descriptor = coroutine.resume(thread)
                if not ok then error(seconds, 0) end
                if coroutine.status(thread) ~= "dead" then
                    alive, soonest, fd = true, math.min(soonest, seconds or 0.001), descriptor or fd
                end
            end
        end
        if not alive then return end
        -- Without a descriptor it looks often: nothing else tells a call that it was cancelled.
        socket.select(fd and { watched } or {}, {}, fd and soonest or math.min(soonest, 0.01))
    end
end

--- How a host waits. `run` runs functions, side by side where that can be.
faults.WAYS = {
    {
        name = "blocking",
        alone = true,
        run = function(_, functions)
            for _, run in ipairs(functions) do run() end
        end,
    },
    {
        name = "yielding",
        wait = function(seconds, fd) coroutine.yield(seconds, fd) end,
        run = function(_, functions) loop(functions) end,
    },
    {
        name = "parallel",
        run = function(client, functions)
            for _, result in ipairs(client:parallel(functions)) do
                if result.err then error(result.err, 0) end
            end
        end,
    },
}

-------------------------------------------------------------------------------------------------- the stage

---@class spec.Stage one server, one way of waiting, and a client after another
local Stage = {}
Stage.__index = Stage

function faults.stage()
    return setmetatable({ server = servers.tcp {}, last = 0 }, Stage)
end

function Stage:open(way, options)
    self:close()
    self.way = way
    local given = {
        apiKey = faults.KEY,
        baseUrl = self.server.url,
        wait = way.wait,
        timeout = faults.PATIENCE,
        connectTimeout = faults.PATIENCE,
        maxResponseBytes = faults.MAX_BYTES,
    }
    for name, value in pairs(options) do
        given[name] = value
    end
    -- What a log raises is nobody's: it is kept until the calls are over.
    function given.log(event)
        self.leak = self.leak or hasKey(event)
        if options.log then options.log(event) end
    end
    self.client = kataven.new(given)
end

function Stage:close()
    if self.client then
        self.client:close()
        self.client = nil
    end
end

function Stage:stop()
    self:close()
    self.server:stop()
end

---@class spec.Call
---@field method string
---@field part string what the server is to do to it
---@field id string
---@field ok boolean
---@field value any
---@field meta table
---@field err kataven.Error
---@field took number seconds
---@field after? spec.Call[]

--- Makes the calls that are described, `{method, part, options, large}`, side by side where the way allows it. Gives
--- what became of each. `others` are functions to run beside them.
function Stage:calls(wanted, others)
    local functions, done = {}, {}
    for index, one in ipairs(wanted) do
        self.last = self.last + 1
        local entry = { method = one.method, part = one.part, id = id(self.last) }
        local options = { headers = { ["X-Call"] = entry.id, ["X-Part"] = one.part } }
        for name, value in pairs(one.options or {}) do
            options[name] = value
        end
        done[index] = entry
        functions[index] = function()
            local began = socket.gettime()
            local value, second = CALLS[one.method](self.client, options, one.large and LARGE or "acme")
            entry.took = socket.gettime() - began
            entry.ok, entry.value = value ~= nil, value
            entry[entry.ok and "meta" or "err"] = second
        end
    end
    for _, run in ipairs(others or {}) do
        functions[#functions + 1] = run
    end
    self.way.run(self.client, functions)
    if self.leak then error("the key is in the log: " .. self.leak, 0) end
    return done
end

-- The answer to another call is the worst that can come.
local function isOwn(call)
    if call.meta.headers["x-call"] ~= call.id then return false end
    if call.method == "head" then return true end
    local object = call.method == "list" and call.value[1] or call.value
    return type(object) == "table" and object.id == call.id
end

local function complain(call, text, ...)
    error(("%s (%s): %s; it says: %s"):format(call.method, call.part, text:format(...),
        call.ok and "success" or ("%s, maybeApplied=%s, attempts=%d"):format(
            tostring(call.err), tostring(call.err.maybeApplied), call.err.attempts)), 0)
end

--- Checks that a call went well and has its own answer.
function faults.checkClean(call)
    if not call.ok then complain(call, "it met no fault, and failed") end
    if not isOwn(call) then complain(call, "it has another call's answer (%s)",
        tostring(call.meta.headers["x-call"])) end
end

--- Counts what the server saw of each call: requests and effects, by id.
function faults.seen(log)
    local seen = {}
    for _, request in ipairs(log.requests) do
        local key = request.header["x-call"] or ""
        local entry = seen[key] or { requests = 0, effects = 0 }
        entry.requests, entry.effects = entry.requests + 1, entry.effects + request.effects
        seen[key] = entry
    end
    return seen
end

--- What holds of every call, whatever the fault: never two effects of a write, never a silent loss, never the key in
--- an error. Gives the effects.
function faults.checkTruth(call, seen)
    local leak = not call.ok and hasKey(call.err)
    if leak then complain(call, "the key is in its error: %s", leak) end
    local saw = seen[call.id] or { requests = 0, effects = 0 }
    local attempts = call.ok and call.meta.attempts or not call.ok and call.err.attempts
    if faults.WRITES[call.method] then
        if saw.effects > 1 then complain(call, "%d effects of one call", saw.effects) end
        if not call.ok and not call.err.maybeApplied and saw.effects > 0 then
            complain(call, "a silent loss: it had an effect")
        end
    elseif not call.ok and call.err.maybeApplied then
        complain(call, "a read cannot have been applied")
    end
    if saw.requests > attempts then complain(call, "the server saw %d requests", saw.requests) end
    return saw.effects
end

--- Checks a call against an outcome: `{ok}` or `{error, maybe, status, message}`, and how many attempts there were.
function faults.checkOutcome(call, outcome, attempts, limit)
    if call.took > limit + faults.SLACK then complain(call, "it took %.1f s of %g", call.took, limit) end
    if outcome.ok then
        if not call.ok then complain(call, "it should have gone well") end
        if outcome.own and not isOwn(call) then complain(call, "it has not its own answer") end
        if call.meta.attempts ~= attempts then complain(call, "attempts: %d, not %d", call.meta.attempts, attempts) end
        return
    end
    if call.ok then complain(call, "it should have failed with %s", outcome.error) end
    local err = call.err
    local maybe = outcome.maybe == true and faults.WRITES[call.method] == true
    if err.name ~= outcome.error then complain(call, "want a %s", outcome.error) end
    if err.maybeApplied ~= maybe then complain(call, "want maybeApplied=%s", tostring(maybe)) end
    if attempts and err.attempts ~= attempts then complain(call, "want %d attempts", attempts) end
    if outcome.status and err.status ~= outcome.status then
        complain(call, "want the status %d, got %s", outcome.status, tostring(err.status))
    end
    if outcome.message and not err.message:find(outcome.message) then
        complain(call, "want a message with %q", outcome.message)
    end
end

return faults
