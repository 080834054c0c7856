local kataven = require "kataven"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

-- The URL of a request for `path` over a base URL, and the path that the
-- transport is told.
local function urlOf(baseUrl, path, allowHttp)
    local transport = spy.new(spy.json "[]")
    local client = spy.client(transport, { baseUrl = baseUrl, allowHttp = allowHttp })
    kataven.assert(client:request { path = path or "/api/v1/widget-keys" })
    return transport.requests[1].url, transport.requests[1].path
end

local function refused(baseUrl)
    return misuse(function()
        kataven.new { apiKey = spy.TOKEN, baseUrl = baseUrl }
    end)
end

describe("baseUrl", function()
    it("wants a host that is the same for everybody", function()
        for url, reason in pairs {
            ["https://m\195\188nchen.example"] = "xn%-%- form",
            ["https://m\195\188nchen.example/v1"] = "xn%-%- form",
            ["https://hub\227\128\130example:8443"] = "xn%-%- form", -- an ideographic full stop
            ["https://m\252nchen.example"] = "xn%-%- form", -- Latin-1
            ["https://[fe80::1%25eth0]"] = "zone",
            ["https://[fe80::1%eth0]:8443/v1"] = "zone",
            ["https://m%C3%BCnchen.example"] = "percent%-encoding",
        } do
            assert.matches("^baseUrl must .*" .. reason, refused(url))
        end
        assert.equal("https://xn--mnchen-3ya.example/api/v1/widget-keys", (urlOf "https://xn--mnchen-3ya.example"))
    end)

    it("has the specification's path appended whole", function()
        for base, url in pairs {
            ["http://127.0.0.1:8080"] = "http://127.0.0.1:8080/api/v1/widget-keys",
            ["http://127.0.0.1:8080/"] = "http://127.0.0.1:8080/api/v1/widget-keys",
            ["https://hub.kataven.ai/hub-api"] = "https://hub.kataven.ai/hub-api/api/v1/widget-keys",
            ["https://hub.kataven.ai/hub-api/"] = "https://hub.kataven.ai/hub-api/api/v1/widget-keys",
            ["https://hub.kataven.ai/a/b//"] = "https://hub.kataven.ai/a/b/api/v1/widget-keys",
            ["https://example.com/v12"] = "https://example.com/v12/api/v1/widget-keys",
            ["https://example.com/fv1"] = "https://example.com/fv1/api/v1/widget-keys",
            ["https://[2001:db8::1]:8443/x"] = "https://[2001:db8::1]:8443/x/api/v1/widget-keys",
        } do
            assert.equal(url, (urlOf(base)))
        end
    end)

    it("takes the place of the prefix where its path ends in /v1", function()
        for _, base in ipairs { "https://api.kataven.ai/v1", "https://api.kataven.ai/v1/" } do
            assert.equal("https://api.kataven.ai/v1/widget-keys", (urlOf(base)))
        end
        assert.equal("https://example.com/api/v1/widget-keys", (urlOf "https://example.com/api/v1"))
        for path, url in pairs {
            ["/api/v1/widget-keys/k1"] = "/v1/widget-keys/k1",
            ["/api/v1"] = "/v1",
            ["/api/v1?a=1"] = "/v1?a=1",
            ["/api/other"] = "/v1/other",
            ["/api"] = "/v1",
            ["/api/v10/x"] = "/v1/v10/x",
            ["/apiary"] = "/v1/apiary",
            ["/widget-keys"] = "/v1/widget-keys",
            ["/"] = "/v1/",
        } do
            assert.equal("https://api.kataven.ai" .. url, (urlOf("https://api.kataven.ai/v1", path)))
        end
    end)

    it("leaves the path that errors and transports see alone", function()
        local _, path = urlOf("https://api.kataven.ai/v1", "/api/v1/widget-keys")

        assert.equal("/api/v1/widget-keys", path)
    end)

    it("may be written in capitals where that means nothing", function()
        assert.equal("https://api.kataven.ai/v1/widget-keys", (urlOf("HTTPS://api.kataven.ai/v1")))
        assert.matches("http:// to another machine", refused "HTTP://example.com")
    end)

    it("is refused with user info, a query or a fragment", function()
        for _, url in ipairs { "https://u:p@example.com/v1", "https://u@example.com", "https://@example.com",
            "https://example.com/a@b" } do
            assert.matches("^baseUrl must not hold user info", refused(url))
        end
        for _, url in ipairs { "https://example.com/v1?a=1", "https://example.com/?", "https://example.com?a" } do
            assert.matches("^baseUrl must not hold a query", refused(url))
        end
        for _, url in ipairs { "https://example.com/v1#a", "https://example.com/#" } do
            assert.matches("^baseUrl must not hold a fragment", refused(url))
        end
    end)

    it("is refused where it is no URL for this", function()
        for url, message in pairs {
            [""] = "is empty",
            [" https://example.com"] = "blanks or control characters",
            ["https://example.com/a b"] = "blanks or control characters",
            ["https://example.com\n"] = "blanks or control characters",
            ["https://exa\0mple.com"] = "blanks or control characters",
            ["ftp://example.com"] = "must begin with https:// %(or http://%)",
            ["file:///etc/passwd"] = "^baseUrl ",
            ["api.kataven.ai/v1"] = "is not a URL such as https://api.kataven.ai/v1",
            ["/v1"] = "is not a URL",
            ["https://"] = "is not a URL",
            ["https:/v1"] = "is not a URL",
            ["https:///v1"] = "is not a URL",
            ["https://example.com:99999"] = "is not a URL",
            ["https://example.com:x"] = "is not a URL",
        } do
            assert.matches(message, refused(url))
        end
    end)

    it("is refused as http:// to another machine", function()
        for _, url in ipairs { "http://example.com", "http://10.0.0.1:8080", "http://localhost.example.com",
            "http://127.0.0.1.example.com", "http://[::2]:80", "http://128.0.0.1", "http://notlocalhost" } do
            assert.matches("^baseUrl is http:// to another machine.-allowHttp = true", refused(url))
            assert.matches("^http://.-/api/v1/widget%-keys$", (urlOf(url, nil, true)))
        end
        assert.matches("to another machine", misuse(function()
            kataven.new { apiKey = spy.TOKEN, baseUrl = "http://example.com", allowHttp = false }
        end))
    end)

    it("may be http:// to this machine", function()
        for _, url in ipairs { "http://localhost:1", "http://LOCALHOST:1", "http://127.0.0.1:1", "http://127.8.9.10",
            "http://[::1]:1" } do
            assert.matches("^http://.-/api/v1/widget%-keys$", (urlOf(url)))
        end
    end)
end)

