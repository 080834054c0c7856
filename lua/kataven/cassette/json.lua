--- JSON for cassettes: decoding that loses nothing which a comparison needs,
--- the one canonical text of a value, and the readable text that files hold.
---
--- `core.decode` gives `[]` and `{}` as the same empty table, because lua-cjson
--- does. Here an empty list means something else than an empty object (a key with
--- no allowed domain is blocked), so `decodeExact` tells them apart.

local check = require "kataven.check"
local core = require "kataven.core"

local json = {}

-- The text with `filler` as the only element of every empty array. The text is
-- known to be good JSON, so skipping strings is all the parsing it takes.
local function fillEmptyArrays(text, filler)
    local pieces, copied, at = {}, 1, 1

    while true do
        at = text:find('["%[]', at)
        if not at then
            break
        end
        if text:byte(at) == 34 then
            at = at + 1
            local stop = text:find('["\\]', at)
            while text:byte(stop) == 92 do
                stop = text:find('["\\]', stop + 2)
            end
            at = stop + 1
        else
            local _, close = text:find("^%[[ \t\r\n]*%]", at)
            if close then
                pieces[#pieces + 1] = text:sub(copied, at) .. filler
                copied = close
            end
            at = (close or at) + 1
        end
    end
    pieces[#pieces + 1] = text:sub(copied)
    return table.concat(pieces)
end

-- Empties and marks the arrays that hold nothing but the filler.
local function markEmptyArrays(value, filler)
    if type(value) ~= "table" then
        return
    end
    if value[1] == filler then
        value[1] = nil
        core.array(value)
        return
    end
    for _, member in pairs(value) do
        markEmptyArrays(member, filler)
    end
end

--- Decodes so that `core.encode` gives the same value back: empty arrays are
--- marked with `core.array`, and nulls stay `core.null` everywhere.
---@param text string
---@param most? number values that it may hold
---@return any value nil when the text is not JSON, or holds more
---@return string|nil message with the byte position, when it is not
function json.decodeExact(text, most)
    local value, message = core.decode(text, true, most)

    if value == nil then
        return nil, message
    elseif not text:find("%[%s*%]") then
        return value
    end
    -- Good JSON can hold U+0001 only as this escape, so a longer run of it than
    -- any in the text is a string that occurs nowhere in it.
    local filler = "\\u0001"
    while text:find(filler, 1, true) do
        filler = filler .. "\\u0001"
    end
    value = core.decode(fillEmptyArrays(text, '"' .. filler .. '"'), true)
    markEmptyArrays(value, ("\1"):rep(#filler / 6))
    return value
end

--- What is wrong with a text, as `decodeExact` says it, with line and column in
--- place of its byte, for people with an editor. Columns count characters.
---@param text string
---@param message string
---@return string
function json.inLines(text, message)
    local problem, byte = message:match("^(.-),? at byte (%d+)$")
    local before = text:sub(1, byte - 1)
    local _, lines = before:gsub("\n", "")
    local _, column = before:match("[^\n]*$"):gsub("[^\128-\191]", "")
    return ("line %d, column %d: damaged JSON: %s"):format(lines + 1, column + 1, problem)
end

--- A value as a person who edits a file would call it.
---@param value any
---@return string
function json.describe(value)
    if value == core.null then
        return "null"
    elseif type(value) == "table" then
        return json.isArray(value) and "an array" or "an object"
    end
    return check.describe(value)
end

--- The one text that every writing of the same JSON value comes to: compact,
--- names in bytewise order. It is its own canonical text.
---@param text string
---@return string|nil canonical nil when the text is not JSON
function json.canonical(text)
    local value = json.decodeExact(text)

    if value == nil then
        return nil
    end
    return (core.encode(value))
end

--- The names of an object in bytewise order.
---@param object table<string, any>
---@return string[]
function json.names(object)
    local names = {}

    for name in pairs(object) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

--- Is this table written as an array?
---@param value table
---@return boolean
function json.isArray(value)
    return core.isArray(value) or value[1] ~= nil
end

-- Appends the text of a value that is known to have one.
local function write(out, value, indent)
    local inner = indent .. "  "
    local array = type(value) == "table" and json.isArray(value)
    local names = type(value) == "table" and not array and json.names(value)
    local count = array and #value or names and #names or 0

    if count == 0 then
        out[#out + 1] = core.encode(value)
        return
    end
    for i = 1, count do
        out[#out + 1] = (i > 1 and ",\n" or array and "[\n" or "{\n") .. inner
        if names then
            out[#out + 1] = core.encode(names[i]) .. ": "
        end
        write(out, value[names and names[i] or i], inner)
    end
    out[#out + 1] = "\n" .. indent .. (array and "]" or "}")
end

--- The value as people read and edit it: two spaces of indentation, names in
--- bytewise order, a newline at the end.
---@param value any what `decodeExact` gives, or built by hand in the same way
---@return string|nil text
---@return string|nil message when the value has no JSON form
function json.pretty(value)
    local text, place, problem = core.encode(value)

    if not text then
        return nil, (place == "" and "the value" or place) .. " " .. problem
    end
    local out = {}
    write(out, value, "")
    out[#out + 1] = "\n"
    return table.concat(out)
end

return json
