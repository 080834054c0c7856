-- One script being played: what each connection has to do, and everything that happened.

local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local steps = require "tcp_server.steps"

local run = {}
run.__index = run

local function array() return setmetatable({}, { __jsontype = "array" }) end
local function object() return setmetatable({}, { __jsontype = "object" }) end

-- Raises what is wrong with the script.
function run.new(server, script)
    for _, list in ipairs(script.connections or {}) do steps.check(list) end
    if script.default then steps.check(script.default) end
    return setmetatable({
        server = server,
        script = script,
        tls = script.tls,
        started = cqueues.monotime(),
        -- Signalled whenever something is recorded, for whoever waits for it.
        changed = condition.new(),
        signals = {},
        connections = 0,
        requests = array(),
        ended = array(),
        effects = object(),
        effectsTotal = 0,
        values = {},
    }, run)
end

function run:elapsed()
    return cqueues.monotime() - self.started
end

function run:record(conn, request)
    request.connection = conn.number
    request.at = self:elapsed()
    request.effects = 0
    conn.last = request
    self.requests[#self.requests + 1] = request
    self.changed:signal()
end

-- Counted by its name, and for the connection's last request.
function run:effect(name, conn)
    if conn.last then conn.last.effects = conn.last.effects + 1 end
    self.effects[name] = (self.effects[name] or 0) + 1
    self.effectsTotal = self.effectsTotal + 1
    self.changed:signal()
end

function run:signal(name)
    self.signals[name] = true
    self.changed:signal()
end

-- Whether a header has been met with this value before.
function run:met(name, value)
    local key = name .. "=" .. value
    local before = self.values[key]
    self.values[key] = true
    return before
end

-- Numbers a connection, as soon as it is accepted: coroutines do not begin in the order of their making.
function run:welcome(conn)
    self.connections = self.connections + 1
    conn.number = self.connections
    self.changed:signal()
    return conn
end

-- Plays a connection's part. One beyond the script gets the default, or a reset where there is none; it is counted like
-- any other, so that a spec sees it.
function run:play(conn)
    local list = (self.script.connections or {})[conn.number] or self.script.default or { { reset = true } }
    local ok, how, why = steps.perform(self, conn, list)
    -- A script that has come to its end, or a client that went away, leaves the socket open.
    if ok then
        how = conn:finish("close")
    elseif how == "gone" or how == "tls" then
        conn:finish("cut")
    end
    self.ended[#self.ended + 1] = { connection = conn.number, how = how, why = why, at = self:elapsed() }
    self.changed:signal()
end

function run:log()
    return {
        connections = self.connections,
        requests = self.requests,
        ended = self.ended,
        effects = self.effects,
        effectsTotal = self.effectsTotal,
    }
end

-- True when at least so many connections, requests, effects and ends have been seen as `wanted` says, and the signal
-- has been given that it names.
function run:reached(wanted)
    return self.connections >= (wanted.connections or 0)
        and #self.requests >= (wanted.requests or 0)
        and #self.ended >= (wanted.ended or 0)
        and self.effectsTotal >= (wanted.effects or 0)
        and (not wanted.signal or self.signals[wanted.signal] == true)
end

return run
