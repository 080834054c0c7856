--- The host's globals, as far as it grants them. A sandbox may take whole libraries
--- away, or single functions; reading a global that is not there may raise, and so
--- may `require` once the host has loaded its scripts.

local core = require "kataven.core"

local require = require

local globals = {}

-- `read` may raise, in which case there is nothing.
local function try(read)
    local ok, value = pcall(read)
    return ok and value or nil
end

-- The table that our own files have their globals in.
local environment = core.environment and core.environment(try) or _ENV -- luacheck: ignore 113

--- The global of that name, or nil.
---@param name string
---@return any
function globals.get(name)
    return try(function()
        return environment[name]
    end)
end

--- A member of one of the standard libraries, or nil.
---@param library string
---@param name string
---@return any
function globals.member(library, name)
    return try(function()
        return environment[library][name]
    end)
end

--- An environment variable; nil where it is empty, or the host does not tell.
---@param name string
---@return string?
function globals.getenv(name)
    local ok, value = pcall(globals.member("os", "getenv"), name)
    return ok and type(value) == "string" and value ~= "" and value or nil
end

local function load(name)
    if core.requireIn then -- 5.1 and LuaJIT: each coroutine has globals of its own
        return core.requireIn(require, name, environment)
    end
    return require(name)
end

--- Loads a module that is not needed from the beginning, by the `require` that
--- kataven itself was loaded with. Its files read that as a global, so where the host
--- has taken it away since, it is back for as long as they load.
---@param name string
---@return any
function globals.require(name)
    if globals.get "require" == require or type(environment) ~= "table" then
        return load(name)
    end
    local before = rawget(environment, "require")
    rawset(environment, "require", require)
    local ok, loaded = pcall(load, name)
    rawset(environment, "require", before)
    if not ok then
        error(loaded, 0)
    end
    return loaded
end

local running = globals.member("coroutine", "running")

--- The coroutine that runs, as `coroutine.running` has it; nil where the host does
--- not tell.
---@return thread? thread
---@return boolean? main
globals.running = pcall(running) and running or function() end

return globals
