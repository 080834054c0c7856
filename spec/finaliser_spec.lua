-- What a host's own code does to a client at the worst moment: finalisers that close it while an answer is copied, a
-- wait that raises, a locale that changes.

local child = require "spec.support.child"
local kataven = require "kataven"
local servers = require "spec.support.servers"

-- Many headers and a long body, so that copying them collects garbage.
local function largeAnswer()
    local headers = { ["Content-Type"] = "application/json" }
    for index = 1, 400 do
        headers[("X-Filler-%d"):format(index)] = ("v"):rep(20) .. index
    end
    return servers.answer { headers = headers, body = "[" .. (" "):rep(90000) .. "]" }
end

describe("a host's code at the worst moment", function()
    local server

    lazy_setup(function()
        server = servers.tcp {}
    end)

    lazy_teardown(function()
        server:stop()
    end)

    it("may close a client from a finaliser while its answer is copied", function()
        local exchange = { { read = "request" }, { send = largeAnswer() } }
        server:script { default = { { ["repeat"] = true, steps = exchange } } }
        local output, errors = child.run(([[
            local kataven = require "kataven"
            collectgarbage("setpause", 1)
            collectgarbage("setstepmul", 1000)
            local function finaliser(run)
                if newproxy then
                    local proxy = newproxy(true)
                    getmetatable(proxy).__gc = run
                else
                    setmetatable({}, { __gc = run })
                end
            end
            local closed = 0
            for round = 1, 120 do
                local client = kataven.new { apiKey = "sk_live_spec_x", baseUrl = %q, retry = false }
                finaliser(function() client:close() end)
                local junk = {}
                for index = 1, round %% 50 do
                    junk[index] = { ("x"):rep(index) }
                end
                local value, err = client.widgetKeys.list()
                assert(value or err.name == "ClosedError", tostring(err))
            end
            io.write("alive")
        ]]):format(server.url))
        assert.equal("", errors)
        assert.equal("alive", output)
    end)

    it("may raise in wait: the call's turn is free as soon as its answer is there", function()
        local key = servers.answer { status = 201, headers = { ["Content-Type"] = "application/json" }, body = "{}" }
        server:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { effect = "served" },
            { send = key } } } } }
        local core = require "kataven.core"
        local raising = true
        local client = kataven.new {
            apiKey = "sk_live_spec_x", baseUrl = server.url, maxConcurrent = 1,
            wait = function(seconds, fd)
                if raising then
                    error("not now", 0)
                end
                core.wait(seconds, fd)
            end,
        }
        local ok, why = pcall(client.widgetKeys.create, { name = "x" })
        assert.is_false(ok)
        assert.equal("not now", why)
        raising = false
        assert(client.widgetKeys.create({ name = "y" }, { deadline = 10 }))
        assert.equal(2, server:log().effects.served)
        client:close()
    end)

    it("may change the locale: an answer that lua-cjson then refuses is read by a new instance of it", function()
        -- An instance knows the decimal point of the locale it was made in. This one plays such an instance.
        local output, errors = child.run [[
            local cjson, made = require "cjson", 0
            package.loaded.cjson = setmetatable({
                new = function()
                    made = made + 1
                    local instance, number = cjson.new(), made
                    return setmetatable({
                        decode = function(text)
                            if number == 1 and text:find("%d%.%d") then
                                error("Expected comma but found invalid token")
                            end
                            return instance.decode(text)
                        end,
                    }, { __index = instance })
                end,
            }, { __index = cjson })
            local core = require "kataven.core"
            assert(core.decode("[1]")[1] == 1 and made == 1)
            assert(core.decode("[1.5]")[1] == 1.5 and made == 2)
            assert(core.decode("[2.5]")[1] == 2.5 and made == 2)
            io.write("fine")
        ]]
        assert.equal("", errors)
        assert.equal("fine", output)
    end)

    it("may not keep a refusal of lua-cjson from being an error that is returned", function()
        local output, errors = child.run [[
            local cjson = require "cjson"
            package.loaded.cjson = setmetatable({
                new = function()
                    return setmetatable({ decode = function() error("no, thanks", 0) end }, { __index = cjson.new() })
                end,
            }, { __index = cjson })
            local value, problem = require("kataven.core").decode("[1]")
            io.write(tostring(value), " ", problem)
        ]]
        assert.equal("", errors)
        assert.equal("nil no, thanks", output)
    end)
end)
