--- What has to be done to make an account look like a list of wanted keys. Pure:
--- it makes no calls, and changes nothing that it is given.
---
--- - A wanted key is matched with the live key of the same name, to the byte. Disabled
---   keys are history: they match nothing, and none is brought back to life.
--- - A field that is absent is left alone. `agent_id` is unpinned by kataven.null.
--- - The order of a `domain_allowlist` means nothing, nor that an origin is there twice.
--- - `disabled = true` revokes the live key of that name, where there is one. The other
---   fields of the entry are left alone: a revoked key loads nothing.

local check = require "kataven.check"
local core = require "kataven.core"
local errors = require "kataven.errors"
local wanted = require "kataven.plan.wanted"

---@class kataven.Wanted
---@field name string what it is matched by
---@field domain_allowlist? string[] `{}` blocks the key; absent leaves the list alone
---@field agent_id? string|userdata kataven.null unpins; absent leaves it alone
---@field disabled? boolean true: no live key is to have this name

---@class kataven.PlanOptions
---@field prune? boolean revokes live keys that are not wanted; false

---@class kataven.Change
---@field action "create"|"update"|"revoke"
---@field name? string absent where a key that is pruned has none
---@field input? kataven.WidgetKeyInput for widgetKeys.create
---@field id? string for widgetKeys.update; absent for a create
---@field patch? kataven.WidgetKeyPatch for widgetKeys.update: what differs, or that it is disabled; absent for a create
---@field before? kataven.WidgetKey the account's row; absent for a create
---@field pruned? boolean true where the key is revoked because it is not wanted
---@field disabled? kataven.WidgetKey[] of a create: the disabled rows of this name, which stay as they are

---@class kataven.Plan
---@field changes kataven.Change[] creates, then updates, then revokes; each in the order of the wanted keys, pruned ones last
---@field unchanged { name: string, id?: string }[] wanted keys that are as they should be; without an id where none is to be live
---@field unlisted kataven.WidgetKey[] live keys that are not wanted, and are left alone

local plan = {}

local OPTIONS = { "prune" }

local function isLive(row)
    return row.disabled_at == nil or row.disabled_at == core.null
end

-- A problem with one of the account's keys, or nil.
local function rowProblem(index, row)
    local name = ("key %d of the account"):format(index)
    local hidden = check.hidden(name, row)
    if hidden then
        return hidden
    elseif type(row) ~= "table" or type(row.id) ~= "string" then
        return ("%s must be a table with an id, as widgetKeys.list gives it, got %s"):format(
            name, type(row) == "table" and "one whose id is " .. check.describe(row.id) or check.describe(row))
    end
    return check.hidden(("the domain_allowlist of key %d of the account"):format(index), row.domain_allowlist)
end

-- A problem with the arguments, or nil.
local function misuse(list, current, given)
    if given ~= nil and type(given) ~= "table" then
        return ("the options of kataven.plan must be a table, got %s"):format(check.describe(given))
    end
    local problem = check.hidden("the table of options for kataven.plan", given)
        or given and (check.unknown(given, OPTIONS, "option") or check.type("prune", given.prune, "boolean"))
    if problem then
        return problem
    elseif type(current) ~= "table" then
        return ("kataven.plan takes the account's keys as its second argument, what widgetKeys.list gives, got %s")
            :format(check.describe(current))
    end
    problem = check.hidden("the list of the account's keys", current)
    if problem then
        return problem
    end
    local count = 0
    for _ in next, current do
        count = count + 1
    end
    for index = 1, count do
        problem = rowProblem(index, rawget(current, index))
        if problem then
            return problem
        end
    end
    local problems = wanted.problems(list, wanted.LUA)
    if #problems > 0 then
        return "kataven.plan: " .. table.concat(problems, "\n")
    end
end

-- The account's rows by name: { live = { … }, disabled = { … } }.
local function byName(current)
    local names = {}
    for _, row in ipairs(current) do
        if type(row.name) == "string" then
            names[row.name] = names[row.name] or { live = {}, disabled = {} }
            table.insert(isLive(row) and names[row.name].live or names[row.name].disabled, row)
        end
    end
    return names
end

