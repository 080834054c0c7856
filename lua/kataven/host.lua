--- Where calls wait: in the event loops that are known by name.

local check = require "kataven.check"
local core = require "kataven.core"
local globals = require "kataven.globals"

---@class kataven.Host
---@field wait fun(seconds: number, fd?: integer) lets the host run, and comes back after the time or sooner
---@field watches? boolean it also comes back when the descriptor turns readable
---@field here? fun(): "block"?, string? how to wait at this place: "block", or nil to wait as ever; or nil and why it cannot be
---@field probes? boolean a write waits before it is sent, so that a place where the host cannot wait shows in time

local host = {}

--- The names, as `wait` takes them.
host.NAMES = { "ngx", "cqueues", "copas", "luv", "yield" }

-- What each needs, and where it comes from.
local LIBRARIES = {
    cqueues = "Debian: lua-cqueues; LuaRocks: cqueues",
    copas = "Debian: lua-copas; LuaRocks: copas",
    luv = "Debian: lua-luv; LuaRocks: luv",
}

--- Whether this is OpenResty, where blocking would stop every request of a worker.
---@return boolean
function host.isOpenResty()
    local ngx = globals.get "ngx"
    return type(ngx) == "table" and check.callable(ngx.sleep)
end

local function libraryProblem(name)
    if name == "ngx" then
        return not host.isOpenResty() and 'wait = "ngx" works inside OpenResty only; there is no ngx.sleep here' or nil
    elseif not LIBRARIES[name] then
        return nil
    end
    local found, why = pcall(globals.require, name)
    if found then
        return nil
    end
    return ('wait = "%s" needs the Lua module "%s" (%s), which does not load: %s'):format(
        name, name, LIBRARIES[name], (tostring(why):match("^[^\n]*"):gsub(":$", "")))
end

--- The host of that name, or nil and why there is none.
---@param name string
---@return kataven.Host?
---@return string? problem
function host.named(name)
    for _, known in ipairs(host.NAMES) do
        if known == name then
            local problem = libraryProblem(name)
            if problem then
                return nil, problem
            end
            local made
            made, problem = globals.require("kataven.host." .. name)()
            return made, problem
        end
    end
    local nearest = check.nearest(name, host.NAMES)
    return nil, ("wait must be a function of (seconds, fd), or one of %s, got %s%s"):format(
        '"' .. table.concat(host.NAMES, '", "') .. '"', check.describe(name),
        nearest and ('; did you mean "%s"?'):format(nearest) or "")
end

--- Seconds. Where there is no descriptor to watch, a long wait is slept in pieces,
--- so that a cancel or a close is noticed.
host.LONGEST_SLEEP = 0.1

-- cqueues remembers what it has watched, whoever asked it to: a function of one's own may have. What comes next by that
-- number would then never wake anybody. The other loops watch for as long as a wait takes. It must not yield: the collector
-- calls it as well.
local modules = type(package) == "table" and package.loaded or {}
core.onClose(function(fd)
    local cqueues = modules.cqueues
    if type(cqueues) == "table" and check.callable(cqueues.cancel) then
        cqueues.cancel(fd)
    end
end)

-- Not in PUC Lua 5.1. From the core, since OpenResty's own table of coroutine
-- functions lacks it.
local isYieldable = core.yieldable

--- Whether this Lua does not tell of C functions that are in the way of a yield.
host.PROBES = isYieldable == nil

--- Whether this is a coroutine, and not the main program.
---@return boolean
function host.inCoroutine()
    local thread, main = globals.running()
    return thread ~= nil and not main
end

--- Whether one may yield at this place, as far as this Lua tells.
---@return boolean
function host.canYield()
    if isYieldable then
        return isYieldable()
    end
    return host.inCoroutine()
end

--- For `here`: the problem with a place where one cannot yield, or nil.
---@param name string the host's
---@param start string how its coroutines are started
---@return nil
---@return string? problem
function host.outside(name, start)
    if host.canYield() then
        return nil
    end
    if not host.inCoroutine() then
        return nil, ('wait = "%s" needs a coroutine to wait in, and this is the main program: run the call in %s')
            :format(name, start)
    end
    return nil, ('wait = "%s" cannot wait here: a C function is between the call and its coroutine '
        .. "(a callback of string.gsub or table.sort, a metamethod, require)"):format(name)
end

return host
