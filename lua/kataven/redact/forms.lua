--- The forms in which a secret may stand in a text: as it is, in lower case, in
--- Base64, and with escapes, of a URL's or of JSON; and what finds and hides them.

local base64 = require "kataven.base64"

local forms = {}

--- What stands where a secret was.
forms.MASK = "[redacted]"

local MASK = forms.MASK
local PERCENT, BACKSLASH = ("%"):byte(), ("\\"):byte()

-- Shorter runs of Base64 turn up in innocent text by accident.
local SHORTEST_BASE64 = 8

-- A code point of the Basic Multilingual Plane as UTF-8 bytes.
local function utf8(code)
    if code < 0x80 then
        return string.char(code)
    elseif code < 0x800 then
        return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
    end
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

-- Reads one percent or JSON escape at `at`: the bytes it stands for and the
-- position behind it, or nil where there is none.
local function unescape(text, at)
    local hex = text:match("^%%(%x%x)", at)
    if hex then
        return string.char(tonumber(hex, 16)), at + 3
    end
    local code = text:match("^\\u(%x%x%x%x)", at)
    if code then
        return utf8(tonumber(code, 16)), at + 6
    end
    local plain = text:match('^\\(["\\/])', at)
    if plain then
        return plain, at + 2
    end
end

-- Does `form`, from its k-th byte on, stand at `at`, each of its bytes written
-- plainly or escaped? Gives the position behind it. A percent sign or backslash
-- of the form itself can be read both ways, hence the recursion; `dead` keeps what
-- has led nowhere, since a row of them can be read in endless many.
local function standsAt(text, at, form, k, dead)
    while k <= #form do
        local byte = text:byte(at)
        local plain = byte == form:byte(k)
        local bytes, behind

        if byte == PERCENT or byte == BACKSLASH then
            bytes, behind = unescape(text, at)
        end
        if bytes then
            local state = at * (#form + 1) + k

            dead = dead or {}
            if dead[state] then
                return nil
            end
            local stop = plain and standsAt(text, at + 1, form, k + 1, dead)
            if stop then
                return stop
            end
            dead[state] = true -- or it ends below, and is not asked again
            if form:sub(k, k + #bytes - 1) ~= bytes then
                return nil
            end
            at, k = behind, k + #bytes
        elseif plain then
            at, k = at + 1, k + 1
        else
            return nil
        end
    end
    return at
end

--- Puts the mask in place of all that is found. `nextAt(from)` gives where it may
--- begin, `stopAt(at)` where it ends there.
---@param text string
---@param nextAt fun(from: integer): integer?
---@param stopAt fun(at: integer): integer?
---@return string
function forms.replaceAll(text, nextAt, stopAt)
    local pieces, copied, at = {}, 1, nextAt(1)

    while at do
        local stop = stopAt(at)

        if stop then
            pieces[#pieces + 1] = text:sub(copied, at - 1)
            pieces[#pieces + 1] = MASK
            copied = stop
        end
        at = nextAt(stop or at + 1)
    end
    if copied == 1 then
        return text
    end
    pieces[#pieces + 1] = text:sub(copied)
    return table.concat(pieces)
end

--- Hides a form that stands there as it is.
---@param text string
---@param form string
---@return string
function forms.replacePlain(text, form)
    if not text:find(form, 1, true) then
        return text
    end
    return forms.replaceAll(text, function(from)
        return (text:find(form, from, true))
    end, function(at)
        return at + #form
    end)
end

--- Hides a form of which each byte may be escaped.
---@param text string
---@param form string
---@return string
function forms.replaceEscaped(text, form)
    local start = "[%%\\" .. form:sub(1, 1):gsub("%W", "%%%0") .. "]"

    return forms.replaceAll(text, function(from)
        return (text:find(start, from))
    end, function(at)
        return standsAt(text, at, form, 1)
    end)
end

-- What each percent escape stands for, as gsub wants it. Found out when it is
-- first met: most programs never do, and a start would take a twentieth longer.
local percentEscapes = setmetatable({}, {
    __index = function(escapes, hex)
        local byte = string.char(tonumber(hex, 16))
        escapes[hex] = byte
        return byte
    end,
})

--- A text without its percent-encoding.
---@param text string
---@return string
function forms.withoutPercent(text)
    return (text:gsub("%%(%x%x)", percentEscapes))
end

--- A text without its JSON escapes.
---@param text string
---@return string
function forms.withoutJson(text)
    text = text:gsub("\\u(%x%x%x%x)", function(hex)
        return utf8(tonumber(hex, 16))
    end)
    return (text:gsub('\\(["\\/])', "%1"))
end

--- Whether one of the forms can stand in a text with escapes. Looking for them
--- escape by escape takes seconds on a megabyte, and a host would wait; this
--- tells nearly every text apart that holds none.
---@param text string
---@param list string[]
---@return boolean
function forms.mayHold(text, list)
    local bare = forms.withoutPercent(text)

    for _, variant in ipairs { text, bare, forms.withoutJson(text), forms.withoutJson(bare) } do
        for i = 1, #list do
            -- A form with an escape sign of its own may have been unmade.
            if list[i]:find("[%%\\]") or variant:find(list[i], 1, true) then
                return true
            end
        end
    end
    return false
end

--- The part of the token's Base64 that stays the same whatever stands around the
--- token, when `before` bytes (0, 1 or 2) of its first group are not its own.
---@param token string
---@param before integer
---@return string
function forms.stableBase64(token, before)
    local text = base64.encode(("\0"):rep(before) .. token)
    local first = before == 0 and 1 or before + 2
    local last = math.floor((before + #token) * 8 / 6)

    return text:sub(first, last)
end

--- All forms to look for, each once. In lower case it stands where a server made
--- a header's name of it.
---@param token string
---@return string[]
function forms.of(token)
    local list, seen = { token }, { [token] = true }

    if token:lower() ~= token then
        seen[token:lower()] = true
        list[#list + 1] = token:lower()
    end

    for before = 0, 2 do
        local standard = forms.stableBase64(token, before)
        local url = standard:gsub("%+", "-"):gsub("/", "_")

        for _, form in ipairs { standard, url } do
            if #form >= SHORTEST_BASE64 and not seen[form] then
                seen[form] = true
                list[#list + 1] = form
            end
        end
    end
    return list
end

return forms
