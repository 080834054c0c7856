--- A transport around a client's own that keeps the last answer's text of each
--- coroutine: decoded, an empty list and an empty object look the same.

local tap = {}

---@class kataven.redis.Tap: kataven.Transport
local Tap = {}
Tap.__index = Tap

---@return kataven.redis.Tap
function tap.new()
    local weak = { __mode = "k" }
    return setmetatable({ bodies = setmetatable({}, weak), used = setmetatable({}, weak) }, Tap)
end

-- A transport that is not wrapped sends nothing.
function Tap.send()
    return nil, { kind = "connect", message = "this transport is for a client to wrap", sent = false }
end

--- For the client.
function Tap:over(inner)
    return {
        send = function(_, request, ...)
            local thread = coroutine.running()
            self.used[thread] = true
            local response, failure = inner:send(request, ...)
            self.bodies[thread] = response and response.body or nil
            return response, failure
        end,
    }
end

return tap
