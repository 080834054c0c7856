local kataven = require "kataven"
local loop = require "spec.support.loop"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

local function replay(name, options, cassetteOptions)
    local cassette = kataven.cassette.open(("spec/cassettes/%s.json"):format(name), cassetteOptions)
    return spy.client(cassette, options), cassette
end

describe("a client over a cassette", function()
    describe("with no answer for a request", function()
        it("gets a CassetteError, which shows the nearest", function()
            local client, cassette = replay "widget_keys"
            local key, err = client.widgetKeys.create { name = "acme.com", domain_allowlist = { "*.acme.org" } }

            assert.is_nil(key)
            assert.is_true(err:is "CassetteError")
            assert.is_true(err:is "KatavenError")
            assert.is_false(err:is "ConnectionError")
            assert.same({ 1, false, 0 }, { err.attempts, err.maybeApplied, err.elapsed })
            for _, line in ipairs {
                "no recorded interaction in spec/cassettes/widget_keys.json answers call 1:",
                "POST /api/v1/widget-keys",
                'body {"domain_allowlist":["*.acme.org"],"name":"acme.com"}',
                "nearest recorded:",
                "body.agent_id: recorded null, got nothing",
                'body.domain_allowlist[1]: recorded "*.acme.com", got "*.acme.org"',
            } do
                assert.truthy(err.message:find(line, 1, true), err.message)
            end
            assert.equal(5, cassette:remaining())
        end)

        it("gets one where it was used up, and hears so", function()
            local client = replay "widget_keys"
            client.widgetKeys.list()
            local _, err = client.widgetKeys.list()

            assert.equal("CassetteError", err.name)
            assert.matches("GET /api/v1/widget%-keys %(already used by call 1%)", err.message)
        end)

        it("does not try again", function()
            local client = replay("widget_keys", { retry = { max = 5 } })
            local _, err = client.widgetKeys.delete "nosuch"

            assert.same({ "CassetteError", 1 }, { err.name, err.attempts })
        end)

        it("shows nothing of its token", function()
            local client = replay "widget_keys"
            local _, err = client:request {
                method = "POST",
                path = "/api/v1/widget-keys/" .. spy.TOKEN,
                query = { token = spy.TOKEN },
                body = { token = spy.TOKEN },
            }

            assert.equal("CassetteError", err.name)
            assert.falsy(tostring(err):find("4fA9xQ", 1, true), tostring(err))
            assert.falsy(err.path:find("4fA9xQ", 1, true))
        end)
    end)

    it("has no use for a particular base URL or key", function()
        for _, baseUrl in ipairs { "https://api.kataven.ai/v1", "http://127.0.0.1:1", "https://x.example/hub-api" } do
            local client = replay("widget_keys", { baseUrl = baseUrl, apiKey = "sk_live_other_1" })
            assert.equal(2, #kataven.assert(client.widgetKeys.list()))
        end
    end)

    it("gets recorded faults as errors", function()
        local client, cassette = replay("faults", { retry = false })
        local clock = cassette:clock()

        for _, case in ipairs {
            -- fault, class, seconds, status, words
            { "connect", "ConnectionError", 0, nil,
                "nothing was sent, since no connection to https://api.kataven.ai/v1 could be made: "
                    .. "Failed to connect to api.kataven.ai port 443" },
            { "lost", "ConnectionError", 0, nil, "the connection broke before a whole answer came" },
            { "reset", "ConnectionError", 0, nil, "the connection broke before a whole answer came" },
            { "timeout", "TimeoutError", 30, nil, "no whole answer within timeout = 30 s: the time ran out" },
            { "tls", "TLSError", 0, nil, "local issuer certificate; to trust it, name its issuer's" },
            { "large", "ResponseError", 2, 200, "the answer is too large" },
            { "truncated", "ConnectionError", 1, 200, "the answer ends after 7 bytes of its body" },
        } do
            local before = clock.now()
            local value, err = client:request { path = "/api/v1/fault/" .. case[1] }
            assert.is_nil(value)
            assert.equal(case[2], err.name)
            assert.equal(case[3], err.elapsed)
            assert.equal(case[3], clock.now() - before)
            assert.equal(case[4], err.status)
            assert.truthy(err.message:find(case[5], 1, true), err.message)
        end

        local value, meta = client:request { path = "/api/v1/fault/late" }
        assert.same({ 1, 2, 3 }, value)
        assert.equal(12.5, meta.elapsed)
        cassette:assertDone()
    end)

    it("runs out of time on the cassette's clock", function()
        local client, cassette = replay("faults", { timeout = 5 })
        local _, err = client:request { path = "/api/v1/fault/late", retry = false }
        assert.same({ "TimeoutError", 5, 5 }, { err.name, err.elapsed, cassette:clock().now() })
        assert.matches("no answer within 5 s %(recorded: spec/cassettes/faults%.json, interactions%[8%]%)", err.message)

        client = replay("faults", { deadline = 3 })
        _, err = client:request { path = "/api/v1/fault/late" }
        assert.same({ "TimeoutError", 3, 1 }, { err.name, err.elapsed, err.attempts })
        assert.matches("within the deadline of 3 s", err.message)
    end)

    it("can be cancelled during a recorded delay", function()
        local canceller = kataven.canceller()
        local cassette = kataven.cassette.open "spec/cassettes/faults.json"
        local client = spy.client(cassette, { wait = function() canceller:cancel() end })
        local _, err = client:request { path = "/api/v1/fault/late", cancel = canceller }

        assert.equal("CancelledError", err.name)
        assert.matches("cancelled while the request was under way", err.message)
    end)

    it("can make calls side by side", function()
        local cassette = kataven.cassette.open "spec/cassettes/faults.json"
        local host = loop.new(cassette)
        local client = spy.client(cassette, { wait = host.wait, retry = false })
        local ended = {}
        for _, name in ipairs { "late", "timeout", "truncated", "large" } do
            host.spawn(function()
                local _, result = client:request { path = "/api/v1/fault/" .. name }
                ended[#ended + 1] = ("%s %g"):format(name, result.elapsed)
            end)
        end
        host.run()

        assert.same({ "truncated 1", "large 2", "late 12.5", "timeout 30" }, ended)
        assert.equal(30, cassette:clock().now())
    end)

    it("may be one of several over the same", function()
        local a, cassette = replay "widget_keys"
        local b = spy.client(cassette, { apiKey = "sk_live_other_1" })

        assert.equal(2, #a.widgetKeys.list())
        assert.same({ id = "wk_3", disabled_at = "2026-11-03T11:00:00Z" }, (b.widgetKeys.delete "wk_3"))
        assert.is_true(a.widgetKeys.delete "wk_4")
        assert.equal(2, cassette:remaining())
    end)

    it("can have answers again and again", function()
        local client, cassette = replay("widget_keys", nil, { allowRepeats = true })
        for _ = 1, 3 do
            assert.equal(2, #client.widgetKeys.list())
        end
        assert.equal(4, cassette:remaining())
    end)

    it("can have its headers compared", function()
        local client = replay("widget_keys", { headers = { ["X-Trace"] = "t1" } }, { matchHeaders = { "x-trace" } })
        local _, err = client.widgetKeys.list()

        assert.equal("CassetteError", err.name)
        assert.matches('header x%-trace: recorded nothing, got "t1"', err.message)
    end)

    it("can have a function decide", function()
        local client = replay("widget_keys", nil, {
            match = function(request, recorded)
                return request.method == recorded.method, "another method"
            end,
        })
        assert.equal("wk_3", client.widgetKeys.create({ name = "anything" }).id)
        local _, err = client:request { method = "PUT", path = "/p" }
        assert.matches("match says: another method", err.message)
    end)

    it("names what was never asked for", function()
        local client, cassette = replay "widget_keys"
        client.widgetKeys.list()
        client.widgetKeys.delete "wk_4"
        local message = misuse(function()
            cassette:assertDone()
        end)

        assert.equal("spec/cassettes/widget_keys.json: 3 of 5 interactions were never played:\n"
            .. "  [2] POST /api/v1/widget-keys\n"
            .. "  [3] PATCH /api/v1/widget-keys/wk_3\n"
            .. "  [4] DELETE /api/v1/widget-keys/wk_3", message)
    end)

    it("opens no connection", function()
        local core = require "kataven.core"
        local ready = core.curlReady()
        local client = replay "widget_keys"
        client.widgetKeys.list()
        client:close()
        assert.equal(ready, core.curlReady())
    end)
end)
