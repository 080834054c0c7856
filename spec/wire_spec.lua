-- What goes over a real connection: the requests' bytes, kept-alive connections, and how requests are repeated. Faults
-- are in faults_spec.lua and fault_ends_spec.lua.

local kataven = require "kataven"
local servers = require "spec.support.servers"
local socket = require "socket"

local FAST = { max = 3, baseDelay = 0.001, maxDelay = 0.002 }
local OK_LIST = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }
local OK_KEY = servers.answer {
    status = 201, headers = { ["Content-Type"] = "application/json" }, body = '{"id":"wk_1","name":"x"}',
}

-- One exchange of a kept-alive connection: a request that has an effect, and its answer.
local function exchange(bytes)
    return { { read = "request" }, { effect = "served" }, { send = bytes } }
end

-- A connection's steps, of single ones and of lists of them.
local function steps(...)
    local flat = {}
    for _, entry in ipairs { ... } do
        for _, step in ipairs(entry[1] and entry or { entry }) do
            flat[#flat + 1] = step
        end
    end
    return flat
end

-- A wait that watches the descriptor, as an event loop would.
local function watching(seconds, fd)
    local object = { getfd = function() return fd end, dirty = function() return false end }
    socket.select(fd and { object } or {}, {}, seconds)
end

-- Everything is played to a host that blocks and to one that does not.
for _, host in ipairs { { name = "a blocking host" }, { name = "a host with a wait", wait = watching } } do
    describe("over a real connection, in " .. host.name .. ",", function()
        local server, client

        lazy_setup(function()
            server = servers.tcp {}
        end)

        lazy_teardown(function()
            server:stop()
        end)

        local function play(script, options)
            server:script(script)
            options = options or {}
            client = kataven.new {
                apiKey = "sk_live_spec_0123456789",
                baseUrl = server.url,
                wait = host.wait,
                retry = options.retry == nil and FAST or options.retry,
                timeout = options.timeout,
                maxResponseBytes = options.maxResponseBytes,
                headers = options.headers,
            }
            return client
        end

        after_each(function()
            if client then
                client:close()
                client = nil
            end
        end)

        it("sends a GET as documented", function()
            play({ steps(exchange(OK_LIST)) })
            assert.same({}, client.widgetKeys.list())
            local request = server:log().requests[1]
            assert.equal("GET", request.method)
            assert.equal("/api/v1/widget-keys", request.target)
            assert.equal("HTTP/1.1", request.version)
            assert.equal("", request.body or "")
            assert.equal("Bearer sk_live_spec_0123456789", request.header.authorization)
            assert.equal("application/json", request.header.accept)
            assert.truthy(request.header["user-agent"]:find("^kataven%-lua/"))
            assert.is_nil(request.header["content-type"])
            assert.equal("identity", request.header["accept-encoding"])
            assert.is_nil(request.header.expect)
        end)

        it("sends a POST as documented, a large one without asking leave", function()
            play({ steps(exchange(OK_KEY), exchange(OK_KEY)) })
            local name = ("x"):rep(2 * 1024 * 1024)
            assert(client.widgetKeys.create { name = 'a "quoted" name', domain_allowlist = {} })
            assert(client.widgetKeys.create { name = name })
            local log = server:log()
            assert.equal('{"name":"' .. name .. '"}', log.requests[2].body)
            assert.is_nil(log.requests[2].header.expect)
            assert.equal('{"domain_allowlist":[],"name":"a \\"quoted\\" name"}', log.requests[1].body)
            assert.equal("application/json", log.requests[1].header["content-type"])
            assert.equal(tostring(#log.requests[1].body), log.requests[1].header["content-length"])
        end)

        it("sends a POST without a body as one, and not as a form", function()
            play({ steps(exchange(OK_KEY)) })
            assert(client:request { method = "POST", path = "/api/v1/widget-keys" })
            local request = server:log().requests[1]
            assert.equal("0", request.header["content-length"])
            assert.is_nil(request.header["content-type"])
        end)

        -- libcurl leaves out what has no value; to HTTP blanks are none.
        it("sends a header whose value is empty or blank, wherever it was set, as an empty one", function()
            for _, blank in ipairs { "", " ", "    ", (" "):rep(300) } do
                play({ steps({ ["repeat"] = true, steps = steps(exchange(OK_KEY)) }) },
                    { headers = { ["X-A"] = blank } })
                assert(client.widgetKeys.create({ name = "x" }, { headers = { ["X-B"] = blank, ["X-C"] = "c" } }))
                assert(client:request { method = "POST", path = "/p", headers = { ["X-B"] = blank,
                    ["Content-Type"] = blank, Accept = blank }, body = {} })
                local log = server:log()
                for index = 1, 2 do
                    assert.equal("", log.requests[index].header["x-a"])
                    assert.equal("", log.requests[index].header["x-b"])
                end
                assert.equal("c", log.requests[1].header["x-c"])
                assert.equal("", log.requests[2].header["content-type"])
                assert.equal("", log.requests[2].header.accept)
                client:close()
            end
        end)

        it("goes back to a GET on a handle that has posted, and to HEAD and back", function()
            play({ steps({ ["repeat"] = true, steps = steps(exchange(OK_LIST)) }) })
            assert(client:request { method = "PUT", path = "/api/v1/widget-keys", body = {} })
            assert(client.widgetKeys.list())
            assert(client:request { method = "DELETE", path = "/api/v1/widget-keys/x" })
            assert(client.widgetKeys.list())
            local methods = {}
            for index, request in ipairs(server:log().requests) do
                methods[index] = request.method .. (request.header["content-length"] or "")
            end
            assert.same({ "PUT2", "GET", "DELETE", "GET" }, methods)
        end)

        it("keeps its connection", function()
            play({ steps({ ["repeat"] = true, steps = steps(exchange(OK_LIST)) }) })
            for _ = 1, 5 do
                assert(client.widgetKeys.list())
            end
            assert.equal(1, server:log().connections)
        end)

        it("drops interim answers and joins repeated headers", function()
            play({ steps({ read = "request" }, { send = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" },
                { send = "HTTP/1.1 200 OK\r\nX-Two: 1\r\nx-two: 2\r\nContent-Length: 2\r\n\r\n[]" }) })
            local _, meta = assert(client.widgetKeys.list())
            assert.equal("1, 2", meta.headers["x-two"])
            assert.is_nil(meta.headers.link)
        end)

        it("does not follow a redirect", function()
            play({ steps({ read = "request" }, { send = servers.answer {
                status = 302, headers = { Location = server.url .. "/elsewhere" } } }) })
            local _, err = client.widgetKeys.list()
            assert.equal("APIError", err.name)
            assert.equal(302, err.status)
            assert.equal(1, #server:log().requests)
        end)

        it("takes 200 to 299 for a success, and nothing beside", function()
            for status, fine in pairs { [200] = true, [201] = true, [299] = true, [300] = false, [399] = false } do
                play({ steps(exchange(servers.answer { status = status, body = '{"id":"wk_1"}',
                    headers = { ["Content-Type"] = "application/json" } })) })
                local key, result = client.widgetKeys.create { name = "x" }
                assert.equal(status, result.status)
                if fine then
                    assert.equal("wk_1", key.id)
                else
                    assert.is_nil(key)
                    assert.is_true(result:is "APIError")
                    assert.same({ id = "wk_1" }, result.data)
                end
                client:close()
            end
        end)

        it("names the status of an answer that had begun, and none where nothing came", function()
            play({ steps({ read = "request" }, { send = servers.answer { status = 201, body = "{", length = 5 } }) },
                { retry = false })
            local _, err = client.widgetKeys.create { name = "x" }
            assert.same({ "ConnectionError", 201 }, { err.name, err.status })
            client:close()
            play({ steps({ read = "request" }, { close = true }) }, { retry = false })
            _, err = client.widgetKeys.create { name = "x" }
            assert.equal("ConnectionError", err.name)
            assert.is_nil(err.status)
        end)

        it("takes no more answers from a connection on which a body was announced that may not come", function()
            -- Five bytes that could be anybody's: the next answer is read on a connection of its own.
            for _, status in ipairs { 204, 304 } do
                play({ steps({ read = "request" }, { send = servers.answer { status = status, length = 5 } },
                    { read = "request" }, { send = OK_LIST }), steps(exchange(OK_LIST)) }, { retry = false })
                client.widgetKeys.delete "k1"
                assert.same({}, client.widgetKeys.list())
                assert.equal(2, server:log().connections)
                client:close()
                play({ steps({ read = "request" }, { send = ("HTTP/1.1 %d Nothing\r\n\r\n"):format(status) },
                    exchange(OK_LIST)) }, { retry = false })
                client.widgetKeys.delete "k1"
                assert.same({}, client.widgetKeys.list())
                assert.equal(1, server:log().connections)
                client:close()
            end
        end)

        it("repeats a GET on a kept-alive connection that dies, and counts it", function()
            -- libcurl opens another connection before it is told not to use it.
            play({ steps({ read = "request" }, { send = OK_LIST }, { read = "request" }, { reset = true }),
                default = steps(exchange(OK_LIST)) })
            assert(client.widgetKeys.list())
            local _, meta = assert(client.widgetKeys.list())
            assert.equal(2, meta.attempts)
            assert.equal(3, #server:log().requests)
        end)

        it("tries a write again when the connection was refused, and it happens once", function()
            play({ listenAfter = 0.05, default = steps(exchange(OK_KEY)) }, { retry = { max = 50, baseDelay = 0.02 } })
            local _, meta = assert(client.widgetKeys.create { name = "x" })
            assert.is_true(meta.attempts > 1)
            assert.equal(1, server:log().effects.served)
        end)

        it("repeats a write after a 429 and after nothing else that was answered", function()
            play({ steps(
                { read = "request" }, { send = servers.answer { status = 429, headers = { ["Retry-After"] = "0" } } },
                exchange(OK_KEY)) })
            local _, meta = assert(client.widgetKeys.create { name = "x" })
            assert.equal(2, meta.attempts)
            assert.equal(1, server:log().effects.served)
            client:close()
            for _, status in ipairs { 408, 500, 502, 503, 504 } do
                play({ steps({ read = "request" }, { send = servers.answer { status = status } }, exchange(OK_KEY)) })
                local _, err = client.widgetKeys.create { name = "x" }
                assert.equal(status, err.status)
                assert.is_true(err.maybeApplied)
                assert.equal(1, #server:log().requests)
                client:close()
            end
        end)

        it("takes a trailer for what it is, even one that looks like a status line", function()
            play({ steps({ read = "request" },
                { send = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nHTTP/x: 1\r\n\r\n" }) })
            assert.same({}, assert(client.widgetKeys.list()))
        end)
    end)
end

describe("waiting for a real connection", function()
    it("hands its wait seconds and a descriptor, and comes back as soon as there is an answer", function()
        local server = servers.tcp { steps({ read = "request" }, { stall = 0.05 }, { send = OK_LIST }) }
        local longest, watched, calls = 0, 0, 0
        local client = kataven.new {
            apiKey = "sk_live_spec_x", baseUrl = server.url,
            wait = function(seconds, fd)
                calls = calls + 1
                assert(seconds >= 0.001)
                longest = math.max(longest, seconds)
                watched = watched + (fd and 1 or 0)
                watching(seconds, fd)
            end,
        }
        assert(client.widgetKeys.list())
        -- Without epoll there is no descriptor; in either case the pauses are short, for hosts that watch none.
        assert.is_true(calls > 0 and longest <= 0.010001)
        assert.is_true(watched == calls or watched == 0)
        client:close()
        server:stop()
    end)

    it("lets several calls go on side by side", function()
        local hub = servers.hub { latency = 0.1 }
        local client = kataven.new {
            apiKey = hub.apiKey, baseUrl = hub.url, wait = function() coroutine.yield() end,
        }
        local running, done = {}, 0
        for _ = 1, 10 do
            running[#running + 1] = coroutine.create(function()
                assert(client.widgetKeys.list())
                done = done + 1
            end)
        end
        while done < 10 do
            for _, thread in ipairs(running) do
                if coroutine.status(thread) ~= "dead" then
                    assert(coroutine.resume(thread))
                end
            end
            socket.sleep(0.001)
        end
        -- One after the other they would never have met.
        assert.is_true(hub:stats().mostInFlight > 5)
        client:close()
        hub:stop()
    end)
end)
