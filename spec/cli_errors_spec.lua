-- What the command says of a server that fails, or that means to do harm.

local command = require "spec.support.command"
local json = require "dkjson"
local servers = require "spec.support.servers"

local inside, joined, PLAIN = command.inside, command.joined, command.PLAIN

describe("kataven and a server that fails", function()
    local hub

    setup(function()
        hub = servers.hub {}
    end)

    teardown(function()
        hub:stop()
    end)

    before_each(function()
        hub:reset()
    end)

    local function run(given, fault, options)
        hub:next(fault)
        options = options or {}
        options.environment = options.environment or {}
        options.environment.KATAVEN_API_KEY = options.environment.KATAVEN_API_KEY or hub.apiKey
        options.environment.KATAVEN_BASE_URL = hub.url
        return inside(joined({ "--no-retry", "widget-keys" }, given), options)
    end

    local function fails(status, expected, headers)
        local out, err, code = run({ "list" }, { n = 1, status = status, body = "no luck", headers = headers })
        assert.equal("", out)
        assert.equal(1, code)
        assert.equal(expected .. "\n", err)
    end

    it("says what to do about a refused key", function()
        fails(401, "kataven: AuthenticationError: GET /api/v1/widget-keys: 401 no luck; check KATAVEN_API_KEY, "
            .. "or the "
            .. "file of --api-key-file")
    end)

    it("says what to do about a key that may not", function()
        fails(403, "kataven: PermissionDeniedError: GET /api/v1/widget-keys: 403 no luck; the API key may not "
            .. "do this: "
            .. "check whose it is")
    end)

    it("says what to do about a wrong path", function()
        fails(404, "kataven: NotFoundError: GET /api/v1/widget-keys: 404 no luck; look again with kataven "
            .. "widget-keys "
            .. "list, and check --base-url")
    end)

    it("says when to try again", function()
        fails(429, "kataven: RateLimitError: GET /api/v1/widget-keys: 429 no luck; the account is over its "
            .. "limit; try "
            .. "again in 7 s", { ["Retry-After"] = "7" })
    end)

    it("says no more where no more is known", function()
        fails(500, "kataven: ServerError: GET /api/v1/widget-keys: 500 no luck")
    end)

    it("names the option where it is redirected", function()
        fails(302, "kataven: APIError: GET /api/v1/widget-keys: 302 no luck; redirects are never followed: check "
            .. "--base-url")
    end)

    it("gives the error as one object in one line, with --json", function()
        local _, err, code = run({ "list", "--json" }, { n = 1, status = 429, body = "slow\ndown",
            headers = { ["Retry-After"] = "7", ["X-Request-Id"] = "r1" } })

        assert.equal(1, code)
        local shown = json.decode(err).error
        assert.matches("^r1, req_%w+$", shown.requestId) -- the hub's own is beside it
        shown.requestId = nil
        assert.same({
            name = "RateLimitError",
            message = "429 slow down; the account is over its limit; try again in 7 s",
            method = "GET",
            path = "/api/v1/widget-keys",
            status = 429,
            retryAfter = 7,
            attempts = 1,
            maybeApplied = false,
        }, shown)
        assert.is_nil(err:match "\n.")
    end)

    it("is no mistake of the command's where the server's text is no UTF-8, or a number beyond all bounds", function()
        local _, err, code = run({ "create", "a", "--json" }, { n = 1, status = 502, body = "caf\233" })
        assert.equal(1, code)
        local shown = json.decode(err).error
        assert.equal("ServerError", shown.name)
        assert.is_true(shown.maybeApplied)
        assert.matches("^502 caf\239\191\189; it may exist all the same", shown.message)

        local answer = { n = 1, status = 201, headers = { ["Content-Type"] = "application/json" },
            body = '{"id":"wk_1","name":"a","key":"pk_live_a_1","big":1e999,"list":[-1e999]}' }
        for _, options in ipairs { {}, { terminal = command.TERMINAL } } do
            local out
            out, _, code = run({ "create", "a" }, answer, options)
            assert.equal(0, code)
            assert.truthy(out:find("pk_live_a_1", 1, true))
        end
        local _, problem, wrong = inside { "--json", "\255" }
        assert.equal(2, wrong)
        assert.equal("UsageError", json.decode(problem).error.name)
    end)

    it("waits no longer than it was told", function()
        local _, err, code = run({ "list", "--timeout", "0.1" }, { n = 1, delay = 20 })
        assert.equal(1, code)
        assert.matches("^kataven: TimeoutError: .-timeout = 0%.1 s.-; %-%-timeout gives it longer\n$", err)
    end)

    it("hides the key where the server gives it back", function()
        local _, err = run({ "list" }, { n = 1, status = 400, body = "what is " .. hub.apiKey .. "?" })
        assert.matches("400 what is %[redacted%]%?", err)
        _, err = run({ "list", "--json" }, { n = 1, status = 400, body = "what is " .. hub.apiKey .. "?" })
        assert.matches("400 what is %[redacted%]%?", err)
    end)

    it("says what went over the wire, and no secret", function()
        hub:next { n = 1, status = 503, headers = { ["Retry-After"] = "0" } }
        local out, err, code = inside({ "widget-keys", "list", "--verbose" }, { environment = {
            KATAVEN_API_KEY = hub.apiKey, KATAVEN_BASE_URL = hub.url,
        } })

        assert.equal(0, code)
        assert.equal("[]\n", out)
        assert.matches("attempt 1 request\n.-attempt 1 response, status 503.-\n.-attempt 1 retry.-\n.-attempt 2 "
            .. "response, status 200", err)
        assert.is_nil(err:find(hub.apiKey, 1, true))
    end)

    it("lets nothing through that a terminal would obey", function()
        local NASTY = "\27]0;owned\7\27[2J\r\194\155" .. "31m\226\128\174"
        local body = json.encode { { id = "wk_1", name = NASTY, domain_allowlist = { NASTY }, agent_id = NASTY,
            created_at = NASTY, [NASTY] = NASTY } }
        local answer = { n = 1, status = 200, headers = { ["Content-Type"] = "application/json" }, body = body }

        local function check(text)
            text = text:gsub("\n", ""):gsub("\27%[%d*m", "") -- colours of ours
            assert.is_nil(text:find "[%z\1-\31\127]", text)
            assert.is_nil(text:find("\194[\128-\159]"), text)
            assert.is_nil(text:find("\226\128\174", 1, true), text)
            assert.truthy(text:find("owned", 1, true))
        end
        for _, options in ipairs { { terminal = command.TERMINAL, environment = { TERM = "xterm" } }, PLAIN } do
            for _, words in ipairs { { "list" }, { "list", "--json" }, { "revoke", "wk_1" } } do
                hub:reset()
                hub:next(answer)
                local out, err = run(words, { n = 1, status = 200, headers = answer.headers,
                    body = body:sub(2, -2) }, { terminal = options.terminal,
                    environment = { TERM = options.environment.TERM, NO_COLOR = options.environment.NO_COLOR } })
                check(out)
                assert.equal("", err)
            end
        end
        local _, err = run({ "list" }, { n = 1, status = 400, body = NASTY }, { terminal = command.TERMINAL })
        check(err)
    end)
end)
