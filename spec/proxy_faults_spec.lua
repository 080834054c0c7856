-- The table of faults on a proxy's side: what it may answer to CONNECT, and what may stand behind the tunnel. Loopback
-- goes through no proxy, so the Hub has a name that exists nowhere: the proxy is the Hub as well.

local authority = require "spec.support.authority"
local faults = require "spec.support.faults"
local outcomes = require "spec.faults.outcome"
local rows = require "spec.faults.proxy"

local TIMEOUT = 0.15
local OPENED = "HTTP/1.1 200 Connection established\r\n\r\n"
local PASSWORD = "Pr0xyPassw0rd"

describe("a proxy's fault", function()
    local stage, ca, known, stranger

    lazy_setup(function()
        stage, ca = faults.stage(), authority.new()
        known = ca:issue { san = "DNS:hub.example", by = ca.root }
        stranger = ca:issue { san = "DNS:hub.example", by = ca:issue { ca = true } }
    end)
    lazy_teardown(function()
        stage:stop()
        ca:remove()
    end)
    after_each(function() stage:close() end)

    local function tls(certificate)
        return { tls = { cert = certificate.cert, key = certificate.key } }
    end

    local function stepsOf(row)
        local steps = { { read = "head" } }
        for _, step in ipairs(row.steps) do
            steps[#steps + 1] = step == "hub" and tls(known) or step == "stranger" and tls(stranger) or step
        end
        return steps
    end

    local function serve()
        stage.server:script { default = { { read = "head" }, { send = OPENED }, tls(known),
            { ["repeat"] = true, steps = { { read = "request" }, faults.clean() } } } }
    end

    -- `mends`: the proxy is in order from the first retry on.
    local function open(way, mends, options)
        options.baseUrl, options.caFile = "https://hub.example", ca.root.only
        options.retry = mends and { max = 3, baseDelay = 0.001 } or false
        function options.log(event)
            if mends and event.event == "retry" then serve() end
        end
        stage.server:script {} -- for the address
        options.proxy = stage.server.url:gsub("://", "%0spec:" .. PASSWORD .. "@")
        stage:open(way, options)
    end

    local function check(row, mends, call, limit)
        local outcome, seen = row.all, faults.seen(stage.server:log())
        if not mends then faults.checkTruth(call, seen) end
        assert.is_nil(not call.ok and tostring(call.err):find(PASSWORD, 1, true) or nil)
        if mends and (outcome.again == "all" or outcome.again == "reads" and not faults.WRITES[call.method]) then
            return faults.checkOutcome(call, outcomes.OWN, call.ok and math.max(2, call.meta.attempts) or 2, limit)
        end
        -- Several side by side may be too much for one step.
        if outcome.either and pcall(faults.checkOutcome, call, outcome.either, 1, limit) then return end
        faults.checkOutcome(call, outcome, 1, limit)
    end

    -- Beside each other, or one after the other: what was not sent is the same whatever it was, so two will do.
    local function sets(way, mends)
        return (way.alone or mends) and { { "list" }, { "create" } } or { faults.METHODS }
    end

    for _, way in ipairs(faults.WAYS) do
        for _, row in ipairs(rows) do
            for _, mends in ipairs { false, true } do
                it(("%s (%s, %s)"):format(row.name, way.name, mends and "gone at the second try" or "no retries"),
                    function()
                        local limit = row.timeout and TIMEOUT or nil
                        for _, methods in ipairs(sets(way, mends)) do
                            open(way, mends, { connectTimeout = limit })
                            stage.server:script { default = stepsOf(row) }
                            local wanted = {}
                            for index, method in ipairs(methods) do
                                wanted[index] = { method = method, part = "fault" }
                            end
                            for _, call in ipairs(stage:calls(wanted)) do check(row, mends, call, limit or 0) end
                        end
                        serve()
                        for _, call in ipairs(stage:calls { { method = "create", part = "clean" } }) do
                            faults.checkClean(call)
                        end
                    end)
            end
        end
    end

    -- libcurl does not come back from such an answer by itself, and nothing else of the host's would run.
    it("keeps a host for a second, whatever the call's own time is", function()
        for _, way in ipairs(faults.WAYS) do
            open(way, false, { connectTimeout = 3 * faults.SLACK, timeout = 3 * faults.SLACK })
            stage.server:script { default = { { read = "head" },
                { send = "HTTP/1.1 407 No\r\nTransfer-Encoding: chunked\r\n\r\n" },
                { send = "5\r\nhello\r\n", times = 1000000000 } } }
            local call = stage:calls({ { method = "create", part = "fault" } })[1]
            faults.checkOutcome(call, { error = "TimeoutError", maybe = false, message = "without end or pause" }, 1, 1)
        end
    end)
end)
