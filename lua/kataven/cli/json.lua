--- What the command writes as JSON.

local cassetteJson = require "kataven.cassette.json"
local core = require "kataven.core"
local text = require "kataven.cli.text"

local json = {}

-- A copy in which an allowlist is an array, empty or not: an answer's empty list and
-- empty object are the same table.
local function listed(value)
    if type(value) ~= "table" then
        return value
    end
    local copy = {}
    for name, member in pairs(value) do
        copy[name] = listed(member)
        if name == "domain_allowlist" and type(member) == "table" then
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
    return text.json(assert(cassetteJson.pretty(listed(value))))
end

--- The same in one line, without its end.
---@param value any
---@return string
function json.line(value)
    return text.json(assert(core.encode(listed(value))))
end

return json
