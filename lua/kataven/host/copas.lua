--- Copas: a wait is a read of something that looks like one of its sockets and
--- has the client's descriptor. That holds from copas 1 on, which has no timers:
--- the descriptor turns readable at a wait's end as well.

local copas = require "copas"
local core = require "kataven.core"
local host = require "kataven.host"

local Watched = {}
Watched.__index = Watched

-- Who waits on each descriptor. luasocket's select names only one of those that
-- have the same, and so this one passes the news on to the others.
local waiting = {}

-- For luasocket's select.
function Watched:getfd()
    return self.fd
end

function Watched:dirty()
    return self.told
end

-- For copas: the first read finds nothing, so that it waits; the next one is made
-- when it has been woken.
function Watched:receive()
    if self.asked then
        return ""
    end
    self.asked = true
    return nil, "timeout"
end

function Watched.settimeout()
    return true
end

-- copas closes what a thread read last when the thread ends; this is not its own.
function Watched.close()
    return true
end

-- What a wait does that has no descriptor: its client is closed, or lives in a
-- time of its own. Without timers all that can be done is to let the others run;
-- select takes what it finds dirty for readable, whatever the number.
local sleep = copas.pause or copas.sleep or function()
    copas.receive(setmetatable({ fd = 0, asked = false, told = true }, Watched), 1)
end

local function wait(seconds, fd)
    if not fd then
        sleep(math.min(seconds, host.LONGEST_SLEEP))
        return
    end
    local now = core.now()
    local self = setmetatable({ fd = fd, asked = false, told = false, due = now + seconds }, Watched)
    local others = waiting[fd]
    if not others then
        others = setmetatable({}, { __mode = "k" }) -- a yield may be refused, and not come back
        waiting[fd] = others
    end
    -- To prepare this wait was to take what was to end theirs, if copas has not
    -- seen it yet. Too early does no harm.
    for other in pairs(others) do
        other.told = other.told or other.due <= now + 0.001
    end
    others[self] = true
    copas.receive(self, 1)
    others[self] = nil
    if next(others) == nil then
        waiting[fd] = nil
    elseif not self.told then
        for other in pairs(others) do
            other.told = true
        end
    end
end

---@return kataven.Host?
---@return string? problem
return function()
    if not core.descriptors and not copas.pause and not copas.sleep then
        return nil, 'wait = "copas" needs copas 2 or later on a system without epoll: earlier ones have no timers'
    end
    return {
        wait = wait,
        watches = true,
        probes = host.PROBES,
        here = function()
            return host.outside("copas", "copas.addthread(function() ... end)")
        end,
    }
end
