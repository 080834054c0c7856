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

-- A short string that is nowhere in a text of good JSON. It is of U+0001 and U+0002,
-- for which there is one escape each.
local function unusedString(text)
    local used, number = {}, 1
    for run in text:gsub("\\u000([12])", { ["1"] = "\1", ["2"] = "\2" }):gmatch "[\1\2]+" do
        used[run] = true
    end
    while true do
        local digits, left = "", number
        while left > 0 do
            local digit = 2 - left % 2
            digits, left = string.char(digit) .. digits, (left - digit) / 2
        end
        if not used[digits] then
            return digits
        end
        number = number + 1
    end
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
    local filler = unusedString(text)
    value = core.decode(fillEmptyArrays(text, core.encode(filler)), true)
    markEmptyArrays(value, filler)
    return value
end

-- Beginnings of what is no JSON in UTF-8, and what to do about it. The longer come first.
local BEGINNINGS = {
    { "\239\187\191", "it begins with a byte order mark (BOM): save it as UTF-8 without one" },
    { "\255\254%z%z", "it is UTF-32: save it as UTF-8, without a byte order mark (BOM)" },
    { "%z%z\254\255", "it is UTF-32: save it as UTF-8, without a byte order mark (BOM)" },
    { "\255\254", "it is UTF-16: save it as UTF-8, without a byte order mark (BOM)" },
    { "\254\255", "it is UTF-16: save it as UTF-8, without a byte order mark (BOM)" },
    { "%z?[{%[]%z", "it is UTF-16: save it as UTF-8" },
    { "\31\139", "it is compressed (gzip): unpack it" },
    { "<<<<<<< ", "it holds the two sides of a merge conflict: settle it" },
    { "%s*$", "it is empty" },
}

-- Says what a text is that is not JSON at all, or nil.
local function notJson(text)
    for _, row in ipairs(BEGINNINGS) do
        if text:find("^" .. row[1]) then
            return row[2]
        end
    end
    local before = text:match "^(.-\n)<<<<<<< "
    if before then
        return ("line %d: it holds the two sides of a merge conflict: settle it"):format(
            select(2, before:gsub("\n", "")) + 1)
    end
end

--- What is wrong with a text, as `decodeExact` says it, with line and column in
--- place of its byte, for people with an editor. Columns count characters. A text that
--- is something else altogether is called that.
---@param text string
---@param message string
---@return string
function json.inLines(text, message)
    local other = notJson(text)

    if other then
        return other
    end
    local problem, byte = message:match("^(.-),? at byte (%d+)$")
    local before = text:sub(1, byte - 1)
    local _, lines = before:gsub("\n", "")
    local _, column = before:sub(before:match("^.*\n()") or 1):gsub("[^\128-\191]", "")
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
