--- What the recordings of one Lua state have to know of one another. It outlives
--- the modules: busted unloads them after each spec file.

local globals = require "kataven.globals"

local lasting = {}

local here = {}

--- A table of this name, the same one for every copy of kataven in this Lua state.
---@param name string
---@return table
function lasting.table(name)
    local found, all = pcall(globals.member("debug", "getregistry"))
    all = found and all or here
    local key = "kataven.cassette." .. name

    all[key] = all[key] or {}
    return all[key]
end

--- One name for all the ways to write a path. It goes by the names alone: links
--- are not followed.
---@param path string
---@return string
function lasting.path(path)
    local base = path:sub(1, 1) ~= "/" and globals.getenv "PWD" or ""
    local full = base:sub(1, 1) == "/" and base .. "/" .. path or path
    local absolute = full:sub(1, 1) == "/"
    local parts = {}

    for part in full:gmatch "[^/]+" do
        local last = parts[#parts]
        if part == ".." and last and last ~= ".." then
            parts[#parts] = nil
        elseif part ~= "." and not (part == ".." and absolute) then
            parts[#parts + 1] = part
        end
    end
    return (absolute and "/" or "") .. table.concat(parts, "/")
end

return lasting
