-- Everything the hub remembers: keys, limits, counts, planned faults, and a clock that specs can move.

local limits = require "hub.limits"
local store = require "hub.store"

local state = {}
state.__index = state

-- `options`: apiKey, jwt, latency (seconds before each answer), limits (see limits.lua), pairs (see store.lua).
function state.new(options)
    local self = setmetatable({
        apiKey = options.apiKey,
        jwt = options.jwt,
        latency = options.latency,
        pairs = options.pairs,
        startLimits = options.limits,
        shift = 0,
    }, state)
    self.clock = function() return os.time() + self.shift end
    self.limits = limits.new(options.limits, self.clock)
    self:reset()
    return self
end

-- Back to how it started, or with other limits. The clock is not set back: windows and times only go forward.
function state:reset(newLimits)
    self.keys = store.new(self.clock, self.pairs)
    self.counts = { creates = 0, updates = 0, deletes = 0, refused = 0 }
    self.effects = {}
    self.requests = {}
    self.total = 0
    self.connections = 0
    -- Weak, so that it does not keep connections alive that are long closed.
    self.seen = setmetatable({}, { __mode = "k" })
    self.faults = {}
    local values = {}
    for field, value in pairs(self.startLimits) do values[field] = value end
    for field, value in pairs(newLimits or {}) do values[field] = value end
    self.limits:reset(values)
end

-- Moves the hub's clock, so that a window or a timestamp can be waited for without waiting.
function state:advance(seconds)
    self.shift = self.shift + seconds
end

function state:count(what)
    self.counts[what] = self.counts[what] + 1
end

-- An effect: counted by what was done, and by the key that it was done to.
function state:effect(what, id)
    self:count(what)
    self.effects[id] = self.effects[id] or { creates = 0, updates = 0, deletes = 0 }
    self.effects[id][what] = self.effects[id][what] + 1
end

-- Only requests to the API count, so a spec's own control calls do not disturb what it measures.
function state:countRequest(method, connection)
    self.total = self.total + 1
    self.requests[method] = (self.requests[method] or 0) + 1
    if not self.seen[connection] then
        self.seen[connection] = true
        self.connections = self.connections + 1
    end
end

-- Plans an answer for the next `n` API requests.
function state:plan(fault)
    for _ = 1, fault.n or 1 do self.faults[#self.faults + 1] = fault end
end

function state:nextFault()
    return table.remove(self.faults, 1)
end

function state:stats()
    local counts = self.counts
    return {
        total = self.total,
        requests = setmetatable(self.requests, { __jsontype = "object" }),
        creates = counts.creates,
        updates = counts.updates,
        deletes = counts.deletes,
        effects = counts.creates + counts.updates + counts.deletes,
        refused = counts.refused,
        connections = self.connections,
        inFlight = self.limits.inFlight,
        mostInFlight = self.limits.mostInFlight,
        keys = self.keys:count(),
        faultsLeft = #self.faults,
    }
end

return state
