--- A widget key as the command shows it, and as it is found.

local check = require "kataven.check"
local columns = require "kataven.cli.columns"
local core = require "kataven.core"
local json = require "kataven.cli.json"
local redact = require "kataven.redact"
local text = require "kataven.cli.text"
local time = require "kataven.cli.time"

local keys = {}

-- The fields that the API publishes, in the order in which they are shown.
local PUBLISHED = { "id", "name", "domain_allowlist", "agent_id", "created_at", "disabled_at" }
-- Names a secret key as one, wherever it is shown.
keys.SECRET = "for your backend only, shown this once"

--- Said where a key was made in a replay.
keys.REPLAYED = "This is a replay: [redacted] stands for the key, which no cassette holds."

--- Whether a key's text is what stands for one in a replay.
---@param plaintext string
---@return boolean
function keys.isReplayed(plaintext)
    return plaintext:find(redact.MASK, 1, true) ~= nil
end

local TITLES = { domain_allowlist = "domains", agent_id = "agent", created_at = "created", disabled_at = "disabled" }

--- Whether it may load nowhere, since its allowlist is empty.
---@param key kataven.WidgetKey
---@return boolean
function keys.isBlocked(key)
    return type(key.domain_allowlist) == "table" and next(key.domain_allowlist) == nil
end

-- Any field's value in a line.
local function value(of)
    if type(of) ~= "table" then
        return tostring(of)
    end
    for index, item in pairs(of) do
        if type(index) ~= "number" or type(item) ~= "string" then
            return json.line(of)
        end
    end
    return table.concat(of, ", ")
end

local function state(key, now)
    if key.disabled_at ~= nil then
        return "disabled " .. time.since(key.disabled_at, now), "dim"
    elseif keys.isBlocked(key) then
        return "blocked", "yellow"
    end
    return "live", "green"
end

local function common(a, b)
    local size = 0
    while size < #a and a:byte(size + 1) == b:byte(size + 1) do
        size = size + 1
    end
    return size
end

