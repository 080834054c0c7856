--- One call, from its place in the queue to its value or its error: the same
--- for every transport.

local canceller = require "kataven.canceller"
local core = require "kataven.core"
local errors = require "kataven.errors"
local failures = require "kataven.failures"
local host = require "kataven.host"

local call = {}

-- A pause between looks at the queue, for hosts that cannot be woken.
local PAUSE_FIRST, PAUSE_GROWTH, PAUSE_LONGEST = 0.001, 1.5, 0.010
local SHORTEST_WAIT = 0.001
-- What a sum of waits may miss its end by, in floating point.
local ROUNDING = 1e-6

local SAFE = { GET = true, HEAD = true, OPTIONS = true }

local function logEvent(self, event)
    local log = self.client.log
    if log then
        event.method, event.path, event.attempt = self.method, self.client.redactor:text(self.path), self.attempts
        pcall(log, event)
    end
end

-- Why the call must end, if it must.
local function stopped(self)
    if self.client.closed then
        return "ClosedError"
    elseif self.cancel and self.cancel.cancelled then
        return "CancelledError"
    end
end

--- Frees a client's engine, once nobody waits on its descriptor any more.
---@param client table a client's inside
function call.freeEngine(client)
    if client.fd and client.host.forget then
        client.host.forget(client.fd)
    end
    client.fd = nil
    client.engine:close()
end

--- Lets the host wait. Never within pcall: PUC Lua 5.1 cannot yield across it.
---@param self table a call, or a crew of client:parallel's
---@param seconds number
---@param fd? integer
---@return boolean stop the call must end
local function wait(self, seconds, fd)
    local client = self.client
    client.waits = client.waits + 1
    client.fd = fd or client.fd
    self.wait(seconds < SHORTEST_WAIT and SHORTEST_WAIT or seconds, fd)
    client.waits = client.waits - 1
    if client.closed and client.waits == 0 then
        call.freeEngine(client) -- whoever had to hear of it has
    end
    return stopped(self) ~= nil
end

--- The descriptor to wait on where it is the queue or a back-off that is waited
--- for; a host that is blocked cannot be woken by it, and a crew needs none.
---@param self table a call, or a crew of client:parallel's
---@param seconds number
---@return integer? fd
local function bell(self, seconds)
    local client = self.client
    if self.crew or client.ownClock or self.wait == core.wait then
        return nil
    end
    client.engine:prepare(seconds)
    return client.engine:fd()
end

call.wait, call.bell = wait, bell

-- Waits until a time, or until the call must end: true then.
local function waitUntil(self, time)
    local client = self.client
    if stopped(self) then
        return true
    end
    while time - client.now() > ROUNDING do
        local seconds = time - client.now()
        self.resting = true
        local stop = wait(self, seconds, bell(self, seconds))
        self.resting = false
        if stop then
            return true
        end
        self.turn:look()
        -- The descriptor may have called for a step on another's behalf.
        client.engine:step()
    end
    return stopped(self) ~= nil
end

-- A call whose transport or wait raised, or whose coroutine was dropped, is out
-- of our sight and keeps its turn until it is collected. So the first in line
-- helps the collector along, a little each time it looks. Where one cannot ask
-- whether the host has stopped its collector (5.1, LuaJIT), it is let alone.
local canAsk, running = pcall(collectgarbage, "isrunning")
canAsk = canAsk and type(running) == "boolean"

local function nudgeCollector(turn)
    if canAsk and turn:isFirst() and collectgarbage "isrunning" then
        collectgarbage("step", 100)
    end
end

-- Takes a turn in the queue. Gives an error when the call must end first.
local function takeTurn(self)
    local client, pause = self.client, PAUSE_FIRST
    -- A lease that outlives the attempt: it only ends a turn whose call was
    -- dropped without a trace.
    while true do
        local left = self.deadlineAt - client.now()
        if left <= 0 then
            return failures.new(self, "TimeoutError",
                ("the deadline of %g s passed before it could be sent (maxConcurrent = %d)"):format(
                    self.deadline, client.maxConcurrent))
        elseif self.turn:ask(client.engine, self.timeout + client.connectTimeout + 1) then
            return nil
        end
        local longest = (client.watches or self.crew) and self.timeout or pause
        if left < longest then
            longest = left
        end
        if wait(self, longest, bell(self, longest)) then
            return failures.new(self, stopped(self), "ended while it waited for its turn; nothing was sent")
        end
        client.engine:step()
        nudgeCollector(self.turn)
        pause = math.min(pause * PAUSE_GROWTH, PAUSE_LONGEST)
    end
