-- The table of faults: what a server, or whoever sits between, may do to a call, for every method and every way of
-- waiting. Effects are counted on the server's side: never two of one call, and never one that the caller is not told
-- of. After each fault the same client goes on as if nothing had been.

local faults = require "spec.support.faults"
local outcomes = require "spec.faults.outcome"
local servers = require "spec.support.servers"

local SERVE = { { read = "request" }, faults.clean() }
local TIMEOUT, TIMEOUT_MENDED = 0.12, 0.25
-- What a read gets that is no success is sent again so often.
local RETRY = {
    once = false, mended = { max = 3, baseDelay = 0.001 }, ["for good"] = { max = 1, baseDelay = 0.001 },
}

local figures = { faults = 0, outcomes = 0, calls = 0, effects = 0, lost = 0 }

-- Groups of faults: those before a request was read are met by connections, the others by requests.
local GROUPS = {
    { name = "before the request was read", rows = require "spec.faults.connecting", early = true },
    { name = "in the head of an answer", rows = require "spec.faults.head" },
    { name = "in the body of an answer", rows = require "spec.faults.body" },
    { name = "in a whole answer", rows = require "spec.faults.answers" },
}

local function isWhole(outcome)
    return outcome.ok or outcome.status or outcome.error == "ResponseError"
end

