-- Faults by the time at which they come: between two requests of a connection, and calls that end from outside (a
-- deadline, a cancel, a close) at every point of an exchange. As in faults_spec.lua, what a call says is held against
-- what the server saw.

local faults = require "spec.support.faults"
local kataven = require "kataven"
local servers = require "spec.support.servers"
local socket = require "socket"

local CLEAN = faults.clean()
local SERVE = { { ["repeat"] = true, steps = { { read = "request" }, CLEAN } } }
local OK = "HTTP/1.1 200 OK\r\n"
local STOLEN = 'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"id":"stolen"}'

local figures = { outcomes = 0, races = 0, lost = 0, effects = 0 }

local function checkAll(stage, calls, check)
    local seen = faults.seen(stage.server:log())
    for _, call in ipairs(calls) do
        local effects = faults.checkTruth(call, seen)
        figures.effects, figures.outcomes = figures.effects + effects, figures.outcomes + 1
        if not call.ok and call.err.maybeApplied and effects > 0 then figures.lost = figures.lost + 1 end
        check(call, seen[call.id] or { requests = 0, effects = 0 })
    end
end

local function each(methods, options, part)
    local wanted = {}
    for index, method in ipairs(methods) do
        wanted[index] = { method = method, part = part or "fault", options = options }
    end
    return wanted
end

-------------------------------------------------------------------------------------------- between requests

local certificate = servers.certificate()

