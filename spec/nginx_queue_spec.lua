-- client:queue in a real nginx: calls from phases that cannot wait are carried out, once each.

local nginx = require "spec.support.nginx"
local servers = require "spec.support.servers"

local missing = nginx.missing()
if missing then
    describe("client:queue in nginx", function()
        pending(missing)
    end)
    return
end

-- `push(name)` puts in a call that creates a key of that name.
local PUSH = [[
    function push(name)
        return queue:push(function()
            return client.widgetKeys.create { name = name }
        end)
    end
]]

local STATS = [[
    local stats, words = queue:stats(), {}
    for _, name in ipairs { "waiting", "running", "done", "failed", "refused" } do
        words[#words + 1] = name .. "=" .. stats[name]
    end
    ngx.print(table.concat(words, " "))
]]

describe("client:queue in nginx", function()
    local hub

    lazy_setup(function()
        hub = servers.hub { limits = { inFlight = 0 } }
    end)

    lazy_teardown(function()
        hub:stop()
    end)

    before_each(function()
        hub:reset()
    end)

    -- Starts an nginx with `client` and `queue`, made of the options given.
    local function with(parts, use)
        parts.env = { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey }
        parts.init = ([[
            client = require("kataven").new { %s }
            results = {}
            queue = client:queue { %s }
        ]]):format(parts.client or "", parts.queue or "") .. PUSH .. (parts.init or "")
        parts.client, parts.queue = nil, nil
        parts.content = parts.content or {}
        parts.content["/stats"] = STATS
        nginx.with(parts, use)
    end

    local function awaitStats(server, wanted)
        server:await(wanted, function()
            return server:get("/stats").body == wanted
        end)
    end

    local function numbered(count)
        local names = {}
        for index = 1, count do
            names["n" .. index] = 1
        end
        return names
    end

    local LOG = [[
        location = /log {
            content_by_lua_block { ngx.print "logged" }
            log_by_lua_block { push(ngx.var.arg_name) }
        }
    ]]

    local function paths(from, to)
        local list = {}
        for index = from, to do
            list[#list + 1] = "/log?name=n" .. index
        end
        return list
    end

    it("carries out every call of a burst in the log phase, once", function()
        with({ server = LOG }, function(server)
            for first = 1, 400, 100 do
                for _, answer in ipairs(server:all(paths(first, first + 99))) do
                    assert.equal("logged", answer.body)
                end
            end
            awaitStats(server, "waiting=0 running=0 done=400 failed=0 refused=0")
            assert.same(numbered(400), hub:created())
            assert.same({}, server:complaints())
        end)
    end)

    it("carries out 400 that one request puts in", function()
        with({
            content = {
                ["/burst"] = [[
                    for index = 1, 400 do
                        assert(push("n" .. index))
                    end
                    ngx.print(queue:stats().waiting)
                ]],
            },
        }, function(server)
            assert.equal("400", server:get("/burst").body)
            awaitStats(server, "waiting=0 running=0 done=400 failed=0 refused=0")
            assert.same(numbered(400), hub:created())
            assert.is_true(hub:stats().mostInFlight <= 20)
            assert.same({}, server:complaints())
        end)
    end)

    it("takes calls from every phase that cannot wait, and from init_worker", function()
        with({
            http = [[
                init_worker_by_lua_block { assert(push "init_worker") }
                upstream chosen {
                    server 0.0.0.1;
                    balancer_by_lua_block {
                        assert(push "balancer")
                        assert(require("ngx.balancer").set_current_peer("127.0.0.1", ngx.var.server_port))
                    }
                }
            ]],
            server = [[
                location = /all {
                    set_by_lua_block $ignored { assert(push "set") return "" }
                    content_by_lua_block { ngx.print "all" }
                    header_filter_by_lua_block { assert(push "header_filter") }
                    body_filter_by_lua_block { if ngx.arg[1] == "all" then assert(push "body_filter") end }
                    log_by_lua_block { assert(push "log") }
                }
                location = /balanced { proxy_pass http://chosen/_ready; }
            ]],
        }, function(server)
            server:get "/all"
            server:get "/balanced"
            awaitStats(server, "waiting=0 running=0 done=6 failed=0 refused=0")
            assert.same({ init_worker = 1, balancer = 1, set = 1, header_filter = 1, body_filter = 1, log = 1 },
                hub:created())
        end)
    end)

    it("takes none in init and exit_worker, and says why", function()
        with({
            init = [[ early = select(2, push "init").message ]],
            http = [[
                exit_worker_by_lua_block { ngx.log(ngx.NOTICE, "late: ", select(2, push "exit_worker").message) }
            ]],
            content = { ["/early"] = "ngx.print(early)" },
        }, function(server)
            assert.equal("a queue takes nothing in the phase init, which has no timers: make the call itself, which "
                .. "blocks here, or use init_worker; nothing was sent", server:get("/early").body)
            local old = server:workers()
            server:replace(old[1])
            server:awaitExit(old)
            assert.truthy(server:log():find("late: a queue takes nothing in the phase exit_worker, which has no "
                .. "timers: put the call in before the worker exits; nothing was sent", 1, true))
            assert.same({}, hub:created())
        end)
    end)

    it("refuses what is more than max, with a HostError, and counts it", function()
        with({
            queue = "max = 3",
            content = {
                ["/push"] = [[
                    local taken = 0
                    for index = 1, 5 do
                        local ok, err = push("n" .. index)
                        if ok then
                            taken = taken + 1
                        else
                            ngx.say(err.name, "|", err.attempts, "|", tostring(err.maybeApplied), "|", err.message)
                        end
                    end
                    ngx.say(taken)
                ]],
            },
        }, function(server)
            local refused = "HostError|0|false|the queue is full (max = 3 calls wait); nothing was sent\n"
            assert.equal(refused .. refused .. "3\n", server:get("/push").body)
            awaitStats(server, "waiting=0 running=0 done=3 failed=0 refused=2")
            assert.same(numbered(3), hub:created())
        end)
    end)

    it("hands each result to done, what a task raises too, and survives a done that raises", function()
        hub:next { { status = 400, body = "no such name" } }
        with({
            client = "maxConcurrent = 1",
            queue = [[
                done = function(result)
                    results[#results + 1] = result
                    if #results == 4 then error "done went wrong" end
                end
            ]],
            content = {
                ["/push"] = [[
                    push "refused"
                    push "good"
                    queue:push(function() error({ mine = true }) end)
                    queue:push(function() error() end)
                    push "last"
                ]],
                ["/results"] = [[
                    for _, result in ipairs(results) do
                        ngx.say(result.value and result.value.name, " ", result.meta and result.meta.status, " ",
                            type(result.err) == "table" and (result.err.name or result.err.mine) or result.err)
                    end
                ]],
            },
        }, function(server)
            server:get "/push"
            awaitStats(server, "waiting=0 running=0 done=5 failed=3 refused=0")
            assert.equal("nil nil BadRequestError\ngood 201 nil\nnil nil true\nnil nil the task raised nil\n"
                .. "last 201 nil\n", server:get("/results").body)
            local complaints = server:complaints()
            assert.equal(1, #complaints)
            assert.matches("kataven: a queue's done raised: .*done went wrong", complaints[1])
        end)
    end)

    it("logs what failed, once each and without the key, where there is no done", function()
        hub:next { { status = 400, body = "what is " .. hub.apiKey .. "?" } }
        with({
            client = "maxConcurrent = 1",
            content = {
                ["/push"] = [[
                    push "refused"
                    queue:push(function() error "the task went wrong" end)
                    push "good"
                ]],
            },
        }, function(server)
            server:get "/push"
            awaitStats(server, "waiting=0 running=0 done=3 failed=2 refused=0")
            local complaints = server:complaints()
            assert.equal(2, #complaints)
            assert.matches("kataven: a call of a queue failed: BadRequestError: POST /api/v1/widget%-keys: "
                .. "400 what is %[redacted%]%?", complaints[1])
            assert.matches("kataven: a call of a queue failed: .*the task went wrong", complaints[2])
            assert.is_nil(server:log():find(hub.apiKey, 1, true))
            assert.same({ good = 1 }, hub:created())
        end)
    end)

    it("lets a call that takes long keep nobody waiting", function()
        hub:next { { delay = 30 } }
        with({
            content = {
                ["/slow"] = [[ push "slow" ]],
                ["/burst"] = [[ for index = 1, 20 do push("n" .. index) end ]],
            },
        }, function(server)
            server:get "/slow"
            server:await("the slow call", function()
                return hub:stats().inFlight == 1
            end)
            server:get "/burst"
            awaitStats(server, "waiting=0 running=1 done=20 failed=0 refused=0")
        end)
    end)

    -- nginx's own limit ends requests, and no timers.
    for _, main in ipairs { "", "worker_shutdown_timeout 100ms;" } do
        it(("carries out all that a worker holds which is to exit %s"):format(main), function()
            hub:next { n = 60, delay = 0.1 }
            with({
                main = main,
                client = "maxConcurrent = 5",
                content = { ["/burst"] = [[ for index = 1, 60 do push("n" .. index) end ]] },
            }, function(server)
                local old = server:workers()
                server:get "/burst"
                server:await("calls in flight", function()
                    return hub:stats().inFlight > 0
                end)
                server:replace()
                server:awaitExit(old)
                assert.same(numbered(60), hub:created())
                assert.same({}, server:complaints())
            end)
        end)
    end

    it("takes calls in a worker that is exiting", function()
        with({
            server = [[
                location = /slow {
                    content_by_lua_block { ngx.sleep(0.5) ngx.print "slow" }
                    log_by_lua_block { assert(push "n1") }
                }
            ]],
        }, function(server)
            local old, slow = server:workers(), server:open "/slow"
            server:await("the request to have begun", function()
                return server:get("/_ready").status == 204
            end)
            server:replace()
            assert.matches("slow$", slow:receive "*a")
            slow:close()
            server:awaitExit(old)
            assert.same(numbered(1), hub:created())
            -- What nginx says of any timer that is set so late.
            assert.same({}, server:complaints { "open socket #%-2 left in connection", "aborting$" })
        end)
    end)

    it("goes on after a task has ended the timer", function()
        with({
            content = {
                ["/exit"] = [[
                    queue:push(function()
                        ngx.sleep(0.05)
                        results.over = true
                        ngx.exit(ngx.ERROR)
                    end)
                ]],
                ["/over"] = [[ ngx.print(tostring(results.over)) ]],
                ["/push"] = [[ push "n2" ]],
            },
        }, function(server)
            server:get "/exit"
            server:await("the task to end", function()
                return server:get("/over").body == "true"
            end)
            server:await("the timer to be missed", function()
                server:get "/push"
                return hub:created().n2
            end)
        end)
    end)

    it("goes on after nginx has dropped its timer", function()
        with({
            http = "lua_max_running_timers 1;",
            content = {
                ["/busy"] = [[ ngx.timer.at(0, function() ngx.sleep(1) end) ]],
                ["/push"] = [[ push "n1" ]],
            },
        }, function(server)
            server:get "/busy"
            server:get "/push"
            server:await("nginx to drop it", function()
                return server:log():find("1 lua_max_running_timers are not enough", 1, true)
            end)
            assert.same({}, hub:created())
            server:await("the timer to be missed", function()
                server:get "/push"
                return hub:created().n1
            end)
        end)
    end)
end)
