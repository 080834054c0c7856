--- A plan as people read it: a line for each change and for each field in it.

local core = require "kataven.core"
local text = require "kataven.cli.text"

---@class kataven.cli.DiffLine
---@field mark "+"|"~"|"-"|" " what it is about: made, changed, taken away, said
---@field text string begins with the mark, where it has one

local diff = {}

-- Of a list within a sentence.
local MOST = 20

--- A text from a file or a server as it may stand on a terminal.
---@param what any
---@return string
function diff.show(what)
    return type(what) == "string" and text.plain(what) or "(no name)"
end

local show = diff.show

local function listText(list)
    if type(list) ~= "table" then
        return "(none)"
    elseif #list == 0 then
        return "(empty: blocks the key)"
    end
    local parts = {}
    for index, origin in ipairs(list) do
        parts[index] = show(origin)
    end
    return table.concat(parts, ", ")
end

local function agentText(id)
    if id == nil or id == core.null then
        return "(none)"
    end
    return show(id)
end

--- The first of some texts, and how many more there are.
---@param texts string[]
---@return string
function diff.some(texts)
    if #texts <= MOST then
        return table.concat(texts, ", ")
    end
    return ("%s and %d more"):format(table.concat(texts, ", ", 1, MOST), #texts - MOST)
end

local function setOf(list)
    local set = {}
    for _, member in ipairs(list) do
        set[member] = true
    end
    return set
end

-- The origins that are taken away, and those that are new.
local function allowlist(add, before, after)
    if type(before) ~= "table" or #after == 0 or #before == 0 then
        add("~", "    domain_allowlist: %s -> %s", listText(before), listText(after))
        return
    end
    local wasThere, stays = setOf(before), setOf(after)
    add("~", "    domain_allowlist:")
    for _, origin in ipairs(before) do
        if not stays[origin] then
            add("-", "-     %s", show(origin))
        end
    end
    for _, origin in ipairs(after) do
        if not wasThere[origin] then
            add("+", "+     %s", show(origin))
        end
    end
end

local function created(add, change)
    add("+", "+ create %s", show(change.name))
    local input = change.input
    add("+", "    domain_allowlist: %s", input.domain_allowlist and listText(input.domain_allowlist)
        or "(not given: the server's default)")
    if input.agent_id then
        add("+", "    agent_id: %s", agentText(input.agent_id))
    end
    if #change.disabled > 0 then
        local ids = {}
        for index, row in ipairs(change.disabled) do
            ids[index] = show(row.id)
        end
        add(" ", "    only disabled keys have this name (%s); they stay disabled, and a new key is made",
            table.concat(ids, ", "))
    end
end

local function updated(add, change)
    add("~", "~ update %s (%s)", show(change.name), show(change.id))
    if change.patch.domain_allowlist then
        allowlist(add, change.before.domain_allowlist, change.patch.domain_allowlist)
    end
    if change.patch.agent_id ~= nil then
        add("~", "    agent_id: %s -> %s", agentText(change.before.agent_id), agentText(change.patch.agent_id))
    end
end

local function revoked(add, change)
    add("-", "- revoke %s (%s)%s", show(change.name), show(change.id), change.pruned and ": not in the file" or "")
end

local WRITE = { create = created, update = updated, revoke = revoked }

--- How many changes of each kind there are.
---@param plan kataven.Plan
---@return { create: integer, update: integer, revoke: integer }
function diff.counts(plan)
    local counts = { create = 0, update = 0, revoke = 0 }
    for _, change in ipairs(plan.changes) do
        counts[change.action] = counts[change.action] + 1
    end
    return counts
end

--- The plan's lines, with a sum at the end.
---@param plan kataven.Plan
---@return kataven.cli.DiffLine[]
function diff.lines(plan)
    local lines = {}
    local function add(mark, line, ...)
        lines[#lines + 1] = { mark = mark, text = line:format(...) }
    end
    for _, change in ipairs(plan.changes) do
        WRITE[change.action](add, change)
    end
    local counts = diff.counts(plan)
    if #plan.changes == 0 then
        add(" ", "Nothing to change; %d as wanted.", #plan.unchanged)
    else
        add(" ", "%d to create, %d to update, %d to revoke; %d as wanted.", counts.create, counts.update,
            counts.revoke, #plan.unchanged)
    end
    if #plan.unlisted > 0 then
        local names = {}
        for index, row in ipairs(plan.unlisted) do
            names[index] = show(row.name)
        end
        add(" ", "Live, but not in the file, and left alone without --prune: %s.", diff.some(names))
    end
    return lines
end

return diff
