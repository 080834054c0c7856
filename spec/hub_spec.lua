-- The local hub answers as the API is published. Requests are written by hand, on luasocket.

local json = require "dkjson"
local socket = require "socket"
local servers = require "spec.support.servers"

describe("the local hub", function()
    local hub

    lazy_setup(function() hub = servers.hub() end)
    lazy_teardown(function() hub:stop() end)
    before_each(function() hub:reset() end)

    -- A call with the right key, unless `headers` says otherwise.
    local function call(method, path, body, headers)
        local fields = { Authorization = "Bearer " .. hub.apiKey }
        for name, value in pairs(headers or {}) do fields[name] = value or nil end
        local answer = servers.http(method, hub.url .. path, { body = body, headers = fields })
        answer.json = json.decode(answer.body, 1, json.null)
        return answer
    end

    local function create(fields)
        local answer = call("POST", "/api/v1/widget-keys", fields or { name = "acme.com" })
        assert.equal(201, answer.status)
        return answer.json
    end

    local function plaintextIn(value)
        for _, field in pairs(value) do
            if type(field) == "string" and field:find("^pk_live_") then return field end
        end
    end

    it("answers a create with a pair where it is asked to", function()
        local paired = servers.hub { pairs = true }
        finally(function() paired:stop() end)
        local answer = servers.http("POST", paired.url .. "/api/v1/widget-keys",
            { body = { name = "a" }, headers = { Authorization = "Bearer " .. paired.apiKey } })
        local key = json.decode(answer.body)
        assert.matches("^pk_live_local_%x+$", key.public_key)
        assert.matches("^sk_live_local_%x+$", key.secret_key)
        assert.equal(key.last8, key.public_key:sub(-8))
        assert.is_nil(key.key)
        answer = servers.http("GET", paired.url .. "/api/v1/widget-keys",
            { headers = { Authorization = "Bearer " .. paired.apiKey } })
        assert.is_nil(answer.body:find("_live_", 1, true))
    end)

    describe("list", function()
        it("gives an empty array, not an object", function()
            local answer = call("GET", "/api/v1/widget-keys")
            assert.equal(200, answer.status)
            assert.equal("[]", answer.body)
            assert.equal("application/json", answer.headers["content-type"])
        end)

        it("gives the rows in the order of their making, without the plaintext", function()
            local first, second = create { name = "one" }, create { name = "two" }
            local answer = call("GET", "/api/v1/widget-keys")
            assert.equal(first.id, answer.json[1].id)
            assert.equal(second.id, answer.json[2].id)
            assert.is_nil(answer.body:find("pk_live_", 1, true))
        end)

        it("is served in the production form and under the older mount as well", function()
            local key = create()
            for _, path in ipairs { "/v1/widget-keys", "/hub-api/api/v1/widget-keys" } do
                assert.equal(key.id, call("GET", path).json[1].id)
            end
        end)
    end)

    describe("create", function()
        it("gives the plaintext of the account once, and nulls for what is unset", function()
            local key = create { name = "acme.com", domain_allowlist = { "*.acme.com" } }
            local plaintext = plaintextIn(key)
            assert.matches("^pk_live_local_%x+$", plaintext)
            assert.equal("acme.com", key.name)
            assert.same({ "*.acme.com" }, { key.domain_allowlist[1] })
            assert.equal(json.null, key.agent_id)
            assert.equal(json.null, key.disabled_at)
            assert.matches("^%d%d%d%d%-%d%d%-%d%dT", key.created_at)
            local row = call("GET", "/api/v1/widget-keys").json[1]
            local last8 = plaintext:sub(-8)
            local found = false
            for _, value in pairs(row) do found = found or value == last8 end
            assert.is_true(found)
        end)

        it("keeps an empty allowlist as an array", function()
            local answer = call("POST", "/api/v1/widget-keys", '{"name":"a","domain_allowlist":[]}',
                { ["Content-Type"] = "application/json" })
            assert.truthy(answer.body:find('"domain_allowlist":[]', 1, true))
        end)

        local refused = {
            ["no name"] = { "{}", "name required" },
            ["a null name"] = { '{"name":null}', "name required" },
            ["an empty name"] = { '{"name":""}', "name required" },
            ["a blank name"] = { '{"name":"  "}', "name required" },
            ["a number as name"] = { '{"name":1}', "name must be a string" },
            ["no JSON"] = { "name=acme", "invalid body: not JSON" },
            ["nothing"] = { "", "invalid body: not JSON" },
            ["something after the JSON"] = { '{"name":"a"} x', "invalid body: not JSON" },
            ["an array"] = { "[]", "invalid body: want an object" },
            ["an object as allowlist"] = { '{"name":"a","domain_allowlist":{}}',
                "domain_allowlist must be an array of strings" },
            ["numbers in the allowlist"] = { '{"name":"a","domain_allowlist":[1]}',
                "domain_allowlist must be an array of strings" },
            ["a number as agent"] = { '{"name":"a","agent_id":5}', "agent_id must be a string or null" },
        }
        for what, case in pairs(refused) do
            it("refuses " .. what, function()
                local answer = call("POST", "/api/v1/widget-keys", case[1], { ["Content-Type"] = "application/json" })
                assert.equal(400, answer.status)
                assert.equal("text/plain", answer.headers["content-type"])
                assert.equal(case[2], answer.body)
                assert.equal(0, hub:stats().effects)
            end)
        end

        it("wants the content type of JSON", function()
            local answer = call("POST", "/api/v1/widget-keys", '{"name":"a"}', { ["Content-Type"] = "text/plain" })
            assert.equal(400, answer.status)
        end)
    end)

    describe("update", function()
        it("changes what is given and leaves the rest", function()
            local key = create { name = "old", domain_allowlist = { "a.com" }, agent_id = "agent_1" }
            local row = call("PATCH", "/api/v1/widget-keys/" .. key.id, { name = "new" }).json
            assert.equal("new", row.name)
            assert.equal("agent_1", row.agent_id)
            row = call("PATCH", "/api/v1/widget-keys/" .. key.id,
                { agent_id = json.null, domain_allowlist = { "b.com", "c.com" } }).json
            assert.equal(json.null, row.agent_id)
            assert.equal("c.com", row.domain_allowlist[2])
            assert.is_nil(plaintextIn(row))
        end)

        it("takes an empty patch", function()
            local key = create()
            local asJson = { ["Content-Type"] = "application/json" }
            local answer = call("PATCH", "/api/v1/widget-keys/" .. key.id, "{}", asJson)
            assert.equal(200, answer.status)
            assert.equal(key.name, answer.json.name)
        end)

        it("revokes once: the time of the first call stays", function()
            local path = "/api/v1/widget-keys/" .. create().id
            local first = call("PATCH", path, { disabled = true }).json.disabled_at
            hub:advance(100)
            assert.is_string(first)
            assert.equal(first, call("PATCH", path, { disabled = true }).json.disabled_at)
            assert.equal(first, call("PATCH", path, { disabled = false }).json.disabled_at)
        end)

        it("decodes the id", function()
            local key = create()
            local encoded = key.id:gsub(".", function(c) return ("%%%02X"):format(c:byte()) end)
            assert.equal(200, call("PATCH", "/api/v1/widget-keys/" .. encoded, { name = "b" }).status)
        end)

        it("answers 404 for an unknown id and 400 for wrong types", function()
            assert.equal(404, call("PATCH", "/api/v1/widget-keys/nobody", { name = "b" }).status)
            local path = "/api/v1/widget-keys/" .. create().id
            for _, patch in ipairs { { name = "" }, { disabled = "yes" }, { domain_allowlist = "a.com" } } do
                assert.equal(400, call("PATCH", path, patch).status)
            end
        end)
    end)

    describe("delete", function()
        it("removes a key that was never used", function()
            local key = create()
            local answer = call("DELETE", "/api/v1/widget-keys/" .. key.id)
            assert.equal(204, answer.status)
            assert.equal("", answer.body)
            assert.equal(404, call("DELETE", "/api/v1/widget-keys/" .. key.id).status)
            assert.equal("[]", call("GET", "/api/v1/widget-keys").body)
        end)

        it("keeps the row of one that was used", function()
            local key = create()
            hub:use(key.id)
            local answer = call("DELETE", "/api/v1/widget-keys/" .. key.id)
            assert.equal(200, answer.status)
            assert.is_string(answer.json.disabled_at)
            assert.equal(1, hub:stats().keys)
        end)
    end)

    describe("authentication", function()
        local path = "/api/v1/widget-keys"

        it("refuses a missing or wrong token with 401", function()
            for _, header in ipairs { false, "Bearer sk_live_local_wrong", "Basic abc", "Bearer pk_live_local_x" } do
                local answer = servers.http("GET", hub.url .. path, { headers = { Authorization = header or nil } })
                assert.equal(401, answer.status)
                assert.equal("text/plain", answer.headers["content-type"])
            end
        end)

        it("wants the account with a JWT", function()
            local jwt = "Bearer eyJ.local.demo"
            local key = create()
            assert.equal(400, call("GET", path, nil, { Authorization = jwt }).status)
            local function as(token, account)
                return call("GET", path, nil, { Authorization = token, ["X-Account-ID"] = account })
            end
            assert.equal(400, as(jwt, "No Account").status)
            assert.equal(401, as("Bearer eyJ.x", "local").status)
            assert.equal(key.id, as(jwt, "local").json[1].id)
            assert.equal("[]", as(jwt, "other").body)
        end)
    end)

    it("answers 405 for other methods, and 404 for other paths", function()
        local answer = call("PUT", "/api/v1/widget-keys", { name = "a" })
        assert.equal(405, answer.status)
        assert.equal("GET, POST", answer.headers.allow)
        assert.equal(405, call("GET", "/api/v1/widget-keys/x").status)
        assert.equal("", call("HEAD", "/api/v1/widget-keys").body)
        local keys = "/api/v1/widget-keys"
        for _, path in ipairs { "/", "/api/v1/agents", keys .. "/", keys .. "/a/b", "/widget-keys" } do
            assert.equal(404, call("GET", path).status)
        end
    end)

    it("gives every answer an id of its own", function()
        local first, second = call("GET", "/api/v1/widget-keys"), call("GET", "/nowhere")
        assert.matches("^req_%x+$", first.headers["x-request-id"])
        assert.matches("^req_%x+$", second.headers["x-request-id"])
        assert.not_equal(first.headers["x-request-id"], second.headers["x-request-id"])
    end)

    describe("limits", function()
        local function list() return call("GET", "/api/v1/widget-keys") end

        it("refuses what is over a window, and says how long to wait", function()
            hub:reset { limits = { minute = 2 } }
            list()
            list()
            local answer = list()
            assert.equal(429, answer.status)
            assert.equal("rate_limited: per-minute (2) exceeded", answer.body)
            assert.equal("text/plain", answer.headers["content-type"])
            local seconds = tonumber(answer.headers["retry-after"])
            assert.is_true(seconds >= 1 and seconds <= 60)
            hub:advance(seconds)
            assert.equal(200, list().status)
            assert.equal(1, hub:stats().refused)
        end)

        it("has windows of an hour and a day", function()
            for name, most in pairs { hour = 3600, day = 86400 } do
                hub:reset { limits = { minute = 1, [name] = 1 } }
                list()
                local answer = list()
                assert.equal(("rate_limited: per-%s (1) exceeded"):format(name), answer.body)
                local seconds = tonumber(answer.headers["retry-after"])
                assert.is_true(seconds > 60 and seconds <= most)
            end
        end)

        it("does not act on a refused write, nor count it", function()
            hub:reset { limits = { minute = 1 } }
            list()
            assert.equal(429, call("POST", "/api/v1/widget-keys", { name = "a" }).status)
            local stats = hub:stats()
            assert.equal(0, stats.effects)
            assert.same({ GET = 1, POST = 1 }, stats.requests)
        end)

        it("has a limit for requests in flight", function()
            hub:reset { limits = { inFlight = 2 } }
            hub:next { n = 2, delay = 0.2 }
            local request = ("GET /v1/widget-keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n")
                :format(hub.apiKey)
            local slow = {}
            for i = 1, 2 do
                slow[i] = assert(socket.connect("127.0.0.1", hub.port))
                slow[i]:send(request)
            end
            repeat until hub:stats().inFlight == 2
            local answer = list()
            assert.equal(429, answer.status)
            assert.equal("rate_limited: in-flight (2) exceeded", answer.body)
            for i = 1, 2 do
                assert.equal("HTTP/1.1 200 OK", slow[i]:receive("*l"))
                slow[i]:close()
            end
            assert.equal(2, hub:stats().mostInFlight)
            assert.equal(200, list().status)
        end)
    end)

    it("keeps a connection, and counts it once", function()
        local connection = assert(socket.connect("127.0.0.1", hub.port))
        for _ = 1, 3 do
            connection:send("GET /v1/widget-keys HTTP/1.1\r\nHost: x\r\n\r\n")
            assert.equal("HTTP/1.1 401 Unauthorized", connection:receive("*l"))
            local length
            repeat
                local line = assert(connection:receive("*l"))
                length = tonumber(line:match("^content%-length: (%d+)")) or length
            until line == ""
            connection:receive(length)
        end
        connection:close()
        local stats = hub:stats()
        assert.equal(3, stats.total)
        assert.equal(1, stats.connections)
    end)

    it("answers as it was told to, and only as often", function()
        hub:next {
            { status = 503, headers = { ["Retry-After"] = "7" }, body = "later" },
            { status = 502, apply = true },
        }
        local answer = call("POST", "/api/v1/widget-keys", { name = "a" })
        assert.equal(503, answer.status)
        assert.equal("7", answer.headers["retry-after"])
        assert.equal("later", answer.body)
        assert.equal(0, hub:stats().effects)
        assert.equal(502, call("POST", "/api/v1/widget-keys", { name = "b" }).status)
        assert.equal(1, hub:stats().creates)
        assert.equal(0, hub:stats().faultsLeft)
        assert.equal("b", call("GET", "/api/v1/widget-keys").json[1].name)
    end)

    it("tells what was done to which key, and makes keys that count for nothing", function()
        local hard, soft = hub:mint(1)[1], hub:mint(1, true)[1]
        local made = create { name = "a" }
        for _ = 1, 2 do
            assert.equal(200, call("PATCH", "/v1/widget-keys/" .. made.id, { disabled = true }).status)
            call("DELETE", "/v1/widget-keys/" .. hard)
            call("DELETE", "/v1/widget-keys/" .. soft)
        end
        assert.equal(404, call("PATCH", "/v1/widget-keys/nothing", { name = "b" }).status)
        assert.same({
            [made.id] = { creates = 1, updates = 2, deletes = 0 },
            [hard] = { creates = 0, updates = 0, deletes = 1 },
            [soft] = { creates = 0, updates = 0, deletes = 2 },
        }, hub:effects())
        assert.equal(6, hub:stats().effects)
        hub:reset()
        assert.same({}, hub:effects())
    end)

    it("survives clients that go away or talk nonsense", function()
        local request = "POST /v1/widget-keys HTTP/1.1\r\n"
        for _, bytes in ipairs {
            "", "hello\r\n\r\n", request, request .. "Content-Length: 99\r\n\r\n{", request .. "\r\n\r\n",
            request .. "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        } do
            local connection = assert(socket.connect("127.0.0.1", hub.port))
            connection:send(bytes)
            connection:close()
        end
        assert.equal(200, call("GET", "/api/v1/widget-keys").status)
    end)

    it("ends when told to, and stopping it twice is allowed", function()
        local other = servers.hub { apiKey = "sk_live_acme_corp_k1" }
        local answer = servers.http("GET", other.url .. "/v1/widget-keys",
            { headers = { Authorization = "Bearer sk_live_acme_corp_k1" } })
        assert.equal(200, answer.status)
        assert.equal(204, servers.http("POST", other.url .. "/_hub/quit").status)
        other:stop()
        other:stop()
        assert.is_nil(socket.connect("127.0.0.1", other.port))
    end)

    it("fails loudly when it cannot start, or is asked for what it does not know", function()
        assert.error_matches(function() servers.hub { apiKey = "nonsense" } end, "sk_live_")
        assert.error_matches(function() servers.hub { limit = 1 } end, 'no option "limit"')
        assert.error_matches(function() hub:reset { minute = 1 } end, 'no option "minute"')
        assert.error_matches(function() hub:next { stauts = 1 } end, 'no option "stauts"')
    end)

    it("speaks TLS when it has a certificate", function()
        local certificate = servers.certificate()
        local secure = servers.hub { tls = certificate }
        assert.matches("^https://", secure.url)
        assert.equal(401, servers.http("GET", secure.url .. "/v1/widget-keys").status)
        assert.equal(1, secure:stats().total)
        secure:stop()
        certificate:remove()
    end)
end)
