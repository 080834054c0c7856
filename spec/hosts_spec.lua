-- Event loops that `wait` knows by name, for real: many calls at once, none forgotten, nothing hot.

local child = require "spec.support.child"
local core = require "kataven.core"
local kataven = require "kataven"
local loops = require "spec.support.loops"
local servers = require "spec.support.servers"

local KEY = "sk_live_spec_hosts"
local EMPTY = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }

-- Debian has copas 1, for Lua 5.1 only, which LuaJIT can use too.
local ABSENT = {
    copas = _VERSION ~= "Lua 5.1" and "copas is packaged for Lua 5.1 only"
        or not core.descriptors and "copas 1 has no timers, so it needs epoll",
}

for _, name in ipairs { "cqueues", "copas", "luv", "yield" } do
    describe(('wait = "%s"'):format(name), function()
        local loop, hub, tcp, client

        if ABSENT[name] then
            pending(ABSENT[name])
            return
        end

        setup(function()
            loop = assert(loops.get(name))
            hub = servers.hub { apiKey = KEY, latency = 0.2, limits = { inFlight = 0 } }
            tcp = servers.tcp {}
        end)

        teardown(function()
            hub:stop()
            tcp:stop()
        end)

        after_each(function()
            client:close()
        end)

        local function clientOf(server, options)
            local all = { apiKey = KEY, baseUrl = server.url, wait = name, proxy = false }
            for key, value in pairs(options or {}) do
                all[key] = value
            end
            client = kataven.new(all)
            return client
        end

        it("runs 50 calls of 200 ms side by side", function()
            hub:reset()
            clientOf(hub, { maxConcurrent = 50 })
            local functions, names = {}, {}
            for index = 1, 50 do
                functions[index] = function()
                    local key = kataven.assert(client.widgetKeys.create { name = "call " .. index })
                    names[index] = key.name
                end
            end
            local began = core.now()
            loop.run(functions)
            assert.is_true(core.now() - began < 2)
            for index = 1, 50 do
                assert.equal("call " .. index, names[index])
            end
            assert.equal(50, hub:stats().creates)
        end)

        it("forgets none when one's step finishes another's call", function()
            local round = { { read = "request" }, { wait = "go" }, { send = EMPTY } }
            tcp:script { default = round }
            clientOf(tcp, { maxConcurrent = 21, timeout = 15 })
            local functions, done = {}, 0
            for index = 1, 20 do
                functions[index] = function()
                    kataven.assert(client.widgetKeys.list())
                    done = done + 1
                end
            end
            -- The answers come all at once, so that a step finds several of them.
            functions[21] = function()
                client:request { path = "/first", timeout = 0.3, retry = false }
                tcp:signal "go"
            end
            local began = core.now()
            loop.run(functions)
            assert.equal(20, done)
            assert.is_true(core.now() - began < 5)
        end)

        it("lets calls wait for their turn, and before they try again", function()
            local busy = servers.answer { status = 503, body = "later" }
            tcp:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { send = busy },
                { read = "request" }, { send = EMPTY } } } } }
            clientOf(tcp, { maxConcurrent = 2, retry = { baseDelay = 0.1, max = 20 } })
            local functions, done = {}, 0
            for index = 1, 12 do
                functions[index] = function()
                    kataven.assert(client:request { path = "/" .. index })
                    done = done + 1
                end
            end
            local began = core.now()
            loop.run(functions)
            assert.equal(12, done)
            assert.is_true(core.now() - began < 8)
        end)

        it("hears of a cancel and of a close at once, in flight, in the queue and in a back-off", function()
            local busy = servers.answer { status = 503, headers = { ["Retry-After"] = "50" }, body = "later" }
            for _, way in ipairs { "cancel", "close" } do
                tcp:script { { { read = "request" }, { send = busy } }, default = { { read = "request" },
                    { stall = true } } }
                local canceller, results = kataven.canceller(), {}
                clientOf(tcp, { maxConcurrent = 1 })
                local function call(index, path)
                    return function()
                        local _, err = client:request { path = path, cancel = canceller }
                        results[index] = err
                    end
                end
                local began = core.now()
                loop.run {
                    call(1, "/resting"), call(2, "/under-way"), call(3, "/queued"),
                    function()
                        -- Until the second is under way, which is when the first rests.
                        repeat
                            client:request { path = "/x", deadline = 0.05, retry = false }
                        until tcp:log().connections == 2 or #tcp:log().requests >= 2
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
            tcp:script { default = { { read = "request" }, { stall = 0.6 }, { send = EMPTY } } }
            clientOf(tcp, {})
            local used = os.clock()
            loop.run { function() kataven.assert(client.widgetKeys.list()) end }
            assert.is_true(os.clock() - used < 0.3)
        end)

        it("goes on when clients come and go, and numbers of descriptors come back", function()
            tcp:script { default = { { read = "request" }, { send = EMPTY } } }
            local made = {}
            loop.run { function()
                for index = 1, 30 do
                    local one = clientOf(tcp)
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

        it("carries calls of client:parallel", function()
            hub:reset()
            clientOf(hub, { maxConcurrent = 20 })
            local tasks, others, results = {}, 0, nil
            for index = 1, 20 do
                tasks[index] = function() return client.widgetKeys.create { name = "task " .. index } end
            end
            local began = core.now()
            loop.run {
                function() results = client:parallel(tasks) end,
                function()
                    kataven.assert(client.widgetKeys.list())
                    others = others + 1
                end,
            }
            assert.is_true(core.now() - began < 2)
            assert.equal(1, others)
            for index = 1, 20 do
                assert.equal("task " .. index, results[index].value.name)
            end
        end)

        it("lets tasks of client:parallel wait for others by yields of their own, and the host run", function()
            hub:reset()
            clientOf(hub)
            local done, others, result = false, false, nil
            loop.run {
                function()
                    result = client:parallel {
                        function()
                            local yields = 0
                            repeat
                                coroutine.yield()
                                yields = yields + 1
                            until done and others or yields == 50000
                            return done and others
                        end,
                        function()
                            kataven.assert(client.widgetKeys.list())
                            done = true
                        end,
                    }
                end,
                function()
                    kataven.assert(client.widgetKeys.list())
                    others = true
                end,
            }
            assert.is_true(result[1].value)
        end)

        it("carries calls of another client in a task, and gives what came of them", function()
            hub:reset()
            local other = kataven.new { apiKey = KEY, baseUrl = hub.url, wait = name, proxy = false }
            clientOf(hub)
            local results
            local function list() return client.widgetKeys.list() end
            local began = core.now()
            loop.run { function()
                results = client:parallel {
                    function() return other.widgetKeys.create { name = "a" } end,
                    list,
                    function()
                        local inner = other:parallel {
                            function() return other.widgetKeys.create { name = "b" } end, list,
                            function() return other.widgetKeys.create { name = "c" } end,
                        }
                        return { name = inner[1].value.name .. type(inner[2].value) .. inner[3].value.name }
                    end,
                    list,
                }
            end }
            assert.is_true(core.now() - began < 2)
            assert.same({ "a", "btablec" }, { results[1].value.name, results[3].value.name })
            assert.same({ "table", "table" }, { type(results[2].value), type(results[4].value) })
            assert.equal(3, hub:stats().creates)
            other:close()
        end)

        it("records calls of client:parallel", function()
            hub:reset()
            local path = os.tmpname()
            clientOf(hub, { transport = kataven.cassette.open(path, { mode = "record" }), maxConcurrent = 2,
                timeout = 15 })
            local tasks, results = {}, nil
            for index = 1, 4 do
                tasks[index] = function() return client.widgetKeys.create { name = "task " .. index } end
            end
            local began, used = core.now(), os.clock()
            loop.run { function() results = client:parallel(tasks) end }
            os.remove(path)
            assert.is_true(core.now() - began < 5)
            assert.is_true(os.clock() - used < 0.3)
            for index = 1, 4 do
                assert.equal("task " .. index, results[index].value.name)
            end
        end)

        it("hands the turns on where libcurl has no part in the calls, or watches for them in vain", function()
            -- One that waits by itself, and one that goes through the client's libcurl without what comes beside.
            local alone = { send = function(_, _, wait)
                wait(0.02)
                return { status = 200, headers = { ["content-type"] = "application/json" }, body = "[]" }
            end }
            local around = { send = function() error "not reached" end, over = function(_, inner)
                return { send = function(_, request, wait) return inner:send(request, wait) end }
            end }
            for _, transport in ipairs { alone, around } do
                for _, crew in ipairs { false, true } do
                    hub:reset()
                    clientOf(hub, { transport = transport, maxConcurrent = 1, timeout = 15 })
                    local functions, done = {}, 0
                    for index = 1, 3 do
                        functions[index] = function()
                            kataven.assert(client.widgetKeys.list())
                            done = done + 1
                        end
                    end
                    local began = core.now()
                    loop.run(crew and { function() client:parallel(functions) end } or functions)
                    assert.equal(3, done)
                    assert.is_true(core.now() - began < 5)
                    client:close()
                end
            end
        end)

        it("waits without work for a transport that goes on after a cancel", function()
            local canceller, began, told = kataven.canceller(), nil, 0
            clientOf(hub, { transport = { send = function(_, _, wait)
                began = core.now()
                canceller:cancel()
                while core.now() - began < 0.5 do
                    told = told + (wait(0.05) and 1 or 0)
                end
                return nil, { kind = "cancelled", sent = true, message = "at last" }
            end } })
            local used, _, err = os.clock(), nil, nil
            loop.run { function()
                _, err = client.widgetKeys.list { cancel = canceller }
            end }
            assert.is_true(told > 0)
            assert.equal("CancelledError", err.name)
            assert.is_true(os.clock() - used < 0.25)
        end)

        it("replays, and says that its client is closed, although there is nothing to watch then", function()
            local path = os.tmpname()
            local handle = io.open(path, "w")
            handle:write [[{ "version": 1, "interactions": [
                { "request": { "method": "POST", "path": "/api/v1/widget-keys", "body": "{\"name\":\"a\"}" },
                  "response": { "status": 429, "headers": { "retry-after": "50" }, "body": "later" } },
                { "request": { "method": "POST", "path": "/api/v1/widget-keys", "body": "{\"name\":\"a\"}" },
                  "response": { "status": 201, "delay": 20, "headers": { "content-type": "application/json" },
                    "body": "{\"id\":\"k1\",\"name\":\"a\"}" } }
            ] }]]
            handle:close()
            clientOf(hub, { transport = kataven.cassette.open(path) })
            os.remove(path)
            local key, meta, err, _
            loop.run { function()
                key, meta = client.widgetKeys.create { name = "a" }
                client:close()
                _, err = client.widgetKeys.create { name = "a" }
            end }
            assert.equal("k1", key.id)
            assert.equal(2, meta.attempts)
            assert.is_true(meta.elapsed >= 70)
            assert.equal("ClosedError", err.name)
            local began = core.now()
            clientOf(hub)
            client:close()
            loop.run { function() _, err = client.widgetKeys.create { name = "a" } end }
            assert.equal("ClosedError", err.name)
            assert.is_true(core.now() - began < 5)
        end)

        if name == "cqueues" then
            it("blocks outside of a controller, where nothing else could run", function()
                hub:reset()
                clientOf(hub)
                assert.same({}, (kataven.assert(client.widgetKeys.list())))
            end)
        else
            it("is a HostError in the main program, with nothing sent", function()
                tcp:script {}
                local output = child.run(([[
                    local client = require("kataven").new { apiKey = %q, baseUrl = %q, wait = %q }
                    local _, err = client.widgetKeys.create { name = "a" }
                    print(err.name, err.attempts, err.maybeApplied, err:is "KatavenError")
                    print(err)
                ]]):format(KEY, tcp.url, name))
                assert.matches("^HostError\t0\tfalse\ttrue\n", output)
                assert.truthy(output:find(
                    ('wait = "%s" needs a coroutine to wait in, and this is the main program: run the call in ')
                        :format(name), 1, true), output)
                assert.matches("; nothing was sent\n$", output)
                clientOf(tcp)
                assert.equal(0, tcp:log().connections)
            end)
        end

        it("does not send a write from where it cannot wait", function()
            hub:reset()
            clientOf(hub)
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
                loop.run { run }
                assert.equal("HostError", errs[1].name)
                assert.truthy(errs[1].message:find("a C function is between the call and its coroutine", 1, true))
            else
                -- PUC Lua 5.1 tells when it tries, and cannot yield from within pcall.
                loop.run { function()
                    kataven.assert(client.widgetKeys.list())
                    errs = { pcall(client.widgetKeys.create, { name = "never" }) }
                end }
                assert.is_false(errs[1])
                assert.matches("attempt to yield across metamethod/C%-call boundary", errs[2])
                collectgarbage()
            end
            assert.equal(0, hub:stats().creates)
        end)
    end)
end
