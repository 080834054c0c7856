--- Keeps secrets out of what people get to read: errors, logs, cassettes.
---
--- Two kinds are known. The *token* of a client is one given string; it is
--- looked for as it stands and in the forms that a server or a proxy may echo
--- it in. *Keys* are whatever looks like a Kataven key (`sk_live_…`,
--- `pk_live_…`), whoever owns it. What is found becomes `[redacted]`, and a text
--- that went through once comes through again unchanged.

local base64 = require "kataven.base64"
local core = require "kataven.core"

local redact = {}

--- What stands where a secret was.
redact.MASK = "[redacted]"

local MASK = redact.MASK
local PERCENT, BACKSLASH = ("%"):byte(), ("\\"):byte()

-- Shorter runs of Base64 turn up in innocent text by accident.
local SHORTEST_BASE64 = 8

-- Headers that hold a secret, or say whose account it is, whatever they hold.
local SENSITIVE = {
    ["authorization"] = true,
    ["proxy-authorization"] = true,
    ["x-account-id"] = true,
    ["cookie"] = true,
    ["set-cookie"] = true,
}

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

-- `nextAt(from)` gives where `form` may begin, `stopAt(at)` where it ends there.
local function replaceAll(text, nextAt, stopAt)
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

local function replacePlain(text, form)
    if not text:find(form, 1, true) then
        return text
    end
    return replaceAll(text, function(from)
        return (text:find(form, from, true))
    end, function(at)
        return at + #form
    end)
end

