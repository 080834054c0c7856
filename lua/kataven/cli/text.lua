--- Text as a terminal may have it: without characters that it would obey, and as wide
--- as it looks.

local core = require "kataven.core"

local text = {}

-- A UTF-8 character, a byte that is part of none among them.
local CHARACTER = "[%z\1-\127\192-\255]?[\128-\191]*"

-- The code point of a character that is whole and well formed, else nil.
local function codePoint(character)
    local first, size = character:byte(), #character
    if size == 1 then
        return first < 0x80 and first or nil
    elseif first < 0xC2 or first > 0xF4 or size ~= (first < 0xE0 and 2 or first < 0xF0 and 3 or 4) then
        return nil
    end
    local code = first % (size == 2 and 0x20 or size == 3 and 0x10 or 0x08)
    for index = 2, size do
        code = code * 64 + character:byte(index) % 64
    end
    return code
end

-- Ranges of code points, in order: { first, last, first, last, ... }.
local function within(ranges, code)
    for index = 1, #ranges, 2 do
        if code < ranges[index] then
            return false
        elseif code <= ranges[index + 1] then
            return true
        end
    end
    return false
end

-- Controls of C0 and C1, and what turns the direction of the text around it.
local OBEYED = { 0x00, 0x1F, 0x7F, 0x9F, 0x061C, 0x061C, 0x200E, 0x200F, 0x2028, 0x202E, 0x2066, 0x2069,
    0xFEFF, 0xFEFF }
-- Combining marks, joiners and variation selectors.
local NARROWEST = { 0x0300, 0x036F, 0x0483, 0x0489, 0x0591, 0x05BD, 0x064B, 0x065F, 0x0E34, 0x0E3A, 0x0E47, 0x0E4E,
    0x1AB0, 0x1AFF, 0x1DC0, 0x1DFF, 0x200B, 0x200D, 0x20D0, 0x20FF, 0xFE00, 0xFE0F, 0xFE20, 0xFE2F,
    0x1F3FB, 0x1F3FF, 0xE0100, 0xE01EF }
-- East Asian wide characters, and emoji.
local WIDE = { 0x1100, 0x115F, 0x231A, 0x231B, 0x2E80, 0x303E, 0x3041, 0xA4CF, 0xAC00, 0xD7A3, 0xF900, 0xFAFF,
    0xFE30, 0xFE6F, 0xFF00, 0xFF60, 0xFFE0, 0xFFE6, 0x1F300, 0x1F64F, 0x1F680, 0x1F6FF, 0x1F900, 0x1F9FF,
    0x1FA70, 0x1FAFF, 0x20000, 0x3FFFD }

-- Calls a function for each character of a text; it gives what takes its place.
local function each(what, change)
    return (what:gsub(CHARACTER, function(character)
        return character ~= "" and change(character, codePoint(character)) or nil
    end))
end

local function escaped(character)
    return (character:gsub(".", function(byte)
        return ("\\x%02X"):format(byte:byte())
    end))
end

--- A text without what a terminal would obey, on one line: controls, marks of
--- direction and bytes that are no UTF-8 become \xNN, a line break \n.
---@param what string
---@return string
function text.plain(what)
    if not what:find "[%z\1-\31\127-\255]" then
        return what
    end
    return each(what, function(character, code)
        if code == 10 then
            return "\\n"
        elseif not code then
            return escaped(character)
        elseif within(OBEYED, code) then
            return code < 0x100 and ("\\x%02X"):format(code) or ("\\u%04X"):format(code)
        end
    end)
end

--- Several lines in one, without the blanks around each. A pattern for these would
--- look at a long run of them from each of its places.
---@param what string
---@param ending string what a line loses at its end, "" or a colon
---@param between string
---@return string
function text.joined(what, ending, between)
    local lines = {}
    for line in (what .. "\n"):gmatch "([^\n]*)\n" do
        local from = line:find "%S"
        if from then
            lines[#lines + 1] = line:match("^.*%S", from)
        end
    end
    for index = 1, #lines - 1 do
        if ending ~= "" and lines[index]:sub(-#ending) == ending then
            lines[index] = lines[index]:sub(1, -#ending - 1)
        end
    end
    return table.concat(lines, between)
end

--- A text as UTF-8: what is none becomes U+FFFD.
---@param what string
---@return string
function text.utf8(what)
    if not what:find "[\128-\255]" or core.encode(what) then
        return what
    end
    return each(what, function(character)
        return not core.encode(character) and "\239\191\189" or nil
    end)
end

--- JSON without what a terminal would obey: these stand in strings only, where an
--- escape is the same.
---@param document string
---@return string
function text.json(document)
    if not document:find "[\127-\255]" then
        return document
    end
    return each(document, function(_, code)
        if code and code > 0x1F and within(OBEYED, code) then
            return ("\\u%04x"):format(code)
        end
    end)
end

--- The places that a text takes on a terminal.
---@param what string what text.plain gave
---@return integer
function text.width(what)
    if not what:find "[\128-\255]" then
        return #what
    end
    local width = 0
    each(what, function(_, code)
        width = width + (within(NARROWEST, code or 0) and 0 or within(WIDE, code or 0) and 2 or 1)
    end)
    return width
end

--- The text, cut to a width; what was cut off shows as an ellipsis.
---@param what string what text.plain gave
---@param most integer 1 or more
---@return string
function text.cut(what, most)
    if text.width(what) <= most then
        return what
    end
    local kept, width = {}, 0
    for character in what:gmatch(CHARACTER) do
        local wide = text.width(character)
        if width + wide > most - 1 then
            break
        end
        kept[#kept + 1] = character
        width = width + wide
    end
    return table.concat(kept) .. "…"
end

return text
