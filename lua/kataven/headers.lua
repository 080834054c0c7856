--- Request headers: what a user may set, and how the sets are put together.

local check = require "kataven.check"

local headers = {}

-- These say who is calling, where a message ends, or how its body is written:
-- a wrong one would leak the token or make the answer unreadable.
local OURS = {
    ["authorization"] = "it is made of apiKey",
    ["x-account-id"] = "use accountId",
    ["host"] = "it is made of baseUrl",
    ["content-length"] = "it is counted",
    ["transfer-encoding"] = "bodies are sent whole",
    ["connection"] = "connections are kept and reused",
    ["accept-encoding"] = "answers are read as they are",
}

--- A problem when a user's table of headers may not be sent.
---@param given any
---@return string?
function headers.problem(given)
    if given == nil then
        return nil
    elseif type(given) ~= "table" then
        return ("headers must be a table of names and values, got %s"):format(check.describe(given))
    end
    local hidden = check.hidden("headers", given)
    if hidden then
        return hidden
    end
    for name, value in next, given do
        if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+%-.^_`|~]+$") then
            return ("headers: a name must be letters, digits and dashes, got %s"):format(check.describe(name))
        elseif OURS[name:lower()] then
            return ("headers may not set %s: %s"):format(name, OURS[name:lower()])
        elseif type(value) ~= "string" then
            return ("headers[%s] must be a string, got %s"):format(check.name(name), check.kind(value))
        elseif check.hasControl(value) then
            return ("headers[%s] holds a control character"):format(check.name(name))
        end
    end
    return nil
end

--- Lays one set over another, in a new table; the case of names does not
--- matter, and the later one's spelling wins.
---@param base table<string, string>
---@param over? table<string, string>
---@return table<string, string>
function headers.merge(base, over)
    local merged, spelling = {}, {}
    for _, set in ipairs { base, over or {} } do
        for name, value in next, set do
            local lower = name:lower()
            if spelling[lower] then
                merged[spelling[lower]] = nil
            end
            spelling[lower] = name
            merged[name] = value
        end
    end
    return merged
end

--- A set as the flat list that the C core takes, sorted by name so that the
--- same set always gives the same bytes.
---@param set table<string, string>
---@return string[]
function headers.list(set)
    local names, flat = {}, {}
    for name in pairs(set) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        flat[#flat + 1] = name
        flat[#flat + 1] = set[name]
    end
    return flat
end

return headers
