--- How misuse is told apart and described. Nothing here raises: a problem is a
--- string that names the field, what it got and what it wants, and the public
--- function that found it raises it at its caller's line.

local core = require "kataven.core"
local globals = require "kataven.globals"
local redact = require "kataven.redact"

local check = {}

local LONGEST_SHOWN = 40

--- A value's type as it reads in a sentence. Never shows the value itself, so
--- it is safe for secrets.
---@param value any
---@return string
function check.kind(value)
    local kind = type(value)
    if kind == "nil" then
        return "nothing"
    elseif kind == "userdata" then
        return value == core.null and "kataven.null" or "a userdata"
    end
    return "a " .. kind
end

-- Whether a text holds what may be a JWT. It is taken apart run by run: to look for
-- the dot from each "eyJ" would take the square of the time.
local function holdsJwt(text)
    for run, dot in text:gmatch "([%w_-]+)(%.?)" do
        if dot ~= "" and run:find "%f[%w]eyJ[%w_-]" then
            return true
        end
    end
    return text:find "^%s*eyJ" ~= nil
end

--- Whether a text holds a key, in Base64 too, or a JWT: a credential that was
--- given to the wrong option must not end up in a message.
---@param text string
---@return boolean
function check.looksSecret(text)
    return text:find("k_live_", 1, true) ~= nil or holdsJwt(text) or redact.keys(text) ~= text
end

local looksSecret = check.looksSecret

--- A value as it reads in a sentence, its contents included where they are
--- short: `a number (25)`, `a string ("abc")`. Shows no credential.
---@param value any
---@return string
function check.describe(value)
    local kind = type(value)
    if kind == "number" or kind == "boolean" then
        return ("a %s (%s)"):format(kind, tostring(value))
    elseif kind == "string" and not looksSecret(value) then
        local shown = #value > LONGEST_SHOWN and value:sub(1, LONGEST_SHOWN) .. "..." or value
        return ("a string (%q)"):format(shown)
    end
    return check.kind(value)
end

--- A name that a user gave, in quotes; not where it is a credential that slipped
--- into its place.
---@param name string
---@return string
function check.name(name)
    if looksSecret(name) then
        return "(a credential, not shown)"
    end
    return '"' .. (#name > LONGEST_SHOWN and name:sub(1, LONGEST_SHOWN) .. "..." or name) .. '"'
end

-- The number of edits that make one word of the other: a letter more, less or
-- changed, or two neighbours swapped.
local function distance(a, b)
    local rows = { [0] = {} }
    for j = 0, #b do
        rows[0][j] = j
    end
    for i = 1, #a do
        local row = { [0] = i }
        rows[i] = row
        for j = 1, #b do
            local same = a:byte(i) == b:byte(j)
            row[j] = math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (same and 0 or 1))
            if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
                row[j] = math.min(row[j], rows[i - 2][j - 2] + 1)
            end
        end
    end
    return rows[#a][#b]
end

-- Spellings that differ in case or underscores only are the same word.
local function plain(name)
    return (name:lower():gsub("[_%-]", ""))
end

-- How many letters words that begin alike have in common there: "domains" means
-- "domain_allowlist".
local ALIKE = 4

--- The known name that is nearest to a given one, if one is near enough to have
--- been meant.
---@param name any
---@param known string[]
---@return string?
function check.nearest(name, known)
    if type(name) ~= "string" or #name > LONGEST_SHOWN then
        return nil
    end
    local word = plain(name)
    local best, least, alike = nil, math.max(1, math.floor(#word / 3)) + 1, nil
    for _, candidate in ipairs(known) do
        local wanted = plain(candidate)
        local far = distance(word, wanted)
        if far < least then
            best, least = candidate, far
        elseif #word >= ALIKE and word:sub(1, ALIKE) == wanted:sub(1, ALIKE) then
            alike = alike or candidate
        end
    end
    return best or alike
end

-- Lists of known names as sets, made once for each list.
local sets = setmetatable({}, { __mode = "k" })

local function setOf(known)
    local set = sets[known]
    if not set then
        set = {}
        for _, name in ipairs(known) do
            set[name] = true
        end
        sets[known] = set
    end
    return set
end

--- A problem when a table is empty, but its metatable (`__index`, `__pairs`,
--- `__ipairs` or `__len`) could hide content, as that of a read-only proxy does: to
--- take it for empty would block a key, or revoke all of them. A table that holds
--- anything is taken as it is: its own entries count on every Lua.
---@param name string
---@param value any what is no table is let through
---@return string?
function check.hidden(name, value)
    if type(value) ~= "table" or next(value) ~= nil then
        return nil
    end
    local why = core.hidden(value)
    return why and name .. " " .. why
end

--- A table's own entries in a plain table.
---@generic T: table
---@param given T
---@return T
function check.copy(given)
    local copy = {}
    for key, value in next, given do
        copy[key] = value
    end
    return copy
end

--- The first key of a table that is not among the known names, as a problem.
---@param given table
---@param known string[] not changed afterwards
---@param what string what the keys are: "option", "field"
---@return string?
function check.unknown(given, known, what)
    local set = setOf(known)
    for key in next, given do
        if not set[key] then
            local nearest = check.nearest(key, known)
            local hint = nearest and ('did you mean "%s"?'):format(nearest)
                or "known are " .. table.concat(known, ", ")
            if type(key) ~= "string" then
                return ("unknown %s: the key %s; %s"):format(what, check.describe(key), hint)
            end
            return ("unknown %s %s; %s"):format(what, check.name(key), hint)
        end
    end
    return nil
end

--- A problem when a field is of another type than wanted; nil is let through.
---@param name string
---@param value any
---@param wanted string a Lua type
---@return string?
function check.type(name, value, wanted)
    if value == nil or type(value) == wanted then
        return nil
    end
    return ("%s must be a %s, got %s"):format(name, wanted, check.describe(value))
end

--- A problem when a field is not a finite number above `least` (or equal to it,
--- with `inclusive`); nil is let through.
---@param name string
---@param value any
---@param least number
---@param inclusive? boolean
---@return string?
function check.number(name, value, least, inclusive)
    if value == nil then
        return nil
    end
    local fits = type(value) == "number" and value == value and value < math.huge
        and (value > least or inclusive and value == least)
    if fits then
        return nil
    end
    return ("%s must be a finite number %s %d, got %s"):format(
        name, inclusive and "of at least" or "greater than", least, check.describe(value))
end

--- True when a text holds a control character.
---@param text string
---@return boolean
function check.hasControl(text)
    return text:find("[%z\1-\31\127]") ~= nil
end

-- The metatable itself, where the host lets one see behind `__metatable`.
local metatable = globals.member("debug", "getmetatable")
if not pcall(metatable, "") then
    metatable = getmetatable
end

--- True when something can be called.
---@param value any
---@return boolean
function check.callable(value)
    if type(value) == "function" then
        return true
    end
    local meta = metatable(value)
    return type(meta) == "table" and rawget(meta, "__call") ~= nil
end

return check
