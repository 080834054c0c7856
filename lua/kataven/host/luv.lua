--- luv: a wait watches the client's descriptor, with a timer beside it, and the
--- loop's callbacks resume the coroutines.

local host = require "kataven.host"
local uv = require "luv"

-- Who waits on each descriptor: libuv takes one handle for each.
local watched = {}

-- As luv's own code does: what a coroutine raised and nobody caught is raised in
-- the loop's callback.
local function go(waiter)
    if not waiter.waiting then
        return
    end
    waiter.waiting = false
    local ok, why = coroutine.resume(waiter.thread)
    if not ok then
        error(type(why) == "string" and debug.traceback(waiter.thread, why) or why, 0)
    end
end

local function watch(fd, waiter)
    local entry = watched[fd]
    if not entry then
        local poll = assert(uv.new_poll(fd))
        entry = { poll = poll, waiters = {}, count = 0 }
        watched[fd] = entry
        poll:start("r", function()
            local all = {}
            for each in pairs(entry.waiters) do
                all[#all + 1] = each
            end
            for _, each in ipairs(all) do
                go(each)
            end
        end)
    end
    entry.waiters[waiter] = true
    entry.count = entry.count + 1
    return entry
end

local function unwatch(fd, entry, waiter)
    entry.waiters[waiter] = nil
    entry.count = entry.count - 1
    if entry.count == 0 then
        watched[fd] = nil
        entry.poll:stop()
        entry.poll:close()
    end
end

local function wait(seconds, fd)
    local waiter = { thread = coroutine.running(), waiting = true }
    local timer = assert(uv.new_timer())
    timer:start(math.ceil(seconds * 1000), 0, function()
        go(waiter)
    end)
    local entry = fd and watch(fd, waiter)
    coroutine.yield()
    waiter.waiting = false -- somebody else may have resumed it
    timer:stop()
    timer:close()
    if entry then
        unwatch(fd, entry, waiter)
    end
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