-- The server's part: the fault for calls that are to meet it, order for all others. `warm` ones are answered when so
-- many have come, so that each has a connection of its own.
local function script(row, mended, warm)
    local steps = { row.effect ~= false and { effect = "served" } or nil }
    for _, step in ipairs(row.steps) do
        steps[#steps + 1] = step
    end
    -- Where that was a whole answer, the server goes on: a close that races with the next request has its own test.
    local last, head = steps[#steps], row.head or row.all
    if last.close or last.reset or last.stall then
        local on = {}
        for index = 1, #steps - 1 do on[index] = steps[index] end
        if isWhole(row.all) and not row.untilClose then
            steps = on
        elseif isWhole(head) then
            steps = { { choose = "method", cases = { HEAD = on }, steps = steps } }
        end
    end
    if mended then
        steps = { { choose = "x-call", again = { faults.clean() }, steps = steps } }
    end
    return { default = { { ["repeat"] = true, steps = {
        { read = "request" },
        { choose = "x-part", steps = { faults.clean() }, cases = {
            fault = steps,
            warm = { { wait = { requests = warm } }, faults.clean() },
        } },
    } } } }
end

local function outcomeOf(row, method)
    local outcome, copy = row[method] or row.all, {}
    for name, value in pairs(outcome) do
        copy[name] = value
    end
    copy.message = row.message or copy.message
    return copy
end

local function isRepeated(outcome, method)
    return outcome.again == "all" or outcome.again == "reads" and not faults.WRITES[method]
end

describe("a fault", function()
    local stage

    lazy_setup(function() stage = faults.stage() end)
    lazy_teardown(function() stage:stop() end)
    after_each(function() stage:close() end)

    local function methodsOf(row)
        return row.large and { "create", "update" } or faults.METHODS
    end

    local function checkAs(outcome, mode, call, limit, timed)
        local attempts = 1
        if mode ~= "once" and isRepeated(outcome, call.method) then
            attempts = 2
            if mode == "mended" then
                outcome = outcomes.OWN
                -- A busy machine may let the second one time out as well.
                if timed and call.ok and call.meta.attempts > 2 then attempts = call.meta.attempts end
            end
        elseif mode ~= "once" and outcome.either then
            attempts = nil -- the attempt before it may have sent nothing
        end
        faults.checkOutcome(call, outcome, attempts, limit)
    end

    -- What a call that met the fault is to say, by the mode of retries.
    local function check(row, mode, call, seen, limit)
        local outcome = outcomeOf(row, call.method)
        local effects = faults.checkTruth(call, seen)
        figures.calls, figures.outcomes, figures.effects =
            figures.calls + 1, figures.outcomes + 1, figures.effects + effects
        if not call.ok and call.err.maybeApplied and effects > 0 then figures.lost = figures.lost + 1 end
        -- Where chance decides, the caller is still told which it was.
        if outcome.either and pcall(checkAs, outcome.either, mode, call, limit, row.timeout) then return end
        checkAs(outcome, mode, call, limit, row.timeout)
    end

    -- The client is as good as new, and every call gets its own answer.
    local function checkAfterwards()
        local calls = stage:calls {
            { method = "list", part = "clean" }, { method = "create", part = "clean" }, { method = "head",
                part = "clean" },
        }
        local seen = faults.seen(stage.server:log())
        for _, call in ipairs(calls) do
            faults.checkClean(call)
            assert.equal(1, call.meta.attempts)
            assert.same({ requests = 1, effects = 1 }, seen[call.id])
            figures.calls, figures.effects = figures.calls + 1, figures.effects + 1
        end
    end

    local function wantedOf(row, methods, options)
        local wanted = {}
        for index, method in ipairs(methods) do
            wanted[index] = { method = method, part = "fault", options = options, large = row.large }
        end
        return wanted
    end

    -- Faults of a request that was read.
    local function play(row, way, mode, kept, open)
        local timeout = row.timeout and (mode == "mended" and TIMEOUT_MENDED or TIMEOUT) or nil
        local sets = { faults.METHODS }
        if way.alone and kept then
            -- One after the other: each needs its own warm connection.
            for index, method in ipairs(faults.METHODS) do sets[index] = { method } end
        end
        for _, methods in ipairs(sets) do
            local wanted = wantedOf(row, methods, { timeout = timeout })
            -- Beside them, or after them, runs a call that meets no fault.
            if not (way.alone and kept) then wanted[#wanted + 1] = { method = "create", part = "clean" } end
            open() -- no connection of an earlier script
            stage.server:script(script(row, mode == "mended", #wanted))
            if kept then
                local warm = {}
                for index = 1, #wanted do warm[index] = { method = "list", part = "warm" } end
                for _, call in ipairs(stage:calls(warm)) do faults.checkClean(call) end
            end
            local calls = stage:calls(wanted)
            local seen = faults.seen(stage.server:log())
            for _, call in ipairs(calls) do
                if call.part == "fault" then
                    check(row, mode, call, seen, timeout or 0)
                else
                    faults.checkClean(call)
                    assert.equal(1, seen[call.id].effects)
                end
            end
            checkAfterwards()
        end
    end

    -- Faults that whole connections meet.
    local function playEarly(row, way, mode, silent, open)
        local timeout = row.timeout and (mode == "mended" and TIMEOUT_MENDED or TIMEOUT) or nil
        if row.large and timeout then timeout = 5 * timeout end
        local options = { timeout = timeout }
        local sets = { methodsOf(row) }
        -- One at a time where the server changes its mind, or where there is no other way.
        if way.alone or mode == "mended" then
            sets = {}
            for index, method in ipairs(methodsOf(row)) do sets[index] = { method } end
        end
        for _, methods in ipairs(sets) do
            if not silent then
                open()
                stage.mended = false
                stage.server:script { default = row.steps, listen = row.listen }
            end
            local calls = stage:calls(wantedOf(row, methods, options))
            local seen = silent and {} or faults.seen(stage.server:log())
            for _, call in ipairs(calls) do
                check(row, mode, call, seen, timeout or 0)
            end
            if not silent then
                if not stage.mended then stage.server:script { default = { { ["repeat"] = true, steps = SERVE } } } end
                checkAfterwards()
            end
        end
    end

    local function open(row, way, mode, options)
        options = options or {}
        options.retry = RETRY[mode]
        if mode == "mended" and row.early then
            options.log = function(event)
                if event.event == "retry" then
                    stage.mended = true
                    stage.server:script { default = { { ["repeat"] = true, steps = SERVE } } }
                end
            end
        end
        stage.server:script {} -- for the address
        stage:open(way, options)
    end

    local function add(row, way, mode, kept)
        local name = ("(%s%s)"):format(mode == "once" and "no retries" or mode == "mended" and "gone at the second try"
            or "there at every try", kept and ", on a kept-alive connection" or "")
        it(row.name .. " " .. name, function()
            local function anew() open(row, way, mode) end
            if row.silent then
                local silent = servers.silent()
                open(row, way, mode, { baseUrl = silent.url, connectTimeout = TIMEOUT })
                playEarly(row, way, mode, true)
                -- The port comes to life.
                silent:stop()
                local server = stage.server
                stage.server = servers.tcp { default = { { ["repeat"] = true, steps = SERVE } }, port = silent.port }
                checkAfterwards()
                stage.server:stop()
                stage.server = server
            elseif row.early then
                playEarly(row, way, mode, false, anew)
            else
                play(row, way, mode, kept, anew)
            end
        end)
    end

    for _, group in ipairs(GROUPS) do
        for _, way in ipairs(faults.WAYS) do
            describe(group.name .. ", " .. way.name .. ",", function()
                for _, row in ipairs(group.rows) do
                    row.early = group.early
                    add(row, way, "once")
                    -- What takes its time is repeated where all methods share it; how often is not the host's affair.
                    if not (row.silent or row.timeout and way.alone) then add(row, way, "mended") end
                    if way.wait then add(row, way, "for good") end
                    if not (row.early or row.timeout) then
                        add(row, way, "once", true)
                        if way.wait then add(row, way, "mended", true) end
                    end
                end
            end)
        end
        figures.faults = figures.faults + #group.rows
    end
end)

describe("the table of faults", function()
    it("is whole", function()
        assert.is_true(figures.outcomes > 0)
        print(("# figures: %d faults x %d methods x %d ways of waiting: %d outcomes; %d calls, %d effects, %d "
            .. "of them with a lost answer and maybeApplied"):format(figures.faults, #faults.METHODS, #faults.WAYS,
            figures.outcomes, figures.calls, figures.effects, figures.lost))
    end)
end)
