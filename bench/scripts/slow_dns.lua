-- How long a frame's step takes that ends a call while its name is being looked up, which takes seconds
-- (spec/support/slow_dns.c is preloaded): by a timeout, a cancel and a close, in milliseconds. Then the first step of
-- all, and the longest of the others in which it was looked up.

local kataven = require "kataven"
local meter = require "meter"

local FRAME = 1 / 60
local first, longest

local function timed(run, ...)
    local began = meter.now()
    local ok, problem = run(...)
    local spent = (meter.now() - began) * 1000
    assert(ok ~= false, problem)
    return spent
end

-- A call that has been looking for its name for some frames. `finish` ends it; gives how long the end took.
local function story(name, options, wanted, finish)
    local client = kataven.new {
        apiKey = "sk_live_bench_1", baseUrl = ("http://%s.slow.test:9"):format(name), allowHttp = true, wait = "yield",
    }
    local value, err
    local thread = coroutine.create(function()
        value, err = client.widgetKeys.list(options)
    end)
    for _ = 1, 6 do
        local spent = timed(coroutine.resume, thread)
        if first then
            longest = math.max(longest or 0, spent)
        end
        first = first or spent
        meter.sleep(FRAME)
    end
    assert(coroutine.status(thread) == "suspended", "it ended too early")
    local spent = finish(client, thread)
    assert(coroutine.status(thread) == "dead" and value == nil and err:is(wanted), tostring(err))
    return spent, client
end

local canceller = kataven.canceller()
local ended = {}
ended[1] = story("timeout", { timeout = 0.3, retry = false }, "TimeoutError", function(_, thread)
    local last
    repeat
        last = timed(coroutine.resume, thread)
        meter.sleep(FRAME)
    until coroutine.status(thread) == "dead"
    return last
end)
ended[2] = story("cancel", { cancel = canceller }, "CancelledError", function(_, thread)
    return timed(function()
        canceller:cancel()
        return coroutine.resume(thread)
    end)
end)
ended[3] = story("close", nil, "ClosedError", function(client, thread)
    return timed(function()
        client:close()
        return coroutine.resume(thread)
    end)
end)
print(("%.3f %.3f %.3f %.3f %.3f"):format(ended[1], ended[2], ended[3], first, longest))
