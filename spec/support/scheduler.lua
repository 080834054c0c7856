--- A cooperative event loop, as small as one can be: whoever is due first runs
--- first, and the process sleeps until then or until that one's descriptor is
--- readable. It lives in real time, unless it is given a clock.

local core = require "kataven.core"

local scheduler = {}

--- `clock` is a transport's (see spec.support.spy).
---@param clock? { now: (fun(): number), advance: fun(seconds: number) }
function scheduler.new(clock)
    local now, sleep = core.now, core.wait
    if clock then
        now, sleep = clock.now, clock.advance
    end
    local self = { threads = {} }

    --- For `kataven.new { wait = … }`.
    function self.wait(seconds, fd)
        coroutine.yield(now() + seconds, fd)
    end

    --- What becomes of an error in a coroutine.
    function self.failed(_, problem)
        error(problem, 0)
    end

    --- Starts a function when the loop runs next; gives its coroutine.
    function self.spawn(run)
        local entry = { thread = coroutine.create(run), due = now() }
        self.threads[#self.threads + 1] = entry
        return entry.thread
    end

    --- Forgets a coroutine, as a host does that kills one.
    function self.drop(thread)
        for index, entry in ipairs(self.threads) do
            if entry.thread == thread then
                return table.remove(self.threads, index) ~= nil
            end
        end
        error("there is no such coroutine")
    end

    local function step()
        local index, first = 1, self.threads[1]
        for i, entry in ipairs(self.threads) do
            if entry.due < first.due then
                index, first = i, entry
            end
        end
        local left = first.due - now()
        if left > 0 then
            sleep(left, first.fd)
        end
        table.remove(self.threads, index)
        local ok, due, fd = coroutine.resume(first.thread)
        if not ok then
            self.failed(first.thread, due)
        elseif coroutine.status(first.thread) ~= "dead" then
            first.due, first.fd = due or now(), fd -- a bare yield is no wait
            self.threads[#self.threads + 1] = first
        end
    end

    --- Runs until nobody is left, or until `over` says so.
    function self.run(over)
        while self.threads[1] and not (over and over()) do
            step()
        end
    end

    return self
end

return scheduler
