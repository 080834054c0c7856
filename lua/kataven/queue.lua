--- client:queue, for the phases of OpenResty that cannot wait (log, header_filter,
--- body_filter and the like): calls are put in, and one timer carries them out. A
--- timer for each would lose some, since nginx runs 256 at once.

local check = require "kataven.check"
local errors = require "kataven.errors"
local host = require "kataven.host"
local result = require "kataven.result"

---@class kataven.QueueOptions
---@field max? integer calls that wait at most; 1000
---@field done? fun(result: kataven.Result) called in the timer when a call has ended; without it, what failed is logged

---@class kataven.QueueStats
---@field waiting integer
---@field running integer
---@field done integer ended, the failed ones among them
---@field failed integer
---@field refused integer what push did not take

---@class kataven.Queue
local Queue = {}
Queue.__index = Queue
Queue.__name = "kataven.Queue"

local queue = {}

local OPTIONS = { "max", "done" }

-- How often a timer looks whether calls were put in while others are under way.
local PAUSE = 0.01
-- A timer that has not been heard of for so many seconds is none: nginx drops one
-- where too many run already, and a call's function may end it (ngx.exit).
local LOST = 5

-- Runs one function. Its result is of the form that client:parallel gives.
local function carryOut(self, runner, task)
    runner.running = runner.running + 1
    local ok, value, second = pcall(task)
    runner.running = runner.running - 1
    self.ended = self.ended + 1
    local outcome = result.of(ok, value, second)
    if outcome.err ~= nil then
        self.failed = self.failed + 1
    end
    if self.whenDone then
        local fine, why = pcall(self.whenDone, outcome)
        if not fine then
            ngx.log(ngx.ERR, "kataven: a queue's done raised: ", tostring(why))
        end
    elseif outcome.err ~= nil then
        ngx.log(ngx.ERR, "kataven: a call of a queue failed: ", tostring(outcome.err))
    end
end

-- One of the light threads that carry calls out.
local function carry(self, runner)
    while self.first <= self.last do
        local task = self.tasks[self.first]
        self.tasks[self.first] = nil
        self.first = self.first + 1
        carryOut(self, runner, task)
    end
    runner.ended[#runner.ended + 1] = coroutine.running()
end

-- What the timer runs, until nothing waits and nothing is under way; also in a
-- worker that is to exit, which nginx lets live for it. It looks for new calls
-- again and again, since one that takes long must not keep the others waiting.
local function run(_, self, runner)
    local threads, most = 0, self.client.maxConcurrent
    while true do
        while threads < most and self.first <= self.last do
            threads = threads + 1
            ngx.thread.spawn(carry, self, runner)
        end
        -- Who has ended keeps its memory until it was waited for.
        local ended = runner.ended
        runner.ended = {}
        for _, thread in ipairs(ended) do
            ngx.thread.wait(thread)
            threads = threads - 1
        end
        if threads == 0 and self.first > self.last then
            break
        end
        runner.alive = ngx.now()
        ngx.sleep(PAUSE)
    end
    if self.runner == runner then
        self.runner = nil
    end
end

-- Has a timer run, unless one does. Gives a problem where it cannot.
local function start(self)
    local now = ngx.now()
    if self.runner and now - self.runner.alive < LOST then
        return nil
    end
    local runner = { alive = now, running = 0, ended = {} }
    local started, why = ngx.timer.at(0, run, self, runner)
    if not started then
        return "nginx gave no timer: " .. tostring(why)
    end
    self.runner = runner
end

-- Why a call cannot be taken, or nil.
local function refusal(self)
    local phase = ngx.get_phase()
    if phase == "init" or phase == "exit_worker" then
        return ("a queue takes nothing in the phase %s, which has no timers: %s"):format(phase, phase == "init"
            and "make the call itself, which blocks here, or use init_worker"
            or "put the call in before the worker exits")
    elseif self.last - self.first + 1 >= self.max then
        return ("the queue is full (max = %d calls wait)"):format(self.max)
    end
    return start(self)
end

--- Puts a call in: a function that makes it, and is run in a timer of this worker
--- as soon as possible. It may be used in every phase but init and exit_worker.
--- What it needs of the request must be read before: the request is over when the
--- function runs.
---@param task fun(): any, any returns what the call does
---@return true? taken nil when it was refused: the queue is full, or nginx has no timer to give
---@return kataven.Error? problem a HostError
function Queue:push(task)
    if getmetatable(self) ~= Queue then
        error("call it with a colon: queue:push(function() ... end)", 2)
    elseif not check.callable(task) then
        error(("queue:push takes a function that makes the call, got %s"):format(check.describe(task)), 2)
    end
    local problem = refusal(self)
    if problem then
        self.refused = self.refused + 1
        return nil, errors.new { name = "HostError", message = problem .. "; nothing was sent", attempts = 0,
            elapsed = 0, maybeApplied = false }
    end
    self.last = self.last + 1
    self.tasks[self.last] = task
    return true
end

--- How many calls wait, run, have ended, failed and were refused, in this worker.
---@return kataven.QueueStats
function Queue:stats()
    return {
        waiting = self.last - self.first + 1,
        running = self.runner and self.runner.running or 0,
        done = self.ended,
        failed = self.failed,
        refused = self.refused,
    }
end

--- Makes a queue.
---@param client table a client's inside (see kataven.client)
---@param given? kataven.QueueOptions
---@return kataven.Queue? queue nil where the arguments are wrong
---@return string? problem
function queue.new(client, given)
    given = given or {}
    if type(given) ~= "table" then
        return nil, ("the options of client:queue must be a table, got %s"):format(check.describe(given))
    end
    local problem = check.hidden("the table of options for client:queue", given)
        or check.unknown(given, OPTIONS, "option") or check.number("max", given.max, 1, true)
    if not problem and given.max and given.max % 1 ~= 0 then
        problem = ("max must be a whole number, got %s"):format(check.describe(given.max))
    elseif not problem and given.done ~= nil and not check.callable(given.done) then
        problem = ("done must be a function of a result, got %s"):format(check.describe(given.done))
    elseif not problem and not host.isOpenResty() then
        problem = "client:queue is for OpenResty, where some phases cannot wait; elsewhere make the call, or use "
            .. "client:parallel"
    end
    if problem then
        return nil, problem
    end
    return setmetatable({
        client = client,
        max = given.max or 1000,
        whenDone = given.done,
        tasks = {},
        first = 1,
        last = 0,
        ended = 0,
        failed = 0,
        refused = 0,
        runner = nil, -- the timer that was asked for, or runs
    }, Queue)
end

return queue