end

-- Whether a request had gone out, by what a transport says of its failure. In
-- doubt it had: a repeated write is worse than one that is not repeated.
local function wasSent(problem)
    if problem.kind == "connect" or problem.kind == "tls" or problem.kind == "cassette" then
        return problem.sent == true
    end
    return problem.sent ~= false
end

-- What a transport of somebody else's gave, brought into the form it ought to
-- have.
local function normal(response, problem)
    if type(response) == "table" and errors.isStatus(response.status)
        and (response.headers == nil or type(response.headers) == "table")
        and (response.body == nil or type(response.body) == "string") then
        local headers = {}
        for name, value in pairs(response.headers or {}) do
            headers[tostring(name):lower()] = tostring(value)
        end
        return { status = response.status, headers = headers, body = response.body or "" }
    end
    if not response and type(problem) == "table" and failures.known(problem.kind) then
        local sent = wasSent(problem)
        return nil, {
            kind = problem.kind == "connect" and sent and "connection" or problem.kind,
            message = problem.message ~= nil and tostring(problem.message) or nil,
            sent = sent,
            status = errors.isStatus(problem.status) and problem.status or nil,
        }
    end
    -- Nothing is known, so the worst is assumed: that it was sent.
    return nil, {
        kind = "connection",
        message = "the transport returned neither a response nor a failure: " .. tostring(problem or response),
        sent = true,
    }
end

local function send(self)
    local client = self.client
    local left = self.deadlineAt - client.now()
    self.timeoutIsDeadline = left < self.timeout
    local timeout = self.timeoutIsDeadline and left or self.timeout
    local transport = client.transport
    local own = transport == client.curl
    local sets = self.headerSets
    local set = self.body and sets.withBody or sets.plain
    if not own then
        local copy = {}
        for name, value in pairs(set) do
            copy[name] = value
        end
        set = copy
    end
    local waiter, park = core.wait, nil
    if not own or self.wait ~= core.wait or self.cancel then
        waiter = function(seconds, fd)
            return wait(self, seconds, fd)
        end
    end
    if own and self.crew then
        park = function()
            return wait(self, math.huge)
        end
    end
    local response, problem = transport:send({
        method = self.method,
        url = self.url,
        path = self.path,
        headers = set,
        body = self.body,
        timeout = timeout,
        connectTimeout = client.connectTimeout < timeout and client.connectTimeout or timeout,
    }, waiter, own and self.turn or nil, park)
    if own then
        return response, problem
    end
    return normal(response, problem)
end

local function success(self, response, outcome)
    local value, problem = self.expect(response)
    if value == nil then
        return nil, failures.refused(self, response, outcome, problem)
    end
    return value, {
        status = response.status,
        headers = response.headers,
        requestId = response.headers["x-request-id"],
        attempts = self.attempts,
        elapsed = self.client.now() - self.began,
    }
end

-- One attempt, judged. Gives value and meta; or nil, an error, and the delay
-- before the next attempt where there may be one.
local function attempt(self)
    local client = self.client
    local start = client.now()
    self.attempts = self.attempts + 1
    logEvent(self, { event = "request" })
    local response, problem
    if stopped(self) then -- by the log
        problem = { kind = "cancelled", sent = false }
        self.attempts = self.attempts - 1
    else
        response, problem = send(self)
    end
    self.turn:rest()
    local elapsed = client.now() - start
    if response then
        logEvent(self, { event = "response", status = response.status, elapsed = elapsed })
        local outcome = { safe = self.safe, sent = true, status = response.status }
        if response.status >= 200 and response.status <= 299 then
            return success(self, response, outcome)
        end
        local told = core.retryAfter(response.headers["retry-after"], response.headers["date"])
        local err = failures.answered(self, response, outcome, told)
        return nil, err, core.retryDelay(self.retry, outcome, self.attempts - 1, told, core.random(),
            self.deadlineAt - client.now())
    end
    -- A fork leaves an attempt to the parent: whether it is answered there, the
    -- child cannot know.
    local outcome = {
        safe = self.safe,
        sent = problem.sent,
        status = problem.status,
        kind = problem.kind == "orphaned" and "cancelled" or problem.kind,
    }
    local err = failures.lost(self, problem, outcome, stopped(self))
    logEvent(self, { event = "error", elapsed = elapsed, error = tostring(err) })
    return nil, err, core.retryDelay(self.retry, outcome, self.attempts - 1, nil, core.random(),
        self.deadlineAt - client.now())
