--- luv: a wait watches the client's descriptor, with a timer beside it, and the
--- loop's callbacks resume the coroutines.

local globals = require "kataven.globals"
local host = require "kataven.host"
local uv = require "luv"

local traceback = globals.member("debug", "traceback")

-- Who waits on each descriptor: libuv takes one handle for each.
local watched = {}

local function unwatch(waiter)
    local entry = waiter.entry
    entry.waiters[waiter] = nil
    entry.count = entry.count - 1
    if entry.count == 0 then
        watched[entry.fd] = nil
        entry.poll:stop()
        entry.poll:close()
    end
end

-- Ends a wait, once. False when it was over.
local function release(waiter)
    if waiter.over then
        return false
    end
    waiter.over = true
    waiter.timer:stop()
    waiter.timer:close()
    if waiter.entry then
        unwatch(waiter)
    end
    return true
end

-- As luv's own code does: what a coroutine raised and nobody caught is raised in
-- the loop's callback. One whose yield was refused (PUC Lua 5.1, within pcall) is
-- not waiting.
local function go(waiter)
    if not release(waiter) or coroutine.status(waiter.thread) ~= "suspended" then
        return
    end
    local ok, why = coroutine.resume(waiter.thread)
    if not ok then
        error(type(why) == "string" and traceback and traceback(waiter.thread, why) or why, 0)
    end
end

local function watch(fd)
    local entry = watched[fd]
    if not entry then
        entry = { fd = fd, poll = assert(uv.new_poll(fd)), waiters = {}, count = 0 }
        watched[fd] = entry
        entry.poll:start("r", function()
            local all = {}
            for waiter in pairs(entry.waiters) do
                all[#all + 1] = waiter
            end
            for _, waiter in ipairs(all) do
                go(waiter)
            end
        end)
    end
    entry.count = entry.count + 1
    return entry
end

local function wait(seconds, fd)
    local waiter = { thread = coroutine.running(), timer = assert(uv.new_timer()), over = false }
    if fd then
        waiter.entry = watch(fd)
        waiter.entry.waiters[waiter] = true
    else
        seconds = math.min(seconds, host.LONGEST_SLEEP)
    end
    waiter.timer:start(math.ceil(seconds * 1000), 0, function()
        go(waiter)
    end)
    coroutine.yield()
    release(waiter) -- somebody else may have resumed it
end

---@return kataven.Host
return function()
    return {
        wait = wait,
        watches = true,
        probes = host.PROBES,
        here = function()
            return host.outside("luv", "coroutine.wrap(function() ... end)(), and the loop with uv.run()")
        end,
    }
end
