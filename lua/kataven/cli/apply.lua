--- `kataven widget-keys apply FILE`: makes the account look like a file.

local carry = require "kataven.cli.apply.carry"
local context = require "kataven.cli.context"
local core = require "kataven.core"
local diff = require "kataven.cli.apply.diff"
local file = require "kataven.cli.apply.file"
local kataven = require "kataven"
local keys = require "kataven.cli.keys"
local keysOut = require "kataven.cli.apply.keys_out"
local report = require "kataven.cli.apply.report"
local words = require "kataven.cli.apply.words"

local apply = {}

local FOUND_CHANGES = 3

-- The signals that ask a program to end, and their numbers.
local SIGNALS = { HUP = 1, INT = 2, TERM = 15 }

-- Seconds: a signal that comes just before a wait does not break it.
local LONGEST = 1

-- Keys that an earlier run may have minted without being able to write them down:
-- they are live, and stay so.
local function lostOf(out, rows, plan)
    local lost, revoked = {}, {}
    for _, change in ipairs(plan.changes) do
        revoked[change.id or false] = change.action == "revoke"
    end
    for _, open in ipairs(out and out.open or {}) do
        for _, row in ipairs(rows) do
            if row.name == open.name and not row.disabled_at and not revoked[row.id] then
                lost[#lost + 1] = { name = row.name, id = row.id, line = open.line, file = out.path }
            end
        end
    end
    return lost
end

local function countPruned(plan)
    local count = 0
    for _, change in ipairs(plan.changes) do
        count = count + (change.pruned and 1 or 0)
    end
    return count
end

-- Where created keys go: the file of --keys-out, else the report.
local function keeperOf(printed, out)
    if out then
        return out
    end
    return {
        creating = function()
            return printed:ready()
        end,
        created = function(_, name, row, plaintext, secret)
            return printed:done({ action = "create", name = name }, row, { key = plaintext, secret = secret })
        end,
        notCreated = function()
            return true
        end,
    }
end

---@class kataven.cli.Interrupts
---@field cancel kataven.Canceller of what such a signal ends
---@field watch? table the core's, once they are watched
---@field first? string the signal that came first

-- The signal that asks to end, if one came.
local function interrupted(interrupts)
    interrupts.first = interrupts.first or interrupts.watch and interrupts.watch:take()
    return interrupts.first
end

-- Has a signal end the client's waits by cancelling, once signals are watched.
local function listen(self)
    local interrupts = { cancel = kataven.canceller() }
    self.wait = function(seconds, fd)
        core.wait(math.min(seconds, LONGEST), fd)
        if interrupted(interrupts) then
            interrupts.cancel:cancel()
        end
    end
    return interrupts
end

-- What carrying it out needs, and who hears of it.
local function jobOf(self, printed, out, interrupts)
    local replayed = false
    return {
        client = self.client,
        keeper = keeperOf(printed, out),
        cancel = interrupts.cancel,
        interrupted = function()
            return interrupted(interrupts) ~= nil
        end,
        progress = function(done, total, change)
            self:progress(words.progress(done, total, change))
        end,
        done = function(change, row, plaintext)
            if out or change.action ~= "create" then
                printed:done(change, row)
            end
            if plaintext and keys.isReplayed(plaintext) and not replayed then
                replayed = true
                self:say(keys.REPLAYED)
            end
        end,
        unkept = function(unkept)
            -- At once, and to wherever it can go.
            self:say(words.unkept(unkept, out and out.path))
            if out then
                printed:done(unkept.change, unkept.row, { key = unkept.plaintext, secret = unkept.secret })
            end
        end,
    }
end

-- Carries a plan out. Signals only ask it to end: torn out between an answer and
-- the write, a key would be lost. Gives the number of the one that did, too.
local function carryOut(self, plan, printed, out, interrupts)
    local job = jobOf(self, printed, out, interrupts)
    local watch, problem = core.signals("INT", "TERM", "HUP")
    if not watch then
        error(context.failure { name = "SignalError", message = words.unwatched(problem) }, 0)
    end
    interrupts.watch = watch
    local ok, carried = xpcall(function()
        return carry.run(job, plan)
    end, context.ending)
    local signal = interrupted(interrupts)
    watch:close()
    if not ok then
        error(carried, 0)
    end
    return carried, SIGNALS[signal]
end

-- Says what went wrong, and gives the exit code.
local function conclude(self, plan, carried, lost, signal, printed, out)
    for _, line in ipairs(words.troubles(carried, out and out.path)) do
        self:say(line)
    end
    for _, one in ipairs(lost) do
        self:say(words.lost(one))
    end
    if signal then
        return self:fail({ name = "InterruptedError", message = words.interrupted(plan, carried) }, 128 + signal)
    elseif #carried.failed > 0 or #carried.remaining > 0 or carried.unkept or carried.textless then
        return self:fail {
            name = "ApplyError",
            message = words.failed(plan, carried),
            created = carried.unkept and carried.unkept.row,
        }
    elseif #lost > 0 then
        return self:fail { name = "ApplyError", message = words.someLost(lost) }
    elseif printed.problem then
        return self:fail { name = "OutputError", message = words.unprinted(printed.problem) }
    end
    return 0
end

local function makeReport(self, arguments, out)
    return report.new {
        json = self.json,
        keysOut = out and out.path,
        write = function(text)
            if arguments.dryRun then
                self:out(text)
                return true
            end
            return self:write(text)
        end,
        colour = function(mark, text)
            return words.COLOURS[mark] and self:colour(words.COLOURS[mark], text) or text
        end,
    }
end

-- Whether keys that the file does not name may be revoked.
local function mayPrune(self, arguments, plan)
    local count = countPruned(plan)
    if count == 0 or arguments.yes then
        return true
    end
    if self.json then -- the plan is not on the terminal in a form for people
        for _, line in ipairs(diff.lines(plan)) do
            self:say(line.text)
        end
    end
    return self:ask(words.question(count))
end

-- The keys that may be meant by a name that several have.
local function candidatesOf(err)
    local candidates = {}
    for _, conflict in ipairs(err.conflicts) do
        for _, key in ipairs(conflict.keys) do
            candidates[#candidates + 1] = { id = key.id, name = key.name }
        end
    end
    return candidates
end

local function run(self, arguments, wanted, out)
    local interrupts = listen(self) -- before the client is made
    local rows, err = keys.list(self)
    if not rows then
        return self:fail(err)
    end
    local plan
    plan, err = kataven.plan(wanted, rows, { prune = arguments.prune or false })
    if not plan then
        return self:fail { name = err.name, message = err.message, candidates = candidatesOf(err) }
    end
    local lost, printed = lostOf(out, rows, plan), makeReport(self, arguments, out)
    if arguments.dryRun then
        printed:plan(plan, lost)
        for _, one in ipairs(lost) do
            self:say(words.lost(one))
        end
        return #plan.changes > 0 and FOUND_CHANGES or 0
    end
    if not self.json then
        printed:start(plan)
    end
    if not mayPrune(self, arguments, plan) then
        return self:fail { name = "DeclinedError", message = words.DECLINED }
    end
    if self.json then
        printed:start(plan)
    end
    local carried, signal = carryOut(self, plan, printed, out, interrupts)
    printed:finish(carried, lost, signal)
    return conclude(self, plan, carried, lost, signal, printed, out)
end

--- Runs the command. Everything that can be found wrong without a call is.
---@param self kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer code
function apply.run(self, arguments)
    if arguments.keysOut == arguments.file then
        return self:misused(words.SAME_FILE)
    elseif arguments.keysOut == "-" then
        return self:misused(words.NO_STDOUT)
    elseif arguments.prune and not arguments.yes and not arguments.dryRun and not self:canAsk() then
        return self:misused(words.CANNOT_ASK)
    end
    local wanted, problem, details = file.read(arguments.file, self.host.stdin)
    if not wanted then
        for _, detail in ipairs(not arguments.json and details or {}) do
            self:say("  " .. detail)
        end
        return self:misused(details and arguments.json and problem .. ": " .. table.concat(details, "; ") or problem)
    end
    local out
    if arguments.keysOut then
        out, problem = keysOut.open(arguments.keysOut, arguments.dryRun)
        if not out then
            return self:misused("--keys-out " .. problem)
        end
    end
    local ok, code = xpcall(function()
        return run(self, arguments, wanted, out)
    end, context.ending)
    if out then
        out:close()
    end
    if not ok then
        error(code, 0)
    end
    return code
end

return apply
