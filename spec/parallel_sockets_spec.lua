local child = require "spec.support.child"
local core = require "kataven.core"
local kataven = require "kataven"
local servers = require "spec.support.servers"

local KEY = "sk_live_spec_parallel"
local EMPTY = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }

describe("client:parallel, over sockets,", function()
    -- A task that lists, and one for each of so many.
    local function lists(client, count)
        local tasks = {}
        for index = 1, count do
            tasks[index] = function() return client:request { path = "/" .. index } end
        end
        return tasks
    end

    local hub, tcp

    setup(function()
        hub = servers.hub { apiKey = KEY, latency = 0.05, limits = { inFlight = 0 } }
        tcp = servers.tcp {}
    end)

    teardown(function()
        hub:stop()
        tcp:stop()
    end)

    local function clientOf(server, options)
        local all = { apiKey = KEY, baseUrl = server.url, proxy = false }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        local client = kataven.new(all)
        return client
    end

    it("makes hundreds of calls, maxConcurrent in flight, each with its own answer #speed", function()
        hub:reset()
        local client, tasks = clientOf(hub), {}
        for index = 1, 300 do
            tasks[index] = function() return client.widgetKeys.create { name = "key " .. index } end
        end
        tasks[100] = function() return client.widgetKeys.delete "there is none" end
        local began, used = core.now(), os.clock()
        local results = client:parallel(tasks)
        assert.is_true(core.now() - began < 8) -- 15 s one after the other
        assert.is_true(os.clock() - used < 0.6)
        for index, result in ipairs(results) do
            if index == 100 then
                assert.equal("NotFoundError", result.err.name)
            else
                assert.equal("key " .. index, result.value.name)
            end
        end
        local stats = hub:stats()
        assert.equal(299, stats.creates)
        assert.equal(20, stats.mostInFlight)
        client:close()
    end)

    it("waits without work #speed", function()
        tcp:script { default = { { read = "request" }, { stall = 0.5 }, { send = EMPTY } } }
        local client, used = clientOf(tcp), os.clock()
        client:parallel(lists(client, 5))
        assert.is_true(os.clock() - used < 0.25)
        client:close()
    end)

    it("waits for back-offs, with nothing in flight #speed", function()
        hub:reset()
        hub:next { n = 3, status = 503, body = "later" }
        local client, used = clientOf(hub, { retry = { baseDelay = 0.2 } }), os.clock()
        local function list() return client.widgetKeys.list() end
        for _, result in ipairs(client:parallel { list, list, list }) do
            assert.equal(2, result.meta.attempts)
        end
        assert.is_true(os.clock() - used < 0.1)
        client:close()
    end)

    it("is neither kept from its work nor busy because of a task that yields until another is done #speed", function()
        tcp:script { default = { { read = "request" }, { stall = 0.3 }, { send = EMPTY } } }
        local client, done, yields, used = clientOf(tcp), false, 0, os.clock()
        local results = client:parallel {
            function()
                repeat
                    coroutine.yield()
                    yields = yields + 1
                until done or yields == 5000
                return done
            end,
            function()
                local value, meta = client.widgetKeys.list()
                done = true
                return value, meta
            end,
        }
        assert.is_true(results[1].value)
        assert.same({}, results[2].value)
        assert.is_true(os.clock() - used < 0.2)
        client:close()
    end)

    it("has a call of another client wait by itself, and the rest go on after it", function()
        hub:reset()
        local client, other = clientOf(hub), clientOf(hub)
        local results = client:parallel {
            function() return client.widgetKeys.create { name = "one" } end,
            function() return other.widgetKeys.create { name = "two" } end,
            function() return client.widgetKeys.create { name = "three" } end,
        }
        assert.same({ "one", "two", "three" },
            { results[1].value.name, results[2].value.name, results[3].value.name })
        client:close()
        other:close()
    end)

    it("makes a call where a task cannot yield, and blocks in it; PUC Lua 5.1 sends no write there", function()
        hub:reset()
        local client = clientOf(hub)
        local results = client:parallel {
            function()
                local key, err
                ;("x"):gsub("x", function()
                    key, err = client.widgetKeys.create { name = "in a callback" }
                end)
                return key, err
            end,
            function() return client.widgetKeys.list() end,
        }
        if rawget(coroutine, "isyieldable") then
            assert.equal("in a callback", results[1].value.name)
            assert.equal(1, hub:stats().creates)
        else
            assert.matches("attempt to yield across metamethod/C%-call boundary", results[1].err)
            assert.equal(0, hub:stats().creates)
        end
        assert.is_table(results[2].value)
        client:close()
    end)

    it("ends when its client is closed: what is in flight, what waits for its turn, and what is left", function()
        for _, closer in ipairs { "a task", "another coroutine" } do
            tcp:script { default = { { read = "request" }, { stall = true } } }
            local client = clientOf(tcp, { maxConcurrent = 2, wait = closer ~= "a task" and "yield" or nil })
            local tasks = lists(client, 4)
            if closer == "a task" then
                table.insert(tasks, 1, function()
                    while not tcp:log().requests[1] do
                        coroutine.yield()
                    end
                    client:close()
                end)
            end
            local results
            local thread = coroutine.create(function() results = client:parallel(tasks) end)
            local began = core.now()
            repeat
                assert(coroutine.resume(thread))
                assert.is_true(core.now() - began < 60, "it hangs")
                if tcp:log().requests[2] then
                    client:close()
                end
            until coroutine.status(thread) == "dead"
            for index = #tasks - 3, #tasks do
                assert.equal("ClosedError", results[index].err.name, closer)
            end
        end
    end)

    it("is forgotten with the coroutine that ran it: its calls end", function()
        tcp:script { default = { { read = "request" }, { stall = true } } }
        local client = clientOf(tcp, { wait = "yield" })
        local thread = coroutine.create(function() client:parallel(lists(client, 3)) end)
        repeat
            assert(coroutine.resume(thread))
        until #tcp:log().requests == 3
        thread = nil -- luacheck: ignore 311
        collectgarbage()
        collectgarbage()
        collectgarbage()
        assert.equal(3, #tcp:wait({ ended = 3 }).ended)
        client:close()
    end)

    it("may be interrupted", function()
        tcp:script { default = { { read = "request" }, { stall = true } } }
        local output, errors = child.run(([[
            local client = require("kataven").new { apiKey = %q, baseUrl = %q }
            local tasks = {}
            for index = 1, 3 do
                tasks[index] = function() return client.widgetKeys.list() end
            end
            os.execute("(sleep 0.3; kill -INT $PPID) &")
            client:parallel(tasks)
            print "not reached"
        ]]):format(KEY, tcp.url))
        assert.equal("", output)
        assert.matches("interrupted!", errors)
    end)
end)
