--- The cassette of clients that were given no transport: the one that a spec has
--- put in place, else the file that KATAVEN_CASSETTE names. So a script can be
--- recorded and replayed without a change to it.

local globals = require "kataven.globals"
local lasting = require "kataven.cassette.lasting"

local default = {}

--- The key of a client that is only to replay, and was given none.
default.PLACEHOLDER_KEY = "sk_live_replay_placeholder"

local placed = nil
-- By file; each with what saves it when the state is closed. A second spec file
-- goes on with the first one's cassette instead of recording over it.
local opened = lasting.table "opened"

-- Calls a function when this Lua state is closed. Only userdata are finalised
-- on Lua 5.1 and LuaJIT.
local function atExit(run)
    local newproxy = globals.get "newproxy"

    if not newproxy then
        return setmetatable({}, { __gc = run })
    end
    local watcher = newproxy(true)
    getmetatable(watcher).__gc = run
    return watcher
end

local function shared(path)
    if not opened[path] then
        local cassette, problem = globals.require("kataven.cassette").try(path, nil, true)

        if not cassette then
            return nil, "KATAVEN_CASSETTE: " .. problem
        end
        opened[path] = {
            cassette = cassette,
            -- Tries once more to save: a disk that was full may have room again.
            watcher = cassette.mode ~= "replay" and atExit(function()
                pcall(cassette.problem, cassette)
            end),
        }
    end
    return opened[path].cassette
end

--- Puts a cassette in place, or takes it away with nil.
---@param cassette kataven.Cassette|nil
---@return kataven.Cassette|nil before what was in its place
function default.place(cassette)
    local before = placed

    placed = cassette
    return before
end

--- The cassette to use, nil where there is none, or nil and a problem.
---@return kataven.Cassette|nil
---@return string|nil problem
function default.transport()
    local path = globals.getenv "KATAVEN_CASSETTE"

    if placed or not path then
        return placed
    end
    return shared(path)
end

return default
