--- Frame loops and hand-made schedulers: every wait is a plain coroutine.yield,
--- of the seconds and the descriptor, and whoever resumes the coroutine lets the
--- call go on. It may be resumed at any time.

local globals = require "kataven.globals"
local host = require "kataven.host"

---@return kataven.Host?
---@return string? problem
return function()
    local yield = globals.member("coroutine", "yield")
    if not yield then
        return nil, 'wait = "yield" needs coroutines, which this host does not grant'
    end
    return {
        wait = yield,
        probes = host.PROBES,
        here = function()
            return host.outside("yield", "coroutine.create(function() ... end), and resume it once a frame")
        end,
    }
end