local function replaceEscaped(text, form)
    local start = "[%%\\" .. form:sub(1, 1):gsub("%W", "%%%0") .. "]"

    return replaceAll(text, function(from)
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
function redact.withoutPercent(text)
    return (text:gsub("%%(%x%x)", percentEscapes))
end

local withoutPercent = redact.withoutPercent

local function withoutJson(text)
    text = text:gsub("\\u(%x%x%x%x)", function(hex)
        return utf8(tonumber(hex, 16))
    end)
    return (text:gsub('\\(["\\/])', "%1"))
end

-- Whether one of the forms can stand in a text with escapes. Looking for them
-- escape by escape takes seconds on a megabyte, and a host would wait; this
-- tells nearly every text apart that holds none.
local function mayHold(text, forms)
    local bare = withoutPercent(text)

    for _, variant in ipairs { text, bare, withoutJson(text), withoutJson(bare) } do
        for i = 1, #forms do
            -- A form with an escape sign of its own may have been unmade.
            if forms[i]:find("[%%\\]") or variant:find(forms[i], 1, true) then
                return true
            end
        end
    end
    return false
end

-- The part of the token's Base64 that stays the same whatever stands around the
-- token, when `before` bytes (0, 1 or 2) of its first group are not its own.
local function stableBase64(token, before)
    local text = base64.encode(("\0"):rep(before) .. token)
    local first = before == 0 and 1 or before + 2
    local last = math.floor((before + #token) * 8 / 6)

    return text:sub(first, last)
end

-- All forms to look for, each once. In lower case it stands where a server made
-- a header's name of it.
local function formsOf(token)
    local forms, seen = { token }, { [token] = true }

    if token:lower() ~= token then
        seen[token:lower()] = true
        forms[#forms + 1] = token:lower()
    end

    for before = 0, 2 do
        local standard = stableBase64(token, before)
        local url = standard:gsub("%+", "-"):gsub("/", "_")

        for _, form in ipairs { standard, url } do
            if #form >= SHORTEST_BASE64 and not seen[form] then
                seen[form] = true
                forms[#forms + 1] = form
            end
        end
    end
    return forms
end

--- Hides one secret. It keeps the secret in a closure, so that no dump of the
--- object shows it.
---@class kataven.Redactor
---@field text fun(self: kataven.Redactor, text: string): string the text without the secret

--- A redactor for one token: plain, in lower case, percent-encoded, with JSON escapes, and
--- Base64 at each alignment in both alphabets (from about seven bytes on).
--- Without a token (nil or "") it changes nothing.
---@param token string|nil
---@return kataven.Redactor
function redact.secrets(token)
    if token ~= nil and type(token) ~= "string" then
        error("redact.secrets: token must be a string, got a " .. type(token), 2)
    end

    local forms = (token == nil or token == "") and {} or nil
    local redactor = {}

    function redactor.text(_, text)
        forms = forms or formsOf(token)
        local escaped = text:find("[%%\\]") ~= nil
        local replace = escaped and replaceEscaped or replacePlain

        if escaped and not mayHold(text, forms) then
            return text
        end
        for i = 1, #forms do
            text = replace(text, forms[i])
        end
        return text
    end

    return redactor
end

-- What a Kataven key in Base64 is known by. The Base64 of such a key, having no
-- byte above "z", is of letters and digits only.
local ENCODED_KEYS = {}
for before = 0, 2 do
    ENCODED_KEYS[#ENCODED_KEYS + 1] = stableBase64("k_live_", before)
end

-- The byte behind a percent escape at `at`, be it encoded again (%2D, %252D), and
-- the position behind it. Nil where there is none.
local function percentByte(text, at)
    local from = at + 1
    while text:find("^25%x%x", from) do
        from = from + 2
    end
    local code, stop = text:match("^(%x%x)()", from)
    if text:byte(at) == PERCENT and code then
        return string.char(tonumber(code, 16)), stop
    end
end

-- The position behind one backslash, as it stands or percent-encoded.
local function behindBackslash(text, at)
    if text:byte(at) == BACKSLASH then
        return at + 1
    end
    local byte, stop = percentByte(text, at)
    return byte == "\\" and stop or nil
end

-- The position behind what belongs to a key at `at`: characters as they stand, or
-- one behind an escape (%2D, %252D, \u002d, %5Cu002d). Nil where there is none.
local function keyCharacters(text, at)
    local stop = text:match("^[A-Za-z0-9_-]+()", at)
    if stop then
        return stop
    end
    local byte
    byte, stop = percentByte(text, at)
    if byte ~= "\\" and byte then
        return byte:find("[A-Za-z0-9_-]") and stop or nil
    end
    local behind = behindBackslash(text, at)
    while behind do
        at, behind = behind, behindBackslash(text, behind)
        local code
        code, stop = text:match("^u00(%x%x)()", at)
        if code then
            return string.char(tonumber(code, 16)):find("[A-Za-z0-9_-]") and stop or nil
        end
    end
end

-- Hides what follows sk_live_ and pk_live_, to the key's very end: half of a key
-- that was left behind an escape would be found by nothing afterwards.
local function hidePlainKeys(text)
    return replaceAll(text, function(from)
        local _, stop = text:find("[sp]k_live_", from)
        return stop and stop + 1
    end, function(at)
        local stop, further = nil, keyCharacters(text, at)
        while further do
            stop, further = further, keyCharacters(text, further)
        end
        return stop
    end)
end

-- Hides the whole run of letters and digits in which `form` stands.
local function hideEncodedKeys(text, form)
    return replaceAll(text, function(from)
        local start = text:find(form, from, true)
        while start and start > from and text:find("^%w", start - 1) do
            start = start - 1
        end
        return start
    end, function(at)
        local stop = text:match("^%w*=*()", at)
        stop = text:match("^%%3[Dd]()", stop) or stop
        return text:match("^%%3[Dd]()", stop) or stop
    end)
end

--- Hides the rest of everything that looks like a Kataven key, and the whole of
--- what looks like one in Base64.
---@param text string
---@return string
function redact.keys(text)
    if text:find("k_live_", 1, true) then
        text = hidePlainKeys(text)
    end
    for i = 1, #ENCODED_KEYS do
        if text:find(ENCODED_KEYS[i], 1, true) then
            text = hideEncodedKeys(text, ENCODED_KEYS[i])
        end
    end
    return text
end

--- A text without its percent and JSON escapes, each undone once.
---@param text string
---@return string
function redact.unescape(text)
    return withoutPercent(withoutJson(text))
end

--- Hides both kinds at once. A token that looks like a Kataven key comes out as
--- one, so that a text reads the same whichever token its reader knows of.
---@param token string|nil
---@return fun(text: string): string
function redact.everything(token)
    local redactor = redact.secrets(token)

    if token and token:find("^[sp]k_live_[A-Za-z0-9_-]+$") then
        return function(text)
            return redactor:text(redact.keys(text))
        end
    end
    -- Any other token goes first: it may hold a key and more, which must go too.
    return function(text)
        return redact.keys(redactor:text(text))
    end
end

--- A header's value as it may be shown or kept: nothing of a sensitive one.
---@param name string in any case
---@param value string
---@param scrub fun(text: string): string for the others
---@return string
function redact.header(name, value, scrub)
    if SENSITIVE[name:lower()] then
        return MASK
    end
    return scrub(value)
end

--- A deep copy of a decoded JSON value with its strings and names scrubbed.
--- Arrays keep their mark; numbers, booleans and nulls pass.
---@param value any
---@param redactor kataven.Redactor|fun(text: string): string
---@return any
function redact.value(value, redactor)
    local scrub = redactor

    if type(redactor) == "table" then
        scrub = function(text)
            return redactor:text(text)
        end
    end

    local function copy(v)
        if type(v) == "string" then
            return scrub(v)
        elseif type(v) ~= "table" then
            return v
        end
        local t, names = {}, {}
        for k, member in pairs(v) do
            if type(k) == "string" then
                names[#names + 1] = k
            else
                t[k] = copy(member)
            end
        end
        -- Names that read the same without their secrets stay apart, in an
        -- order of their own.
        table.sort(names)
        for _, name in ipairs(names) do
            local clean = copy(name)
            local free, count = clean, 1
            while t[free] ~= nil do
                count = count + 1
                free = ("%s %d"):format(clean, count)
            end
            t[free] = copy(v[name])
        end
        return core.isArray(v) and core.array(t) or t
    end

    return copy(value)
end

return redact
