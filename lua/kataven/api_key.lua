--- The API key: which texts can be one, and which slip another looks like. A
--- decorated key would be sent as it stands, and the bare one in a server's answer
--- would not be known for it and hidden. No message shows any part of a key.

local check = require "kataven.check"

local apiKey = {}

-- A token as RFC 6750 has it (b64token).
local TOKEN = "^[A-Za-z0-9._~+/-]+=*$"

local ALONE = "it must be the key alone (sk_live_...)"
local UTF16 = "is UTF-16, or holds NUL bytes: was it read from a file? Save that as UTF-8"
local QUOTE = "holds a quotation mark; pass the text between the quotes"
local MARK = "holds a byte order mark (BOM), which some editors put into a file; save it as UTF-8 without one"
local INVISIBLE = "holds an invisible character (a no-break or zero-width blank), as text from a page may; copy it anew"
local SCHEME = "begins with an authorization scheme; leave that out, for the client adds \"Bearer\" itself"
local NAMED = "has a name before it, as in NAME=value; pass what follows it"
local NAME_ALONE = "is the name of a key and not its value; " .. ALONE
local PLACEHOLDER = "is a placeholder that nothing was put in for; " .. ALONE
local SHORTENED = "is a shortened or masked key; copy the whole of it from where it was shown"
local NO_VALUE = "is a word for no value, such as undefined or null; " .. ALONE

-- What a text is that cannot be a token: the first row that is found in it, in
-- lower case. Bytes from 128 on are UTF-8.
local SLIPS = {
    { "^\239\187\191", MARK },
    { "^\255\254", UTF16 },
    { "^\254\255", UTF16 },
    { "^.?%z", UTF16 },
    { "[\r\n]$", "ends with a line break: was it read from a file? Trim it first" },
    { "[%z\1-\8\10-\31\127]", "holds a control character, which could split a header; " .. ALONE },
    { "authorization%s*[:=]", "is a whole header; " .. ALONE },
    { "[\"'`]", QUOTE },
    { "\226\128[\152-\159\185\186]", QUOTE }, -- curved ones, and single guillemets
    { "\194[\171\187]", QUOTE }, -- guillemets
    { "\239\187\191", MARK },
    { "\194[\160\173]", INVISIBLE }, -- a no-break space, a soft hyphen
    { "\226\128[\128-\143\168-\175]", INVISIBLE }, -- spaces of many widths, and none
    { "\226\129[\159-\175]", INVISIBLE }, -- a word joiner, and the like
    { "\227\128\128", INVISIBLE }, -- an ideographic space
    { "^%s*bearer%f[^%w]", SCHEME },
    { "^%s*basic%s", SCHEME },
    { "^%s*token%s", SCHEME },
    { "://", "is a URL; " .. ALONE },
    -- No blanks before these: what a set matches twice takes time by the square.
    { "^[%w%s_.$-]+[:=]+%s*$", NAME_ALONE },
    { "^[%w%s_.$-]+[:=]", NAMED },
    { "%%%x%x", "holds percent-encoding (%XX); pass the key as it was shown" },
    { "[*]", SHORTENED },
    { "%.%.%.", SHORTENED },
    { "redacted", SHORTENED },
    { "\226\128[\162\164-\166]", SHORTENED }, -- a bullet, an ellipsis
    { "\226\151\143", SHORTENED }, -- a large dot
    { "[%$%%<>(){}%[%]]", PLACEHOLDER },
    { "^%s", "begins or ends with a blank; trim it first" },
    { "%s$", "begins or ends with a blank; trim it first" },
    { "%s", "holds a blank; " .. ALONE },
    { "[,;]$", "ends with a comma or a semicolon; leave that out" },
    { "[\128-\255]", "holds a character that is not ASCII, as in no key; copy it anew" },
}

-- Words that are tokens by their characters.
local WORDS = {
    bearer = SCHEME, basic = SCHEME,
    apikey = NAME_ALONE, api_key = NAME_ALONE, ["api-key"] = NAME_ALONE, kataven_api_key = NAME_ALONE,
}
for _, word in ipairs { "undefined", "null", "nil", "none", "nan", "true", "false" } do
    WORDS[word] = NO_VALUE
    WORDS["sk_live_" .. word] = NO_VALUE
end

-- ASCII alone, whatever the host's locale.
local function lower(text)
    return (text:gsub("[A-Z]", string.lower))
end

local function slip(text)
    for _, row in ipairs(SLIPS) do
        if text:find(row[1]) then
            return row[2]
        end
    end
    return ("holds a character that no key has, at byte %d; "):format(text:find "[^A-Za-z0-9._~+/-]") .. ALONE
end

-- The same for what is a token by its characters, or nil.
local function tokenSlip(key, text)
    local word = text:match "^(.-)=*$"
    if text:find "^pk_live_" then
        return "is a widget key (pk_live_...), which is public and no credential; "
            .. "pass the account's secret key (sk_live_...)"
    elseif WORDS[word] then
        return WORDS[word]
    elseif text:find("...", 1, true) or word == "sk_live_" then
        return SHORTENED
    elseif text:find "^your[_-]" then
        return PLACEHOLDER
    elseif not key:find "^eyJ" and text:find("sk_live_", 2, true) then
        return "has something before sk_live_, or is there twice; " .. ALONE
    end
end

--- A problem with an API key, or nil. A key that is not given is one.
---@param key any
---@return string?
function apiKey.problem(key)
    if key == nil then
        return "apiKey is missing: pass apiKey = \"sk_live_...\", or set KATAVEN_API_KEY"
    elseif type(key) ~= "string" then
        return ("apiKey must be a string, got %s"):format(check.kind(key))
    elseif not key:find "%S" then
        return "apiKey is blank; it should begin with sk_live_"
    end
    local text = lower(key)
    local found
    if key:find(TOKEN) then
        found = tokenSlip(key, text)
    else
        found = slip(text)
    end
    return found and "apiKey " .. found
end

--- Whether a key is a JWT, which does not say whose account it is for.
---@param key string
---@return boolean
function apiKey.isJwt(key)
    return key:find "^eyJ" ~= nil
end

return apiKey
