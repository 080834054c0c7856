--- Carries out a plan. Creates come first, one at a time, and each is kept before
--- the next is sent; all else follows, side by side. At the first create that goes
--- wrong it stops: what a new key is to replace is not taken away before it is there.

local errors = require "kataven.errors"
local kataven = require "kataven"

---@class kataven.cli.Keeper where created keys go
---@field creating fun(self: table, name: string): true?, string? before a create is sent
---@field created fun(self: table, name: string, row: kataven.WidgetKey, plaintext?: string, secret?: string): true?, string? the moment it arrives
---@field notCreated fun(self: table, name: string, why: string): true?, string? where surely no key was made

---@class kataven.cli.Carried
---@field failed { change: kataven.Change, err: kataven.Error, there?: kataven.WidgetKey[], unlisted?: kataven.Error }[]
---@field remaining kataven.Change[] what was not sent, in the plan's order
---@field unkept { change: kataven.Change, row: kataven.WidgetKey, plaintext?: string, secret?: string, problem: string }? a key that could not be kept
---@field textless { change: kataven.Change, row: kataven.WidgetKey }? a key whose answer held no plaintext
---@field problem string? why nothing could be kept any more

local carry = {}

-- The live keys of a name, after a create whose answer was lost.
local function whatIsThere(job, name)
    local rows, err = job.client.widgetKeys.list { cancel = job.cancel }
    if not rows then
        return nil, err
    end
    local there = {}
    for _, row in ipairs(rows) do
        if row.name == name and not row.disabled_at then
            there[#there + 1] = row
        end
    end
    return there
end

-- Makes one key. False when nothing more may be sent.
local function create(job, change, out)
    local ready, problem = job.keeper:creating(change.name)
    if not ready then
        out.problem = problem
        out.remaining[#out.remaining + 1] = change
        return false
    end
    local row, err = job.client.widgetKeys.create(change.input, { cancel = job.cancel })
    if row then
        local plaintext, secret = kataven.plaintext(row)
        local kept, why = job.keeper:created(change.name, row, plaintext, secret)
        if kept then
            job.done(change, row, plaintext, secret)
            if not plaintext then
                out.textless = { change = change, row = row }
            end
            return plaintext ~= nil
        end
        out.problem = why
        out.unkept = { change = change, row = row, plaintext = plaintext, secret = secret, problem = why }
        job.unkept(out.unkept)
        return false
    end
    local failure = { change = change, err = err }
    out.failed[#out.failed + 1] = failure
    if not err.maybeApplied then
        -- Should it not be written: the next run asks about a key that is not there.
        job.keeper:notCreated(change.name, tostring(err))
    elseif not job.interrupted() then
        failure.there, failure.unlisted = whatIsThere(job, change.name)
    end
    return false
end

-- Errors that the next call would meet as well.
local function concernsAll(err)
    return not err:is "APIError" or err:is "RateLimitError" or err:is "AuthenticationError"
        or err:is "PermissionDeniedError"
end

-- Updates and revokes, each of which may be sent again by the next run.
local function others(job, changes, total, out)
    local stopped, sent = false, {}
    local tasks = {}
    for index, change in ipairs(changes) do
        tasks[index] = function()
            if stopped or job.interrupted() then
                return nil
            end
            sent[index] = true
            local row, err = job.client.widgetKeys.update(change.id, change.patch, { cancel = job.cancel })
            if not row then
                stopped = stopped or concernsAll(err)
            end
            return row, err
        end
    end
    local results = job.client:parallel(tasks, { progress = function(done)
        job.progress(total - #changes + done, total)
    end })
    for index, change in ipairs(changes) do
        local result = results[index]
        if not sent[index] then
            out.remaining[#out.remaining + 1] = change
        elseif result.value then
            job.done(change, result.value)
        elseif not errors.isError(result.err) then
            error(result.err, 0) -- a mistake of ours
        else
            out.failed[#out.failed + 1] = { change = change, err = result.err }
        end
    end
end

---@class kataven.cli.Job
---@field client kataven.Client
---@field keeper kataven.cli.Keeper
---@field cancel kataven.Canceller
---@field interrupted fun(): boolean whether a signal asks to end
---@field progress fun(done: integer, total: integer, next?: kataven.Change)
---@field done fun(change: kataven.Change, row: kataven.WidgetKey, plaintext?: string, secret?: string) a change was made, and kept
---@field unkept fun(unkept: table) a key was made, and could not be kept

--- Carries out a plan as far as it goes.
---@param job kataven.cli.Job
---@param plan kataven.Plan
---@return kataven.cli.Carried
function carry.run(job, plan)
    local out = { failed = {}, remaining = {} }
    local rest, going = {}, true
    local creates = 0
    for _, change in ipairs(plan.changes) do
        if change.action ~= "create" then
            rest[#rest + 1] = change
        elseif going and not job.interrupted() then
            creates = creates + 1
            job.progress(creates - 1, #plan.changes, change)
            going = create(job, change, out)
        else
            going = false
            out.remaining[#out.remaining + 1] = change
        end
    end
    if going and not job.interrupted() then
        if #rest > 0 then
            others(job, rest, #plan.changes, out)
        end
    else
        for _, change in ipairs(rest) do
            out.remaining[#out.remaining + 1] = change
        end
    end
    return out
end

return carry
