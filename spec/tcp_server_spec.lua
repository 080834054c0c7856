-- The scripted TCP server plays what it is told, and tells what it saw.

local socket = require "socket"
local servers = require "spec.support.servers"

local REQUEST = "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two: 2\r\nContent-Length: 5\r\n\r\nhello"

describe("the scripted TCP server", function()
    local server, open

    -- One process for all: `script` gives each test a log of its own.
    lazy_setup(function() server = servers.tcp {} end)
    lazy_teardown(function() server:stop() end)
    before_each(function() open = {} end)
    after_each(function()
        for _, connection in ipairs(open) do connection:close() end
    end)

    local function connect()
        local connection = socket.tcp4()
        connection:settimeout(10)
        local ok, why = connection:connect("127.0.0.1", server.port)
        open[#open + 1] = connection
        return ok and connection, why
    end

    -- Everything until the end of the connection, and how it ended: luasocket gives nil when it was reset.
    local function readAll(connection)
        local all, why, partial = connection:receive("*a")
        return all or partial, why
    end

    it("reads a whole request, records it, and answers", function()
        server:script { { { read = "request" }, { send = servers.answer { status = 201, body = "hi" } } } }
        local connection = connect()
        -- In two parts, with the body cut.
        connection:send(REQUEST:sub(1, -3))
        connection:send(REQUEST:sub(-2))
        assert.equal("HTTP/1.1 201 Answer\r\nContent-Length: 2\r\n\r\nhi", readAll(connection))
        local log = server:wait { ended = 1 }
        assert.equal(1, log.connections)
        assert.equal("close", log.ended[1].how)
        local request = log.requests[1]
        assert.equal("POST", request.method)
        assert.equal("/a?b=c", request.target)
        assert.equal("HTTP/1.1", request.version)
        assert.equal("hello", request.body)
        assert.same({ { "Host", "x" }, { "X-Two", "1" }, { "x-two", "2" }, { "Content-Length", "5" } }, request.headers)
        assert.equal("1, 2", request.header["x-two"])
        assert.equal(1, request.connection)
        assert.is_true(request.at >= 0)
    end)

    it("carries every byte both ways", function()
        local bytes = {}
        for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
        bytes = table.concat(bytes)
        server:script { { { read = "request" }, { send = bytes } } }
        local connection = connect()
        connection:send("PUT / HTTP/1.1\r\nContent-Length: 256\r\n\r\n" .. bytes)
        assert.equal(bytes, readAll(connection))
        assert.equal(bytes, server:log().requests[1].body)
    end)

    it("keeps a connection for several requests", function()
        server:script { { { ["repeat"] = true, steps = { { read = "request" }, { send = servers.answer {} } } } } }
        local connection = connect()
        -- Two at once: what came early is kept for the next turn.
        connection:send(REQUEST .. REQUEST)
        for _ = 1, 2 do
            assert.equal("HTTP/1.1 200 Answer", connection:receive("*l"))
            connection:receive("*l")
            connection:receive("*l")
        end
        connection:close()
        local log = server:wait { ended = 1 }
        assert.equal(2, #log.requests)
        assert.equal(1, log.connections)
        assert.equal("gone", log.ended[1].how)
    end)

    it("repeats a number of times", function()
        server:script { { { ["repeat"] = 3, steps = { { send = "x" } } } } }
        assert.equal("xxx", readAll(connect()))
    end)

    it("plays each connection its part, and the default to the others", function()
        server:script { { { send = "one" } }, { { send = "two" } }, default = { { send = "more" } } }
        for _, expected in ipairs { "one", "two", "more", "more" } do
            assert.equal(expected, readAll(connect()))
        end
        assert.equal(4, server:wait { ended = 4 }.connections)
    end)

    it("resets connections that nobody expected, and counts them", function()
        server:script {}
        local connection = connect()
        if connection then assert.equal("closed", select(2, connection:receive(1))) end
        local log = server:wait { ended = 1 }
        assert.equal(1, log.connections)
        assert.equal("reset", log.ended[1].how)
    end)

    describe("ends a connection", function()
        -- A reset throws away what the client had not read yet; a close does not.
        it("with a FIN", function()
            server:script { { { read = 1 }, { send = "abc" }, { close = true } } }
            local connection = connect()
            connection:send("x and more that nobody reads")
            server:wait { ended = 1 }
            local all, why = readAll(connection)
            assert.equal("abc", all)
            assert.is_nil(why)
        end)

        it("with a reset", function()
            server:script { { { read = 1 }, { send = "abc" }, { wait = "go" }, { reset = true } } }
            local connection = connect()
            connection:send("x")
            assert.equal("abc", connection:receive(3))
            server:signal "go"
            server:wait { ended = 1 }
            -- On a connection that was only closed, a first send would still go through.
            assert.equal("closed", select(2, connection:send("y")))
        end)
    end)

    it("records a head alone, and reads a number of bytes", function()
        server:script { { { read = "head" }, { send = "a" }, { read = 5 }, { send = "b" } } }
        local connection = connect()
        connection:send(REQUEST:sub(1, -6))
        assert.equal("a", connection:receive(1))
        connection:send("hello")
        assert.equal("b", connection:receive(1))
        assert.equal("", server:log().requests[1].body)
    end)

    it("sends long bodies without a long script", function()
        server:script { { { send = "0123456789", times = 300000 } } }
        local all = readAll(connect())
        assert.equal(3000000, #all)
        assert.equal("0123456789", all:sub(-10))
    end)

    it("trickles", function()
        server:script { { { trickle = "abcdef", every = 0.01, chunk = 2 } } }
        local before = socket.gettime()
        assert.equal("abcdef", readAll(connect()))
        assert.is_true(socket.gettime() - before >= 0.02)
    end)

    it("stalls for a while", function()
        server:script { { { stall = 0.05 }, { send = "late" } } }
        local before = socket.gettime()
        assert.equal("late", readAll(connect()))
        assert.is_true(socket.gettime() - before >= 0.04)
    end)

    it("stalls for ever, and sees the client go", function()
        server:script { { { read = "request" }, { stall = true } } }
        local connection = connect()
        connection:send(REQUEST)
        server:wait { requests = 1 }
        assert.equal(0, #server:log().ended)
        connection:close()
        assert.equal("gone", server:wait { ended = 1 }.ended[1].how)
    end)

    it("stalls deaf, so that a long body gets stuck", function()
        server:script { { { stall = true, deaf = true } } }
        local connection = connect()
        connection:settimeout(0.05)
        local block = ("x"):rep(1000000)
        local why
        for _ = 1, 100 do
            local _
            _, why = connection:send(block)
            if why then break end
        end
        assert.equal("timeout", why)
    end)

    it("counts effects", function()
        server:script { default = { { read = "request" }, { effect = "created" }, { reset = true } } }
        for _ = 1, 2 do connect():send(REQUEST) end
        local log = server:wait { effects = 2 }
        assert.same({ created = 2 }, log.effects)
    end)

    it("lets connections wait for one another and for the spec", function()
        server:script {
            { { wait = "second" }, { send = "after" } },
            { { wait = "spec" }, { signal = "second" } },
        }
        local first, second = connect(), connect()
        server:wait { connections = 2 }
        server:signal "spec"
        assert.equal("", readAll(second))
        assert.equal("after", readAll(first))
    end)

    it("goes by a request's method and headers, and by what it met before", function()
        local steps = { { read = "request" }, { choose = "method", steps = { { send = "other" } }, cases = {
            POST = { { choose = "x-two", again = { { send = "again" } }, steps = { { send = "first {x-two}",
                echo = "x-two" } } } },
        } } }
        server:script { default = { { ["repeat"] = 3, steps = steps } } }
        local connection = connect()
        connection:send(REQUEST .. REQUEST .. REQUEST:gsub("POST", "PUT"))
        assert.equal("first 1againother", readAll(connection))
    end)

    it("counts effects by request, and waits until so much was seen", function()
        server:script { default = { { read = "request" }, { wait = { requests = 2 } }, { effect = "served" },
            { signal = "there" }, { send = "x" } } }
        local first, second = connect(), connect()
        first:send(REQUEST)
        server:wait { requests = 1 }
        first:settimeout(0.01)
        assert.equal("timeout", select(2, first:receive(1)))
        first:settimeout(10)
        second:send(REQUEST)
        assert.equal("x", readAll(first))
        assert.equal("x", readAll(second))
        local log = server:wait { effects = 2, signal = "there" }
        for _, request in ipairs(log.requests) do assert.equal(1, request.effects) end
        assert.error_matches(function() server:wait { signal = "never", timeout = 0.01 } end, "in vain")
    end)

    describe("refuses connections", function()
        it("from the start", function()
            server:script { listen = false }
            assert.equal("connection refused", select(2, connect()))
            server:script { { { send = "hi" } } }
            assert.equal("hi", readAll(assert(connect())))
        end)

        it("for a while", function()
            server:script { { { send = "hi" } }, listenAfter = 0.05 }
            assert.equal("connection refused", select(2, connect()))
            local connection
            repeat connection = connect() until connection
            assert.equal("hi", readAll(connection))
        end)

        it("from a step on", function()
            local port = server.port
            server:script { { { unlisten = true }, { send = "last" } } }
            assert.equal("last", readAll(assert(connect())))
            assert.equal("connection refused", select(2, connect()))
            server:script {}
            assert.equal(port, server.port)
        end)
    end)

    it("refuses a script with mistakes", function()
        for script, complaint in pairs {
            [{ { { sned = "x" } } }] = "sned",
            [{ { { send = "x", every = 1 } } }] = "every",
            [{ { { send = "x", close = true } } }] = "both",
            [{ { { choose = "method", cases = { GET = { { gone = true } } } } } }] = "gone",
            [{ { { ["repeat"] = 2, steps = { { nothing = 1 } } } } }] = "nothing",
            [{ connections = {} }] = "connections",
        } do
            assert.error_matches(function() server:script(script) end, complaint)
        end
    end)

    it("waits no longer than it is told", function()
        server:script {}
        assert.error_matches(function() server:wait { connections = 1, timeout = 0.01 } end, "in vain")
    end)

    it("fails loudly when it had an error of its own", function()
        local broken = servers.tcp { { { tls = true } }, tls = { cert = "/nowhere", key = "/nowhere" } }
        local connection = assert(socket.connect("127.0.0.1", broken.port))
        assert.error_matches(function() broken:wait { ended = 1, timeout = 0.5 } end, "error loading")
        connection:close()
        broken:stop()
    end)

    describe("over TLS", function()
        local ssl = require "ssl"
        local certificate

        lazy_setup(function() certificate = servers.certificate() end)
        lazy_teardown(function() certificate:remove() end)

        -- Trusts the certificate alone, or nothing at all.
        local function handshake(cafile)
            local connection = assert(ssl.wrap(connect(),
                { mode = "client", protocol = "any", cafile = cafile, verify = "peer" }))
            open[#open + 1] = connection
            connection:settimeout(10)
            local ok, why = connection:dohandshake()
            return ok and connection, why
        end

        it("speaks it where the script says so, to any length", function()
            local steps = { { tls = true }, { read = "request" }, { send = "0123456789", times = 100000 } }
            server:script { steps, tls = certificate }
            assert.matches("^https:", server.url)
            local connection = handshake(certificate.cert)
            connection:send(REQUEST)
            assert.equal(1000000, #readAll(connection))
            assert.equal("hello", server:log().requests[1].body)
        end)

        it("tells when the client refuses the certificate", function()
            server:script { { { tls = true } }, tls = certificate }
            assert.falsy(handshake(nil))
            assert.equal("tls", server:wait { ended = 1 }.ended[1].how)
        end)

        it("closes with a goodbye, cuts without one, and resets", function()
            server:script {
                { { tls = true }, { send = "abc" }, { close = true } },
                { { tls = true }, { send = "abc" }, { cut = true } },
                { { tls = true }, { send = "abc" }, { wait = "go" }, { reset = true } },
                tls = certificate,
            }
            local all, why = readAll(handshake(certificate.cert))
            assert.equal("abc", all)
            assert.is_nil(why)
            all, why = readAll(handshake(certificate.cert))
            assert.equal("abc", all)
            assert.equal("unexpected eof while reading", why)
            local connection = handshake(certificate.cert)
            assert.equal("abc", connection:receive(3))
            server:signal "go"
            assert.equal("reset", server:wait { ended = 3 }.ended[3].how)
            assert.equal("closed", select(2, readAll(connection)))
        end)

        it("may be reset before the handshake", function()
            server:script { { { read = 1 }, { reset = true } }, tls = certificate }
            assert.falsy(handshake(certificate.cert))
        end)
    end)
end)
