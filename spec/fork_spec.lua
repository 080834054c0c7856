-- A script that forks with a client in hand: every process has its own answers, and the parent keeps its connections.
-- (spec/c/engine_fork_spec.c has the engine's part of it.)

local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local servers = require "spec.support.servers"

local CHILDREN, CALLS = 4, 80

local COMMON = [[
    local kataven = require "kataven"
    local forks = package.loadlib(os.getenv "FORKS", "luaopen_forks")()
    local function say(...)
        print(...)
        io.stdout:flush() -- or a child would say it again
    end
]]

describe("a script that forks", function()
    local forks, cert

    lazy_setup(function()
        forks = compiled.module "forks"
        cert = servers.certificate()
    end)

    lazy_teardown(function()
        os.remove(forks)
        cert:remove()
    end)

    for _, scheme in ipairs { "HTTP", "TLS" } do
        it("gives every process its own answers, and leaves the parent's connection alone, over " .. scheme, function()
            local hub = servers.hub { tls = scheme == "TLS" and cert or nil }
            finally(function() hub:stop() end)
            local output, errors, status = child.complete(COMMON .. [[
                local client = kataven.new { baseUrl = os.getenv "URL", apiKey = os.getenv "KEY",
                    caFile = os.getenv "CERT" }
                assert(client.widgetKeys.list())
                local function work(who)
                    local right = 0
                    for index = 1, tonumber(os.getenv "CALLS") do
                        local name = ("%s, call %d"):format(who, index)
                        local key = kataven.assert(client.widgetKeys.create { name = name })
                        right = right + (key.name == name and 1 or 0)
                    end
                    say(who, right)
                end
                local children = {}
                for index = 1, tonumber(os.getenv "CHILDREN") do
                    local pid = forks.fork()
                    if pid == 0 then
                        work("child " .. index)
                        -- Each goes in a way of its own.
                        if index == 1 then
                            client:close()
                        elseif index == 2 then
                            client = nil
                            collectgarbage()
                        elseif index == 3 then
                            os.exit(0, true)
                        end
                        return -- which closes the state
                    end
                    children[index] = pid
                end
                work "parent"
                for _, pid in ipairs(children) do
                    assert(forks.wait(pid) == 0)
                end
                assert(client.widgetKeys.list())
                say "done"
            ]], { FORKS = forks, URL = hub.url, KEY = hub.apiKey, CERT = cert.cert, CALLS = tostring(CALLS),
                CHILDREN = tostring(CHILDREN) })

            local said = {}
            for line in output:gmatch "[^\n]+" do
                said[#said + 1] = line
            end
            local last = table.remove(said)
            table.sort(said)
            assert.equal("", errors)
            assert.same({ "child 1\t80", "child 2\t80", "child 3\t80", "child 4\t80", "parent\t80" }, said)
            assert.same({ "done", 0 }, { last, status })
            local stats = hub:stats()
            assert.equal((CHILDREN + 1) * CALLS, stats.creates)
            assert.equal(CHILDREN + 1, stats.connections) -- one for each process, first to last
        end)
    end

    it("leaves what is in flight to the parent", function()
        local server = servers.tcp {}
        finally(function() server:stop() end)
        local answer = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = '[{"id":"x"}]' }
        server:script { default = { { ["repeat"] = true, steps = { { read = "request" }, { wait = "go" },
            { send = answer } } } } }
        local script = child.start(COMMON .. [[
            local host = require "spec.support.scheduler".new()
            local client = kataven.new { baseUrl = os.getenv "URL", apiKey = "sk_live_spec_x", maxConcurrent = 2,
                wait = host.wait }
            local who = "parent"
            for index, method in ipairs { "GET", "POST", "POST" } do -- two in flight, one in the queue
                host.spawn(function()
                    local value, err = client:request { method = method, path = "/" .. index }
                    if value then
                        say(who, index, value[1].id)
                    else
                        say(who, index, err.name, err.maybeApplied, err.message:match "forked")
                    end
                end)
            end
            local looks = 0
            host.run(function()
                looks = looks + 1
                return looks > 20
            end)
            say "forking"
            local pid = forks.fork()
            if pid == 0 then
                who = "child"
                host.run()
                return
            end
            host.run()
            say("child ended with", forks.wait(pid))
        ]], { environment = { FORKS = forks, URL = server.url } })
        finally(function() script:stop() server:stop() end)
        assert.equal("forking", script:line())
        -- The parent's two, and the child's, whose turn comes at once.
        local log = server:wait { requests = 3 }
        assert.equal(3, log.connections)
        server:signal "go"
        local output, errors, status = script:wait()
        local said = {}
        for line in output:gmatch "[^\n]+" do
            said[#said + 1] = line
        end
        table.sort(said)
        assert.equal("", errors)
        assert.same({
            "child\t1\tConnectionError\tfalse\tforked",
            "child\t2\tConnectionError\ttrue\tforked",
            "child\t3\tx",
            "child ended with\t0",
            "parent\t1\tx",
            "parent\t2\tx",
            "parent\t3\tx",
        }, said)
        assert.equal(0, status)
        assert.equal(3, server:log().connections)
    end)
end)
