-- How calls wait in the event loops that `wait` knows by name: nothing hot, every end heard of, and only where one can.

local child = require "spec.support.child"
local core = require "kataven.core"
local hosts = require "spec.support.hosts"
local kataven = require "kataven"
local servers = require "spec.support.servers"

local EMPTY = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }

hosts.describe({ "cqueues", "copas", "luv", "yield" }, function(on)
    it("hears of a cancel and of a close at once, in flight, in the queue and in a back-off", function()
        local busy = servers.answer { status = 503, headers = { ["Retry-After"] = "50" }, body = "later" }
        for _, way in ipairs { "cancel", "close" } do
            on.tcp:script { { { read = "request" }, { send = busy } }, default = { { read = "request" },
                { stall = true } } }
            local canceller, results = kataven.canceller(), {}
            local client = on.client(on.tcp, { maxConcurrent = 1 })
            local function call(index, path)
                return function()
                    local _, err = client:request { path = path, cancel = canceller }
                    results[index] = err
                end
            end
            local began = core.now()
            on.loop.run {
                call(1, "/resting"), call(2, "/under-way"), call(3, "/queued"),
                function()
                    -- Until the second is under way, which is when the first rests.
                    repeat
                        client:request { path = "/x", deadline = 0.05, retry = false }
                    until on.tcp:log().connections == 2 or #on.tcp:log().requests >= 2
                    if way == "cancel" then
                        canceller:cancel()
                    else
                        client:close()
                    end
                end,
            }
            assert.is_true(core.now() - began < 10)
            for index = 1, 3 do
                assert.equal(way == "cancel" and "CancelledError" or "ClosedError", results[index].name)
            end
            client:close()
        end
    end)

    it("waits without work #speed", function()
        on.tcp:script { default = { { read = "request" }, { stall = 0.6 }, { send = EMPTY } } }
        local client = on.client(on.tcp, {})
        local used = os.clock()
        on.loop.run { function() kataven.assert(client.widgetKeys.list()) end }
        assert.is_true(os.clock() - used < 0.3)
    end)

    -- Ends a coroutine while it waits. luv keeps those for itself, so there it is closed, or hit by an error.
    local function drop(thread)
        if on.name ~= "luv" then
            return
        elseif rawget(coroutine, "close") then
            rawget(coroutine, "close")(thread)
            return
        end
        debug.sethook(thread, function()
            if coroutine.running() == thread then
                error("dropped", 0)
            end
        end, "", 1)
        coroutine.resume(thread)
        debug.sethook(thread)
        assert.equal("dead", coroutine.status(thread))
    end

    for _, part in ipairs { "in flight", "answered" } do
        it(("waits without work beside a call whose coroutine was dropped, %s #speed"):format(part), function()
            on.tcp:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { choose = "x-part",
                cases = { ["in flight"] = { { stall = true } }, slow = { { stall = 0.5 } } } }, { send = EMPTY } } } } }
            local client = on.client(on.tcp, { timeout = 5 })
            local function call(name)
                return client:request { path = "/", headers = { ["X-Part"] = name } }
            end
            local used
            on.loop.run { function()
                collectgarbage "stop"
                local thread = coroutine.create(call)
                assert(coroutine.resume(thread, part))
                drop(thread)
                thread = nil -- luacheck: ignore 311
                -- The steps of others send its request, and those of one more read what there is of an answer.
                local sent
                repeat
                    kataven.assert(call "quick")
                    for _, request in ipairs(on.tcp:log().requests) do
                        sent = sent or request.header["x-part"] == part
                    end
                until sent
                kataven.assert(call "quick")
                collectgarbage "restart"
                collectgarbage()
                collectgarbage()
                used = os.clock()
                kataven.assert(call "slow")
                used = os.clock() - used
            end }
            assert.is_true(used < 0.2, used)
        end)
    end

    it("goes on when clients come and go, and numbers of descriptors come back", function()
        on.tcp:script { default = { { read = "request" }, { send = EMPTY } } }
        local made = {}
        on.loop.run { function()
            for index = 1, 30 do
                local one = on.client(on.tcp)
                made[index] = #kataven.assert(one.widgetKeys.list())
                if index % 2 == 0 then
                    one:close()
                end
                if index % 3 == 0 then
                    collectgarbage()
                end
            end
        end }
        assert.equal(30, #made)
    end)

    it("waits without work for a transport that goes on after a cancel", function()
        local canceller, began, told = kataven.canceller(), nil, 0
        local client = on.client(on.hub, { transport = { send = function(_, _, wait)
            began = core.now()
            canceller:cancel()
            while core.now() - began < 0.5 do
                told = told + (wait(0.05) and 1 or 0)
            end
            return nil, { kind = "cancelled", sent = true, message = "at last" }
        end } })
        local used, _, err = os.clock(), nil, nil
        on.loop.run { function()
            _, err = client.widgetKeys.list { cancel = canceller }
        end }
        assert.is_true(told > 0)
        assert.equal("CancelledError", err.name)
        assert.is_true(os.clock() - used < 0.25)
    end)

    if on.name == "cqueues" then
        it("blocks outside of a controller, where nothing else could run", function()
            on.hub:reset()
            local client = on.client(on.hub)
            assert.same({}, (kataven.assert(client.widgetKeys.list())))
        end)
    else
        it("is a HostError in the main program, with nothing sent", function()
            on.tcp:script {}
            local output = child.run(([[
                local client = require("kataven").new { apiKey = %q, baseUrl = %q, wait = %q }
                local _, err = client.widgetKeys.create { name = "a" }
                print(err.name, err.attempts, err.maybeApplied, err:is "KatavenError")
                print(err)
            ]]):format(hosts.KEY, on.tcp.url, on.name))
            assert.matches("^HostError\t0\tfalse\ttrue\n", output)
            assert.truthy(output:find(
                ('wait = "%s" needs a coroutine to wait in, and this is the main program: run the call in ')
                    :format(on.name), 1, true), output)
            assert.matches("; nothing was sent\n$", output)
            on.client(on.tcp)
            assert.equal(0, on.tcp:log().connections)
        end)
    end

    it("does not send a write from where it cannot wait", function()
        on.hub:reset()
        local client = on.client(on.hub)
        local errs = {}
        -- A warm connection, over which a request would go out in the first step.
        local function run()
            kataven.assert(client.widgetKeys.list())
            local _
            ;("x"):gsub("x", function()
                _, errs[1] = client.widgetKeys.create { name = "never" }
            end)
        end
        if rawget(coroutine, "isyieldable") then
            on.loop.run { run }
            assert.equal("HostError", errs[1].name)
            assert.truthy(errs[1].message:find("a C function is between the call and its coroutine", 1, true))
        else
            -- PUC Lua 5.1 tells when it tries, and cannot yield from within pcall.
            on.loop.run { function()
                kataven.assert(client.widgetKeys.list())
                errs = { pcall(client.widgetKeys.create, { name = "never" }) }
            end }
            assert.is_false(errs[1])
            assert.matches("attempt to yield across metamethod/C%-call boundary", errs[2])
            collectgarbage()
        end
        assert.equal(0, on.hub:stats().creates)
    end)
end)
