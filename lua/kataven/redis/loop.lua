--- A small event loop over luasocket's select: coroutines that wait for a
--- descriptor, a time, or an event. What a coroutine raises ends the loop.

local core = require "kataven.core"
local socket = require "socket"

---@class kataven.redis.Loop
local Loop = {}
Loop.__index = Loop

---@class kataven.redis.Event
local Event = {}
Event.__index = Event

local loop = {}

--- What happened: "ready", "fired" or "timeout".
---@alias kataven.redis.Woken "ready"|"fired"|"timeout"

---@return kataven.redis.Loop
function loop.new()
    return setmetatable({
        ready = {}, -- what is to be resumed next, in order
        waits = {}, -- what is waited for, by coroutine
        watched = {}, -- what luasocket wants to have for a bare descriptor
        failed = setmetatable({}, { __mode = "k" }),
        ended = false,
    }, Loop)
end

local function resume(self, thread, why)
    local ok, problem = coroutine.resume(thread, why)
    if ok then
        return
    end
    local failed = self.failed[thread]
    if not failed then
        -- As PUC Lua's own program shows it.
        error(debug and debug.traceback(thread, tostring(problem)) or problem, 0)
    end
    failed(problem, thread)
end

--- Runs a function in a coroutine of its own, from the next turn on.
---@param run fun()
---@param failed? fun(problem: any, thread: thread) hears what it raised, which is not the loop's end then. (Lua 5.1 has
--- no pcall that could be yielded across.)
function Loop:spawn(run, failed)
    local thread = coroutine.create(run)
    self.failed[thread] = failed
    self.ready[#self.ready + 1] = { thread = thread }
end

-- Waits until one of the things in `wait` has happened.
local function park(self, wait)
    self.waits[coroutine.running()] = wait
    return coroutine.yield()
end

---@param seconds number
function Loop:sleep(seconds)
    park(self, { due = core.now() + seconds })
end

--- Waits until a socket can be read, or until it can be written.
---@param what { read?: table, write?: table } what luasocket's select takes
---@param seconds? number
---@param event? kataven.redis.Event ends the wait as well
---@return kataven.redis.Woken
function Loop:watch(what, seconds, event)
    local wait = { read = what.read, write = what.write, due = seconds and core.now() + seconds, event = event }
    return park(self, wait)
end

--- Waits as long as it is told, or until a descriptor turns readable.
---@param seconds number
---@param fd? integer
---@return kataven.redis.Woken
function Loop:wait(seconds, fd)
    local watched = fd and self.watched[fd]
    if fd and not watched then
        watched = { getfd = function() return fd end, dirty = function() return false end }
        self.watched[fd] = watched
    end
    return park(self, { read = watched, due = core.now() + seconds })
end

--- Something that coroutines wait for and others make known. Who comes after it
--- was fired waits for the next time.
---@return kataven.redis.Event
function Loop:event()
    return setmetatable({ loop = self }, Event)
end

---@param seconds? number
---@return kataven.redis.Woken
function Event:wait(seconds)
    return park(self.loop, { event = self, due = seconds and core.now() + seconds })
end

function Event:fire()
    local waits = self.loop.waits
    local woken = {}
    for thread, wait in pairs(waits) do
        if wait.event == self then
            woken[#woken + 1] = thread
        end
    end
    for _, thread in ipairs(woken) do
        waits[thread] = nil
        self.loop.ready[#self.loop.ready + 1] = { thread = thread, why = "fired" }
    end
end

-- Resumes those that are ready now, and not those that become ready by it.
local function turn(self)
    local ready = self.ready
    self.ready = {}
    for _, entry in ipairs(ready) do
        resume(self, entry.thread, entry.why)
        if self.ended then
            return
        end
    end
end

-- Waits for the first of what is waited for.
local function rest(self)
    local read, write, soonest = {}, {}, math.huge
    local listed = {}
    for _, wait in pairs(self.waits) do
        -- Several may wait for the same socket, which select is told of once.
        if wait.read and not listed[wait.read] then
            listed[wait.read] = true
            read[#read + 1] = wait.read
        end
        if wait.write then
            write[#write + 1] = wait.write
        end
        soonest = math.min(soonest, wait.due or math.huge)
    end
    local seconds = math.max(0, soonest - core.now())
    local readable, writable = {}, {}
    if #read + #write > 0 then
        readable, writable = socket.select(read, write, seconds < math.huge and seconds or nil)
    elseif seconds < math.huge then
        socket.sleep(seconds)
    else
        error("every coroutine waits for another one", 0)
    end
    local now = core.now()
    for thread, wait in pairs(self.waits) do
        local why = (wait.read and readable[wait.read] or wait.write and writable[wait.write]) and "ready"
            or wait.due and wait.due <= now and "timeout"
        if why then
            self.ready[#self.ready + 1] = { thread = thread, why = why }
        end
    end
    for _, entry in ipairs(self.ready) do
        self.waits[entry.thread] = nil
    end
end

--- Runs until nobody is left, or until `stop`.
function Loop:run()
    while not self.ended do
        turn(self)
        if self.ended then
            return
        elseif #self.ready == 0 then
            if not next(self.waits) then
                return
            end
            rest(self)
        end
    end
end

--- Ends the loop: nobody is resumed any more.
function Loop:stop()
    self.ended = true
end

return loop
