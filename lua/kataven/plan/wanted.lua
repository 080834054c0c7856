--- The keys that an account is to have, as a list that somebody wrote: what is
--- wrong with it. Nothing here raises, and all that is wrong is said at once.

local check = require "kataven.check"
local core = require "kataven.core"

local wanted = {}

--- The fields of an entry.
wanted.FIELDS = { "name", "domain_allowlist", "agent_id", "disabled" }

local IS_FIELD = {}
for _, name in ipairs(wanted.FIELDS) do
    IS_FIELD[name] = true
end

---@class kataven.plan.Words how values are called by whoever wrote them
---@field describe fun(value: any): string a value as it reads in a sentence
---@field object string what an entry is
---@field null string the value that unpins an agent
---@field isList fun(value: table): boolean whether a table may be an array
---@field isObject fun(value: table): boolean whether a table may have fields

--- What a Lua program says. An empty table is an empty list as well as an object.
---@type kataven.plan.Words
wanted.LUA = {
    describe = check.describe,
    object = "a table",
    null = "kataven.null",
    isList = function(value)
        return next(value) == nil or rawget(value, 1) ~= nil or core.isArray(value)
    end,
    isObject = function()
        return true
    end,
}

-- The keys of a table in an order that does not change: numbers, then texts.
local function keysOf(value)
    local keys = {}
    for key in next, value do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        local kindA, kindB = type(a), type(b)
        if kindA == kindB and (kindA == "number" or kindA == "string") then
            return a < b
        end
        return kindA < kindB
    end)
    return keys
end

local function unknownFields(entry, words, say)
    for _, key in ipairs(keysOf(entry)) do
        if not IS_FIELD[key] then
            local nearest = check.nearest(key, wanted.FIELDS)
            say("unknown field %s; %s", type(key) == "string" and check.name(key) or words.describe(key),
                nearest and ('did you mean "%s"?'):format(nearest)
                or "known are " .. table.concat(wanted.FIELDS, ", "))
        end
    end
end

local function allowlist(list, words, say)
    if type(list) ~= "table" or not words.isList(list) then
        say("domain_allowlist must be an array of strings, got %s (an empty array blocks the key; "
            .. "leave the field out to leave the key's list alone)", words.describe(list))
        return
    end
    local hidden = check.hidden("domain_allowlist", list)
    if hidden then
        say("%s", hidden)
        return
    end
    local count = 0
    for _, key in ipairs(keysOf(list)) do
        count = count + 1
        if type(key) ~= "number" or key % 1 ~= 0 or key < 1 then
            say("domain_allowlist must be an array of strings, got the key %s", words.describe(key))
            return
        end
    end
    for index = 1, count do
        local origin = rawget(list, index)
        if type(origin) ~= "string" then
            say("domain_allowlist[%d] must be a string, got %s", index, words.describe(origin))
        end
    end
end

local function nameOf(entry, words, say)
    local name = entry.name
    if name == nil then
        say "name is missing; it is what an entry is matched by"
    elseif type(name) ~= "string" then
        say("name must be a string, got %s", words.describe(name))
    elseif not name:find "%S" then
        say "name is empty"
    end
end

-- One entry by itself.
local function entryProblems(entry, words, say)
    if type(entry) ~= "table" or not words.isObject(entry) then
        say("must be %s with a name, got %s", words.object, words.describe(entry))
        return
    end
    local hidden = check.hidden("it", entry)
    if hidden then
        say("%s", hidden)
        return
    end
    nameOf(entry, words, say)
    if entry.domain_allowlist ~= nil then
        allowlist(entry.domain_allowlist, words, say)
    end
    if entry.agent_id ~= nil and entry.agent_id ~= core.null and type(entry.agent_id) ~= "string" then
        say("agent_id must be a string, or %s to unpin the agent, got %s", words.null, words.describe(entry.agent_id))
    end
    if entry.disabled ~= nil and type(entry.disabled) ~= "boolean" then
        say("disabled must be true or false, got %s", words.describe(entry.disabled))
    end
    unknownFields(entry, words, say)
end

-- Names that stand in several entries, each once, with all the places.
local function duplicates(list, count, problems)
    local places, order = {}, {}
    for index = 1, count do
        local entry = rawget(list, index)
        local name = type(entry) == "table" and entry.name
        if type(name) == "string" then
            if not places[name] then
                places[name] = {}
                order[#order + 1] = name
            end
            table.insert(places[name], index)
        end
    end
    for _, name in ipairs(order) do
        if #places[name] > 1 then
            problems[#problems + 1] = ("entries %s have the same name, %s; a name may stand once only"):format(
                table.concat(places[name], ", "):gsub(", (%d+)$", " and %1"), check.name(name))
        end
    end
end

--- All that is wrong with a list of wanted keys; empty where it is good. Entries
--- are counted from 1.
---@param list any
---@param words kataven.plan.Words
---@return string[] problems
function wanted.problems(list, words)
    if type(list) ~= "table" or not words.isList(list) then
        return { ("the wanted keys must be an array, got %s"):format(words.describe(list)) }
    end
    local hidden = check.hidden("the array of wanted keys", list)
    if hidden then
        return { hidden }
    end
    local problems, count = {}, 0
    for _, key in ipairs(keysOf(list)) do
        count = count + 1
        if type(key) ~= "number" or key % 1 ~= 0 or key < 1 then
            return { ("the wanted keys must be an array, got the key %s"):format(words.describe(key)) }
        end
    end
    for index = 1, count do
        local entry = rawget(list, index)
        local name = type(entry) == "table" and entry.name
        local place = ("entry %d%s: "):format(index, type(name) == "string" and " (" .. check.name(name) .. ")" or "")
        entryProblems(entry, words, function(text, ...)
            problems[#problems + 1] = place .. text:format(...)
        end)
    end
    duplicates(list, count, problems)
    return problems
end

return wanted
