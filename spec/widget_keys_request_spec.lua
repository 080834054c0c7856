local kataven = require "kataven"
local spy = require "spec.support.spy"

local PATH = "/api/v1/widget-keys"

-- What one call of a method sends; the arguments follow its name.
local function sent(method, ...)
    local transport = spy.new(spy.json(method == "list" and "[]" or "{}"))
    kataven.assert(spy.client(transport).widgetKeys[method](...))
    assert.equal(1, #transport.requests)
    return transport.requests[1]
end

local function created(input)
    return sent("create", input).body
end

local function updated(patch)
    return sent("update", "k1", patch).body
end

describe("a request of", function()
    it("list has no body", function()
        local request = sent "list"

        assert.same({ "GET", PATH, "https://api.kataven.ai/v1/widget-keys" },
            { request.method, request.path, request.url })
        assert.is_nil(request.body)
        assert.is_nil(request.headers["Content-Type"])
    end)

    it("create is a POST of JSON", function()
        local request = sent("create", { name = "acme.com" })

        assert.same({ "POST", PATH, "https://api.kataven.ai/v1/widget-keys" },
            { request.method, request.path, request.url })
        assert.equal('{"name":"acme.com"}', request.body)
        assert.equal("application/json", request.headers["Content-Type"])
        assert.equal("application/json", request.headers.Accept)
        assert.equal("Bearer " .. spy.TOKEN, request.headers.Authorization)
    end)

    it("update is a PATCH of JSON", function()
        local request = sent("update", "k1", { disabled = true })

        assert.same({ "PATCH", PATH .. "/k1", "https://api.kataven.ai/v1/widget-keys/k1" },
            { request.method, request.path, request.url })
        assert.equal('{"disabled":true}', request.body)
        assert.equal("application/json", request.headers["Content-Type"])
    end)

    it("delete has no body", function()
        local request = sent("delete", "k1")

        assert.same({ "DELETE", PATH .. "/k1", "https://api.kataven.ai/v1/widget-keys/k1" },
            { request.method, request.path, request.url })
        assert.is_nil(request.body)
        assert.is_nil(request.headers["Content-Type"])
    end)
end)

describe("a body", function()
    it("says an empty allowlist with []", function()
        assert.equal('{"domain_allowlist":[],"name":"a"}', created { name = "a", domain_allowlist = {} })
        assert.equal('{"domain_allowlist":[]}', updated { domain_allowlist = {} })
        assert.equal('{"domain_allowlist":[]}', updated { domain_allowlist = kataven.array {} })
    end)

    it("keeps an allowlist's order", function()
        assert.equal('{"domain_allowlist":["z.com","*.a.com","localhost:*","https://a.com/x"]}',
            updated { domain_allowlist = { "z.com", "*.a.com", "localhost:*", "https://a.com/x" } })
    end)

    it("says null, false and nothing apart", function()
        assert.equal('{"agent_id":null,"name":"a"}', created { name = "a", agent_id = kataven.null })
        assert.equal('{"agent_id":"agent_7","name":"a"}', created { name = "a", agent_id = "agent_7" })
        assert.equal('{"agent_id":null}', updated { agent_id = kataven.null })
        assert.equal('{"disabled":false}', updated { disabled = false })
        assert.equal("{}", updated {})
    end)

    it("has every field, in the same order each time", function()
        assert.equal('{"agent_id":"g","disabled":true,"domain_allowlist":["d"],"name":"n"}',
            updated { name = "n", domain_allowlist = { "d" }, agent_id = "g", disabled = true })
    end)

    it("has text as it is, and escapes what JSON wants escaped", function()
        for name, text in pairs {
            ["Zürich 日本 🎉"] = '"Zürich 日本 🎉"',
            ['say "hi"'] = [["say \"hi\""]],
            ["a\\b/c"] = [["a\\b/c"]],
            ["\b\t\n\f\r"] = [["\b\t\n\f\r"]],
            ["\0\1\31"] = [["\u0000\u0001\u001f"]],
            ["\127"] = '"\127"',
            [""] = '""',
            ["null"] = '"null"',
            ["5"] = '"5"',
            ["</script>"] = '"</script>"',
            ["\226\128\168"] = '"\226\128\168"', -- U+2028, a line break in JavaScript
        } do
            assert.equal(('{"name":%s}'):format(text), created { name = name })
        end
    end)

    it("leaves what it was made of alone", function()
        local allowlist = { "a.com" }
        local input = { name = "a", domain_allowlist = allowlist }

        created(input)
        assert.is_nil(getmetatable(allowlist))
        assert.same({ name = "a", domain_allowlist = { "a.com" } }, input)
        assert.equal(allowlist, input.domain_allowlist)
    end)
end)

describe("an id", function()
    local function pathOf(id)
        local request = sent("delete", id)
        local patched = sent("update", id, {})

        assert.equal(request.path, patched.path)
        assert.equal("https://api.kataven.ai/v1" .. request.path:sub(#"/api/v1" + 1), request.url)
        return (request.path:gsub("^/api/v1/widget%-keys/", ""))
    end

    it("is percent-encoded, all but unreserved characters", function()
        for id, encoded in pairs {
            ["azAZ09-._~"] = "azAZ09-._~",
            ["a/b"] = "a%2Fb",
            ["../x"] = "..%2Fx",
            ["a b?c#d"] = "a%20b%3Fc%23d",
            ["100%"] = "100%25",
            ["%2e%2e"] = "%252e%252e",
            ["é"] = "%C3%A9",
            ["a\\b"] = "a%5Cb",
            ["..."] = "...",
            ["!$&'()*+,;=:@[]"] = "%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40%5B%5D",
            ["\255"] = "%FF",
            [" "] = "%20",
        } do
            assert.equal(encoded, pathOf(id))
        end
    end)
end)

describe("the options of a call", function()
    local function options(given)
        for method, arguments in pairs {
            list = { given },
            create = { { name = "a" }, given },
            update = { "k1", {}, given },
            delete = { "k1", given },
        } do
            local dot = sent(method, arguments[1], arguments[2], arguments[3])
            assert.equal(given.timeout or 30, dot.timeout, method)
            assert.equal(given.headers and "1" or nil, dot.headers["X-A"], method)

            local transport = spy.new(spy.json(method == "list" and "[]" or "{}"))
            local widgetKeys = spy.client(transport).widgetKeys
            kataven.assert(widgetKeys[method](widgetKeys, arguments[1], arguments[2], arguments[3]))
            local colon = transport.requests[1]
            assert.equal(dot.timeout, colon.timeout, method)
            assert.same(dot.headers, colon.headers, method)
            assert.equal(dot.body, colon.body, method)
            assert.equal(dot.url, colon.url, method)
        end
    end

    it("are the last argument of every method, with dot and colon", function()
        options {}
        options { timeout = 5 }
        options { headers = { ["X-A"] = "1" } }
        options { timeout = 0.25, headers = { ["X-A"] = "1" }, retry = false, deadline = 100 }
    end)

    it("bound an attempt by timeout and deadline, whichever is less", function()
        assert.equal(5, sent("list", { timeout = 5, deadline = 9 }).timeout)
        assert.equal(9, sent("list", { deadline = 9 }).timeout)
        assert.equal(9, sent("list", { deadline = 9 }).connectTimeout)
        assert.equal(10, sent("list", { timeout = 60 }).connectTimeout)
        assert.equal(5, sent("list", { timeout = 5 }).connectTimeout)
    end)

    it("are laid over the client's", function()
        local transport = spy.new(spy.json "[]")
        local client = spy.client(transport, { timeout = 4, connectTimeout = 2, deadline = 3 })

        client.widgetKeys.list()
        client.widgetKeys.list { timeout = 1 }
        client.widgetKeys.list { deadline = 50 }
        local timeouts = {}
        for index, request in ipairs(transport.requests) do
            timeouts[index] = { request.timeout, request.connectTimeout }
        end
        assert.same({ { 3, 2 }, { 1, 1 }, { 4, 2 } }, timeouts)
    end)
end)
