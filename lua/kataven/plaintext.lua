--- The texts in the answer to a create that are shown once: the widget key's
--- (`pk_live_…`) and, if the answer has one, that of the secret key that it is
--- paired with (`sk_live_…`). The API promises no names for their fields, so they are
--- found by how they begin.

local core = require "kataven.core"
local redact = require "kataven.redact"

local plaintext = {}

-- The caller's own words, which may look like a key.
local SENT = { name = true, agent_id = true, domain_allowlist = true }

-- An answer with more that look like a key is not a create's: comparing them all would take its time.
local MOST = 100

-- Whether a text begins like a key of this kind, and is not a mask of one (pk_live_...89ab).
local function isKey(text, kind)
    return text:find("^" .. kind .. "[!-~]+$") ~= nil and not text:find("*", 1, true) and not text:find("..", 1, true)
end

-- All keys of a kind, the shallowest first, each with the name of its field.
local function candidatesOf(key, kind)
    local found, level, seen = {}, { key }, { [key] = true }
    local depth = 0
    while level[1] do
        local below = {}
        depth = depth + 1
        for _, object in ipairs(level) do
            for name, member in pairs(object) do
                if type(member) == "string" and not SENT[name] and isKey(member, kind) then
                    found[#found + 1] = { text = member, field = name, depth = depth }
                elseif type(member) == "table" and not SENT[name] and not seen[member] then
                    below[#below + 1], seen[member] = member, true
                end
            end
        end
        level = below
    end
    return found
end

-- Returns the text that all passing candidates share; nil if there are several texts, or no candidate passes.
local function only(candidates, passes)
    local text
    for _, candidate in ipairs(candidates) do
        if passes(candidate) then
            if text and text ~= candidate.text then
                return nil
            end
            text = candidate.text
        end
    end
    return text
end

-- Candidates that are not the beginning of another: an answer may have a prefix beside the key.
local function whole(candidates)
    local kept = {}
    for _, candidate in ipairs(candidates) do
        local longer = false
        for _, other in ipairs(candidates) do
            longer = longer or #other.text > #candidate.text and other.text:sub(1, #candidate.text) == candidate.text
        end
        if not longer then
            kept[#kept + 1] = candidate
        end
    end
    return kept
end

-- The key of a kind. Of several at the same depth it is the one in a field of these names, else the one that ends in `last8`.
local function choose(key, kind, fields)
    local candidates = candidatesOf(key, kind)
    if #candidates > MOST then
        return nil
    end
    candidates = whole(candidates)
    local depth = candidates[1] and candidates[1].depth
    local function isHere(candidate)
        return candidate.depth == depth
    end
    local text = only(candidates, isHere)
    for _, field in ipairs(fields) do
        text = text or only(candidates, function(candidate)
            return isHere(candidate) and candidate.field == field
        end)
    end
    return text or type(key.last8) == "string" and #key.last8 == 8 and only(candidates, function(candidate)
        return isHere(candidate) and candidate.text:sub(-8) == key.last8
    end) or nil
end

--- Returns the widget key's text and the paired secret's; each is nil if the answer has
--- no such text, or several that cannot be told apart.
---@param key table what a create returned
---@return string? publicKey pk_live_...
---@return string? secretKey sk_live_...
function plaintext.of(key)
    return choose(key, "pk_live_", { "public_key", "key" }), choose(key, "sk_live_", { "secret_key" })
end

-- Whether a text must not be shown: it holds one of the two, or any other secret. Where the widget key's text is not
-- known, whatever looks like it is hidden.
local function tells(text, publicKey, secretKey)
    if publicKey and text:find(publicKey, 1, true) or secretKey and text:find(secretKey, 1, true) then
        return true
    elseif publicKey and text:find "^pk_live_" and not text:find("sk_live_", 1, true) then
        return false
    end
    return redact.keys(text) ~= text
end

--- A copy of an answer in which neither text is left.
---@param key table
---@return table
function plaintext.without(key)
    local publicKey, secretKey = plaintext.of(key)
    local function copied(value)
        local copy = {}
        for name, member in pairs(value) do
            if type(member) == "table" and not SENT[name] then
                copy[name] = copied(member)
            elseif SENT[name] or type(member) ~= "string" or not tells(member, publicKey, secretKey) then
                copy[name] = member
            elseif type(name) == "number" then
                copy[name] = "..." -- a list may have no gap
            end
        end
        return core.isArray(value) and core.array(copy) or copy
    end
    return copied(key)
end

return plaintext
