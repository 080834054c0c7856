--- A widget key as the command shows it, and as it is found.

local columns = require "kataven.cli.columns"
local core = require "kataven.core"
local text = require "kataven.cli.text"
local time = require "kataven.cli.time"

local keys = {}

-- The fields that the API publishes, in the order in which they are shown.
local PUBLISHED = { "id", "name", "domain_allowlist", "agent_id", "created_at", "disabled_at" }
local TITLES = { domain_allowlist = "domains", agent_id = "agent", created_at = "created", disabled_at = "disabled" }

--- The text of a key in an answer (pk_live_...), whatever its field is called.
---@param key kataven.WidgetKey
---@return string?
function keys.plaintext(key)
    for _, value in pairs(key) do
        if type(value) == "string" and value:find "^pk_live_" then
            return value
        end
    end
end

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
            return (core.encode(of))
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

-- The shortest beginning of each id that no other has, of 8 characters or more, for
-- terminals where the whole ids find no room.
local function shortIds(all)
    local function beginsOther(id, start)
        for _, key in ipairs(all) do
            if key.id ~= id and tostring(key.id):sub(1, #start) == start then
                return true
            end
        end
    end
    return function(key)
        local id = tostring(key.id)
        local size = 8
        while size < #id and beginsOther(key.id, id:sub(1, size)) do
            size = size + 1
        end
        return id:sub(1, size)
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
        end
        lines[index] = ("%s%s  %s\n"):format(context:colour("bold", title), (" "):rep(widest - text.width(title)),
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

--- The one key that is meant by an id, by the beginning of an id that no other has, or
--- by a name that no other has. A whole id comes before all else. It takes a list call:
--- neither the form of an id nor whether a name is unique can be known without.
---@param context kataven.cli.Context
---@param given string
---@return kataven.WidgetKey?
---@return table? err for Context:fail
function keys.find(context, given)
    local all, err = context.client.widgetKeys.list()
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
