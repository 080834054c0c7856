-- examples/openresty.conf, as it stands there but for its port, against a local hub.

local json = require "dkjson"
local examples = require "spec.support.examples"
local nginx = require "spec.support.nginx"
local servers = require "spec.support.servers"

local missing = nginx.missing()
if missing then
    describe("examples/openresty.conf", function()
        pending(missing)
    end)
    return
end

describe("examples/openresty.conf", function()
    local hub, server

    lazy_setup(function()
        hub = servers.hub()
        -- The core under test may be built elsewhere.
        local core = (os.getenv "CORE" or "build/luajit/kataven/core.so"):gsub("kataven/core%.so$", "?.so")
        local text = examples.read "examples/openresty.conf":gsub("build/luajit/%?%.so", core)
        server = nginx.whole(text, "8090",
            { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey })
    end)

    lazy_teardown(function()
        server:stop()
        hub:stop()
    end)

    local function keys()
        return json.decode(servers.http("GET", hub.url .. "/api/v1/widget-keys", {
            headers = { Authorization = "Bearer " .. hub.apiKey },
        }).body)
    end

    local function ask(method, path)
        local answer = servers.http(method, server.url .. path)
        -- The body comes in chunks; one here.
        return answer.status, answer.body:match "^%x+\r\n(.-)\r\n" or answer.body
    end

    it("mints a key, and revokes it after it has answered", function()
        local status, body = ask("POST", "/keys?name=acme%2Ecom")
        assert.equal(201, status)
        local id = body:match "^(%S+) pk_live_%S+\n$"
        assert.truthy(id, body)
        assert.same({ id, "acme.com" }, { keys()[1].id, keys()[1].name })
        assert.is_nil(keys()[1].disabled_at)

        assert.same({ 202, "It will be revoked.\n" }, { ask("DELETE", "/keys/" .. id) })
        server:await("the key to be revoked", function()
            return keys()[1].disabled_at
        end)
    end)

    it("answers what goes wrong", function()
        assert.equal(400, (ask("POST", "/keys")))
        assert.equal(403, (ask("GET", "/keys?name=x")))
        hub:next { { status = 500, body = "down" } }
        assert.same({ 502, "It may have been made all the same: ServerError\n" }, { ask("POST", "/keys?name=x") })
        hub:next { { status = 400, body = "bad name" } }
        assert.same({ 502, "It was not made: BadRequestError\n" }, { ask("POST", "/keys?name=x") })
        ask("DELETE", "/keys/none")
        server:await("the refusal in the log", function()
            return server:log():find("kataven: a call of a queue failed: NotFoundError", 1, true)
        end)
    end)
end)

describe("the example for OpenResty in README.md", function()
    it("counts, and revokes after it has answered", function()
        local shown = examples.blocks(examples.read "README.md", "nginx")[1].text
        local hub = servers.hub()
        local core = (os.getenv "CORE" or "build/luajit/kataven/core.so"):gsub("kataven/core%.so$", "?.so")
        -- In the frame of the other example, which says where the modules are.
        local text = examples.read "examples/openresty.conf":gsub("build/luajit/%?%.so", core)
        text = text:match "^.-\n    lua_package_cpath [^\n]*\n" .. shown .. "}\n"
        local server = nginx.whole(text, "8090", { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey })

        local function api(method, path, body)
            return servers.http(method, hub.url .. "/api/v1/widget-keys" .. path, {
                headers = { Authorization = "Bearer " .. hub.apiKey },
                body = body,
            }).body
        end
        local id = json.decode(api("POST", "", { name = "acme.com" })).id
        assert.matches("\n1\n", servers.http("GET", server.url .. "/count").body)
        assert.matches("It will be revoked", servers.http("GET", server.url .. "/revoke/" .. id).body)
        server:await("the key to be revoked", function()
            return json.decode(api("GET", ""))[1].disabled_at
        end)
        server:stop()
        hub:stop()
    end)
end)
