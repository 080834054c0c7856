--- What apply says: each text tells what happened, and what to do.

local advice = require "kataven.cli.advice"
local diff = require "kataven.cli.apply.diff"
local keys = require "kataven.cli.keys"

local words = {}

words.COLOURS = { ["+"] = "green", ["~"] = "yellow", ["-"] = "red" }

words.CANNOT_ASK = "--prune revokes what the file does not name, and there is no terminal to ask on: look with "
    .. "--prune --dry-run, then give --yes"
words.SAME_FILE = "--keys-out names the file of the wanted keys: name another"
words.NO_STDOUT = "--keys-out names a file, and - is none: leave it out to have the keys in the output"
words.DECLINED = "nothing was changed"

local AGAIN = "apply again: it goes on from there"
local LOOK = "kataven widget-keys list --live"

local DOING = { create = "creating", update = "updating", revoke = "revoking" }

-- A name as it stands in a sentence; what prints it takes care of control characters.
local function nameOf(name)
    return name and '"' .. name .. '"' or "(no name)"
end

-- A key in a sentence: its name, and the id that tells it from others.
local function called(name, id)
    return ("%s (%s)"):format(nameOf(name), tostring(id))
end

local function errorText(err)
    return advice.line(err, "apply")
end

local function plural(count, one, many)
    return ("%d %s"):format(count, count == 1 and one or many)
end

---@param count integer
---@return string
function words.question(count)
    return ("Revoke %s that the file does not name?"):format(plural(count, "live widget key", "live widget keys"))
end

---@param done integer
---@param total integer
---@param change? kataven.Change the one that is next, where one is sent at a time
---@return string
function words.progress(done, total, change)
    if change then
        return ("%d of %d: %s %s"):format(done + 1, total, DOING[change.action], nameOf(change.name))
    end
    return ("%d of %d done"):format(done, total)
end

local function revoke(id)
    return ("revoke it (kataven widget-keys revoke %s), and apply again"):format(id)
end

--- A key that was made, and could not be written where it should be.
---@param unkept table
---@param path? string the file of --keys-out
---@return string
function words.unkept(unkept, path)
    local where = path or "stdout"
    local begun = called(unkept.change.name, unkept.row.id) .. " was created, but "
    local secret = unkept.secret and ("; and its secret key, %s: %s"):format(keys.SECRET, unkept.secret) or ""
    if not unkept.plaintext then
        return begun .. ("there was no text in the answer (pk_live_...), and what there was could not be written to %s "
            .. "(%s): %s%s"):format(where, unkept.problem, revoke(tostring(unkept.row.id)), secret)
    end
    return begun .. ("its key could not be written to %s (%s). KEEP IT NOW, it is shown this once: %s%s"):format(
        where, unkept.problem, unkept.plaintext, secret)
end

-- What became of a create whose answer was lost: what is known, and what to do.
local function lostCreate(failure)
    if failure.unlisted then
        return ("What is there could not be read either (%s). Look with %s; if a key has that name, %s"):format(
            errorText(failure.unlisted), LOOK, revoke "ID")
    elseif not failure.there then
        return ("Look with %s; if a key has that name, %s"):format(LOOK, revoke "ID")
    elseif #failure.there == 0 then
        return ("No live key has that name now. The server may still be at work: look again with %s before you apply "
            .. "again; if a key has that name by then, %s"):format(LOOK, revoke "ID")
    end
    local found = {}
    for index, row in ipairs(failure.there) do
        found[index] = tostring(row.id) .. (failure.there[2] and row.created_at ~= nil
            and (" (created %s)"):format(tostring(row.created_at)) or "")
    end
    if found[2] then
        return ("There are %d of that name now: %s. At most one of them is this run's: find out by when it was "
            .. "created, and %s. Its text cannot be had any more"):format(#found, table.concat(found, ", "),
            revoke "ID")
    end
    return ("There is one of that name now: %s. Unless somebody else has made it meanwhile, its text cannot be had "
        .. "any more: %s"):format(found[1], revoke(found[1]))
end

local function changeText(change)
    return change.action .. " " .. (change.id and called(change.name, change.id) or nameOf(change.name))
end

--- What went wrong, a line each, and what is left to do.
---@param carried kataven.cli.Carried
---@param path? string the file of --keys-out
---@return string[]
function words.troubles(carried, path)
    local lines = {}
    if carried.problem and not carried.unkept then
        lines[1] = ("%s: %s. No key was asked for, since it could not have been kept"):format(path or "stdout",
            carried.problem)
    end
    if carried.textless then
        local row = carried.textless.row
        lines[#lines + 1] = ("%s was created, but there was no text in the answer (pk_live_...); what there was is in "
            .. "%s. If it cannot be made out there, %s"):format(called(carried.textless.change.name, row.id),
            path or "the output", revoke(tostring(row.id)))
    end
    for _, failure in ipairs(carried.failed) do
        if failure.change.action == "create" and failure.err.maybeApplied then
            lines[#lines + 1] = ("%s: the answer was lost, so a key may have been made whose text nobody knows: %s")
                :format(changeText(failure.change), errorText(failure.err))
            lines[#lines + 1] = "  " .. lostCreate(failure)
        else
            lines[#lines + 1] = ("%s: %s%s"):format(changeText(failure.change), errorText(failure.err),
                failure.err.maybeApplied and " (it may have been done; applying again makes sure)" or "")
        end
    end
    local left = {}
    for index, change in ipairs(carried.remaining) do
        left[index] = changeText(change)
    end
    if #left > 0 then
        lines[#lines + 1] = "Not sent: " .. diff.some(left)
    end
    return lines
end

--- A key that an earlier run may have minted without writing it down.
---@param one { name: string, id: string, line: integer, file: string }
---@return string
function words.lost(one)
    return ("%s: a run that was cut off had asked for a key of this name (%s, line %d), and never wrote its text. "
        .. "If nobody has that text, %s; if somebody has, take that line out of the file"):format(
        called(one.name, one.id), one.file, one.line, revoke(one.id))
end

---@param lost table[]
---@return string
function words.someLost(lost)
    return ("%s: see above"):format(plural(#lost, "key is live, but its text may never have been written",
        "keys are live, but their texts may never have been written"))
end

-- How far it came.
local function far(plan, carried)
    local total = #plan.changes
    local done = total - #carried.failed - #carried.remaining
    return ("%d of %s made"):format(done, plural(total, "change was", "changes were"))
end

---@param plan kataven.Plan
---@param carried kataven.cli.Carried
---@return string
function words.failed(plan, carried)
    local lost = carried.unkept or carried.textless
    for _, failure in ipairs(carried.failed) do
        lost = lost or failure.change.action == "create" and failure.err.maybeApplied
    end
    if #carried.failed + #carried.remaining == 0 and not lost then
        return far(plan, carried) -- and then a signal came
    end
    return far(plan, carried) .. "; " .. (lost and "see above before you apply again" or AGAIN)
end

---@param problem string
---@return string
function words.unwatched(problem)
    return "nothing was changed, since a Ctrl-C could have lost a key: signals cannot be watched: " .. problem
end

---@param plan kataven.Plan
---@param carried kataven.cli.Carried
---@return string
function words.interrupted(plan, carried)
    return "interrupted: " .. words.failed(plan, carried)
end

---@param problem string
---@return string
function words.unprinted(problem)
    return ("cannot write the output: %s; what was to be done is done"):format(problem)
end

return words
