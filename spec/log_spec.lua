local child = require "spec.support.child"
local core = require "kataven.core"
local log = require "kataven.log"
local spy = require "spec.support.spy"

-- The events of one list() over these answers, and a function to add to them.
local function eventsOf(...)
    local events = {}
    local client = spy.client(spy.new(...), {
        log = function(event)
            events[#events + 1] = event
        end,
    })
    client.widgetKeys.list()
    return events
end

describe("log", function()
    before_each(function()
        stub(core, "random").returns(0)
    end)

    after_each(function()
        core.random:revert()
    end)

    it("gets an event for each request and each answer", function()
        local transport = spy.new(function(_, wait)
            wait(0.25)
            return spy.json "[]"
        end)
        local events = {}
        spy.client(transport, { log = function(event) events[#events + 1] = event end }).widgetKeys.list()

        local place = { method = "GET", path = "/api/v1/widget-keys", attempt = 1 }
        local function with(more)
            for name, value in pairs(place) do
                more[name] = value
            end
            return more
        end
        assert.same({ with { event = "request" }, with { event = "response", status = 200, elapsed = 0.25 } }, events)
    end)

    it("gets what went wrong, and when it is tried again", function()
        local events = eventsOf({ kind = "connect", sent = false, message = "refused" }, spy.text("busy", 503),
            spy.json "[]")

        local seen = {}
        for index, event in ipairs(events) do
            seen[index] = ("%d %s %s %s"):format(event.attempt, event.event, event.status or "-",
                event.delay and ("%g"):format(event.delay) or "-")
            assert.equal("/api/v1/widget-keys", event.path)
            assert.equal("GET", event.method)
        end
        assert.same({
            "1 request - -", "1 error - -", "1 retry - 0.5",
            "2 request - -", "2 response 503 -", "2 retry 503 1",
            "3 request - -", "3 response 200 -",
        }, seen)
        assert.matches("ConnectionError: .-refused$", events[2].error)
        assert.equal(events[2].error, events[3].error)
        assert.matches("ServerError: .-503 busy$", events[6].error)
    end)

    it("gets no retry that is not made", function()
        local events = eventsOf(spy.text("no", 401))

        assert.equal(2, #events)
        assert.equal("response", events[2].event)
        assert.equal(401, events[2].status)
    end)

    it("never gets a secret", function()
        local events = {}
        local client = spy.client(spy.new(spy.text("bad token " .. spy.TOKEN, 503, { ["x-echo"] = spy.TOKEN })), {
            log = function(event)
                events[#events + 1] = event
            end,
        })
        client.widgetKeys.list()
        client.widgetKeys.delete(spy.TOKEN)

        assert.is_true(#events > 10)
        for _, event in ipairs(events) do
            for name, value in pairs(event) do
                assert.falsy(tostring(value):find(spy.TOKEN, 1, true), name)
            end
            assert.is_nil(event.headers)
            assert.is_nil(event.body)
        end
    end)

    it("may raise without harm, and change its event", function()
        local calls = 0
        local transport = spy.new(spy.text("x", 503), spy.json '[{"id":"k1"}]')
        local client = spy.client(transport, {
            log = function(event)
                calls = calls + 1
                for name in pairs(event) do
                    event[name] = nil
                end
                error("the log is broken")
            end,
        })
        local keys, meta = client.widgetKeys.list()

        assert.equal("k1", keys[1].id)
        assert.same({ 2, 5 }, { meta.attempts, calls })
    end)

    it("hears nothing of misuse, and nothing of a call that sends nothing", function()
        local calls = 0
        local client = spy.client(spy.new(spy.json "[]"), { log = function() calls = calls + 1 end })

        pcall(client.widgetKeys.create)
        client:close()
        client.widgetKeys.list()
        assert.equal(0, calls)
    end)
end)

describe("KATAVEN_LOG", function()
    local script = [[
        local kataven = require "kataven"
        local spy = require "spec.support.spy"
        local client = spy.client(spy.new(
            spy.text("bad token " .. spy.TOKEN, 503, { ["retry-after"] = "0" }), spy.json "[]"), OPTIONS)
        kataven.assert(client.widgetKeys.list())
        print "done"
    ]]

    local function run(value, options)
        return child.run((script:gsub("OPTIONS", options or "nil")), value and { KATAVEN_LOG = value })
    end

    it("set to debug writes lines to stderr, without secrets", function()
        local output, errors = run "debug"
        local lines = {}

        assert.equal("done\n", output)
        for line in errors:gmatch "[^\n]+" do
            lines[#lines + 1] = line
        end
        assert.equal(5, #lines)
        assert.equal("kataven: GET /api/v1/widget-keys attempt 1 request", lines[1])
        assert.matches("^kataven: GET /api/v1/widget%-keys attempt 1 response, status 503, after %d+%.%d+ s$", lines[2])
        assert.matches("^kataven: .- attempt 1 retry, status 503, next in 0%.000 s, ServerError: .-bad token %[redact",
            lines[3])
        assert.matches("^kataven: .- attempt 2 response, status 200, after", lines[5])
        assert.falsy(errors:find(spy.TOKEN, 1, true))
    end)

    it("not set, or to something else, writes nothing", function()
        for _, value in ipairs { "", "info", "DEBUG" } do
            local output, errors = run(value)
            assert.same({ "done\n", "" }, { output, errors })
        end
        local output, errors = run(nil)
        assert.same({ "done\n", "" }, { output, errors })
    end)

    it("gives way to a log function", function()
        local output, errors = run("debug", "{ log = function(event) io.write(event.event, ' ') end }")

        assert.same({ "request response retry request response done\n", "" }, { output, errors })
    end)
end)

describe("a line of the log", function()
    it("says what is known", function()
        assert.equal("kataven: POST /p attempt 2 error, after 1.250 s, oops",
            log.line { event = "error", method = "POST", path = "/p", attempt = 2, elapsed = 1.25, error = "oops" })
    end)
end)
