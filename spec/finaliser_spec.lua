-- What a host's own code does to a client at the worst moment: finalisers that close it while an answer is copied, a
-- wait that raises, a locale that changes.

local child = require "spec.support.child"
local kataven = require "kataven"
local servers = require "spec.support.servers"
local valgrind = require "spec.support.valgrind"

-- Many headers and a long body, so that copying them collects garbage.
local function largeAnswer()
    local headers = { ["Content-Type"] = "application/json" }
    for index = 1, 400 do
        headers[("X-Filler-%d"):format(index)] = ("v"):rep(20) .. index
    end
    return servers.answer { headers = headers, body = "[" .. (" "):rep(90000) .. "]" }
end

local FINALISER = [[
    local function finaliser(run)
        if newproxy then
            local proxy = newproxy(true)
            getmetatable(proxy).__gc = run
            return proxy
        end
        return setmetatable({}, { __gc = run })
    end
]]

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
        local output, errors = child.run(FINALISER .. ([[
            local kataven = require "kataven"
            collectgarbage("setpause", 1)
            collectgarbage("setstepmul", 1000)
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

    -- What is collected together is finalised one after the other, and a finaliser may use what another has ended: here
    -- one that is older than all of the client's own, most of which therefore go before it.
    local OLDER = FINALISER .. [[
        local function begin()
            local core, kataven, client, calls, using
            local function use()
                using = true
                for _, call in ipairs(calls) do -- collected as well
                    local ok, _, err = coroutine.resume(call)
                    assert(ok, _)
                    io.write(err.name, " ", err.attempts, " ")
                end
                local late = { deadline = 0.1 }
                for _, call in ipairs {
                    function() return client.widgetKeys.list(late) end,
                    function() return client.widgetKeys.create({ name = "late" }, late) end,
                    function() return client:request { path = "/p", headers = { ["X-A"] = "1" }, deadline = 0.1 } end,
                    function() return client:close() end,
                    function() return client.widgetKeys.list() end,
                } do
                    local _, err = call()
                    io.write(err and err.name or "closed", " ")
                end
            end
            local older = finaliser(use)
            core, kataven = require "kataven.core", require "kataven"
            client = kataven.new {
                apiKey = "sk_live_spec_x", baseUrl = os.getenv "URL", maxConcurrent = 1,
                wait = function(...) return (using and core.wait or coroutine.yield)(...) end,
            }
            calls = {}
            for index = 1, 3 do -- in a back-off, in flight, waiting for a turn
                calls[index] = coroutine.create(function() return client.widgetKeys.list() end)
                repeat
                    local _, seconds = coroutine.resume(calls[index])
                    core.wait(0.002)
                until index > 1 or seconds > 0.1
            end
            return older
        end
        local held = begin()
    ]]

    for _, way in ipairs {
        { name = "at the end of the state", code = "", late = "ClosedError" },
        -- Lua decides what is collected in the same cycle. What is not, is in use still.
        { name = "in the midst of things", code = "held = nil collectgarbage() collectgarbage()", late = "%a+Error" },
    } do
        local function run(launcher)
            server:script { default = { { read = "request" }, { send = servers.answer { status = 503,
                headers = { ["Retry-After"] = "1" } } }, { read = "request" }, { stall = true } } }
            local output, errors, status = child.complete(OLDER .. way.code, { URL = server.url }, launcher)
            assert.equal("", errors)
            assert.matches(("^ClosedError 1 CancelledError 1 ClosedError 0 %s %s %s closed ClosedError $"):format(
                way.late, way.late, way.late), output)
            assert.equal(0, status)
            for _, request in ipairs(server:log().requests) do
                assert.equal("Bearer sk_live_spec_x", request.header.authorization)
            end
        end

        it("may use a client from a finaliser that runs after the client's own, " .. way.name, function()
            run()
        end)

        it("and valgrind finds nothing, " .. way.name, function()
            if valgrind.problem then
                pending(valgrind.problem)
            else
                run(valgrind.launcher)
            end
        end)
    end

    -- Between the client and its first request: the prepared header lines go first, and the engine last.
    it("may bring a call back that waited for its turn, and was collected: it ends, and takes no turn", function()
        server:script { { { read = "request" }, { stall = true } } }
        local output, errors = child.run(FINALISER .. ([[
            local core, kataven = require "kataven.core", require "kataven"
            local client = kataven.new {
                apiKey = "sk_live_spec_x", baseUrl = %q, maxConcurrent = 1, wait = coroutine.yield,
            }
            local first = coroutine.create(client.widgetKeys.list)
            assert(coroutine.resume(first))
            local function begin()
                local second
                local older = finaliser(function()
                    local ok, value, err = coroutine.resume(second)
                    io.write(coroutine.status(second), " ", tostring(ok), " ", tostring(value), " ", tostring(err))
                end)
                second = coroutine.create(function()
                    return client.widgetKeys.list(nil, older) -- so that they go together
                end)
                assert(coroutine.resume(second))
            end
            begin()
            collectgarbage()
            collectgarbage()
            client:close()
        ]]):format(server.url))
        assert.equal("", errors)
        assert.equal("dead true nil ClosedError: GET /api/v1/widget-keys: the client, or this call, was collected; "
            .. "nothing was sent", output)
    end)

    -- The call that holds a turn is gone, and its memory is given to other turns. A hundred are made; one that lost its
    -- place in line, since the attempt's end was taken for its own, is not called when it should be.
    local COLLECTED = [[
        local core = require "kataven.core"
        local engine = core.engine(nil, nil, "", 1000, 1)
        local turn = engine:turn()
        assert(turn:ask(engine, 60))
        local attempt = engine:start("GET", os.getenv "URL", core.lines {}, nil, 60, 60, true, turn)
        turn = nil
        collectgarbage()
        collectgarbage()
        local others = {}
        for index = 1, 100 do
            others[index] = engine:turn()
            assert(others[index]:ask(engine, 60) == (index == 1))
        end
        attempt:cancel()
        for index = 1, 100 do
            assert(others[index]:ask(engine, 60), "number " .. index .. " has lost its place")
            others[index]:leave()
        end
        io.write "alive"
    ]]

    it("may drop a turn while its attempt goes on: the end of that is nobody else's", function()
        local launchers = { {}, valgrind.problem == nil and valgrind.launcher or nil }
        for _, launcher in ipairs(launchers) do
            server:script { { { read = "request" }, { stall = true } } }
            local output, errors = child.complete(COLLECTED, { URL = server.url }, launcher)
            assert.same({ "alive", "" }, { output, errors })
        end
    end)

    it("has no request sent without its headers by a finaliser that runs between the client's own", function()
        local answer = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }
        server:script { default = { { read = "request" }, { send = answer } } }
        local output, errors, status = child.complete(FINALISER .. [[
            local kataven = require "kataven"
            local client = kataven.new { apiKey = "sk_live_spec_x", baseUrl = os.getenv "URL", retry = false }
            held = finaliser(function()
                local _, err = client.widgetKeys.list()
                io.write(tostring(err))
            end)
            assert(client.widgetKeys.list())
        ]], { URL = server.url })
        assert.equal("", errors)
        assert.equal("ConnectionError: GET /api/v1/widget-keys: the client is closed", output)
        assert.equal(0, status)
        assert.equal(1, #server:log().requests)
    end)

    it("may raise in wait: the call's turn is free as soon as its answer is there", function()
        local key = servers.answer { status = 201, headers = { ["Content-Type"] = "application/json" }, body = "{}" }
        server:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { effect = "served" },
            { send = key } } } } }
        local core = require "kataven.core"
        -- Whatever collected the abandoned call would free its turn as well.
        collectgarbage "stop"
        finally(function() collectgarbage "restart" end)
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
        local ok, why = pcall(client.widgetKeys.list)
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
