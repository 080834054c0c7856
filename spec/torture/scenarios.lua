-- What the allocation sweep runs. Each scenario is prepared, run with a request for memory refused, and judged; then
-- the same client has to serve a call.

local host, _, verdict, calls = ...

local fail, show = verdict.fail, verdict.show
local judgeEffect, judgeRaise = verdict.effect, verdict.raised
local options, listing, creation = calls.options, calls.listing, calls.creation
local follow, finish = calls.follow, calls.finish

-- A scenario of one call: make(client, kataven) gives it.
local function ofCall(name, make, more)
    more = more or {}
    return {
        name = name,
        start = function()
            local kataven = host.open()
            local client = kataven.new(options(more.options))
            local wanted = make(client, kataven)
            if more.uncollected then
                collectgarbage "stop" -- a turn that was dropped is then kept
            end
            if more.warm then
                local listed = listing(client)
                verdict.call(listed, false, listed.call())
            end
            return more.within and more.within(wanted.call) or wanted.call, function(hit, status, ...)
                verdict.clean("the log", more.events)
                if status == 0 then
                    verdict.call(wanted, hit, ...)
                else
                    judgeRaise(hit, status, ...)
                    judgeEffect(wanted)
                end
                follow(client, kataven)
                judgeEffect(wanted)
                finish(client)
            end
        end,
    }
end

