--- A cooperative event loop over a spy's clock: whoever is due first runs first,
--- and time jumps from one to the next.

local loop = {}

--- A loop by the clock of a transport (see spec.support.spy).
function loop.new(transport)
    local clock = transport:clock()
    local self = { threads = {} }

    --- For `kataven.new { wait = … }`.
    function self.wait(seconds)
        coroutine.yield(clock.now() + seconds)
    end

    --- Starts a function when the loop runs next; gives its coroutine.
    function self.spawn(run)
        local entry = { thread = coroutine.create(run), due = clock.now() }
        self.threads[#self.threads + 1] = entry
        return entry.thread
    end

    --- Forgets a coroutine, as a host does that kills one.
    function self.drop(thread)
        for index, entry in ipairs(self.threads) do
            if entry.thread == thread then
                table.remove(self.threads, index)
                return
            end
        end
        error("there is no such coroutine")
    end

    --- Runs the one that is due first; false when there is none.
    function self.step()
        local index, first = nil, nil
        for i, entry in ipairs(self.threads) do
            if not first or entry.due < first.due then
                index, first = i, entry
            end
        end
        if not first then
            return false
        end
        table.remove(self.threads, index)
        if first.due > clock.now() then
            clock.advance(first.due - clock.now())
        end
        local ok, due = coroutine.resume(first.thread)
        if not ok then
            error(due, 0)
        elseif coroutine.status(first.thread) ~= "dead" then
            first.due = due
            self.threads[#self.threads + 1] = first
        end
        return true
    end

    --- Runs until nobody is left, or until a time.
    function self.run(untilTime)
        while true do
            local due = math.huge
            for _, entry in ipairs(self.threads) do
                due = math.min(due, entry.due)
            end
            if due == math.huge or untilTime and due > untilTime then
                return
            end
            self.step()
        end
    end

    return self
end

return loop
