--- client:parallel: many calls of one client side by side, where no event loop
--- would do it.

local check = require "kataven.check"
local core = require "kataven.core"
local globals = require "kataven.globals"
local result = require "kataven.result"
local waiting = require "kataven.waiting"

---@class kataven.ParallelOptions
---@field progress? fun(done: integer, total: integer) called whenever a task has ended

local parallel = {}

local OPTIONS = { "progress" }

-- What a call's wait hands to its crew. A task that yields by itself hands over
-- anything else.
local PARKED = {}

-- How long a crew waits when all that could go on have yielded by themselves: for
-- others, or for the host.
local COURTESY = 0.001

-- Of a wait in a host that watches a descriptor.
local LONGEST = 60

-- The tasks of one client:parallel. The coroutine that called it runs them: a
-- call in a task parks it, until the engine has news of the call's turn or its
-- time is over. Towards kataven.call the crew itself waits as a call does.
local Crew = {}
Crew.__index = Crew

local function park(self, seconds)
    local task = self.running
    if seconds < math.huge then
        self.due[task] = self.client.now() + seconds
    end
    coroutine.yield(PARKED)
    self.due[task] = nil
end

--- Parks the task that runs for so long, or for less.
---@param seconds number
function Crew:rest(seconds)
    park(self, seconds)
end

--- Parks the task that makes a call. It may come back early.
---@param one table the call
---@param seconds number
function Crew:park(one, seconds)
    local parked, id, rests = self.client.parked, one.turn:id(), one.resting and 1 or 0
    parked[id] = self.running
    self.resting = self.resting + rests
    park(self, seconds)
    self.resting = self.resting - rests
    parked[id] = nil
end

local function wake(task)
    local crew = task.crew
    if not task.ready then
        task.ready = true
        crew.last = crew.last + 1
        crew.queue[crew.last] = task
    end
    if crew.carrier then
        wake(crew.carrier)
    end
end

local function finish(self, task, ok, value, second)
    self.results[task.index] = result.of(ok, value, second)
    self.alive[task] = nil
    if task.turn then
        task.turn:leave() -- that of a call which raised would be kept from the others
    end
    self.done = self.done + 1
    if self.progress and self.complaint == nil then
        local fine, why = pcall(self.progress, self.done, self.count)
        if not fine then
            self.complaint = why == nil and "progress raised nil" or why
        end
    end
end

local function resumed(self, task, ok, ...)
    if not ok or coroutine.status(task.thread) == "dead" then
        finish(self, task, ok, ...)
    elseif ... ~= PARKED then
        wake(task) -- it yielded by itself: others first
        task.yielded = true
        self.yielded = self.yielded + 1
    end
end

local function resume(self, task)
    task.ready = false
    if task.yielded then
        task.yielded = false
        self.yielded = self.yielded - 1
    end
    self.running = task
    resumed(self, task, coroutine.resume(task.thread))
end

-- Starts tasks while there are turns to be had. One whose call rests before it
-- tries again holds none.
local function start(self)
    local client = self.client
    while self.started < self.count and self.started - self.done - self.resting < client.maxConcurrent do
        self.started = self.started + 1
        local run = self.tasks[self.started]
        -- OpenResty makes coroutines of Lua functions only.
        local task = { crew = self, index = self.started, thread = coroutine.create(function() return run() end) }
        self.alive[task] = true
        waiting.tasks[task.thread] = task
        resume(self, task)
    end
end

-- Wakes those for whom something has happened. Gives the seconds until the next
-- time that one waits for.
local function hear(self)
    local client = self.client
    for id in client.engine.news, client.engine do
        local task = client.parked[id]
        if task then
            wake(task)
        end
    end
    if client.closed then
        for task in pairs(self.alive) do
            wake(task)
        end
    end
    local now, soonest = client.now(), math.huge
    for task, due in pairs(self.due) do
        if due <= now then
            wake(task)
        elseif due < soonest then
            soonest = due
        end
    end
    return soonest - now
end

