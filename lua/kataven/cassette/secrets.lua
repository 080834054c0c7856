--- The secrets of one recording: the tokens of its clients and every Kataven key
--- that went either way. What is to be saved is cleaned of them, and then looked
--- through once more. They live in closures only, so that no dump shows them.

local core = require "kataven.core"
local redact = require "kataven.redact"

local secrets = {}

local KEY = "[sp]k_live_[A-Za-z0-9_-]+"

-- How many keys are known one by one. A server may send any number; beyond these,
-- all that looks like a key counts as a known one.
local MOST_KEYS = 1000

-- How much of a key is known: the rest of a longer one goes with its beginning.
local LONGEST_KEY = 256

-- How many times over a key may be escaped that is learned.
local MOST_ESCAPED = 3

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
    local self, known, list, keys = {}, {}, {}, 0
    local tokens, isToken = {}, {}
    local hideRequest, hideAnswer = redact.keys, redact.keys
    local finder = {} -- of the latest search

    local function learn(secret, what)
        if known[secret] then
            return false
        end
        known[secret] = true
        list[#list + 1] = { what = what, forms = redact.forms(secret) }
        return true
    end

    local function learnKeys(text)
        for key in text:gmatch(KEY) do
            key = key:sub(1, LONGEST_KEY)
            if keys > MOST_KEYS then
                return
            elseif keys == MOST_KEYS then
                keys = keys + 1
                list[#list + 1] = { what = "a key (sk_live_… or pk_live_…)", forms = {}, isAny = true }
            elseif learn(key, key:find("^s") and "a secret key (sk_live_…)" or "a widget key (pk_live_…)") then
                keys = keys + 1
            end
        end
    end

    -- Keys in a text, also behind percent-encoding and JSON's escapes, which may
    -- themselves have been encoded.
    local function learnText(text)
        learnKeys(text)
        for _ = 1, MOST_ESCAPED do
            if not text:find("[%%\\]") then
                return
            end
            text = redact.unescape(text)
            learnKeys(text)
        end
    end

    function self.learnToken(token)
        if token and token:find("%S") and not isToken[token] then
            learn(token, "the token of a client")
            tokens[#tokens + 1], isToken[token] = token, true
            hideRequest, hideAnswer = redact.everything(tokens), redact.whole(tokens)
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

    function self.request(text)
        return hideRequest(text)
    end

    function self.answer(text)
        return hideAnswer(text)
    end

    function self.count()
        return #list
    end

    -- What finds the secrets from `first` on, all at once.
    local function finderFrom(first)
        if finder.first ~= first or finder.last ~= #list then
            local forms, owners, any = {}, {}, nil
            for i = first, #list do
                for _, form in ipairs(list[i].forms) do
                    forms[#forms + 1], owners[#owners + 1] = form, i
                end
                any = list[i].isAny and i or any
            end
            owners[-1] = any
            finder = { first = first, last = #list, owners = owners, redactor = core.redactor(forms, any ~= nil) }
        end
        return finder
    end

    function self.find(text, first)
        if first > #list then
            return nil
        end
        local from = finderFrom(first)
        -- Base64 may have been broken into lines.
        local joined = text:gsub("\\[rnt]", ""):gsub("%s+", "")
        local found = from.redactor:find(text) or from.redactor:find(joined)
        return found and list[from.owners[found]].what
    end

    return self
end

return secrets
