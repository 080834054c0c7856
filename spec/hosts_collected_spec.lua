-- Clients that nobody closes: the collector ends them while the loop goes on, and the numbers of their descriptors come
-- back with other clients.

local core = require "kataven.core"
local hosts = require "spec.support.hosts"
local kataven = require "kataven"
local child = require "spec.support.child"
local servers = require "spec.support.servers"
local valgrind = require "spec.support.valgrind"

local function collect()
    collectgarbage()
    collectgarbage()
end

local EMPTY = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }
local KEY = servers.answer { status = 201, headers = { ["Content-Type"] = "application/json" }, body = '{"id":"k"}' }

-- A client that is not held by the spec's helpers.
local function loose(on, server, wait)
    return kataven.new { apiKey = hosts.KEY, baseUrl = server.url, wait = wait or on.name, proxy = false, timeout = 5,
        retry = false }
end

local function collected(on, waits)
    local function create(client, name)
        kataven.assert(client.widgetKeys.create { name = name })
    end

    it("goes on when one client after the other is collected" .. waits.name, function()
        on.tcp:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { effect = "made" },
            { send = KEY } } } } }
        local ended = 0
        on.loop.run {
            function()
                for index = 1, 5 do
                    local client = loose(on, on.tcp, waits.wait)
                    create(client, "k" .. index)
                    client = nil -- luacheck: ignore
                    collect()
                end
                ended = ended + 1
            end,
        }
        assert.equal(1, ended)
        assert.equal(5, on.tcp:log().effects.made)
        -- And the loop is as good as new.
        on.loop.run { function() create(loose(on, on.tcp, waits.wait), "late") end }
        collect()
    end)

    it("goes on while others have calls in flight" .. waits.name, function()
        on.tcp:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { wait = "go" },
            { send = EMPTY } } } } }
        local quick = servers.tcp { default = { { ["repeat"] = true, steps = { { read = "request" },
            { send = KEY } } } } }
        finally(function() quick:stop() end)
        local functions, done = {}, 0
        for index = 1, 6 do
            functions[index] = function()
                local client = loose(on, on.tcp, waits.wait)
                kataven.assert(client.widgetKeys.list())
                done = done + 1
            end
        end
        functions[7] = function()
            for index = 1, 8 do
                create(loose(on, quick, waits.wait), "k" .. index)
                collect()
            end
            for _ = 1, 6 do
                on.tcp:signal "go"
            end
        end
        on.loop.run(functions)
        assert.equal(6, done)
        collect()
    end)

    it("goes on when clients go with the coroutines that used them, closed or not" .. waits.name, function()
        on.tcp:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { send = KEY } } } } }
        local made = 0
        for round = 1, 4 do
            local functions = {}
            for index = 1, 5 do
                functions[index] = function()
                    local client = loose(on, on.tcp, waits.wait)
                    create(client, ("k%d-%d"):format(round, index))
                    made = made + 1
                    if index == round then
                        client:close()
                    end
                end
            end
            on.loop.run(functions)
            functions = nil -- luacheck: ignore
            collect()
        end
        assert.equal(20, made)
    end)
end

hosts.describe({ "cqueues", "copas", "luv", "yield" }, function(on)
    collected(on, { name = "" })

    if not core.descriptors then
        return -- a function of one's own has nothing to watch
    elseif on.name == "cqueues" then
        -- It remembers what a function of one's own has watched through it.
        local function own(seconds, fd)
            require("cqueues").poll({ pollfd = fd, events = "r" }, seconds)
        end
        collected(on, { name = ", which a function of one's own watches", wait = own })
    elseif on.name == "luv" then
        local uv = require "luv"
        collected(on, {
            name = ", which a function of one's own watches",
            wait = function(seconds, fd)
                local thread, poll, timer, over = coroutine.running(), assert(uv.new_poll(fd)), uv.new_timer(), false
                local function go()
                    if not over then
                        over = true
                        poll:close()
                        timer:close()
                        assert(coroutine.resume(thread))
                    end
                end
                poll:start("r", go)
                timer:start(math.ceil(seconds * 1000), 0, go)
                coroutine.yield()
            end,
        })
    end
end)

-- At the end of a state everything is collected, in an order of Lua's own.
describe("a state that ends", function()
    local SCRIPT = [[
        local name = os.getenv "HOST"
        local kataven, loops = require "kataven", require "spec.support.loops"
        local loop = assert(loops.get(name))
        kept = {}
        local functions = {}
        for index = 1, 4 do
            functions[index] = function()
                kept[index] = kataven.new { apiKey = "sk_live_spec_x", baseUrl = os.getenv "URL", wait = name,
                    retry = false, timeout = 5 }
                kataven.assert(kept[index].widgetKeys.list())
            end
        end
        loop.run(functions)
        kept[2] = nil
        if name == "cqueues" then -- one whose call is under way
            local controller = require("cqueues").new()
            controller:wrap(function() kept[1]:request { path = "/stalled" } end)
            for _ = 1, 5 do controller:step(0.01) end
            kept.controller = controller
        end
        io.write "ended"
    ]]

    it("may have got a library of the host's after the client that it is told of", function()
        if not require("spec.support.loops").get "cqueues" then
            pending "there is no cqueues here"
            return
        end
        local server = servers.tcp { default = { { read = "request" }, { send = EMPTY } } }
        finally(function() server:stop() end)
        for _, given in ipairs { "function() end", '"yield"' } do
            local output, errors, status = child.complete([[
                local client = require("kataven").new { apiKey = "sk_live_spec_x", baseUrl = os.getenv "URL",
                    wait = ]] .. given .. [[ }
                local thread = coroutine.create(function() client.widgetKeys.list() end)
                repeat assert(coroutine.resume(thread)) until coroutine.status(thread) == "dead"
                require "cqueues"
                io.write "ended"
            ]], { URL = server.url })
            assert.same({ "", "ended", 0 }, { errors, output, status })
        end
    end)

    for _, name in ipairs { "cqueues", "copas", "luv" } do
        local function run(launcher)
            local loop = require("spec.support.loops").get(name)
            if not loop then
                pending("there is no " .. name .. " here")
                return
            end
            local server = servers.tcp { default = { { read = "request" }, { send = EMPTY }, { read = "request" },
                { stall = true } } }
            finally(function() server:stop() end)
            local output, errors, status = child.complete(SCRIPT, { URL = server.url, HOST = name }, launcher)
            assert.same({ "", "ended", 0 }, { errors, output, status })
        end

        it("may have clients in it that watched in " .. name, function()
            run()
        end)

        it("and valgrind finds nothing, in " .. name, function()
            if valgrind.problem then
                pending(valgrind.problem)
            else
                run(valgrind.launcher)
            end
        end)
    end
end)