-- Waits until one of them may go on.
local function idle(self, seconds)
    local client = self.client
    if self.wait == core.wait then
        client.engine:poll(seconds < waiting.STRETCH and seconds or waiting.STRETCH)
        return
    end
    local longest = LONGEST
    if not client.watches and not client.ownClock and not self.crew then
        longest = self.pause
        self.pause = waiting.longer(self.pause)
    end
    if longest < seconds then
        seconds = longest
    end
    waiting.wait(self, seconds, waiting.bell(self, seconds))
    client.engine:step()
end

local function run(self)
    while self.done < self.count do
        start(self)
        local seconds = hear(self)
        -- Those that yielded by themselves may wait for what the others do, or
        -- the host, so they keep nobody from it.
        if self.last - self.first + 1 == self.yielded and self.done < self.count then
            idle(self, self.yielded > 0 and seconds > COURTESY and COURTESY or seconds)
            hear(self)
        end
        local last = self.last -- who becomes ready from here on comes after
        for index = self.first, last do
            local task = self.queue[index]
            self.queue[index] = nil
            self.first = index + 1
            if self.alive[task] then
                self.pause = waiting.PAUSE_FIRST
                resume(self, task)
            end
        end
    end
end

-- A problem with the arguments, or nil.
local function problemOf(tasks, given)
    if type(tasks) ~= "table" then
        return ("client:parallel takes an array of functions, got %s"):format(check.describe(tasks))
    elseif given ~= nil and type(given) ~= "table" then
        return ("the options of client:parallel must be a table, got %s"):format(check.describe(given))
    end
    local problem = check.hidden("the array of tasks", tasks)
        or check.hidden("the table of options for client:parallel", given)
    if problem then
        return problem
    end
    local count = 0
    for key in next, tasks do
        count = count + 1
        if type(key) ~= "number" or key % 1 ~= 0 or key < 1 then
            return ("client:parallel takes an array of functions, got the key %s"):format(check.describe(key))
        end
    end
    for index = 1, count do
        local task = rawget(tasks, index)
        if type(task) ~= "function" then
            return ("task %d of client:parallel must be a function, got %s"):format(index, check.describe(task))
        end
    end
    problem = given and check.unknown(given, OPTIONS, "option")
    if not problem and not globals.member("coroutine", "create") then
        problem = "client:parallel needs coroutines, which this host does not grant: make one call after another"
    end
    if not problem and given and given.progress ~= nil and not check.callable(given.progress) then
        problem = ("progress must be a function of (done, total), got %s"):format(check.describe(given.progress))
    end
    return problem
end

--- Runs the tasks. Gives their results in order, and what `progress` raised.
---@param client table a client's inside (see kataven.client)
---@param tasks function[]
---@param given? kataven.ParallelOptions
---@return kataven.Result[]? results nil where the arguments are wrong
---@return any problem
function parallel.run(client, tasks, given)
    local problem = problemOf(tasks, given)
    if problem then
        return nil, problem
    end
    tasks = check.copy(tasks)
    -- Weak: a crew lives as long as the coroutine that runs it.
    client.parked = client.parked or setmetatable({}, { __mode = "v" })
    local self = setmetatable({
        client = client,
        tasks = tasks,
        count = #tasks,
        progress = given and given.progress,
        results = {},
        started = 0,
        done = 0,
        resting = 0, -- tasks whose call waits before it tries again
        alive = {}, -- started, and not done
        due = {}, -- when those that wait for a time go on
        queue = {},
        first = 1,
        last = 0,
        pause = waiting.PAUSE_FIRST,
        yielded = 0, -- how many of the queue yielded by themselves
    }, Crew)
    -- Where the call is made decides how the crew waits; within a task of
    -- another crew it parks that task.
    local outer
    self.wait, self.problem, outer = waiting.place(client)
    if outer then
        self.crew = outer
        self.wait = function(seconds)
            self.carrier = outer.running
            park(outer, seconds)
            self.carrier = nil
        end
    end
    if self.problem then
        -- Nothing can wait here, so nothing has to run side by side; and a
        -- coroutine of OpenResty's could not even be resumed.
        for index = 1, self.count do
            finish(self, { index = index }, pcall(self.tasks[index]))
        end
    else
        -- The tasks' writes go out before the crew first waits for them.
        self.probes = client.host.probes and not outer and self.wait ~= client.block and self.count > 0
        waiting.probe(self)
        run(self)
    end
    return self.results, self.complaint
end

return parallel
