--- The secrets of one recording: the tokens of its clients and every Kataven key
--- that went either way. What is to be saved is cleaned of them, and then looked
--- through once more. They live in closures only, so that no dump shows them.

local redact = require "kataven.redact"

local secrets = {}

local KEY = "[sp]k_live_[A-Za-z0-9_-]+"

-- Enough characters of Base64, or of a token that is no key, to hold a secret.
local LONG_RUN = ("[%w+/_.-]"):rep(7)

---@class kataven.cassette.Secrets
---@field learnToken fun(token: string|nil)
---@field learnRequest fun(request: kataven.Request)
---@field learnAnswer fun(headers: table<string, string>|nil, text: string|nil)
---@field request kataven.cassette.Scrub for what was sent: as the matching hides it
---@field answer kataven.cassette.Scrub for what came: a token reads as it does in errors
---@field count fun(): integer how many are known
---@field find fun(text: string, first: integer): string|nil what the first found is, of those from `first` on

-- Shows every string in a decoded JSON value, names included.
local function eachString(value, visit)
    if type(value) == "string" then
        visit(value)
    elseif type(value) == "table" then
        for name, member in pairs(value) do
            eachString(name, visit)
            eachString(member, visit)
        end
    end
end

secrets.eachString = eachString

---@return kataven.cassette.Secrets
function secrets.new()
    local self, known, list, tokens = {}, {}, {}, {}

    local function learn(secret, what)
        if secret and secret:find("%S") and not known[secret] then
            known[secret] = true
            list[#list + 1] = { what = what, redactor = redact.secrets(secret) }
            return true
        end
    end

    local function learnKeys(text)
        for key in text:gmatch(KEY) do
            learn(key, key:find("^s") and "a secret key (sk_live_…)" or "a widget key (pk_live_…)")
        end
    end

    -- Keys in a text, also behind percent-encoding and JSON's escapes, which may
    -- themselves have been encoded.
    local function learnText(text)
        learnKeys(text)
        if text:find("[%%\\]") then
            local once = redact.unescape(text)
            learnKeys(once)
            learnKeys(redact.unescape(once))
        end
    end

    function self.learnToken(token)
        if learn(token, "the token of a client") then
            tokens[#tokens + 1] = { redactor = redact.secrets(token), scrub = redact.everything(token) }
        end
    end

    function self.learnAnswer(headers, text)
        for _, value in pairs(headers or {}) do
            learnText(value)
        end
        if text then
            learnText(text)
        end
    end

    function self.learnRequest(request)
        for name, value in pairs(request.headers or {}) do
            if name:lower() == "authorization" then
                self.learnToken(value:match("^%S+%s+(.*)$") or value)
            end
        end
        self.learnAnswer(request.headers, request.url)
        learnText(request.path)
        learnText(request.body or "")
    end

    -- The keys that are left after `redact.keys` are in some other form: behind
    -- escapes, or in Base64. Most texts can hold neither.
    local function hideRest(text)
        if not text:find("[%%\\]") and not text:find(LONG_RUN) then
            return text
        end
        for i = 1, #list do
            text = list[i].redactor:text(text)
        end
        return text
    end

    function self.request(text)
        for i = 1, #tokens do
            text = tokens[i].scrub(text)
        end
        return hideRest(redact.keys(text))
    end

    function self.answer(text)
        for i = 1, #tokens do
            text = tokens[i].redactor:text(text)
        end
        return hideRest(redact.keys(text))
    end

    function self.count()
        return #list
    end

    function self.find(text, first)
        -- Base64 may have been broken into lines.
        local joined = text:gsub("\\[rnt]", ""):gsub("%s+", "")
        for i = first, #list do
            if list[i].redactor:text(text) ~= text or list[i].redactor:text(joined) ~= joined then
                return list[i].what
            end
        end
    end

    return self
end

return secrets