-- The shortest beginning of each id that no other has, of 8 characters or more, for
-- terminals where the whole ids find no room.
local function shortIds(all)
    local ids, seen = {}, {}
    for _, key in ipairs(all) do
        local id = tostring(key.id)
        ids[#ids + 1] = not seen[id] and id or nil
        seen[id] = true
    end
    table.sort(ids) -- those that begin alike are neighbours
    local sizes, before = {}, 0
    for index, id in ipairs(ids) do
        local after = ids[index + 1] and common(id, ids[index + 1]) or 0
        sizes[id] = math.max(8, before + 1, after + 1)
        before = after
    end
    return function(key)
        local id = tostring(key.id)
        return id:sub(1, sizes[id])
    end
end

--- The table of some keys.
---@param context kataven.cli.Context
---@param shown kataven.WidgetKey[]
---@param all kataven.WidgetKey[] those that an id is to be told from
---@return string
function keys.table(context, shown, all)
    local now, short = context.host.clock(), shortIds(all)
    local anyAgent = false
    for _, key in ipairs(shown) do
        anyAgent = anyAgent or key.agent_id ~= nil
    end
    local given = {
        { title = "ID", short = short, cell = function(key)
            return tostring(key.id)
        end },
        { title = "NAME", least = 16, cell = function(key)
            return tostring(key.name)
        end },
        { title = "STATE", cell = function(key)
            return state(key, now)
        end },
        { title = "CREATED", cell = function(key)
            return key.created_at == nil and "" or time.since(key.created_at, now)
        end },
        { title = "AGENT", least = 8, cell = function(key)
            return key.agent_id == nil and "" or value(key.agent_id)
        end },
        { title = "DOMAINS", least = 16, cell = function(key)
            return key.domain_allowlist == nil and "" or value(key.domain_allowlist)
        end },
    }
    if not anyAgent then
        table.remove(given, 5)
    end
    return columns.table(given, shown, function(colour, what)
        return context:colour(colour, what)
    end, context.host.columns "stdout")
end

--- One key, a line for each of its fields.
---@param context kataven.cli.Context
---@param key kataven.WidgetKey
---@return string
function keys.record(context, key)
    local names, known, widest = {}, {}, 0
    for _, name in ipairs(PUBLISHED) do
        known[name] = true
        names[#names + 1] = key[name] ~= nil and name or nil
    end
    local others = {}
    for name in pairs(key) do
        others[#others + 1] = not known[name] and tostring(name) or nil
    end
    table.sort(others)
    for _, name in ipairs(others) do
        names[#names + 1] = name
    end
    for _, name in ipairs(names) do
        widest = math.max(widest, text.width(text.plain(TITLES[name] or name)))
    end
    local lines, now = {}, context.host.clock()
    for index, name in ipairs(names) do
        local title, shown = text.plain(TITLES[name] or name), time.full(value(key[name]), now)
        if name == "domain_allowlist" and keys.isBlocked(key) then
            shown = "none: the key is blocked"
        elseif shown:find "sk_live_%w" then
            shown = shown .. "  (secret: " .. keys.SECRET .. ")"
        end
        lines[index] = ("%s%s  %s\n"):format(context:colour("bold", title), columns.pad(title, widest),
            text.plain(shown))
    end
    return table.concat(lines)
end

--- A key in a sentence: its name, and the id that tells it from others.
---@param key kataven.WidgetKey
---@return string
function keys.called(key)
    return ('"%s" (%s)'):format(text.plain(tostring(key.name)), text.plain(tostring(key.id)))
end

--- Writes a key to stdout.
---@param context kataven.cli.Context
---@param key kataven.WidgetKey
function keys.show(context, key)
    if context.json then
        context:outJson(key)
    else
        context:out(keys.record(context, key))
    end
end

-- Those that somebody may have meant.
local function meant(all, given)
    local found = {}
    for _, key in ipairs(all) do
        if key.id == given then
            return { key }
        elseif key.name == given or type(key.id) == "string" and key.id:sub(1, #given) == given then
            found[#found + 1] = key
        end
    end
    return found
end

local function absent(given)
    local hint = given:find "^pk_live_" and "; that is the text of a key, which only its owner can tell the id of" or ""
    return {
        name = "NotFoundError",
        message = ('no widget key has "%s" for an id, the beginning of one, or a name%s: see kataven widget-keys list')
            :format(text.plain(given), hint),
    }
end

local function ambiguous(given, found)
    local called, candidates = {}, {}
    for index, key in ipairs(found) do
        called[index] = keys.called(key) .. (key.disabled_at ~= nil and ", disabled" or "")
        candidates[index] = { id = key.id, name = key.name, disabled_at = key.disabled_at }
    end
    return {
        name = "AmbiguousError",
        message = ('%d widget keys may be meant by "%s", give the id of one: %s'):format(
            #found, text.plain(given), table.concat(called, "; ")),
        candidates = core.array(candidates),
    }
end

--- The account's keys, each with an id that calls can be made with.
---@param context kataven.cli.Context
---@return kataven.WidgetKey[]?
---@return table? err for Context:fail
function keys.list(context)
    local all, err = context.client.widgetKeys.list()
    for index, key in ipairs(all or {}) do
        if type(key.id) ~= "string" then
            return nil, {
                name = "ResponseError",
                message = ("the server's list has a widget key whose id is no string (entry %d: %s), so it cannot be "
                    .. "told which is meant; nothing was changed. Check --base-url"):format(
                    index, check.describe(key.id)),
            }
        end
    end
    return all, err
end

--- The one key that is meant by an id, by the beginning of an id that no other has, or
--- by a name that no other has. A whole id comes before all else. It takes a list call:
--- neither the form of an id nor whether a name is unique can be known without.
---@param context kataven.cli.Context
---@param given string
---@return kataven.WidgetKey?
---@return table? err for Context:fail
function keys.find(context, given)
    local all, err = keys.list(context)
    if not all then
        return nil, err
    end
    local found = meant(all, given)
    if #found == 1 then
        return found[1]
    end
    return nil, #found == 0 and absent(given) or ambiguous(given, found)
end

return keys
