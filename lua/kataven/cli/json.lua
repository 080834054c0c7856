--- What the command writes as JSON.

local cassetteJson = require "kataven.cassette.json"
local core = require "kataven.core"
local text = require "kataven.cli.text"

local json = {}

-- The most levels that core.encode writes. An answer may have as many, before anything
-- is around it.
local DEEPEST = 128

-- What JSON can hold of a value that is no table: text of a server's or a shell's may be
-- no UTF-8, and a number of an answer beyond a double (1e999).
local function plain(value)
    if type(value) == "string" then
        return text.utf8(value)
    elseif type(value) == "number" and (value ~= value or value == math.huge or value == -math.huge) then
        return core.null
    end
    return value
end

-- A copy that can be written, whatever it was: what is written here may be the only copy
-- of a key's text. In it an allowlist is an array, empty or not: an answer's empty list
-- and empty object are the same table.
local function listed(value, depth)
    if type(value) ~= "table" then
        return plain(value)
    elseif depth > DEEPEST then
        return "..."
    end
    local copy = {}
    for name, member in pairs(value) do
        copy[plain(name)] = listed(member, depth + 1)
        if name == "domain_allowlist" and type(copy[name]) == "table" then
            core.array(copy[name])
        end
    end
    return core.isArray(value) and core.array(copy) or copy
end

--- A value as people and programs read it: indented, names in order, a line break at
--- the end. Holds nothing that a terminal would obey.
---@param value any a list that may be empty is marked with kataven.array
---@return string
function json.document(value)
    return text.json(assert(cassetteJson.pretty(listed(value, 1))))
end

--- The same in one line, without its end.
---@param value any
---@return string
function json.line(value)
    return text.json(assert(core.encode(listed(value, 1))))
end

return json
