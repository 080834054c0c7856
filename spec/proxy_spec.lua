-- Proxies: which requests go through one, and what it gets to see. The proxy is a scripted server that answers by
-- itself, so no name is ever resolved.

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
    local function run(environment, baseUrl, options)
        local script = ([[
            local kataven = require "kataven"
            local client = kataven.new {
                apiKey = "sk_live_spec_x", baseUrl = %q, allowHttp = true, retry = false, connectTimeout = 1, %s }
            local _, err = client.widgetKeys.list()
            io.write(err.name and tostring(err) or "fine")
        ]]):format(baseUrl, options or "")
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
        run({ http_proxy = proxy.url }, "http://hub.invalid", "proxy = false")
        assert.equal(0, proxy:log().connections)
    end)

    it("that was named is used even for what no_proxy lists", function()
        local output = run({ no_proxy = "*" }, "http://hub.example", ("proxy = %q"):format(proxy.url))
        assert.equal("fine", output)
        assert.equal(1, proxy:log().connections)
    end)
end)
