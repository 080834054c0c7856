--- One entry, from the stream to its reply.

local reply = require "kataven.redis.reply"
local request = require "kataven.redis.request"

local handling = {}

-- The most that is told of a raised error in a reply.
local LONGEST = 500

-- An outcome that no server had a part in. A reason puts the entry to the dead letters.
local function failure(name, message, asked, maybeApplied, reason)
    return {
        ok = false,
        text = reply.error(reply.newError(name, message, asked, maybeApplied)),
        maybeApplied = maybeApplied,
        reason = reason,
    }
end

-- Runs the call in a coroutine of its own, since it may raise, and waits for it.
local function run(worker, asked, options)
    local loop, result = worker.loop, {}
    local ended = loop:event()
    loop:spawn(function()
        local thread = coroutine.running()
        result.value, result.second = request.send(asked, worker.client, options)
        result.body = worker.tap.bodies[thread]
        result.over = true
        ended:fire()
    end, function(problem, thread)
        -- Without the place: the caller has none.
        result.raised = tostring(problem):gsub("^.-:%d+: ", ""):sub(1, LONGEST)
        result.used = worker.tap.used[thread]
        result.over = true
        ended:fire()
    end)
    while not result.over do
        ended:wait()
    end
    return result
end

-- What an outcome becomes on its way into Redis.
local function sealed(worker, id, outcome)
    -- A server may echo the API key, which is not for those who read Redis.
    outcome.text = worker.redactor:text(outcome.text)
    local seal = worker.options.seal
    if not seal then
        return outcome
    end
    local ok, made = pcall(seal, outcome.text, id)
    if ok and type(made) == "string" then
        outcome.text = made
        return outcome
    end
    local why = ok and ("gave a %s, not a string"):format(type(made)) or "raised: " .. tostring(made)
    worker.log("error", ("the reply to %s is lost, since seal %s"):format(id, why))
    return failure("WorkerError", "the worker's seal failed, so that the reply was not kept: it was "
        .. (outcome.ok and "carried out" or "an error"), nil, outcome.maybeApplied, outcome.reason)
end

-- Makes an outcome of what became of the call.
local function outcomeOf(worker, id, asked, result)
    if result.raised then
        if not result.used then
            return failure("MisuseError", result.raised, asked, false, result.raised)
        end
        worker.log("error", ("the call of %s raised: %s"):format(id, result.raised))
        return failure("WorkerError", "the call raised: " .. result.raised, asked, asked.kind == "write")
    end
    local ok, second = result.value ~= nil, result.second
    if not ok then
        worker.log("warning", ("%s failed: %s"):format(id, tostring(second)))
    end
    return {
        ok = ok,
        text = ok and reply.value(result.value, second, result.body) or reply.error(second),
        maybeApplied = ok and asked.kind == "write" or second.maybeApplied or false,
        repeated = math.max(0, (second.attempts or 1) - 1),
    }
end

-- Carries an entry out. Gives its outcome; nil where it is another worker's.
local function carryOut(worker, id, fields, again)
    local queue, most = worker.queue, worker.options.tries
    -- What too many have died of is not even read: that may be what they died of.
    local spent = again and queue:tries(id) > most
    local asked, problem = (spent and request.outline or request.read)(fields)
    if not asked then
        worker.log("warning", ("%s is no request: %s"):format(id, problem))
        return failure("MisuseError", problem, nil, false, problem)
    end
    -- With 0 there is no leave to be had: an outline is not to be sent.
    local verdict, tries, waited = queue:begin(id, queue:token(), asked.kind, spent and 0 or most, asked.deadline)
    if verdict == "go" and asked.deadline and waited >= asked.deadline then
        verdict = "late" -- the leave was given in time, but its answer was lost; nothing was sent
    end
    if verdict == "go" and asked.kind == "write" and not worker:remember(id) then
        worker.log("error", id .. " was sent before, which Redis has forgotten: it lost what it had acknowledged")
        verdict = "sent"
    end
    if verdict == "gone" then
        return nil
    elseif verdict == "sent" then
        worker.log("warning", id .. " was about to be sent once before; its answer is lost")
        return failure("ConnectionError", "it was about to be sent once before, and that answer is lost; it may have "
            .. "been carried out all the same (maybeApplied): look with a list before repeating it", asked, true)
    elseif verdict == "late" then
        return failure("TimeoutError", ("the deadline of %g s passed before it could be sent"):format(asked.deadline),
            asked, false)
    elseif verdict == "poison" then
        local why = ("given up after %d tries, in each of which a worker ended or failed; nothing was sent that could "
            .. "have had an effect"):format(tries - 1)
        worker.log("error", ("%s goes to the dead letters: %s"):format(id, why))
        return failure("WorkerError", why, asked, false, why)
    end
    if tries > 1 then
        worker.log("info", ("%s was taken over, for the %d. time"):format(id, tries - 1))
        worker.counts.retried = worker.counts.retried + 1
    end
    return outcomeOf(worker, id, asked, run(worker, asked, {
        timeout = asked.timeout,
        deadline = asked.deadline and math.max(0.001, asked.deadline - waited),
    }))
end

--- Carries an entry out and answers it, unless another worker did meanwhile. To
--- be called in a coroutine of the worker's loop.
---@param worker kataven.redis.Worker
---@param id string
---@param fields string[]
---@param again? boolean it was taken over
function handling.run(worker, id, fields, again)
    local outcome = carryOut(worker, id, fields, again)
    if not outcome then
        worker.log("warning", id .. " is another worker's by now; nothing was done")
        return
    end
    outcome = sealed(worker, id, outcome)
    if worker.queue:finish(id, outcome, worker.options.replyExpiry) then
        local counts, name = worker.counts, outcome.ok and "done" or "failed"
        counts[name], counts.retried = counts[name] + 1, counts.retried + (outcome.repeated or 0)
    else
        worker.log("warning", id .. " was answered already, perhaps by this worker, or Redis has lost it; this answer "
            .. "is dropped")
    end
end

return handling
