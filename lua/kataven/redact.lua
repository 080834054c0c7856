--- Keeps secrets out of what people get to read: errors, logs, cassettes.
---
--- Two kinds are known. The *token* of a client is one given string; it is
--- looked for as it stands and in the forms that a server or a proxy may echo
--- it in. *Keys* are whatever looks like a Kataven key (`sk_live_…`,
--- `pk_live_…`), whoever owns it. What is found becomes `[redacted]`, and a text
--- that went through once comes through again unchanged.
---
--- The core searches, since these texts are a server's, and may be large: the
--- time grows with a text's length, whatever is in it.

local base64 = require "kataven.base64"
local core = require "kataven.core"

local redact = {}

--- What stands where a secret was.
redact.MASK = "[redacted]"

--- A text without its percent and JSON escapes, each undone once.
---@type fun(text: string): string
redact.unescape = core.unescape

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

-- The part of a token's Base64 that stays the same whatever stands around the
-- token, when `before` bytes (0, 1 or 2) of its first group are not its own.
local function stableBase64(token, before)
    local text = base64.encode(("\0"):rep(before) .. token)
    local first = before == 0 and 1 or before + 2

    return text:sub(first, math.floor((before + #token) * 8 / 6))
end

-- A token with escape signs of its own, as it reads once they were undone too; not
-- where that leaves so little that it might be anything.
local function withoutEscapes(token)
    local bare, before = token, nil
    while bare ~= before do
        bare, before = redact.unescape(bare), bare
    end
    return #bare * 2 >= #token and bare or token
end

--- The forms of a token to look for. In lower case it stands where a server made
--- a header's name of it.
---@param token string
---@return string[]
function redact.forms(token)
    local list = { token, token:lower(), withoutEscapes(token) }

    for before = 0, 2 do
        local standard = stableBase64(token, before)
        if #standard >= SHORTEST_BASE64 then
            list[#list + 1] = standard
            list[#list + 1] = standard:gsub("%+", "-"):gsub("/", "_")
        end
    end
    return list
end

-- A function that hides some forms, and keys too where asked. Made when it is
-- first needed: most clients never do.
local function hider(tokens, keys)
    local made

    return function(text)
        if not made then
            local list = {}
            for _, token in ipairs(tokens) do
                for _, form in ipairs(redact.forms(token)) do
                    list[#list + 1] = form
                end
            end
            made = core.redactor(list, keys)
        end
        return made:text(text)
    end
end

--- Hides one secret. It keeps the secret in a closure, so that no dump of the
--- object shows it.
---@class kataven.Redactor
---@field text fun(self: kataven.Redactor, text: string): string the text without the secret

--- A redactor for one token: plain, in lower case, and Base64 at each alignment in
--- both alphabets (from about seven bytes on), each also with percent or JSON
--- escapes. Without a token (nil or "") it changes nothing.
---@param token string|nil
---@param others? string[] further secrets, hidden in the same way
---@return kataven.Redactor
function redact.secrets(token, others)
    if token ~= nil and type(token) ~= "string" then
        error("redact.secrets: token must be a string, got a " .. type(token), 2)
    end
    local tokens = { token }
    for _, other in ipairs(others or {}) do
        tokens[#tokens + 1] = other
    end
    local hide = hider(tokens, false)
    return {
        text = function(_, text)
            return hide(text)
        end,
    }
end

--- Hides the rest of everything that looks like a Kataven key, to its very end, and
--- the whole of what looks like one in Base64.
---@type fun(text: string): string
redact.keys = hider({}, true)

--- Hides both kinds: the whole of each token, and keys.
---@param tokens string[]
---@return fun(text: string): string
function redact.whole(tokens)
    return tokens[1] and hider(tokens, true) or redact.keys
end

--- The same, but a token that looks like a Kataven key comes out as one, so that a
--- text reads the same whichever token its reader knows of.
---@param tokens string|string[]|nil
---@return fun(text: string): string
function redact.everything(tokens)
    local others = {}
    for _, token in ipairs(type(tokens) == "table" and tokens or { tokens }) do
        if not token:find("^[sp]k_live_[A-Za-z0-9_-]+$") then
            others[#others + 1] = token
        end
    end
    return redact.whole(others)
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
        local counts = {}
        for _, name in ipairs(names) do
            local clean = copy(name)
            local free, count = clean, counts[clean] or 1
            while t[free] ~= nil do
                count = count + 1
                free = ("%s %d"):format(clean, count)
            end
            counts[clean] = count
            t[free] = copy(v[name])
        end
        return core.isArray(v) and core.array(t) or t
    end

    return copy(value)
end

return redact