describe("a path", function()
    local client = spy.client(spy.new(spy.json "{}"))

    local function wrong(path)
        return misuse(function()
            client:request { path = path }
        end)
    end

    it("begins with one slash", function()
        for _, path in ipairs { "", "api/v1", "https://evil.example/", "@evil.example/", ".evil.example", ":80/" } do
            assert.matches("^path must begin with a slash", wrong(path))
        end
        for _, path in ipairs { "//evil.example/", "/\\evil.example/", "///x" } do
            assert.matches("^path must begin with one slash only", wrong(path))
        end
    end)

    it("holds no control character and no fragment", function()
        for _, path in ipairs { "/a\nb", "/a\r\nX: 1", "/a\0", "/a\127" } do
            assert.matches("^path must not hold control characters", wrong(path))
        end
        assert.matches("^path must not hold a fragment", wrong "/a#b")
    end)

    it("is a string", function()
        assert.matches("^path must be a string such as /api/v1/widget%-keys, got nothing", wrong(nil))
        assert.matches("^path must be a string .-, got a number %(5%)", wrong(5))
    end)

    it("is encoded where a URL has no room for a byte, and never twice", function()
        local base = "http://127.0.0.1:1"

        assert.equal(base .. "/a%20b%22%C3%A9%7C", (urlOf(base, '/a b"é|')))
        assert.equal(base .. "/a%2Fb%20", (urlOf(base, "/a%2Fb%20")))
    end)

    it("stays at the origin, dots and all", function()
        assert.equal("https://api.kataven.ai/v1/../../x", (urlOf("https://api.kataven.ai/v1", "/../../x")))
    end)
end)
