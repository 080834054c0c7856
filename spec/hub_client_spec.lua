-- The four methods against the local hub, which answers as the published API does.

local kataven = require "kataven"
local servers = require "spec.support.servers"

describe("against the local hub", function()
    local hub, client

    lazy_setup(function()
        hub = servers.hub {}
    end)

    lazy_teardown(function()
        hub:stop()
    end)

    before_each(function()
        hub:reset()
        client = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url }
    end)

    after_each(function()
        client:close()
    end)

    local function plaintext(key)
        for _, value in pairs(key) do
            if type(value) == "string" and value:find "^pk_live_" then
                return value
            end
        end
    end

    it("lists none as an empty array", function()
        assert.same({}, (client.widgetKeys.list()))
    end)

    it("mints a key, whose plaintext is shown this once", function()
        local key, meta = assert(client.widgetKeys.create {
            name = "Ünïcode \"quoted\"\n", domain_allowlist = { "*.acme.com" },
        })
        assert.equal(201, meta.status)
        assert.equal(1, meta.attempts)
        assert.truthy(meta.requestId)
        assert.truthy(plaintext(key))
        assert.equal("Ünïcode \"quoted\"\n", key.name)
        local rows = assert(client.widgetKeys.list())
        assert.equal(1, #rows)
        assert.equal(key.id, rows[1].id)
        assert.is_nil(plaintext(rows[1]))
        assert.is_nil(rows[1].disabled_at)
        assert.is_nil(rows[1].agent_id)
        assert.same({ "*.acme.com" }, rows[1].domain_allowlist)
    end)

    it("updates, pins, unpins, blocks and revokes", function()
        local id = assert(client.widgetKeys.create { name = "a", agent_id = "agent_1" }).id
        assert.equal("agent_1", assert(client.widgetKeys.update(id, { name = "b" })).agent_id)
        local key = assert(client.widgetKeys.update(id, { agent_id = kataven.null, domain_allowlist = {} }))
        assert.is_nil(key.agent_id)
        assert.same({}, key.domain_allowlist)
        local revoked = assert(client.widgetKeys.update(id, { disabled = true }))
        assert.is_string(revoked.disabled_at)
        assert.equal(revoked.disabled_at, assert(client.widgetKeys.update(id, { disabled = true })).disabled_at)
    end)

    it("deletes for good what was never used, and disables the rest", function()
        local unused = assert(client.widgetKeys.create { name = "unused" }).id
        local used = assert(client.widgetKeys.create { name = "used" }).id
        hub:use(used)
        assert.is_true((client.widgetKeys.delete(unused)))
        local row, meta = assert(client.widgetKeys.delete(used))
        assert.equal(200, meta.status)
        assert.is_string(row.disabled_at)
        local rows = assert(client.widgetKeys.list())
        assert.equal(1, #rows)
        assert.equal(used, rows[1].id)
    end)

    it("gives the errors of the facts", function()
        local _, err = client.widgetKeys.create { name = "" }
        assert.equal("BadRequestError", err.name)
        assert.truthy(err.message:find("name required", 1, true))
        assert.is_false(err.maybeApplied)
        _, err = client.widgetKeys.update("no/such id", { name = "x" })
        assert.equal("NotFoundError", err.name)
        assert.equal("/api/v1/widget-keys/no%2Fsuch%20id", err.path)
        _, err = client.widgetKeys.delete("gone")
        assert.equal("NotFoundError", err.name)
        local other = kataven.new { apiKey = "sk_live_wrong_key", baseUrl = hub.url }
        _, err = other.widgetKeys.list()
        assert.equal("AuthenticationError", err.name)
        assert.is_nil(tostring(err):find("sk_live_wrong_key", 1, true))
        other:close()
    end)

    it("reaches it under all three mounts", function()
        for _, mount in ipairs { "", "/", "/v1", "/v1/", "/hub-api" } do
            local mounted = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url .. mount }
            assert(mounted.widgetKeys.list())
            assert(mounted:request { path = "/api/v1/widget-keys", query = { b = 2, a = "x y" } })
            mounted:close()
        end
    end)

    it("waits as told after a 429, on its own clock, and goes on", function()
        hub:reset { limits = { minute = 1 } }
        assert(client.widgetKeys.list())
        local waits = {}
        local patient = kataven.new {
            apiKey = hub.apiKey, baseUrl = hub.url,
            wait = function(seconds)
                if seconds > 1 then
                    waits[#waits + 1] = seconds
                    error("enough")
                end
            end,
        }
        local ok, why = pcall(patient.widgetKeys.list)
        assert.is_false(ok)
        assert.truthy(tostring(why):find("enough", 1, true))
        assert.is_true(waits[1] > 1 and waits[1] <= 66)
        local impatient = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url, retry = { maxWait = 0 } }
        local _, err = impatient.widgetKeys.create { name = "x" }
        assert.equal("RateLimitError", err.name)
        assert.truthy(err.message:find("rate_limited: per-minute (1) exceeded", 1, true))
        assert.is_true(err.retryAfter > 0)
        assert.is_false(err.maybeApplied)
        assert.equal(1, err.attempts)
        patient:close()
        impatient:close()
    end)

    it("gets through a run of server errors on a GET, and leaves a POST alone", function()
        client:close()
        client = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url, retry = { baseDelay = 0.001 } }
        hub:next { n = 2, status = 503 }
        local _, meta = assert(client.widgetKeys.list())
        assert.equal(3, meta.attempts)
        -- Carried out, though it is answered with an error.
        hub:next { n = 1, status = 500, apply = true }
        local _, err = client.widgetKeys.create { name = "x" }
        assert.equal("ServerError", err.name)
        assert.is_true(err.maybeApplied)
        assert.equal(1, hub:stats().creates)
    end)
end)
