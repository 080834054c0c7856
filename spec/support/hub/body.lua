-- Reads and checks what a client sends as JSON. With dkjson, and not the cjson that the client is built on, so that a
-- mistake of one does not hide behind the same mistake of the other.

local json = require "dkjson"

local body = {}

-- dkjson marks what it decodes, which tells `{}` from `[]`.
local function jsonType(value)
    local meta = type(value) == "table" and getmetatable(value)
    return meta and meta.__jsontype or type(value)
end

-- Gives the object in `text`, or nil and what to answer. Nulls come as `json.null`.
function body.object(text)
    local value, position = json.decode(text, 1, json.null)
    if value == nil or text:find("[^ \t\r\n]", position) then
        return nil, "invalid body: not JSON"
    end
    if jsonType(value) ~= "object" then
        return nil, "invalid body: want an object"
    end
    return value
end

local function stringsOnly(value)
    if jsonType(value) ~= "array" then return false end
    for _, item in ipairs(value) do
        if type(item) ~= "string" then return false end
    end
    return true
end

-- Field by field: a check, and what is said when it fails.
local FIELDS = {
    { "domain_allowlist", stringsOnly, "domain_allowlist must be an array of strings" },
    { "agent_id", function(v) return type(v) == "string" or v == json.null end, "agent_id must be a string or null" },
    { "disabled", function(v) return type(v) == "boolean" end, "disabled must be a boolean" },
}

local function checkName(value)
    if value == nil or value == json.null then return nil, "name required" end
    if type(value) ~= "string" then return nil, "name must be a string" end
    if not value:find("%S") then return nil, "name required" end
    return true
end

-- Unknown fields pass: the API does not say that it refuses them.
local function check(value, nameRequired)
    if nameRequired or value.name ~= nil then
        local ok, why = checkName(value.name)
        if not ok then return nil, why end
    end
    for _, field in ipairs(FIELDS) do
        local name, holds, complaint = field[1], field[2], field[3]
        if value[name] ~= nil and not holds(value[name]) then return nil, complaint end
    end
    return value
end

-- The checked object of a create or an update, or nil and the text of a 400.
function body.input(request, nameRequired)
    local kind = (request.headers["content-type"] or ""):lower()
    if not kind:find("^application/json") then
        return nil, "invalid body: want Content-Type: application/json"
    end
    local value, why = body.object(request.body)
    if not value then return nil, why end
    return check(value, nameRequired)
end

return body
