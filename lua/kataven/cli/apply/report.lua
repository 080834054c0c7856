--- What apply prints: the plan, then each change as it is made, then what is left.
--- As JSON it is one document that is written piece by piece, so that a key which
--- was made is out before the next one is asked for; as text, lines for people.

local advice = require "kataven.cli.advice"
local core = require "kataven.core"
local diff = require "kataven.cli.apply.diff"
local json = require "kataven.cli.json"
local keys = require "kataven.cli.keys"
local plaintext = require "kataven.plaintext"

---@class kataven.cli.Report
---@field write fun(text: string): true?, string? all of it at once, or why not
---@field colour? fun(mark: string, text: string): string
---@field keysOut? string where keys go that are not printed
---@field problem string? why something could not be written; nothing is, after that
local Report = {}
Report.__index = Report

local report = {}

local show = diff.show
local DONE = { create = "created", update = "updated", revoke = "revoked" }
local MARKS = { create = "+", update = "~", revoke = "-" }

local function errorOf(err)
    return {
        name = err.name, message = advice.message(err, "apply"), method = err.method, path = err.path,
        status = err.status, requestId = err.requestId, retryAfter = err.retryAfter, attempts = err.attempts,
        maybeApplied = err.maybeApplied,
    }
end

-- A change without what the user does not need for a second time.
local function changeOf(change)
    return {
        action = change.action, name = change.name, id = change.id, input = change.input, patch = change.patch,
        pruned = change.pruned, before = change.before,
        disabled = change.disabled and change.disabled[1] and change.disabled,
    }
end

local function short(change)
    return { action = change.action, name = change.name, id = change.id }
end

local function put(self, text)
    if self.problem then
        return nil, self.problem
    end
    local done, problem = self.write(text)
    if not done then
        self.problem = problem
    end
    return done, problem
end

-- A member of the document: a list, one entry a line.
local function list(name, entries, convert)
    local lines = {}
    for index, entry in ipairs(entries) do
        lines[index] = "\n    " .. json.line(convert(entry))
    end
    return ('  "%s": [%s%s]'):format(name, table.concat(lines, ","), #lines > 0 and "\n  " or "")
end

local function same(value)
    return value
end

local function planMembers(plan)
    return table.concat({
        list("changes", plan.changes, changeOf),
        list("unchanged", plan.unchanged, same),
        list("unlisted", plan.unlisted, same),
    }, ",\n")
end

local function coloured(self, mark, text)
    return self.colour and self.colour(mark, text) or text
end

local function planText(self, plan)
    local lines = {}
    for index, line in ipairs(diff.lines(plan)) do
        lines[index] = coloured(self, line.mark, line.text) .. "\n"
    end
    return table.concat(lines)
end

--- Prints a plan that is not carried out.
---@param plan kataven.Plan
---@param lost table[] keys whose plaintext was never written
function Report:plan(plan, lost)
    put(self, self.json and "{\n" .. planMembers(plan) .. ",\n" .. list("lost", lost, same) .. "\n}\n"
        or planText(self, plan))
end

--- Prints a plan that is about to be carried out.
---@param plan kataven.Plan
function Report:start(plan)
    put(self, self.json and "{\n" .. planMembers(plan) .. ',\n  "done": [\n' or planText(self, plan))
end

--- Whether what comes next can be printed, as far as that can be known.
---@return true?
---@return string? problem
function Report:ready()
    -- The indentation of what comes; on a terminal there is nothing to try.
    self.indented = true
    return put(self, self.json and "    " or "")
end

-- Returns the rest of a change's line, and the lines after it.
local function tail(self, change, row, texts)
    if change.action ~= "create" then
        return "", ""
    elseif not texts then
        return self.keysOut and ", its key is in " .. show(self.keysOut) or "", ""
    end
    local secret = texts.secret and ("    its secret key, %s: %s\n"):format(keys.SECRET, show(texts.secret)) or ""
    if texts.key then
        return "  " .. show(texts.key), secret
    end
    return ", whose text is not in the answer:", json.line(row) .. "\n" .. secret -- somebody may make it out there
end

--- Prints a change that was made.
---@param change kataven.Change
---@param row kataven.WidgetKey
---@param texts? { key?: string, secret?: string } of a created key that is kept nowhere else: all of its row is shown
---@return true?
---@return string? problem
function Report:done(change, row, texts)
    if self.json then
        local entry = short(change)
        entry.id = row.id or entry.id
        if texts then
            entry.key, entry.secret_key = texts.key, texts.secret
        end
        entry.row = texts and row or plaintext.without(row)
        local text = (self.indented and "" or "    ") .. (self.entries > 0 and "," or "") .. json.line(entry) .. "\n"
        self.entries, self.indented = self.entries + 1, false
        return put(self, text)
    end
    local where, after = tail(self, change, row, texts)
    return put(self, coloured(self, MARKS[change.action], ("%s %s (%s)%s"):format(DONE[change.action],
        show(change.name), show(tostring(row.id or change.id)), where)) .. "\n" .. after)
end

--- Prints the end.
---@param carried kataven.cli.Carried
---@param lost table[] keys whose plaintext was never written
---@param signal? integer
function Report:finish(carried, lost, signal)
    if not self.json then
        return
    end
    put(self, (self.indented and "\n" or "") .. "  ],\n" .. table.concat({
        list("failed", carried.failed, function(failure)
            local entry = short(failure.change)
            entry.error, entry.there = errorOf(failure.err), failure.there and core.array(failure.there)
            return entry
        end),
        list("remaining", carried.remaining, short),
        list("lost", lost, same),
        '  "interrupted": ' .. tostring(signal ~= nil),
    }, ",\n") .. "\n}\n")
end

--- Makes one.
---@param options { json: boolean, write: function, colour?: function, keysOut?: string }
---@return kataven.cli.Report
function report.new(options)
    return setmetatable({
        json = options.json,
        write = options.write,
        colour = options.colour,
        keysOut = options.keysOut,
        indented = false,
        entries = 0,
    }, Report)
end

return report
