--- Keeps secrets out of what people get to read: errors, logs, cassettes.
---
--- Two kinds are known. The *token* of a client is one given string; it is
--- looked for as it stands and in the forms that a server or a proxy may echo
--- it in. *Keys* are whatever looks like a Kataven key (`sk_live_…`,
--- `pk_live_…`), whoever owns it. What is found becomes `[redacted]`, and a text
--- that went through once comes through again unchanged.

local core = require "kataven.core"
local forms = require "kataven.redact.forms"

local redact = {}

--- What stands where a secret was.
redact.MASK = forms.MASK

--- A text without its percent-encoding.
redact.withoutPercent = forms.withoutPercent

local PERCENT, BACKSLASH = ("%"):byte(), ("\\"):byte()

-- Headers that hold a secret, or say whose account it is, whatever they hold.
local SENSITIVE = {
    ["authorization"] = true,
    ["proxy-authorization"] = true,
    ["x-account-id"] = true,
    ["cookie"] = true,
    ["set-cookie"] = true,
}

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

    local list = (token == nil or token == "") and {} or nil
    local redactor = {}

    function redactor.text(_, text)
        list = list or forms.of(token)
        local escaped = text:find("[%%\\]") ~= nil
        local replace = escaped and forms.replaceEscaped or forms.replacePlain

        if escaped and not forms.mayHold(text, list) then
            return text
        end
        for i = 1, #list do
            text = replace(text, list[i])
        end
        return text
    end

    return redactor
end

-- What a Kataven key in Base64 is known by. The Base64 of such a key, having no
-- byte above "z", is of letters and digits only.
local ENCODED_KEYS = {}
for before = 0, 2 do
    ENCODED_KEYS[#ENCODED_KEYS + 1] = forms.stableBase64("k_live_", before)
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
    return forms.replaceAll(text, function(from)
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
    return forms.replaceAll(text, function(from)
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
    return forms.withoutPercent(forms.withoutJson(text))
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
        return redact.MASK
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
