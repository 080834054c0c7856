-- Proxies: which requests go through one, and what it gets to see. The proxy is a scripted server that answers by
-- itself, so no name is ever resolved; behind a tunnel that it opens, it is the server as well.

local authority = require "spec.support.authority"
local child = require "spec.support.child"
local kataven = require "kataven"
local servers = require "spec.support.servers"

local LIST = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }
local ANSWER = { { ["repeat"] = true, steps = { { read = "request" }, { send = LIST } } } }

describe("a proxy", function()
    local proxy, target

    lazy_setup(function()
        proxy, target = servers.tcp { default = ANSWER }, servers.tcp { default = ANSWER }
    end)

    lazy_teardown(function()
        proxy:stop()
        target:stop()
    end)

    before_each(function()
        proxy:script { default = ANSWER }
        target:script { default = ANSWER }
    end)

    it("that was named is used for another machine", function()
        local client = kataven.new {
            apiKey = "sk_live_spec_x", baseUrl = "http://hub.example", allowHttp = true, proxy = proxy.url,
        }
        assert.same({}, assert(client.widgetKeys.list()))
        assert.equal("http://hub.example/api/v1/widget-keys", proxy:log().requests[1].target)
        client:close()
    end)

    it("sees neither key nor headers of a tunnelled request", function()
        proxy:script { { { read = "head" }, { send = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n" } } }
        local client = kataven.new {
            apiKey = "sk_live_spec_x", baseUrl = "https://hub.example", proxy = proxy.url, retry = false,
            headers = { ["X-Mine"] = "secret" },
        }
        local _, err = client.widgetKeys.create { name = "x" }
        assert.equal("ConnectionError", err.name)
        assert.is_false(err.maybeApplied)
        local request = proxy:log().requests[1]
        assert.equal("CONNECT", request.method)
        assert.is_nil(request.head:find("sk_live", 1, true))
        assert.is_nil(request.head:find("X-Mine", 1, true))
        client:close()
    end)

    it("is never used for loopback, whoever names it", function()
        local client = kataven.new { apiKey = "sk_live_spec_x", baseUrl = target.url, proxy = proxy.url }
        assert(client.widgetKeys.list())
        assert.equal(0, proxy:log().connections)
        assert.equal(1, target:log().connections)
        client:close()
    end)

    -- libcurl reads the environment of its own process.
    local function run(environment, baseUrl, options, retry)
        local script = ([[
            local kataven = require "kataven"
            local client = kataven.new {
                apiKey = "sk_live_spec_x", baseUrl = %q, allowHttp = true, connectTimeout = 1,
                %s retry = %s }
            local _, err = client.widgetKeys.list()
            if not err.name then
                return io.write "fine"
            end
            io.write(tostring(err))
            for name, value in pairs(err) do
                io.write("\n", name, "=", tostring(value))
            end
            for name, value in pairs(err.headers or {}) do
                io.write("\n", name, ": ", value)
            end
        ]]):format(baseUrl, options or "", retry or "false")
        return (child.run(script, environment))
    end

    it("of the environment is not used for loopback", function()
        local output = run({ http_proxy = proxy.url, ALL_PROXY = proxy.url, all_proxy = proxy.url }, target.url)
        assert.equal("fine", output)
        assert.equal(0, proxy:log().connections)
    end)

    it("of the environment is used for other machines, but for those in no_proxy", function()
        assert.equal("fine", run({ http_proxy = proxy.url }, "http://hub.example"))
        assert.equal(1, proxy:log().connections)
        run({ http_proxy = proxy.url, no_proxy = "hub.invalid" }, "http://hub.invalid")
        assert.equal(1, proxy:log().connections)
    end)

    it("of the environment is switched off by proxy = false", function()
        run({ http_proxy = proxy.url }, "http://hub.invalid", "proxy = false,")
        assert.equal(0, proxy:log().connections)
    end)

    -- Nothing listens where these lead: a proxy that was tried would give another error.
    it("of the environment that is no URL is named by its variable, and never quoted", function()
        for variable, value in pairs {
            https_proxy = "http://user:S3CRET#pw@proxy:3128",
            HTTPS_PROXY = "http://user:12#S3CRET@127.0.0.1:1",
            all_proxy = "user:12/S3CRET@127.0.0.1:1",
            ALL_PROXY = "nonsense://user:S3CRET@127.0.0.1:1",
        } do
            local output = run({ [variable] = value }, "https://hub.invalid", nil, "{ baseDelay = 60 }")
            assert.matches(("^ConnectionError: .*nothing was sent: the proxy in the environment's %s must "):format(
                variable), output)
            assert.matches("\nattempts=1\n", output .. "\n")
            assert.is_nil(output:find("S3CRET", 1, true))
            assert.is_nil(output:find("user:12", 1, true))
        end
        -- Each URL has its own.
        assert.equal("fine", run({ http_proxy = proxy.url, https_proxy = "x#@y" }, "http://hub.example"))
        assert.equal("fine", run({ http_proxy = "x#@y" }, "http://hub.example", ("proxy = %q,"):format(proxy.url)))
    end)

    it("of the environment that is no URL is nobody's affair where it is not used", function()
        local bad = { http_proxy = "http://user:12#S3CRET@127.0.0.1:1" }
        assert.equal("fine", run(bad, target.url))
        local excepted = { http_proxy = bad.http_proxy, no_proxy = ".invalid" }
        assert.matches("resolve host", run(excepted, "http://hub.invalid"))
        assert.matches("resolve host", run(bad, "http://hub.invalid", "proxy = false,"))
    end)

    it("is asked with the user info that its URL has, which no text shows", function()
        local rejected = { { ["repeat"] = true, steps = { { read = "request" }, { send = servers.answer {
            status = 407, headers = { ["Proxy-Authenticate"] = "Basic", ["X-Echo"] = "{proxy-authorization}" },
            body = "not pa ss#w/rd, nor user:pa%20ss%23w%2Frd, nor {proxy-authorization}",
        }, echo = "proxy-authorization" } } } }
        local value = proxy.url:gsub("://", "%0user:pa%%20ss%%23w%%2Frd@")
        for _, given in ipairs { "", ("proxy = %q,"):format(value) } do
            proxy:script { default = rejected }
            local output = run(given == "" and { http_proxy = value } or {}, "http://hub.example", given)
            assert.matches("^APIError", output)
            assert.equal("Basic dXNlcjpwYSBzcyN3L3Jk", proxy:log().requests[1].header["proxy-authorization"])
            for _, secret in ipairs { "pa ss", "pa%20ss", "dXNlcjpwYSBzcyN3L3Jk" } do
                assert.is_nil(output:find(secret, 1, true))
            end
        end
    end)

    it("has its user info in no recording either", function()
        proxy:script { default = { { read = "request" }, { send = servers.answer { status = 403,
            headers = { ["X-Echo"] = "{proxy-authorization}", ["Content-Type"] = "application/json" },
            body = '{"user":"corpuser","password":"S3cr&t+p4ss","as":"S3cr%26t%2Bp4ss"}' },
            echo = "proxy-authorization" } } }
        local path = os.tmpname()
        finally(function() os.remove(path) end)
        local tape = kataven.cassette.open(path, { mode = "record" })
        local client = kataven.new { apiKey = "sk_live_spec_x", baseUrl = "http://hub.example", allowHttp = true,
            proxy = proxy.url:gsub("://", "%0corpuser:S3cr%%26t%%2Bp4ss@"), transport = tape }
        local _, err = client.widgetKeys.list()
        client:close()
        assert.equal("PermissionDeniedError", err.name)
        local handle = assert(io.open(path, "rb"))
        local text = handle:read "*a"
        handle:close()
        for _, place in ipairs { text, err.message, err.body, err.headers["x-echo"] } do
            for _, secret in ipairs { "corpuser", "S3cr&t+p4ss", "S3cr%26t%2Bp4ss", "Y29ycHVzZXI6UzNjciZ0K3A0c3" } do
                assert.is_nil(place:find(secret, 1, true), place)
            end
        end
        assert.matches("redacted", text, 1, true)
    end)

    it("is asked with a user that stands for a password, which no text shows either", function()
        proxy:script { default = { { read = "request" }, { send = servers.answer { status = 407,
            body = "no T0kenOfMine, no {proxy-authorization}" }, echo = "proxy-authorization" } } }
        local value = proxy.url:gsub("://", "%0T0kenOfMine@")
        local output = run({ all_proxy = value }, "http://hub.example")
        assert.equal("Basic VDBrZW5PZk1pbmU6", proxy:log().requests[1].header["proxy-authorization"])
        assert.is_nil(output:find("T0kenOfMine", 1, true))
        assert.is_nil(output:find("VDBrZW5PZk1pbmU", 1, true))
    end)

    it("with TLS of its own is verified as the Hub is", function()
        local ca = authority.new()
        local known = ca:issue { san = "IP:127.0.0.1", by = ca.root }
        local other = ca:issue { san = "IP:127.0.0.2", by = ca.root }
        local old = { cert = known.cert, key = known.key, protocol = "tlsv1_1", ciphers = "ALL:@SECLEVEL=0" }
        local url = proxy.url:gsub("http", "https")
        for _, row in ipairs {
            { tls = known, caFile = ca.root.only, fine = true }, { tls = known },
            { tls = other, caFile = ca.root.only }, { tls = old, caFile = ca.root.only },
        } do
            proxy:script { default = { { tls = row.tls.protocol and row.tls
                or { cert = row.tls.cert, key = row.tls.key } }, ANSWER[1] } }
            for _, way in ipairs { "option", "environment" } do
                local output = run(way == "environment" and { http_proxy = url } or {}, "http://hub.example",
                    ("caFile = %s, proxy = %s,"):format(row.caFile and ("%q"):format(row.caFile) or "nil",
                        way == "option" and ("%q"):format(url) or "nil"))
                assert.matches(row.fine and "^fine$" or "^TLSError", output)
            end
            assert.equal(row.fine and 2 or 0, #proxy:log().requests)
        end
        ca:remove()
    end)

    it("that was named is used even for what no_proxy lists", function()
        local output = run({ no_proxy = "*" }, "http://hub.example", ("proxy = %q,"):format(proxy.url))
        assert.equal("fine", output)
        assert.equal(1, proxy:log().connections)
    end)
end)

describe("a tunnel through a proxy", function()
    local OPENED = "HTTP/1.1 200 Connection established\r\nX-Proxy: mine\r\nX-Both: the proxy's\r\n\r\n"
    local KEY = servers.answer {
        status = 201, headers = { ["Content-Type"] = "application/json", ["X-Both"] = "the server's" },
        body = '{"id":"wk_1"}',
    }
    local ca, known, unknown, proxy, client

    lazy_setup(function()
        ca = authority.new()
        known = ca:issue { san = "DNS:hub.example", by = ca.root }
        unknown = ca:issue { san = "DNS:hub.example", by = ca:issue { ca = true } }
        proxy = servers.tcp()
    end)

    lazy_teardown(function()
        proxy:stop()
        ca:remove()
    end)

    after_each(function()
        client:close()
    end)

    -- Plays these steps behind each tunnel. A retry that should not be would have its effect.
    local function open(steps)
        proxy:script { default = { { read = "head" }, { send = OPENED }, { ["repeat"] = 1, steps = steps } } }
        client = kataven.new {
            apiKey = "sk_live_spec_x", baseUrl = "https://hub.example", proxy = proxy.url, caFile = ca.root.only,
            retry = { max = 1, baseDelay = 0.001 },
        }
    end

    local function tls(certificate)
        return { tls = { cert = certificate.cert, key = certificate.key } }
    end

    it("is the way of whole calls, of whose answers the proxy's is no part", function()
        open { tls(known), { ["repeat"] = true, steps = { { read = "request" }, { send = KEY } } } }
        for _ = 1, 2 do
            local key, meta = assert(client.widgetKeys.create { name = "x" })
            assert.equal("wk_1", key.id)
            assert.equal(201, meta.status)
            assert.equal("the server's", meta.headers["x-both"])
            assert.is_nil(meta.headers["x-proxy"])
        end
        local log = proxy:log()
        assert.equal(1, log.connections)
        assert.equal(3, #log.requests)
        assert.equal("hub.example:443", log.requests[1].target)
        assert.equal("/api/v1/widget-keys", log.requests[3].target)
    end)

    it("at whose end stands a stranger is not used", function()
        open { tls(unknown) }
        local _, err = client.widgetKeys.create { name = "x" }
        assert.equal("TLSError", err and err.name)
        assert.equal(1, err.attempts)
        assert.is_false(err.maybeApplied)
        assert.is_nil(err.status)
        assert.equal(1, #proxy:log().requests)
    end)

    it("that breaks before the handshake is over has let nothing through", function()
        for _, steps in ipairs {
            { { close = true } }, { { reset = true } }, { { read = 1 }, { close = true } },
            { { read = 1 }, { reset = true } },
        } do
            open(steps)
            local _, err = client.widgetKeys.create { name = "x" }
            assert.equal("ConnectionError", err.name)
            assert.equal(2, err.attempts)
            assert.is_false(err.maybeApplied)
            assert.is_nil(err.status)
            client:close()
        end
    end)

    -- On one that was kept, libcurl would open another tunnel and send the request again.
    it("that breaks before the answer may have let the request through, which is not sent again", function()
        local serve = { { read = "request" }, { send = KEY } }
        for _, ending in ipairs { "close", "cut", "reset" } do
            for before = 0, 1 do
                open { tls(known), { ["repeat"] = before, steps = serve }, { read = "request" }, { effect = "created" },
                    { [ending] = true } }
                for _ = 1, before do assert(client.widgetKeys.create { name = "x" }) end
                local _, err = client.widgetKeys.create { name = "x" }
                assert.equal("ConnectionError", err and err.name)
                assert.equal(1, err.attempts)
                assert.is_true(err.maybeApplied)
                assert.equal(1, proxy:log().effects.created)
                client:close()
            end
        end
    end)
end)