-- Wanted names that several live keys have: which one is meant, nobody can know.
local function ambiguous(list, names)
    local lines, conflicts = {}, {}
    for _, entry in ipairs(list) do
        local live = names[entry.name] and names[entry.name].live or {}
        if #live > 1 then
            local ids = {}
            for index, row in ipairs(live) do
                ids[index] = row.id
            end
            conflicts[#conflicts + 1] = { name = entry.name, keys = live }
            lines[#lines + 1] = ("%d live keys have the name %s: %s"):format(
                #live, check.name(entry.name), table.concat(ids, ", "))
        end
    end
    if #conflicts == 0 then
        return nil
    end
    return errors.new {
        name = "PlanError",
        message = table.concat(lines, "; ")
            .. ". Rename or revoke all but one of each, so that the name says which is meant",
        conflicts = conflicts,
        attempts = 0,
        elapsed = 0,
        maybeApplied = false,
    }
end

local function copy(list)
    return core.array(check.copy(list))
end

local function setOf(list)
    local set = {}
    for _, member in next, list do
        set[member] = true
    end
    return set
end

-- Whether two allowlists allow the same origins.
local function sameOrigins(a, b)
    if type(b) ~= "table" then
        return false -- what the server means by none at all is not published
    end
    local inA, inB = setOf(a), setOf(b)
    for member in pairs(inA) do
        if not inB[member] then
            return false
        end
    end
    for member in pairs(inB) do
        if not inA[member] then
            return false
        end
    end
    return true
end

-- The fields in which a live key differs from what is wanted, or nil.
local function patchOf(entry, row)
    local patch = {}
    if entry.domain_allowlist and not sameOrigins(entry.domain_allowlist, row.domain_allowlist) then
        patch.domain_allowlist = copy(entry.domain_allowlist)
    end
    local pinned = row.agent_id == nil and core.null or row.agent_id
    if entry.agent_id ~= nil and entry.agent_id ~= pinned then
        patch.agent_id = entry.agent_id
    end
    return next(patch) and patch or nil
end

local function createOf(entry, disabled)
    -- A new key has no agent, so there is nothing to unpin.
    return {
        action = "create",
        name = entry.name,
        input = {
            name = entry.name,
            domain_allowlist = entry.domain_allowlist and copy(entry.domain_allowlist),
            agent_id = entry.agent_id ~= core.null and entry.agent_id or nil,
        },
        disabled = disabled,
    }
end

local function revokeOf(row, pruned)
    return {
        action = "revoke",
        name = row.name,
        id = row.id,
        patch = { disabled = true },
        before = row,
        pruned = pruned or nil,
    }
end

local function append(list, more)
    for _, one in ipairs(more) do
        list[#list + 1] = one
    end
end

-- The plan for arguments that are good, and names that are clear.
local function make(list, current, names, prune)
    local creates, updates, revokes, unchanged, unlisted, listed = {}, {}, {}, {}, {}, {}
    for _, entry in ipairs(list) do
        local rows = names[entry.name]
        local row = rows and rows.live[1]
        listed[entry.name] = true
        if entry.disabled then
            if row then
                revokes[#revokes + 1] = revokeOf(row)
            else
                unchanged[#unchanged + 1] = { name = entry.name }
            end
        elseif not row then
            creates[#creates + 1] = createOf(entry, rows and rows.disabled or {})
        else
            local patch = patchOf(entry, row)
            if patch then
                updates[#updates + 1] = {
                    action = "update", name = row.name, id = row.id, patch = patch, before = row,
                }
            else
                unchanged[#unchanged + 1] = { name = row.name, id = row.id }
            end
        end
    end
    for _, row in ipairs(current) do
        if isLive(row) and not listed[row.name or false] then
            if prune then
                revokes[#revokes + 1] = revokeOf(row, true)
            else
                unlisted[#unlisted + 1] = row
            end
        end
    end
    append(creates, updates)
    append(creates, revokes)
    return { changes = creates, unchanged = unchanged, unlisted = unlisted }
end

-- Whether this is what a call gives beside its value.
local function isMeta(value)
    return type(value) == "table" and rawget(value, "attempts") ~= nil and rawget(value, "elapsed") ~= nil
end

--- Compares. Gives a plan; or nil and a PlanError; or nil and a text about misuse.
--- All that `list()` gives may be passed on: an error comes back, a meta is let be.
---@param list kataven.Wanted[]
---@param current kataven.WidgetKey[]?
---@param given? kataven.PlanOptions|kataven.Meta|kataven.Error
---@return kataven.Plan?
---@return kataven.Error|string|nil
function plan.of(list, current, given)
    if current == nil and errors.isError(given) then
        return nil, given
    elseif isMeta(given) then
        given = nil
    end
    local problem = misuse(list, current, given)
    if problem then
        return nil, problem
    end
    list, current = check.copy(list), check.copy(current)
    local names = byName(current)
    local err = ambiguous(list, names)
    if err then
        return nil, err
    end
    return make(list, current, names, given and given.prune or false)
end

return plan
