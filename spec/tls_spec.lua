-- TLS: whom the client trusts, and what it says of the others.

local kataven = require "kataven"
local servers = require "spec.support.servers"

local LIST = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }

describe("over TLS", function()
    local cert, server

    lazy_setup(function()
        cert = servers.certificate()
        server = servers.tcp {}
    end)

    lazy_teardown(function()
        server:stop()
        cert:remove()
    end)

    local function play(script)
        script.tls = script.tls or { cert = cert.cert, key = cert.key }
        server:script(script)
    end

    local function new(options)
        options.apiKey = "sk_live_spec_x"
        options.baseUrl = options.baseUrl or server.url
        options.retry = options.retry or false
        return kataven.new(options)
    end

    local ANSWER = { { tls = true }, { read = "request" }, { send = LIST } }

    it("trusts what caFile holds", function()
        play { default = ANSWER }
        local client = new { caFile = cert.cert }
        assert.same({}, assert(client.widgetKeys.list()))
        client:close()
    end)

    it("refuses an unknown issuer with a TLSError that says what to do, and does not try again", function()
        play { default = ANSWER }
        local client = new { retry = { max = 3, baseDelay = 0.001 } }
        local _, err = client.widgetKeys.create { name = "x" }
        assert.equal("TLSError", err.name)
        assert.is_true(err:is "ConnectionError")
        assert.equal(1, err.attempts)
        assert.is_false(err.maybeApplied)
        assert.truthy(err.message:find("self[- ]signed certificate"))
        assert.truthy(err.message:find("caFile", 1, true))
        assert.equal(0, #server:log().requests)
        client:close()
    end)

    it("refuses a certificate for another host", function()
        local other = servers.certificate("DNS:other.example")
        play { default = ANSWER, tls = { cert = other.cert, key = other.key } }
        local client = new { caFile = other.cert }
        local _, err = client.widgetKeys.list()
        assert.equal("TLSError", err.name)
        assert.truthy(err.message:find("127.0.0.1", 1, true))
        client:close()
        other:remove()
    end)

    it("names a caFile that cannot be read", function()
        play { default = ANSWER }
        local client = new { caFile = "/nonexistent/ca.pem" }
        local _, err = client.widgetKeys.list()
        assert.equal("TLSError", err.name)
        assert.truthy(err.message:find("/nonexistent/ca.pem", 1, true))
        client:close()
    end)

    it("tries again after a handshake that was reset or closed, a write as well", function()
        for _, ending in ipairs { "reset", "close" } do
            -- No TLS of the server's own: the client's hello is met by the end.
            server:script {
                { { read = 1 }, { [ending] = true } },
                { { tls = { cert = cert.cert, key = cert.key } }, { read = "request" }, { effect = "served" },
                    { send = servers.answer { status = 201, body = "{}" } } },
            }
            local client = new {
                caFile = cert.cert, baseUrl = server.url:gsub("^http:", "https:"),
                retry = { max = 2, baseDelay = 0.001 },
            }
            local _, meta = assert(client.widgetKeys.create { name = "x" })
            assert.equal(2, meta.attempts)
            assert.equal(1, server:log().effects.served)
            client:close()
        end
    end)

    it("says TLSError to a server that does not speak TLS", function()
        server:script { default = { { read = 1 }, { send = "HTTP/1.1 400 Bad Request\r\n\r\n" } } }
        local client = new { baseUrl = server.url:gsub("^http:", "https:"), retry = { max = 2, baseDelay = 0.001 } }
        local _, err = client.widgetKeys.list()
        assert.equal("TLSError", err.name)
        assert.equal(1, err.attempts)
        client:close()
    end)

    it("loses an answer over TLS as it does in clear", function()
        play { { { tls = true }, { read = "request" }, { effect = "served" }, { cut = true } } }
        local client = new { caFile = cert.cert }
        local _, err = client.widgetKeys.create { name = "x" }
        assert.equal("ConnectionError", err.name)
        assert.is_true(err.maybeApplied)
        assert.equal(1, server:log().effects.served)
        client:close()
    end)
end)
