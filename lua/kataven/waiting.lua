--- How calls wait: where they are made decides whether the host lets others run,
--- a crew of client:parallel's does, or the thread is blocked.

local core = require "kataven.core"
local globals = require "kataven.globals"
local host = require "kataven.host"

local waiting = {}

--- The shortest wait that a host is asked for, in seconds.
waiting.SHORTEST = 0.001
--- Seconds between looks at what cannot wake one, and how they grow.
waiting.PAUSE_FIRST, waiting.PAUSE_GROWTH, waiting.PAUSE_LONGEST = 0.001, 1.5, 0.010
--- The longest that a host is blocked without a look at its hooks: a signal that
--- comes just before a wait does not break it, and Ctrl-C sets a hook.
waiting.STRETCH = 1
-- Seconds within which a call in front of the queue looks again: one whose wait raised never does.
local LONGEST_LOOK = 0.05
-- What a sum of waits may miss its end by, in floating point.
local ROUNDING = 1e-6

--- The pause after one of these.
---@param pause number
---@return number
function waiting.longer(pause)
    return math.min(pause * waiting.PAUSE_GROWTH, waiting.PAUSE_LONGEST)
end

--- Why a call must end, if it must.
---@param self table a call, or a crew of client:parallel's
---@return "ClosedError"|"CancelledError"|nil
local function stopped(self)
    if self.client.closed then
        return "ClosedError"
    elseif self.cancel and self.cancel.cancelled then
        return "CancelledError"
    end
end

--- Lets the host wait. Never within pcall: PUC Lua 5.1 cannot yield across it.
---@param self table a call, or a crew of client:parallel's
---@param seconds number
---@param fd? integer
---@return boolean stop the call must end
local function wait(self, seconds, fd)
    local client = self.client
    client.waiting[self] = true
    self.wait(seconds < waiting.SHORTEST and waiting.SHORTEST or seconds, fd)
    client.waiting[self] = nil
    if client.closed and not next(client.waiting) then
        client.engine:close() -- the last waiter has woken: the descriptor can be closed now
    end
    if not stopped(self) then
        return false
    elseif self.turn then
        self.turn:look() -- a transport that goes on all the same must not keep the descriptor readable
    end
    return true
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
    return client.engine:prepare(seconds)
end

waiting.stopped, waiting.wait, waiting.bell = stopped, wait, bell

--- Waits until a time, or until the call must end.
---@param self table a call
---@param time number
---@return boolean stop the call must end
function waiting.untilTime(self, time)
    local client = self.client
    if stopped(self) then
        return true
    end
    while time - client.now() > ROUNDING do
        local seconds = time - client.now()
        if self.wait == core.wait and seconds > waiting.STRETCH then
            seconds = waiting.STRETCH
        end
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

--- The tasks of client:parallel's by their coroutines. Weak: a crew keeps its own.
waiting.tasks = setmetatable({}, { __mode = "kv" })

-- A crew does not watch what one of its tasks waits for with a descriptor, so that
-- the task has to look again soon.
local function often(waitFor)
    local pause = waiting.PAUSE_FIRST
    return function(seconds)
        if pause < seconds then
            seconds = pause
            pause = waiting.longer(pause)
        end
        waitFor(seconds)
    end
end

--- How to wait at this place: as the host does, or by blocking; and why it cannot
--- be done, or the crew of client:parallel's that this runs in.
---@param client table a client's inside
---@return fun(seconds: number, fd?: integer) wait
---@return string? problem
---@return table? crew
function waiting.place(client)
    local thread = globals.running()
    local task = thread and waiting.tasks[thread]
    if task and not host.canYield() then
        task = nil
    end
    if task and task.crew.client == client then
        return client.wait, task.crew.problem, task.crew
    end
    local mode, problem
    if client.host.here then
        mode, problem = client.host.here()
    end
    if mode == "block" then
        return client.block, problem
    elseif task and not problem and client.host.wait then
        -- Another client's task: the crew is in the way of a yield to the host.
        return client.ownClock and client.block or often(function(seconds)
            task.crew:rest(seconds)
        end)
    end
    return client.wait, problem
end

--- Sets up how a call waits. Gives a problem where it cannot.
---@param self table a call
---@return string? problem
function waiting.settle(self)
    local client = self.client
    local how, problem, crew = waiting.place(client)
    self.wait, self.crew = how, crew
    if crew then
        self.probes = host.PROBES
        crew.running.turn = self.turn -- which its crew gives back, should the call raise
        local function park(seconds)
            crew:park(self, seconds)
        end
        local glance = often(park)
        function self.wait(seconds, fd)
            return (fd and glance or park)(seconds)
        end
    else
        self.probes = client.host.probes and how ~= client.block
    end
    return problem
end

-- A place in front of the queue, for a call that cannot ask for its turn yet: those behind it are to stay there.
local function standInFront(self)
    local front = self.client.front
    front.last = front.last + 1
    self.place = { number = self.number, ends = self.client.now() + LONGEST_LOOK }
    front[front.last] = self.place
end

--- Tries a wait before a write goes out, where nothing else tells whether the place can wait: what a wait raises must
--- come before anything is sent.
---@param self table a call, or a crew of client:parallel's
function waiting.probe(self)
    if self.probes and not stopped(self) then
        if self.number then -- a crew does not queue itself
            standInFront(self)
        end
        wait(self, waiting.SHORTEST, bell(self, waiting.SHORTEST))
    end
end

--- Whether a call that began earlier has not asked for its turn yet, since it still tries a wait.
---@param self table a call
---@return boolean
function waiting.isBehind(self)
    local front = self.client.front
    local place = front[front.first]
    if not place then
        return false -- as nearly always, and without a look at the clock
    end
    local now = self.client.now()
    while place and (place.left or place.ends <= now) do
        front[front.first] = nil
        front.first = front.first + 1
        place = front[front.first]
    end
    if place and place.number < self.number then
        if not self.place then
            standInFront(self)
        end
        self.place.ends = now + LONGEST_LOOK
        return true
    elseif self.place then
        self.place.left = true
    end
    return false
end

return waiting
