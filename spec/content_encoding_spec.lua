-- Answers with a Content-Encoding, which nobody asked for.

local kataven = require "kataven"
local play = require "spec.support.play"
local servers = require "spec.support.servers"
local spy = require "spec.support.spy"

-- `{"id":"wk_1"}` through gzip.
local GZIP = "\31\139\8\0\0\0\0\0\0\3\171\86\202\76\81\178\82\42\207\142\55\84\170\5\0\233\60\107\120\13\0\0\0"
local CALLS = {
    list = function(client) return client.widgetKeys.list() end,
    create = function(client) return client.widgetKeys.create { name = "x" } end,
    update = function(client) return client.widgetKeys.update("wk_1", { name = "x" }) end,
    request = function(client) return client:request { method = "POST", path = "/p", body = {} } end,
}

local function answer(coding, body, status, kind)
    return { status = status or 200, headers = { ["content-type"] = kind or "application/json",
        ["content-encoding"] = coding }, body = body }
end

local function ask(method, response)
    return CALLS[method](spy.client(spy.new(response), { retry = false }))
end

describe("an answer with a Content-Encoding", function()
    it("is named by it, and may have been carried out", function()
        for method in pairs(CALLS) do
            for coding, named in pairs {
                gzip = "gzip", GZip = "GZip", ["x-gzip"] = "x-gzip", br = "br", zstd = "zstd", deflate = "deflate",
                ["identity, gzip"] = "gzip", ["gzip,br"] = "gzip, br", [" , gzip ,"] = "gzip",
            } do
                for _, body in ipairs { GZIP, "text", "\139{}" } do
                    local value, err = ask(method, answer(coding, body))
                    assert.is_nil(value)
                    assert.equal("ResponseError", err.name)
                    assert.matches(("200, but the answer is a body with the Content-Encoding %s (none was asked for")
                        :format(named), err.message, 1, true)
                    assert.equal(method ~= "list", err.maybeApplied)
                    assert.equal(body, err.body)
                    assert.is_nil(err.message:find "[%z\1-\31\127-\255]")
                end
            end
        end
    end)

    it("is fine where that is identity, or there is no body", function()
        for _, coding in ipairs { "identity", "Identity", "identity, identity", "", " , " } do
            assert.same({}, (assert(ask("list", answer(coding, "[]")))))
            assert.equal("wk_1", assert(ask("create", answer(coding, '{"id":"wk_1"}'))).id)
        end
        assert.is_true(ask("request", answer("gzip", "", 204)))
    end)

    it("is fine where no body is promised", function()
        for _, body in ipairs { "", GZIP } do
            assert.is_true((spy.client(spy.new(answer("gzip", body))).widgetKeys.delete "wk_1"))
        end
    end)

    it("is fine where the body is the JSON that was promised all the same: it may hold what is shown once", function()
        for _, coding in ipairs { "none", "UTF-8", "gzip" } do
            assert.same({}, (assert(ask("list", answer(coding, "[]")))))
            assert.equal("wk_1", assert(ask("create", answer(coding, '{"id":"wk_1"}'))).id)
            assert.equal("wk_1", spy.client(spy.new(answer(coding, '{"id":"wk_1"}'))).widgetKeys.delete "wk_1".id)
        end
    end)

    it("is not shown where it says no", function()
        for _, status in ipairs { 302, 400, 422, 429, 500 } do
            local _, err = ask("create", answer("gzip", GZIP, status))
            assert.equal(status, err.status)
            assert.matches(status .. " (its body has the Content-Encoding gzip, and is not shown)", err.message, 1,
                true)
            assert.equal(GZIP, err.body)
            assert.is_nil(err.data)
        end
    end)

    it("has a name that may stand in a message", function()
        local _, err = ask("create", answer("gz\27[2Jip" .. ("x"):rep(5000), GZIP))
        assert.is_nil(err.message:find "%c")
        assert.is_true(#err.message < 1000)
    end)

    it("is the same from a server and from a cassette", function()
        local server = servers.tcp { default = { { ["repeat"] = true, steps = { { read = "request" },
            { send = servers.answer { headers = { ["Content-Type"] = "application/json",
                ["Content-encoding"] = "gzip" }, body = GZIP } } } } } }
        local tape = play.open(nil, [[{"request":{"method":"POST","path":"/p","json":{}},
            "response":{"status":200,"headers":{"Content-Encoding":"GZIP"},"body":"no JSON"}}]])
        for _, options in ipairs { { baseUrl = server.url }, { transport = tape } } do
            options.apiKey = spy.TOKEN
            local client = kataven.new(options)
            local value, err = CALLS.request(client)
            assert.is_nil(value)
            assert.matches("with the Content-Encoding gzip", err.message:gsub("GZIP", "gzip"), 1, true)
            client:close()
        end
        -- For what has a value of its own at once, too.
        local client = kataven.new { apiKey = spy.TOKEN, baseUrl = server.url }
        for _, method in ipairs { "create", "update" } do
            local _, err = CALLS[method](client)
            assert.equal("ResponseError", err.name)
        end
        assert.equal("identity", server:log().requests[1].header["accept-encoding"])
        client:close()
        server:stop()
        play.removeFiles()
    end)
end)
