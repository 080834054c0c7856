-- Event loops that `wait` knows by name, for real: many calls at once, and none forgotten. How they wait is in
-- hosts_waiting_spec.lua.

local core = require "kataven.core"
local hosts = require "spec.support.hosts"
local kataven = require "kataven"
local servers = require "spec.support.servers"

local EMPTY = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }

hosts.describe({ "cqueues", "copas", "luv", "yield" }, function(on)
    it("runs 50 calls of 200 ms side by side", function()
        on.hub:reset()
        local client = on.client(on.hub, { maxConcurrent = 50 })
        local functions, names = {}, {}
        for index = 1, 50 do
            functions[index] = function()
                local key = kataven.assert(client.widgetKeys.create { name = "call " .. index })
                names[index] = key.name
            end
        end
        local began = core.now()
        on.loop.run(functions)
        assert.is_true(core.now() - began < 2)
        for index = 1, 50 do
            assert.equal("call " .. index, names[index])
        end
        assert.equal(50, on.hub:stats().creates)
    end)

    it("forgets none when one's step finishes another's call", function()
        local round = { { read = "request" }, { wait = "go" }, { send = EMPTY } }
        on.tcp:script { default = round }
        local client = on.client(on.tcp, { maxConcurrent = 21, timeout = 15 })
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
            on.tcp:signal "go"
        end
        local began = core.now()
        on.loop.run(functions)
        assert.equal(20, done)
        assert.is_true(core.now() - began < 5)
    end)

    it("lets calls wait for their turn, and before they try again", function()
        local busy = servers.answer { status = 503, body = "later" }
        on.tcp:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { send = busy },
            { read = "request" }, { send = EMPTY } } } } }
        local client = on.client(on.tcp, { maxConcurrent = 2, retry = { baseDelay = 0.1, max = 20 } })
        local functions, done = {}, 0
        for index = 1, 12 do
            functions[index] = function()
                kataven.assert(client:request { path = "/" .. index })
                done = done + 1
            end
        end
        local began = core.now()
        on.loop.run(functions)
        assert.equal(12, done)
        assert.is_true(core.now() - began < 8)
    end)

    it("carries calls of client:parallel", function()
        on.hub:reset()
        local client = on.client(on.hub, { maxConcurrent = 20 })
        local tasks, others, results = {}, 0, nil
        for index = 1, 20 do
            tasks[index] = function() return client.widgetKeys.create { name = "task " .. index } end
        end
        local began = core.now()
        on.loop.run {
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
        on.hub:reset()
        local client = on.client(on.hub)
        local done, others, result = false, false, nil
        on.loop.run {
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
        on.hub:reset()
        local other = kataven.new { apiKey = hosts.KEY, baseUrl = on.hub.url, wait = on.name, proxy = false }
        local client = on.client(on.hub)
        local results
        local function list() return client.widgetKeys.list() end
        local began = core.now()
        on.loop.run { function()
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
        assert.equal(3, on.hub:stats().creates)
        other:close()
    end)

    it("records calls of client:parallel", function()
        on.hub:reset()
        local path = os.tmpname()
        local client = on.client(on.hub, { transport = kataven.cassette.open(path, { mode = "record" }),
            maxConcurrent = 2, timeout = 15 })
        local tasks, results = {}, nil
        for index = 1, 4 do
            tasks[index] = function() return client.widgetKeys.create { name = "task " .. index } end
        end
        local began, used = core.now(), os.clock()
        on.loop.run { function() results = client:parallel(tasks) end }
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
                on.hub:reset()
                local client = on.client(on.hub, { transport = transport, maxConcurrent = 1, timeout = 15 })
                local functions, done = {}, 0
                for index = 1, 3 do
                    functions[index] = function()
                        kataven.assert(client.widgetKeys.list())
                        done = done + 1
                    end
                end
                local began = core.now()
                on.loop.run(crew and { function() client:parallel(functions) end } or functions)
                assert.equal(3, done)
                assert.is_true(core.now() - began < 5)
                client:close()
            end
        end
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
        local client = on.client(on.hub, { transport = kataven.cassette.open(path) })
        os.remove(path)
        local key, meta, err, _
        on.loop.run { function()
            key, meta = client.widgetKeys.create { name = "a" }
            client:close()
            _, err = client.widgetKeys.create { name = "a" }
        end }
        assert.equal("k1", key.id)
        assert.equal(2, meta.attempts)
        assert.is_true(meta.elapsed >= 70)
        assert.equal("ClosedError", err.name)
        local began = core.now()
        client = on.client(on.hub)
        client:close()
        on.loop.run { function() _, err = client.widgetKeys.create { name = "a" } end }
        assert.equal("ClosedError", err.name)
        assert.is_true(core.now() - began < 5)
    end)
end)