-- What the server does to a connection that is idle. `open`: it goes on to serve what comes.
local IDLE = {
    { name = "closed", { close = true } },
    { name = "reset", { reset = true } },
    { name = "cut without TLS's goodbye", { cut = true }, tls = true },
    { name = "sent a 408, and closed", { send = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n" },
        { close = true } },
    { name = "sent a 408, and kept", { send = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n" },
        open = true },
    { name = "sent an answer that nobody asked for", { send = STOLEN }, open = true },
    { name = "sent one byte", { send = "x" }, open = true },
}

describe("between two requests", function()
    local stage

    lazy_setup(function() stage = faults.stage() end)
    lazy_teardown(function()
        stage:stop()
        certificate:remove()
    end)

    for _, tls in ipairs { false, true } do
        for _, way in ipairs(faults.WAYS) do
            for _, row in ipairs(IDLE) do
                if tls or not row.tls then
                    it(("a connection %s is not used again (%s%s)"):format(row.name, way.name, tls and ", TLS" or ""),
                        function()
                            local sets = way.alone and { { "list" }, { "create" }, { "update" }, { "delete" },
                                { "head" } }
                                or { faults.METHODS }
                            for _, methods in ipairs(sets) do
                                local n = #methods
                                -- All answers at once, so that each call has a connection, then the fault to all.
                                local steps = { tls and { tls = true } or { wait = {} }, { read = "request" },
                                    { wait = { requests = n } }, CLEAN, { wait = "now" } }
                                for _, step in ipairs(row) do steps[#steps + 1] = step end
                                steps[#steps + 1] = { signal = "done" }
                                if row.open then steps[#steps + 1] = SERVE[1] end
                                local script = { tls = tls and certificate or nil,
                                    default = { tls and { tls = true } or { wait = {} }, SERVE[1] } }
                                for index = 1, n do script[index] = steps end
                                stage.server:script(script)
                                stage:open(way, { retry = false, caFile = tls and certificate.cert or nil })
                                for _, call in ipairs(stage:calls(each(methods, nil, "warm"))) do
                                    faults.checkClean(call)
                                end
                                stage.server:signal "now"
                                stage.server:wait(row.open and { signal = "done" } or { ended = n })
                                -- What is on its way over loopback has arrived by then.
                                socket.sleep(0.005)
                                checkAll(stage, stage:calls(each(methods)), function(call, saw)
                                    faults.checkClean(call)
                                    assert.equal(1, call.meta.attempts)
                                    assert.same({ requests = 1, effects = 1 }, saw)
                                end)
                            end
                        end)
                end
            end
        end
    end

    it("a port that refuses by now is told from a lost request", function()
        for _, way in ipairs(faults.WAYS) do
            stage.server:script { default = { { read = "request" }, CLEAN, { unlisten = true }, { close = true } } }
            stage:open(way, { retry = false })
            faults.checkClean(stage:calls({ { method = "list", part = "warm" } })[1])
            stage.server:wait { ended = 1 }
            checkAll(stage, stage:calls(each(faults.METHODS)), function(call)
                faults.checkOutcome(call, { error = "ConnectionError", maybe = false, message = "nothing was sent" }, 1,
                    0)
            end)
        end
    end)

    -- A close that crosses the next request on its way: nobody can foretell who wins, and every outcome has to be true.
    for _, ending in ipairs { "close", "reset" } do
        for _, way in ipairs(faults.WAYS) do
            it(("a %s that races with a request is told truly (%s)"):format(ending, way.name), function()
                for round = 1, 40 do
                    stage.server:script { { { read = "request" }, CLEAN, { stall = round % 8 * 0.0003 },
                        { [ending] = true } }, default = SERVE }
                    stage:open(way, { retry = round % 2 == 0 and { max = 3, baseDelay = 0.001 } or false })
                    faults.checkClean(stage:calls({ { method = "create", part = "warm" } })[1])
                    socket.sleep(round % 5 * 0.0003)
                    local method = faults.METHODS[round % #faults.METHODS + 1]
                    local calls = stage:calls { { method = method, part = "race" } }
                    stage.server:wait { ended = 1 }
                    figures.races = figures.races + 1
                    checkAll(stage, calls, function(call, saw)
                        if call.ok then
                            faults.checkClean(call)
                            assert.equal(1, saw.effects)
                        else
                            assert.equal("ConnectionError", call.err.name)
                            assert.equal(faults.WRITES[method] == true, call.err.maybeApplied)
                        end
                    end)
                end
            end)
        end
    end
end)

--------------------------------------------------------------------------------------------- ended from outside

-- Where an exchange may stand when its call ends. `sent`: the request had gone out, for all that the client knows.
local function answering(bytes)
    return { { read = "request" }, { effect = "served" }, { send = bytes }, { stall = true } }
end

local PHASES = {
    { name = "while it connects", silent = true },
    { name = "after the accept", { stall = true, deaf = true }, sent = true },
    { name = "within a long request", { read = "head" }, { stall = true, deaf = true }, sent = true, large = true },
    { name = "before the answer", sent = true, unpack = { { read = "request" }, { effect = "served" },
        { stall = true } } },
    { name = "within the status line", sent = true, unpack = answering "HTTP/1.1 20" },
    { name = "after an interim answer", sent = true, unpack = answering "HTTP/1.1 100 Continue\r\n\r\n" },
    { name = "within the headers", sent = true, unpack = answering(OK .. "Content-Le") },
    { name = "within the body", sent = true, unpack = answering(OK .. "Content-Length: 20\r\n\r\n{"),
        wholeForHead = true },
    { name = "within a chunk", sent = true, unpack = answering(OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\n{"),
        wholeForHead = true },
    { name = "while the body trickles", sent = true, wholeForHead = true, unpack = { { read = "request" },
        { effect = "served" }, { send = OK .. "Content-Length: 9000\r\n\r\n" }, { trickle = (" "):rep(9000),
            every = 0.01 } } },
}

local LATER = { { ["repeat"] = true, steps = { { read = "request" }, { send = servers.answer { status = 429,
    headers = { ["Retry-After"] = "30" } } } } } }

local DEADLINE = 0.12

describe("a call that ends from outside", function()
    local stage

    lazy_setup(function() stage = faults.stage() end)
    lazy_teardown(function() stage:stop() end)
    after_each(function() stage:close() end)

    local function methodsOf(phase)
        if phase.large then return { "create", "update" } end
        return phase.wholeForHead and { "list", "create", "update", "delete" } or faults.METHODS
    end

    -- Sets the phase up; gives what undoes it.
    local function enter(phase, way, options)
        if phase.silent then
            local silent = servers.silent()
            options.baseUrl = silent.url
            stage:open(way, options)
            return function() silent:stop() end
        end
        stage.server:script { default = phase.unpack or { phase[1], phase[2] } }
        stage:open(way, options)
        return function() end
    end

    local function wanted(phase, methods, options)
        local list = each(methods, options)
        for _, one in ipairs(list) do one.large = phase.large end
        return list
    end

    local function checkAfterwards()
        stage.server:script { default = SERVE }
        for _, call in ipairs(stage:calls(each(faults.METHODS, nil, "clean"))) do faults.checkClean(call) end
    end

    for _, way in ipairs(faults.WAYS) do
        for _, phase in ipairs(PHASES) do
            it(("by its deadline %s (%s)"):format(phase.name, way.name), function()
                local methods = methodsOf(phase)
                if way.alone then methods = { methods[1], methods[2] } end
                local leave = enter(phase, way, {})
                local deadline = phase.large and 3 * DEADLINE or DEADLINE
                local calls = stage:calls(wanted(phase, methods, { deadline = deadline }))
                leave()
                checkAll(stage, calls, function(call)
                    -- Retries are on; there is no time for any.
                    faults.checkOutcome(call, { error = "TimeoutError", maybe = phase.sent, message = "deadline of" },
                        1,
                        deadline)
                    assert.is_true(call.took >= 0.9 * deadline)
                end)
                if not phase.silent then checkAfterwards() end
            end)

            -- A host that blocks has nobody who could end a call in the meantime.
            for _, ending in ipairs(way.alone and {} or { "cancel", "close" }) do
                it(("by a %s %s (%s)"):format(ending, phase.name, way.name), function()
                    local methods, begun = methodsOf(phase), 0
                    local canceller = kataven.canceller()
                    local leave = enter(phase, way, { log = function(event)
                        if event.event == "request" then begun = begun + 1 end
                    end })
                    local function watch()
                        while true do
                            local log = stage.server:log()
                            local arrived = phase.silent and begun or phase.unpack and log.effectsTotal
                                or phase.large and #log.requests or log.connections
                            if arrived >= #methods and begun >= #methods then break end
                            coroutine.yield(0.002)
                        end
                        -- So that the client has read what came, and sent what it then can.
                        local since = socket.gettime()
                        while socket.gettime() - since < 0.02 do coroutine.yield(0.002) end
                        if ending == "cancel" then canceller:cancel() else stage.client:close() end
                    end
                    local calls = stage:calls(wanted(phase, methods, { cancel = canceller }), { watch })
                    -- A connection that nobody waits on any more is closed.
                    if phase.unpack then stage.server:wait { ended = #methods } end
                    leave()
                    checkAll(stage, calls, function(call)
                        faults.checkOutcome(call, { error = ending == "cancel" and "CancelledError" or "ClosedError",
                            maybe = phase.sent }, 1, 0)
                    end)
                    if ending == "cancel" and not phase.silent then checkAfterwards() end
                end)
            end
        end

        it("while it waits to try again, by its deadline (" .. way.name .. ")", function()
            stage.server:script { default = LATER }
            stage:open(way, {})
            -- There is no use in waiting: the last error comes now.
            checkAll(stage, stage:calls(each(faults.METHODS, { deadline = 20 })), function(call, saw)
                faults.checkOutcome(call, { error = "RateLimitError", maybe = false, status = 429 }, 1, 0)
                assert.equal(1, saw.requests)
            end)
        end)

        if not way.alone then
            for _, ending in ipairs { "cancel", "close" } do
                it(("by a %s while it waits to try again (%s)"):format(ending, way.name), function()
                    stage.server:script { default = LATER }
                    local canceller, waiting = kataven.canceller(), 0
                    stage:open(way, { log = function(event)
                        if event.event == "retry" then waiting = waiting + 1 end
                    end })
                    local calls = stage:calls(each(faults.METHODS, { cancel = canceller }), { function()
                        while waiting < #faults.METHODS do coroutine.yield(0.002) end
                        if ending == "cancel" then canceller:cancel() else stage.client:close() end
                    end })
                    checkAll(stage, calls, function(call, saw)
                        faults.checkOutcome(call, { error = ending == "cancel" and "CancelledError" or "ClosedError",
                            maybe = false }, 1, 0)
                        assert.equal(1, saw.requests)
                    end)
                end)
            end

            -- client:parallel starts no more tasks than may be in flight.
            if way.wait then it("while it waits for its turn (" .. way.name .. ")", function()
                stage.server:script { default = { { read = "request" }, { effect = "served" }, { stall = true } } }
                stage:open(way, { maxConcurrent = 1 })
                local canceller = kataven.canceller()
                local list = each(faults.METHODS, { deadline = DEADLINE })
                -- A write tries a wait first, and what only reads would be in before it.
                table.insert(list, 1, { method = "list", part = "fault", options = { cancel = canceller } })
                local calls
                local function watch()
                    local ends = socket.gettime() + 3 * DEADLINE
                    while socket.gettime() < ends do coroutine.yield(0.002) end
                    canceller:cancel()
                end
                calls = stage:calls(list, { watch })
                checkAll(stage, calls, function(call, saw)
                    if call == calls[1] then
                        faults.checkOutcome(call, { error = "CancelledError", maybe = false }, 1, 3 * DEADLINE)
                        assert.equal(1, saw.effects)
                    else
                        faults.checkOutcome(call, { error = "TimeoutError", maybe = false,
                            message = "before it could be sent" },
                            0, DEADLINE)
                        assert.equal(0, saw.requests)
                    end
                end)
                checkAfterwards()
            end) end
        end
    end
end)

describe("the table of ends", function()
    it("is whole", function()
        assert.is_true(figures.outcomes > 0)
        print(("# figures: ends: %d outcomes, %d races, %d effects, %d of them with a lost answer and maybeApplied")
            :format(figures.outcomes, figures.races, figures.effects, figures.lost))
    end)
end)
