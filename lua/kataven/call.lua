--- One call, from its place in the queue to its value or its error: the same
--- for every transport.

local canceller = require "kataven.canceller"
local core = require "kataven.core"
local failures = require "kataven.failures"
local globals = require "kataven.globals"
local transports = require "kataven.transport"
local waiting = require "kataven.waiting"

local stopped, wait, bell = waiting.stopped, waiting.wait, waiting.bell

local call = {}

local SAFE = { GET = true, HEAD = true, OPTIONS = true }

-- Asked for before an event is made: most clients have no log.
local function logEvent(self, event)
    event.method, event.path, event.attempt = self.method, self.client.redactor:text(self.path), self.attempts
    pcall(self.client.log, event)
end

-- A call whose transport or wait raised, or whose coroutine was dropped, is out
-- of our sight and keeps its turn until it is collected. So the first in line
-- helps the collector along, a little each time it looks. Where one cannot ask
-- whether the host has stopped its collector (5.1, LuaJIT), it is let alone.
local collectgarbage = globals.get "collectgarbage"
local canAsk, running = pcall(collectgarbage, "isrunning")
canAsk = canAsk and type(running) == "boolean"

local function nudgeCollector(turn)
    if canAsk and turn:isFirst() and collectgarbage "isrunning" then
        collectgarbage("step", 100)
    end
end

-- Seconds until the call's deadline.
local function timeLeft(self)
    return self.deadlineAt and self.deadlineAt - self.client.now() or math.huge
end

-- Takes a turn in the queue. Gives an error when the call must end first.
local function takeTurn(self)
    local client, pause = self.client, waiting.PAUSE_FIRST
    -- A lease that outlives the attempt: it only ends a turn whose call was
    -- dropped without a trace.
    while true do
        local left = timeLeft(self)
        if left <= 0 then
            return failures.new(self, "TimeoutError",
                ("the deadline of %g s passed before it could be sent (maxConcurrent = %d)"):format(
                    self.deadline, client.maxConcurrent))
        end
        local behind = waiting.isBehind(self)
        local mine = not behind and self.turn:ask(client.engine, self.timeout + client.connectTimeout + 1)
        if mine then
            return nil
        elseif mine == nil then -- a finaliser's call, of what is collected together with it
            return failures.new(self, "ClosedError", "the client, or this call, was collected; nothing was sent")
        end
        local longest = behind and waiting.SHORTEST or (client.watches or self.crew) and self.timeout or pause
        if left < longest then
            longest = left
        end
        if wait(self, longest, bell(self, longest)) then
            return failures.new(self, stopped(self), "ended while it waited for its turn; nothing was sent")
        end
        client.engine:step()
        nudgeCollector(self.turn)
        pause = waiting.longer(pause)
    end
end

local function copy(set)
    local new = {}
    for name, value in pairs(set) do
        new[name] = value
    end
    return new
end

-- Seconds: a transport that keeps the time itself has seen that it is up by then.
local GRACE = 0.05

-- What somebody else's transport gets to wait with. Where libcurl is behind it,
-- that keeps the time.
local function waiter(self, due)
    local now = self.client.now
    return function(seconds, fd)
        local left = due + GRACE - now()
        if seconds > left and not self.client.ownClock then
            seconds = left > waiting.SHORTEST and left or waiting.SHORTEST
        end
        return wait(self, seconds, fd or bell(self, seconds)) or now() >= due + GRACE
    end
end

-- An attempt by somebody else's transport.
local function sendBy(self, transport, request, turn, parks)
    local client = self.client
    local due = client.curl and math.huge or client.now() + request.timeout
    request.headers = copy(request.headers)
    local response, problem = transport:send(request, waiter(self, due), turn, parks)
    response, problem = transports.normal(response, problem, client.maxResponseBytes)
    if problem and problem.kind == "cancelled" and not stopped(self) and client.now() >= due then
        problem.kind, problem.message = "timeout", "the transport was told to stop"
    end
    return response, problem
end

local function send(self)
    local client = self.client
    local left = timeLeft(self)
    self.timeoutIsDeadline = left < self.timeout
    local timeout = self.timeoutIsDeadline and left or self.timeout
    local transport = client.transport
    local own = transport == client.curl
    local through = client.curl ~= nil -- libcurl does it, if need be for a transport that is around it
    local sets = self.headerSets
    local request = {
        method = self.method,
        url = self.url,
        path = self.path,
        headers = self.body and sets.withBody or sets.plain,
        body = self.body,
        top = own and self.top or nil,
        timeout = timeout,
        connectTimeout = client.connectTimeout < timeout and client.connectTimeout or timeout,
    }
    local turn = through and self.turn or nil
    local parks = through and self.crew ~= nil
    if not own then
        return sendBy(self, transport, request, turn, parks)
    elseif self.wait == core.wait and not self.cancel then
        return transport:send(request, core.wait, turn)
    end
    -- LuaJIT compiles no function that makes another.
    return transport:send(request, wait, turn, parks, self)
end

-- An answer becomes the `meta` of its call: the table is our own.
local function metaOf(response, attempts, elapsed)
    response.body, response.value = nil, nil
    response.requestId = response.headers["x-request-id"]
    response.attempts = attempts
    response.elapsed = elapsed
    return response
end

local function success(self, response)
    local value, problem = response.value, nil
    if value == nil then
        value, problem = self.expect(response, self.client.mostValues)
    end
    if value == nil then
        local outcome = { safe = self.safe, sent = true, status = response.status }
        return nil, failures.refused(self, response, outcome, problem)
    end
    return value, metaOf(response, self.attempts, self.client.now() - self.began)
end