-- The same with a log, whose events are looked at afterwards.
local function logged(name, make)
    local events = {}
    return ofCall(name, make, { events = events, options = { log = function(event)
        events[#events + 1] = event
    end } })
end

local scenarios = {
    {
        name = "load",
        without = "libcurl, retry",
        start = function()
            return function()
                local kataven = host.open()
                return kataven, kataven.cassette, require "kataven.queue"
            end, function(hit, status, kataven)
                if status ~= 0 then
                    judgeRaise(hit, status, kataven)
                    -- Lua 5.1 and LuaJIT never load again what once failed to load.
                    for module in pairs(package.loaded) do
                        if module:find "^kataven" or module == "cjson" then
                            package.loaded[module] = nil
                        end
                    end
                    kataven = host.open()
                end
                local client = kataven.new(options())
                follow(client, kataven)
                finish(client)
                assert(kataven.cassette.open)
            end
        end,
    },
    {
        name = "new",
        start = function()
            local kataven = host.open()
            local given = options { accountId = "acct_1", headers = { ["X-More"] = "1" }, userAgent = "torture/1",
                caFile = "none.pem", caPath = "/none", proxy = "http://127.0.0.1:1", log = function() end }
            return function()
                return kataven.new(given)
            end, function(hit, status, client)
                if status ~= 0 then
                    judgeRaise(hit, status, client)
                    client = kataven.new(given)
                end
                follow(client, kataven)
                finish(client)
            end
        end,
    },
    ofCall("list", listing),
    ofCall("create", function(client, kataven)
        return creation(client, kataven, 3)
    end),
    ofCall("update", calls.change),
    ofCall("delete", calls.deletion),
    ofCall("list-again", listing, { warm = true }),
    ofCall("create-again", function(client, kataven)
        return creation(client, kataven, 3)
    end, { warm = true }),
    ofCall("request", function(client, kataven)
        local wanted = creation(client, kataven, 6)
        function wanted.call()
            return client:request {
                method = "POST", path = "/api/v1/widget-keys", query = { a = "1", b = { "x y", 2, true } },
                headers = { ["X-More"] = "much" }, cancel = kataven.canceller(), deadline = 30,
                body = { name = "key 6", domain_allowlist = kataven.array {}, nested = { { 1.5 }, { kataven.null } } },
            }
        end
        return wanted
    end),
    ofCall("missing", function(client)
        return calls.getting(client, "/api/v1/missing", { error = "NotFoundError" })
    end),
    ofCall("refused", function(client, kataven)
        local wanted = creation(client, kataven, 7)
        function wanted.call()
            return client.widgetKeys.create { name = "refused 7" }
        end
        wanted.error, wanted.maybeApplied = "ServerError", true
        return wanted
    end),
    ofCall("busy", function(client)
        return calls.getting(client, "/api/v1/busy")
    end, { options = { retry = { max = 2, baseDelay = 0.001 } } }),
    ofCall("retried", function(client, kataven)
        return creation(client, kataven, 3)
    end, { options = { retry = { max = 1, baseDelay = 0.001 } } }),
    ofCall("long", function(client)
        return calls.getting(client, "/api/v1/long", { value = { ("x"):rep(20 * 1024) } })
    end),
    logged("logged", listing),
    logged("logged-refused", function(client)
        return calls.getting(client, "/api/v1/missing", { error = "NotFoundError" })
    end),
    ofCall("one-at-a-time", function(client, kataven)
        return creation(client, kataven, 3)
    end, { options = { maxConcurrent = 1 }, uncollected = true }),
    ofCall("waiting", function(client, kataven)
        return creation(client, kataven, 3)
    end, { options = { wait = host.wait } }),
    ofCall("yielding", function(client, kataven)
        return creation(client, kataven, 3)
    end, {
        options = { wait = function(seconds, fd)
            if coroutine.running() and select(2, coroutine.running()) ~= true then
                coroutine.yield(seconds, fd)
            else
                host.wait(seconds, fd)
            end
        end },
        within = function(call)
            return function()
                local thread = coroutine.create(call)
                local function on(resumed, what, ...)
                    if not resumed then
                        error(what, 0)
                    elseif coroutine.status(thread) == "dead" then
                        return what, ...
                    end
                    host.wait(what, ...)
                    return on(coroutine.resume(thread))
                end
                return on(coroutine.resume(thread))
            end
        end,
    }),
}
local function add(scenario)
    scenarios[#scenarios + 1] = scenario
end

-- client:parallel, where calls block and where they wait by a function.
local function parallel(name, more)
    add {
        name = name,
        start = function()
            local kataven = host.open()
            local client = kataven.new(options(more))
            local made = { listing(client) }
            for digit = 1, 3 do
                made[#made + 1] = creation(client, kataven, digit)
            end
            made[#made + 1] = calls.deletion(client)
            local tasks, told = {}, 0
            for i, wanted in ipairs(made) do
                tasks[i] = wanted.call
            end
            return function()
                return client:parallel(tasks, { progress = function(done)
                    told = done
                end })
            end, function(hit, status, results, complaint)
                if status ~= 0 then
                    judgeRaise(hit, status, results)
                else
                    if #results ~= #made then
                        fail(#results, "results")
                    elseif complaint ~= nil and not (hit and complaint == verdict.OUT) then
                        fail("a complaint", show(complaint))
                    elseif told ~= #made and complaint == nil then
                        fail("progress told of", told)
                    end
                    for i, wanted in ipairs(made) do
                        local result = results[i]
                        if type(result.err) == "string" then
                            judgeRaise(hit, "in a task", result.err)
                        else
                            verdict.call(wanted, hit, result.value, result.value ~= nil and result.meta or result.err)
                        end
                    end
                end
                follow(client, kataven)
                for _, wanted in ipairs(made) do
                    judgeEffect(wanted)
                end
                local again = listing(client)
                local results2 = client:parallel { again.call, again.call }
                for i = 1, 2 do
                    verdict.call(again, false, results2[i].value, results2[i].meta or results2[i].err)
                end
                finish(client)
            end
        end,
    }
end

parallel("parallel")
parallel("parallel-2", { maxConcurrent = 2 })
parallel("parallel-wait", { wait = host.wait, maxConcurrent = 3 })

-- Ends a client, with two calls in flight or without any; that by itself asks for no memory, but the error of what
-- comes after does.
local function closing(name, inFlight)
    add {
        name = name,
        without = "libcurl",
        start = function()
            local kataven = host.open()
            local client = kataven.new(options { wait = coroutine.yield })
            local ended, threads = {}, {}
            for i = 1, inFlight do
                threads[i] = coroutine.create(function()
                    ended[i] = { client:request { path = "/api/v1/silent" } }
                end)
                assert(coroutine.resume(threads[i]))
            end
            return function()
                client:close()
                for i = 1, inFlight do
                    local resumed, why = coroutine.resume(threads[i])
                    if not resumed then
                        error(why, 0)
                    end
                end
                return client.widgetKeys.list()
            end, function(hit, status, value, err)
                if status ~= 0 then
                    judgeRaise(hit, status, value)
                elseif value ~= nil or err.name ~= "ClosedError" then
                    fail("a closed client gave", show(value), show(err))
                end
                client:close()
                for i = 1, inFlight do
                    if coroutine.status(threads[i]) == "suspended" then
                        assert(coroutine.resume(threads[i]))
                    end
                    if not (ended[i] and ended[i][2].name == "ClosedError") and not hit then
                        fail("a call in flight gave", show(ended[i]))
                    end
                end
                finish(client)
                client = kataven.new(options())
                follow(client, kataven)
                finish(client)
            end
        end,
    }
end

closing("close", 0)
closing("close-calls", 2)

return scenarios
