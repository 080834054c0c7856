local core = require "kataven.core"
local kataven = require "kataven"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

describe("client:parallel", function()
    -- A task that lists, and one for each of so many.
    local function lists(client, count)
        local tasks = {}
        for index = 1, count do
            tasks[index] = function() return client:request { path = "/" .. index } end
        end
        return tasks
    end

    describe("by a recorded clock", function()
        before_each(function()
            stub(core, "random").returns(0)
        end)

        after_each(function()
            core.random:revert()
        end)

        -- Answers each request after a second, a write after two, with its path.
        local function slow()
            local self
            self = spy.new(function(request, wait)
                self.inFlight = (self.inFlight or 0) + 1
                self.most = math.max(self.most or 0, self.inFlight)
                local stop = wait(request.method == "GET" and 1 or 2)
                self.inFlight = self.inFlight - 1
                if stop then
                    return nil, { kind = "cancelled", sent = true, message = "x" }
                end
                return spy.json(('{"path":"%s"}'):format(request.path))
            end)
            return self
        end

        it("runs at most maxConcurrent requests at once, and gives the results in order", function()
            for _, max in ipairs { 1, 7, 20 } do
                local transport = slow()
                local client = spy.client(transport, { maxConcurrent = max })
                local results = client:parallel(lists(client, 100))
                assert.equal(100, #results)
                for index, result in ipairs(results) do
                    assert.equal("/" .. index, result.value.path)
                    assert.equal(200, result.meta.status)
                    assert.is_nil(result.err)
                end
                assert.equal(max, transport.most)
                assert.near(math.ceil(100 / max), transport.time, 1e-6)
            end
        end)

        it("is called with a dot as well", function()
            local client = spy.client(slow())
            assert.equal("/1", client.parallel(lists(client, 1))[1].value.path)
            assert.same({}, client.parallel {})
            assert.same({}, (client:parallel {}))
        end)

        it("gives what each task returned, or what went wrong", function()
            local client = spy.client(spy.new(spy.text("no", 404)))
            local thing = {}
            local results = client:parallel {
                function() return client.widgetKeys.delete "k1" end,
                function() return 5, "meta" end,
                function() return false, "why" end,
                function() end,
                function() return nil, "err" end,
                function() error(thing) end,
                function() error("here", 0) end,
                function() error(nil) end,
                function()
                    local value = client.widgetKeys.delete ""
                    return value
                end,
            }
            assert.equal("NotFoundError", results[1].err.name)
            assert.same({ value = 5, meta = "meta" }, results[2])
            assert.same({ value = false, meta = "why" }, results[3])
            assert.same({}, results[4])
            assert.same({ err = "err" }, results[5])
            assert.equal(thing, results[6].err)
            assert.same({ err = "here" }, results[7])
            assert.same({ err = "the task raised nil" }, results[8])
            assert.matches("parallel_spec.lua:%d+: id is empty: it must be the id of a key", results[9].err)
            assert.equal(9, #results)
        end)

        it("says how far it is", function()
            local client, seen = spy.client(slow(), { maxConcurrent = 2 }), {}
            local tasks = lists(client, 5)
            tasks[3] = function() error("no") end
            client:parallel(tasks, { progress = function(...) seen[#seen + 1] = { ... } end })
            assert.same({ { 1, 5 }, { 2, 5 }, { 3, 5 }, { 4, 5 }, { 5, 5 } }, seen)
        end)

        it("keeps the results when progress raises, and gives what it raised", function()
            local client, calls = spy.client(slow()), 0
            local results, problem = client:parallel(lists(client, 5), { progress = function()
                calls = calls + 1
                error("in progress", 0)
            end })
            assert.equal("in progress", problem)
            assert.equal(1, calls)
            for index = 1, 5 do
                assert.equal("/" .. index, results[index].value.path)
            end
            local _, none = client:parallel(lists(client, 1), { progress = function() end })
            assert.is_nil(none)
        end)

        it("starts others while a call waits before it tries again", function()
            local busy = true
            local transport = spy.new(function(request, wait)
                if request.path == "/1" and busy then
                    busy = false
                    return spy.text("busy", 429, { ["retry-after"] = "30" })
                end
                wait(1)
                return spy.json "[]"
            end)
            local client, order = spy.client(transport, { maxConcurrent = 1 }), {}
            local tasks = lists(client, 6)
            for index, task in ipairs(tasks) do
                tasks[index] = function()
                    task()
                    order[#order + 1] = index
                end
            end
            client:parallel(tasks)
            assert.same({ 2, 3, 4, 5, 6, 1 }, order)
            assert.near(31, transport.time, 0.1)
        end)

        it("may run within a task of its own", function()
            local transport = slow()
            local client = spy.client(transport, { maxConcurrent = 4 })
            local results = client:parallel {
                function() return client:parallel(lists(client, 4)) end,
                function() return client:parallel(lists(client, 4)) end,
            }
            for outer = 1, 2 do
                for inner = 1, 4 do
                    assert.equal("/" .. inner, results[outer].value[inner].value.path)
                end
            end
            assert.equal(4, transport.most)
            assert.near(2, transport.time, 0.1)
        end)

        it("lets a task yield by itself: the others go on first", function()
            local client, order = spy.client(slow()), {}
            local results = client:parallel {
                function()
                    coroutine.yield("whatever")
                    order[#order + 1] = 1
                    coroutine.yield()
                    return client:request { path = "/one" }
                end,
                function()
                    order[#order + 1] = 2
                    return "two"
                end,
            }
            assert.same({ 2, 1 }, order)
            assert.equal("/one", results[1].value.path)
            assert.equal("two", results[2].value)
        end)

        it("is kept from nothing by a task that yields until another has done its part", function()
            local client, done, yields = spy.client(slow()), false, 0
            local results = client:parallel {
                function()
                    repeat
                        coroutine.yield()
                        yields = yields + 1
                    until done or yields == 5000
                    return done
                end,
                function()
                    local value, meta = client:request { path = "/one" }
                    done = true
                    return value, meta
                end,
            }
            assert.is_true(results[1].value)
            assert.equal("/one", results[2].value.path)
        end)

        it("ends with its client, and with a canceller", function()
            local transport = slow()
            local client, canceller = spy.client(transport, { maxConcurrent = 3 }), kataven.canceller()
            local function cancelled()
                return client.widgetKeys.create({ name = "a" }, { cancel = canceller })
            end
            local results = client:parallel {
                cancelled,
                cancelled,
                function()
                    client:request { path = "/first" }
                    canceller:cancel()
                end,
                cancelled,
                function() return client:request { path = "/goes-on" } end,
            }
            for _, index in ipairs { 1, 2, 4 } do
                assert.equal("CancelledError", results[index].err.name)
                assert.equal(index ~= 4, results[index].err.maybeApplied)
            end
            assert.equal("/goes-on", results[5].value.path)

            results = client:parallel {
                function() return client:request { path = "/a" } end,
                function()
                    client:close()
                    return true
                end,
                function() return client:request { path = "/b" } end,
            }
            assert.same({ "ClosedError", true, "ClosedError" },
                { results[1].err.name, results[2].value, results[3].err.name })
        end)

        it("makes no more coroutines than are needed", function()
            local client = spy.client(slow(), { maxConcurrent = 2 })
            local alive, most, tasks = 0, 0, {}
            for index = 1, 500 do
                tasks[index] = function()
                    alive = alive + 1
                    most = math.max(most, alive)
                    client:request { path = "/x" }
                    alive = alive - 1
                end
            end
            client:parallel(tasks)
            assert.equal(2, most)
        end)

        it("is misused with a message at the caller's line", function()
            local client = spy.client(spy.new(spy.json "[]"))
            local function f() end
            for message, call in pairs {
                ["client:parallel takes an array of functions, got nothing"] = function() client:parallel() end,
                ['got a string ("x")'] = function() client:parallel "x" end,
                ['got the key a string ("a")'] = function() client:parallel { a = f } end,
                ["task 2 of client:parallel must be a function, got a number (5)"] =
                    function() client:parallel { f, 5 } end,
                ["task 2 of client:parallel must be a function, got nothing"] =
                    function() client:parallel { f, nil, f } end,
                ["the options of client:parallel must be a table, got a boolean (true)"] =
                    function() client:parallel({}, true) end,
                ['unknown option "progres"; did you mean "progress"?'] =
                    function() client:parallel({}, { progres = f }) end,
                ['progress must be a function of (done, total), got a string ("x")'] =
                    function() client:parallel({}, { progress = "x" }) end,
            } do
                assert.truthy(misuse(call):find(message, 1, true), message)
            end
        end)
    end)
end)