-- An answer that says no. Gives nil, an error, and the delay before the next
-- attempt where there may be one.
local function refusal(self, response)
    local outcome = { safe = self.safe, sent = true, status = response.status }
    local told = core.retryAfter(response.headers["retry-after"], response.headers["date"])
    local err = failures.answered(self, response, outcome, told)
    return nil, err, core.retryDelay(self.retry, outcome, self.attempts - 1, told, core.random(),
        timeLeft(self))
end

-- No answer to what was begun at `start`. Gives what `refusal` does.
local function loss(self, problem, start)
    -- A fork leaves an attempt to the parent: whether it is answered there, the
    -- child cannot know.
    local outcome = {
        safe = self.safe,
        sent = problem.sent,
        status = problem.status,
        kind = problem.kind == "orphaned" and "cancelled" or problem.kind,
    }
    local err = failures.lost(self, problem, outcome, stopped(self))
    if self.client.log then
        logEvent(self, { event = "error", elapsed = self.client.now() - start, error = tostring(err) })
    end
    return nil, err, core.retryDelay(self.retry, outcome, self.attempts - 1, nil, core.random(),
        timeLeft(self))
end

-- What came of an attempt that began at `start`. Gives value and meta; or what
-- `refusal` does.
local function judged(self, response, problem, start)
    local client = self.client
    if not response then
        return loss(self, problem, start)
    end
    if client.log then
        logEvent(self, { event = "response", status = response.status, elapsed = client.now() - start })
    end
    if response.status >= 200 and response.status <= 299 then
        return success(self, response)
    end
    return refusal(self, response)
end

local function attempt(self)
    local client = self.client
    local start
    self.attempts = self.attempts + 1
    if client.log then
        start = client.now()
        logEvent(self, { event = "request" })
    end
    local response, problem
    if stopped(self) then -- by the log
        problem = { kind = "cancelled", sent = false }
        self.attempts = self.attempts - 1
    else
        response, problem = send(self)
    end
    self.turn:rest()
    return judged(self, response, problem, start)
end

-- Gets ready for the next attempt. Gives an error when there can be none.
local function prepare(self, problem)
    local reason = stopped(self)
    if reason then
        return failures.new(self, reason, reason == "ClosedError"
            and "the client is closed; make a new one with kataven.new" or "cancelled before it was sent")
    elseif problem then
        return failures.new(self, "HostError", problem .. "; nothing was sent")
    end
    return takeTurn(self)
end

-- `response` or `failure`: what came of an attempt that was made already.
local function run(self, problem, response, failure)
    if not problem and not self.safe then
        waiting.probe(self)
    end
    local made = response or failure
    while true do
        local value, result, delay
        if made then
            self.attempts, made = 1, nil
            value, result, delay = judged(self, response, failure)
        else
            local err = prepare(self, problem)
            if err then
                return nil, err
            end
            value, result, delay = attempt(self)
        end
        if value ~= nil or not delay then
            return value, result
        end
        if self.client.log then
            logEvent(self, { event = "retry", delay = delay, status = result.status, error = tostring(result) })
        end
        if waiting.untilTime(self, self.client.now() + delay) then
            return nil, failures.new(self, stopped(self),
                "ended while it waited to try again, after " .. tostring(result), { status = result.status })
        end
        if timeLeft(self) <= 0 then
            return nil, result -- the wait took longer than it was to
        end
    end
end

--- Carries out a call.
---@param client table a client's inside (see kataven.client)
---@param spec { method: string, path: string, url: string, body?: string, expect: function, top?: string }
---@param options table checked options of the call, or an empty table
---@param headerSets { plain: table, withBody: table }
---@param retry table the policy
---@return any value
---@return table meta_or_error
function call.run(client, spec, options, headerSets, retry)
    local began = client.now()
    local deadline = options.deadline or client.deadline
    local response, failure
    -- What makes up a call costs more than to make it: most need none of it.
    if client.plain and not deadline and not options.cancel and not client.closed and not next(waiting.tasks) then
        response, failure = client.curl:sendAtOnce(spec, spec.body and headerSets.withBody or headerSets.plain,
            options.timeout or client.timeout, client.connectTimeout)
        if response and response.value ~= nil then
            return response.value, metaOf(response, 1, client.now() - began)
        end
    end
    client.calls = client.calls + 1
    -- What is set later is named here, so that there is room for it.
    local self = {
        client = client,
        number = client.calls,
        method = spec.method,
        path = spec.path,
        url = spec.url,
        body = spec.body,
        expect = spec.expect,
        top = spec.top,
        safe = SAFE[spec.method] == true,
        headerSets = headerSets,
        retry = retry,
        cancel = options.cancel,
        timeout = options.timeout or client.timeout,
        timeoutIsDeadline = false,
        deadline = deadline,
        deadlineAt = deadline and began + deadline,
        began = began,
        attempts = 0,
        turn = client.engine:turn(),
        wait = nil,
        crew = nil,
        place = nil,
        probes = nil,
    }
    local problem = waiting.settle(self)
    if self.cancel then
        self.wake = function()
            self.turn:poke()
        end
        canceller.register(self.cancel, self)
    end
    local fine, value, result = true
    if self.wait == core.wait and client.transport == client.curl then
        -- Nothing yields in there. Should it raise, since memory has run out, the
        -- turn is given back at once: the next call might block until its lease ends.
        fine, value, result = pcall(run, self, problem, response, failure)
    else
        value, result = run(self, problem)
    end
    if self.cancel then
        canceller.unregister(self.cancel, self)
    end
    self.turn:leave()
    if not fine then
        error(value, 0)
    end
    return value, result
end

return call
