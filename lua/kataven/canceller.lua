--- A way to end calls from outside.

---@class kataven.Canceller
---@field cancelled boolean whether it was used
---@field cancel fun(self: kataven.Canceller) ends every call that was given it, those that wait included; later ones fail at once
local Canceller = {}
Canceller.__index = Canceller
Canceller.__name = "kataven.Canceller"

local canceller = {}

-- Which calls hear of it, by canceller; weak, so that a call whose coroutine
-- was dropped is not kept.
local listeners = setmetatable({}, { __mode = "k" })

--- Makes a canceller. Give it to calls as their `cancel` option.
---@return kataven.Canceller
function canceller.new()
    local self = setmetatable({ cancelled = false }, Canceller)
    listeners[self] = setmetatable({}, { __mode = "k" })
    return self
end

function Canceller:cancel()
    if not canceller.is(self) then
        error("call it with a colon: canceller:cancel()", 2)
    end
    self.cancelled = true
    for call in pairs(listeners[self]) do
        call.wake()
    end
end

---@param value any
---@return boolean
function canceller.is(value)
    return type(value) == "table" and getmetatable(value) == Canceller
end

--- Has a call woken when the canceller is used, until it is unregistered. The
--- call's table is held weakly.
function canceller.register(self, call)
    listeners[self][call] = true
end

function canceller.unregister(self, call)
    listeners[self][call] = nil
end

return canceller