end

local function run(self, problem)
    if self.probes and not problem and not self.safe then
        wait(self, SHORTEST_WAIT, bell(self, SHORTEST_WAIT))
    end
    while true do
        local reason = stopped(self)
        if reason then
            return nil, failures.new(self, reason, reason == "ClosedError"
                and "the client is closed; make a new one with kataven.new" or "cancelled before it was sent")
        elseif problem then
            return nil, failures.new(self, "HostError", problem .. "; nothing was sent")
        end
        local err = takeTurn(self)
        if err then
            return nil, err
        end
        local value, result, delay = attempt(self)
        if value ~= nil or not delay then
            return value, result
        end
        logEvent(self, { event = "retry", delay = delay, status = result.status, error = tostring(result) })
        if waitUntil(self, self.client.now() + delay) then
            return nil, failures.new(self, stopped(self),
                "ended while it waited to try again, after " .. tostring(result), { status = result.status })
        end
        if self.client.now() >= self.deadlineAt then
            return nil, result -- the wait took longer than it was to
        end
    end
end

--- How to wait at this place: as the host does, or by blocking; and why it cannot
--- be done, or the crew of client:parallel's that this runs in.
---@param client table a client's inside
---@return fun(seconds: number, fd?: integer) wait
---@return string? problem
---@return table? crew
function call.place(client)
    local crew = client.crews and client.crews[coroutine.running()]
    if crew and host.canYield() then
        return client.wait, crew.problem, crew
    end
    local mode, problem
    if client.host.here then
        mode, problem = client.host.here()
    end
    return mode == "block" and client.block or client.wait, problem
end

-- Sets up how a call waits. Gives a problem where it cannot.
local function settle(self)
    local client = self.client
    local how, problem, crew = call.place(client)
    self.wait, self.crew = how, crew
    if crew then
        self.probes = host.PROBES
        crew.running.turn = self.turn
        function self.wait(seconds)
            crew:park(self, seconds)
        end
    else
        self.probes = client.host.probes and how ~= client.block
    end
    return problem
end

--- Carries out a call.
---@param client table a client's inside (see kataven.client)
---@param spec { method: string, path: string, url: string, body?: string, expect: function }
---@param options table checked options of the call, or an empty table
---@param headerSets { plain: table, withBody: table }
---@param retry table the policy
---@return any value
---@return table meta_or_error
function call.run(client, spec, options, headerSets, retry)
    local self = {
        client = client,
        method = spec.method,
        path = spec.path,
        url = spec.url,
        body = spec.body,
        expect = spec.expect,
        safe = SAFE[spec.method] == true,
        headerSets = headerSets,
        retry = retry,
        cancel = options.cancel,
        timeout = options.timeout or client.timeout,
        deadline = options.deadline or client.deadline,
        began = client.now(),
        attempts = 0,
        turn = client.engine:turn(),
    }
    self.deadlineAt = self.deadline and self.began + self.deadline or math.huge
    local problem = settle(self)
    if self.cancel then
        self.wake = function()
            self.turn:poke()
            client.engine:settle()
        end
        canceller.register(self.cancel, self)
    end
    local fine, value, result = true
    if self.wait == core.wait and client.transport == client.curl then
        -- Nothing yields in there. Should it raise, since memory has run out, the
        -- turn is given back at once: the next call might block until its lease ends.
        fine, value, result = pcall(run, self, problem)
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
