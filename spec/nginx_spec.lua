-- In a worker of a real nginx: calls wait without blocking it, whatever becomes of the requests that make them.

local nginx = require "spec.support.nginx"
local servers = require "spec.support.servers"

local missing = nginx.missing()
if missing then
    describe("in nginx", function()
        pending(missing)
    end)
    return
end

local ANSWER = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }
local KEY = "sk_live_spec_nginx"

-- Lua for init_by_lua: clients by name, each of a table's text.
local function clients(options)
    local lines = { 'local kataven = require "kataven"', "clients, cancellers, noted = {}, {}, {}" }
    for name, text in pairs(options) do
        lines[#lines + 1] = ("clients.%s = kataven.new { %s }"):format(name, text)
    end
    return table.concat(lines, "\n")
end

-- A call whose result is the answer: what it gave, or the error's name and message.
local LIST = [[
    local keys, err = clients.it.widgetKeys.list()
    ngx.print(keys and "keys" or err.name .. ": " .. err.message)
]]
local COLLECT = [[ collectgarbage() collectgarbage() ngx.print "collected" ]]
local PLAIN = [[ ngx.print "plain" ]]

local function times(count, path)
    local paths = {}
    for index = 1, count do
        paths[index] = path
    end
    return paths
end

describe("in nginx", function()
    local hub, tcp

    lazy_setup(function()
        hub = servers.hub { latency = 0.2, limits = { inFlight = 0 } }
        tcp = servers.tcp {}
    end)

    lazy_teardown(function()
        hub:stop()
        tcp:stop()
    end)

    local function env(url)
        return { KATAVEN_BASE_URL = url or hub.url, KATAVEN_API_KEY = url and KEY or hub.apiKey }
    end

    it("fifty requests that each call an upstream take as long as one, and never sleep for nothing", function()
        nginx.with({
            env = env(),
            init = [[
                local sleep = ngx.sleep
                slept = {}
                ngx.sleep = function(seconds)
                    slept.shortest = math.min(slept.shortest or seconds, seconds)
                    return sleep(seconds)
                end
            ]] .. clients { it = "maxConcurrent = 50" },
            content = {
                ["/list"] = LIST,
                ["/plain"] = PLAIN,
                ["/slept"] = [[ ngx.print(slept.shortest or "never") ]],
            },
        }, function(server)
            local paths = times(50, "/list")
            paths[51] = "/plain"
            for _ = 1, 2 do
                local answers = server:all(paths)
                for index = 1, 50 do
                    assert.equal("keys", answers[index].body)
                    assert.is_true(answers[index].seconds < 2, "blocking takes ten seconds")
                end
                assert.same({ "plain", 1 }, { answers[51].body, answers[51].order })
            end
            local shortest = server:get("/slept").body
            assert.is_true(tonumber(shortest) >= 0.001, shortest)
            assert.same({}, server:complaints())
        end)
    end)

    it("no more than maxConcurrent requests are in flight, and all get their turn", function()
        hub:reset { limits = { inFlight = 5 } }
        nginx.with({
            env = env(),
            init = clients { it = "maxConcurrent = 5, retry = false" },
            content = { ["/list"] = LIST },
        }, function(server)
            local answers = server:all(times(20, "/list"))
            for _, answer in ipairs(answers) do
                assert.equal("keys", answer.body)
            end
            assert.equal(5, hub:stats().mostInFlight)
        end)
        hub:reset()
    end)

    it("client:parallel in a handler runs its calls together, and leaves the worker to others", function()
        nginx.with({
            env = env(),
            init = clients { it = "" },
            content = {
                ["/parallel"] = [[
                    local tasks = {}
                    for index = 1, 20 do
                        tasks[index] = function()
                            return clients.it.widgetKeys.create { name = "p" .. index }
                        end
                    end
                    local results, names = clients.it:parallel(tasks), {}
                    for index, result in ipairs(results) do
                        names[index] = result.value and result.value.name or tostring(result.err)
                    end
                    ngx.print(table.concat(names, " "))
                ]],
                ["/plain"] = PLAIN,
            },
        }, function(server)
            local answers = server:all { "/parallel", "/parallel", "/plain" }
            local names = {}
            for index = 1, 20 do
                names[index] = "p" .. index
            end
            for index = 1, 2 do
                assert.equal(table.concat(names, " "), answers[index].body)
                assert.is_true(answers[index].seconds < 3, "one after the other takes eight seconds")
            end
            assert.equal(1, answers[3].order)
            assert.same({}, server:complaints())
        end)
    end)

    it("a cancel during a back-off is noticed, and a close gives every call a ClosedError", function()
        tcp:script {
            default = {
                { read = "request" },
                { send = servers.answer { status = 503, headers = { ["Retry-After"] = "50" }, body = "busy" } },
            },
        }
        nginx.with({
            env = env(tcp.url),
            init = clients { it = "" },
            content = {
                ["/cancelled"] = [[
                    cancellers.it = require("kataven").canceller()
                    local _, err = clients.it.widgetKeys.list { cancel = cancellers.it }
                    ngx.print(err.name)
                ]],
                ["/closed"] = [[
                    local _, err = clients.it.widgetKeys.list()
                    ngx.print(err.name)
                ]],
                ["/cancel"] = [[ cancellers.it:cancel() ]],
                ["/close"] = [[ clients.it:close() ]],
            },
        }, function(server)
            local cancelled = server:open "/cancelled"
            local closed = { server:open "/closed", server:open "/closed" }
            tcp:wait { ended = 3 }
            server:get "/cancel"
            assert.matches("CancelledError$", cancelled:receive "*a")
            cancelled:close()
            server:get "/close"
            for _, connection in ipairs(closed) do
                assert.matches("ClosedError$", connection:receive "*a")
                connection:close()
            end
            assert.same({}, server:complaints())
        end)
    end)

    it("a close gives calls in flight in other requests a ClosedError", function()
        tcp:script { default = { { read = "request" }, { stall = true } } }
        nginx.with({
            env = env(tcp.url),
            init = clients { it = "maxConcurrent = 2" },
            content = { ["/list"] = LIST, ["/close"] = [[ clients.it:close() ]] },
        }, function(server)
            local open = { server:open "/list", server:open "/list", server:open "/list" }
            tcp:wait { requests = 2 }
            server:get "/close"
            for _, connection in ipairs(open) do
                assert.matches("\r\n\r\nClosedError: ", connection:receive "*a")
                connection:close()
            end
            tcp:wait { ended = 2 }
        end)
    end)

    it("workers that are replaced answer what they have begun, and exit", function()
        nginx.with({
            env = env(),
            workers = 2,
            init = clients { it = "" },
            content = { ["/list"] = LIST },
        }, function(server)
            hub:next { n = 8, delay = 0.3 }
            local old, open = server:workers(), {}
            for index = 1, 8 do
                open[index] = server:open "/list"
            end
            server:await("the calls to be in flight", function()
                return hub:stats().inFlight == 8
            end)
            server:replace()
            for _, connection in ipairs(open) do
                assert.matches("\r\n\r\nkeys$", connection:receive "*a")
                connection:close()
            end
            server:awaitExit(old)
            assert.equal("keys", server:get("/list").body)
            assert.same({}, server:complaints())
        end)
    end)

    describe("a call whose request has gone", function()
        -- The first connection stalls, later ones are answered.
        before_each(function()
            tcp:script {
                { { read = "request" }, { stall = true } },
                default = { { read = "request" }, { send = ANSWER } },
            }
        end)

        -- Makes it with one turn and one call in flight; `leave` is what has the request go.
        local function inFlight(options, server, leave)
            nginx.with({
                env = env(tcp.url),
                init = clients { it = "maxConcurrent = 1, retry = false" .. options },
                server = server,
                content = {
                    ["/list"] = LIST,
                    ["/collect"] = COLLECT,
                    ["/over"] = [[ ngx.print(noted.over and "over" or "under way") ]],
                    ["/kill"] = [[
                        local thread = ngx.thread.spawn(clients.it.widgetKeys.list)
                        ngx.sleep(0.05)
                        ngx.print(ngx.thread.kill(thread) and "killed" or "not killed")
                    ]],
                },
            }, leave)
        end

        local ABORTED = [[
            location = /aborted {
                lua_check_client_abort on;
                content_by_lua_block { clients.it.widgetKeys.list() }
                log_by_lua_block { noted.over = true }
            }
            location = /on_abort {
                lua_check_client_abort on;
                content_by_lua_block {
                    assert(ngx.on_abort(function() ngx.exit(499) end))
                    clients.it.widgetKeys.list()
                }
                log_by_lua_block { noted.over = true }
            }
        ]]

        local function collected(server)
            assert.equal(0, #tcp:log().ended)
            assert.equal("collected", server:get("/collect").body)
            assert.same({ "gone" }, { tcp:wait({ ended = 1 }).ended[1].how })
            assert.equal("keys", server:get("/list").body)
            assert.same({}, server:complaints())
        end

        it("as a light thread that was killed: it ends when it is collected", function()
            inFlight("", "", function(server)
                assert.equal("killed", server:get("/kill").body)
                tcp:wait { requests = 1 }
                collected(server)
            end)
        end)

        for _, path in ipairs { "/aborted", "/on_abort" } do
            it(("because its client went (%s): it ends when it is collected"):format(path), function()
                inFlight("", ABORTED, function(server)
                    local connection = server:open(path)
                    tcp:wait { requests = 1 }
                    connection:close()
                    server:await("nginx to notice", function()
                        return server:get("/over").body == "over"
                    end)
                    collected(server)
                end)
            end)
        end

        it("ends at its timeout where nothing is collected, and its turn goes to the next", function()
            inFlight(", timeout = 0.5, connectTimeout = 0.2", ABORTED, function(server)
                server:get("/kill")
                local answer = server:get("/list")
                assert.equal("keys", answer.body)
                assert.is_true(answer.seconds < 5)
                assert.same({ "gone" }, { tcp:wait({ ended = 1 }).ended[1].how })
            end)
        end)
    end)

    it("a certificate that was refused leaves no error behind for nginx's own TLS", function()
        local cert = servers.certificate()
        tcp:script { tls = { cert = cert.cert, key = cert.key }, default = { { tls = true }, { read = "request" } } }
        local port = servers.freePort()
        nginx.with({
            env = env(tcp.url),
            init = clients { it = "retry = false" },
            content = { ["/list"] = LIST },
            server = ("listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s;"):format(
                port, cert.cert, cert.key),
        }, function(server)
            local function secure()
                return servers.http("GET", ("https://127.0.0.1:%d/_ready"):format(port)).status
            end
            assert.equal(204, secure())
            for _ = 1, 3 do
                assert.matches("^TLSError: ", server:get("/list").body)
                assert.equal(204, secure())
            end
            assert.same({}, server:complaints())
        end)
        cert:remove()
    end)
end)
