local headers = require "kataven.headers"
local kataven = require "kataven"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

-- The headers that go out for a client's and a call's.
local function sent(clientHeaders, callHeaders, more)
    local transport = spy.new(spy.json "{}")
    local options = { path = "/p", headers = callHeaders }
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    kataven.assert(spy.client(transport, { headers = clientHeaders }):request(options))
    return transport.requests[1].headers
end

local OURS = { "Authorization", "X-Account-ID", "Host", "Content-Length", "Transfer-Encoding", "Connection",
    "Accept-Encoding" }

describe("headers", function()
    it("go out with every call of a client", function()
        local all = sent { ["X-Trace"] = "t1", ["X-Empty"] = "" }

        assert.equal("t1", all["X-Trace"])
        assert.equal("", all["X-Empty"])
        assert.equal("Bearer " .. spy.TOKEN, all.Authorization)
    end)

    it("of a call are laid over the client's, whatever their case", function()
        local all = sent({ ["X-Trace"] = "t1", ["X-A"] = "a" }, { ["x-trace"] = "t2" })

        assert.equal("t2", all["x-trace"])
        assert.is_nil(all["X-Trace"])
        assert.equal("a", all["X-A"])
    end)

    it("of a call are forgotten after it", function()
        local transport = spy.new(spy.json "[]")
        local client = spy.client(transport)

        client.widgetKeys.list { headers = { ["X-Trace"] = "t1" } }
        client.widgetKeys.list()
        assert.equal("t1", transport.requests[1].headers["X-Trace"])
        assert.is_nil(transport.requests[2].headers["X-Trace"])
    end)

    it("may replace Accept, Content-Type and User-Agent", function()
        local all = sent(nil, { ["accept"] = "text/csv", ["CONTENT-TYPE"] = "application/merge-patch+json",
            ["user-agent"] = "mine" }, { method = "POST", body = {} })

        assert.equal("text/csv", all.accept)
        assert.is_nil(all.Accept)
        assert.equal("application/merge-patch+json", all["CONTENT-TYPE"])
        assert.is_nil(all["Content-Type"])
        assert.equal("mine", all["user-agent"])
        assert.is_nil(all["User-Agent"])
    end)

    it("say what a body is, where there is one", function()
        assert.is_nil(sent()["Content-Type"])
        assert.equal("application/json", sent(nil, nil, { method = "POST", body = {} })["Content-Type"])
        assert.equal("application/json", sent(nil, nil, { method = "POST", body = "[]" })["Content-Type"])
    end)

    it("may not set what the client answers for", function()
        local client = spy.client(spy.new(spy.json "[]"))

        for _, name in ipairs(OURS) do
            for _, spelling in ipairs { name, name:lower(), name:upper() } do
                local wanted = "headers may not set " .. spelling .. ": "
                local atNew = misuse(function()
                    kataven.new { apiKey = spy.TOKEN, headers = { [spelling] = "x" } }
                end)
                local atCall = misuse(function()
                    client.widgetKeys.list { headers = { [spelling] = "x" } }
                end)
                assert.equal(wanted, atNew:sub(1, #wanted))
                assert.equal(atNew, atCall)
            end
        end
    end)

    it("have names and values that cannot break a message", function()
        local client = spy.client(spy.new(spy.json "[]"))
        local function problem(given)
            return misuse(function()
                client:request { path = "/p", headers = given }
            end)
        end

        for _, name in ipairs { "", "a b", "a:", "a\r\nb", "é", "a\0" } do
            assert.matches("headers: a name must be letters, digits and dashes, got a string",
                problem { [name] = "x" })
        end
        assert.matches("a name must be .-, got a number %(1%)", problem { "X-A: 1" })
        assert.matches('headers%["X%-A"%] holds a control character', problem { ["X-A"] = "a\r\nX-B: 1" })
        assert.matches('headers%["X%-A"%] holds a control character', problem { ["X-A"] = "a\0" })
        assert.matches('headers%["X%-A"%] must be a string, got a number', problem { ["X-A"] = 5 })
        assert.matches('headers%["X%-A"%] must be a string, got a boolean', problem { ["X-A"] = true })
        assert.matches("headers must be a table of names and values, got a string", problem "X-A: 1")
    end)

    it("of a request are the transport's own to change", function()
        local seen = {}
        local client = spy.client(spy.new(function(request)
            seen[#seen + 1] = request.headers.Authorization
            request.headers.Authorization = "changed"
            return spy.json "[]"
        end))

        client.widgetKeys.list()
        client.widgetKeys.list()
        assert.same({ "Bearer " .. spy.TOKEN, "Bearer " .. spy.TOKEN }, seen)
    end)

    it("make a list that is sorted by name", function()
        assert.same({ "A", "1", "B", "2", "a", "3" }, headers.list { B = "2", a = "3", A = "1" })
        assert.same({}, headers.list {})
    end)
end)
