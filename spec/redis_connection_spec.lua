-- The connection to Redis: TLS, commands side by side, what breaks it, and the loop beneath.

local child = require "spec.support.child"
local files = require "spec.support.files"
local redis = require "spec.support.redis"
local servers = require "spec.support.servers"

local missing = redis.missing()
if missing then
    describe("kataven.redis.connection", function()
        it("connects", function()
            pending(missing)
        end)
    end)
    return
end

local connection = require "kataven.redis.connection"
local core = require "kataven.core"
local loops = require "kataven.redis.loop"
local socket = require "socket"
local stream = require "kataven.redis.socket"
local url = require "kataven.redis.url"

-- Runs a function in a loop, with a connection; gives what was logged.
local function with(address, tls, use)
    local loop, logged = loops.new(), {}
    local one = connection.new(loop, { address = assert(url.parse(address)), tls = tls, name = "a-spec",
        log = function(level, message)
            logged[#logged + 1] = level .. " " .. message
        end })
    loop:spawn(function()
        use(one, loop, logged)
        one:close()
        loop:stop()
    end)
    loop:run()
    return logged
end

describe("kataven.redis.connection", function()
    local server, cert

    lazy_setup(function()
        cert = servers.certificate()
        server = redis.start { unixsocket = true }
    end)

    lazy_teardown(function()
        server:stop()
        cert:remove()
        redis.forget()
    end)

    it("gives what Redis gives, and its errors beside", function()
        assert.same({}, with(server.unixUrl, nil, function(one)
            assert.is_true(one:await())
            assert.equal("PONG", (one:call "PING"))
            local value, problem = one:call "NOSUCH"
            assert.is_nil(value)
            assert.equal("ERR", problem.code)
            assert.matches("^ERR unknown command", problem.message)
            assert.is_nil((one:call("GET", "nothing")))
            assert.is_nil(select(2, one:call("GET", "nothing")))
            value = one:call("EVAL", "return {1, {err='BAD thing'}, 'x', {}}", 0)
            assert.same({ 1, "BAD thing", "x", {} }, { value[1], value[2].problem.message, value[3], value[4] })
            assert.equal("ERR", select(2, one:call("XADD", "s", "*")).code)
            assert.equal("a-spec", (one:call("CLIENT", "GETNAME")))
        end))
    end)

    it("does without a name, and not without its database, where it may not set them", function()
        local address = ("redis://weak:x@127.0.0.1:%d/1"):format(server.port)
        finally(function() server:call("ACL", "DELUSER", "weak") end)
        assert(server:call("ACL", "SETUSER", "weak", "on", ">x", "~*", "+@all", "-client|setname"))
        with(address, nil, function(one) assert.is_true(one:await()) end)
        assert(server:call("ACL", "SETUSER", "weak", "-select"))
        with(address, nil, function(one)
            local stands, why = one:await()
            assert.is_false(stands)
            assert.matches("^NOPERM.*select", why.message)
        end)
    end)

    it("finds redis-lua in another Lua's folder", function()
        if not files.read "/usr/share/lua/5.1/redis.lua" then
            return pending "Debian's redis-lua is not here"
        end
        local output, errors = child.run([[
            -- As Debian 12 has it for Lua 5.4: none in the folder of this Lua.
            package.path = package.path:gsub("[^;]*", function(template)
                return not template:find "^%./" and not template:find "/usr/share/lua/5%.%d/" and "" or template
            end) .. ";/usr/share/lua/5.4/?.lua"
            package.preload.redis = function() error "module 'redis' not found" end
            print(type(require "kataven.redis.connection".new))
        ]])
        assert.equal("function\n", output, errors)
    end)

    it("answers each of many that ask at once with its own, however long the answers are", function()
        with(server.url, nil, function(one, loop)
            assert.is_true(one:await())
            local done, all = 0, loop:event()
            for index = 1, 200 do
                loop:spawn(function()
                    local text = ("%d "):format(index):rep(index % 50 == 0 and 100000 or 1)
                    assert.equal(text, (one:call("ECHO", text)))
                    done = done + 1
                    all:fire()
                end)
            end
            while done < 200 do
                assert.equal("fired", all:wait(30))
            end
        end)
    end)

    it("gives the part of an answer that has come to nobody who asks meanwhile", function()
        -- In the midst of the first answer stands what would be one.
        local first, second = "+STOLEN\r\n+STOLEN\r\n", "mine"
        local setname = "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$6\r\na-spec\r\n"
        local echo = "*2\r\n$4\r\nECHO\r\n$4\r\n%s\r\n"
        local tcp = servers.tcp { { { read = #setname }, { send = "+OK\r\n" }, { read = #"*1\r\n$4\r\nPING\r\n" },
            { send = "+PONG\r\n" }, { read = #echo + 2 }, { send = ("$%d\r\n+STOLEN\r\n"):format(#first) },
            { read = #echo + 2 }, { send = "+STOLEN\r\n\r\n" }, { send = ("$%d\r\n%s\r\n"):format(#second, second) },
            { stall = true } } }
        finally(function() tcp:stop() end)
        local answers = {}
        with("redis://127.0.0.1:" .. tcp.port, nil, function(one, loop)
            assert.is_true(one:await())
            local both = loop:event()
            loop:spawn(function() answers[1] = one:call("ECHO", "long") end)
            loop:sleep(0.3) -- the first part has come
            loop:spawn(function()
                answers[2] = one:call("ECHO", "mine")
                both:fire()
            end)
            both:wait(10)
        end)
        assert.same({ first, second }, answers)
    end)

    it("lets others run while a command waits in Redis", function()
        with(server.url, nil, function(one, loop)
            assert.is_true(one:await())
            local turns, over = 0, false
            loop:spawn(function()
                while not over do
                    turns = turns + 1
                    loop:sleep(0.01)
                end
            end)
            assert.is_nil((one:callFor(0.5, "BLPOP", "nothing", "0.5")))
            over = true
            assert.is_true(turns > 10)
        end)
    end)

    it("says so where it breaks, and connects again", function()
        local logged = with(server.url, nil, function(one, loop)
            assert.is_true(one:await())
            local problem
            local heard = loop:event()
            loop:spawn(function()
                problem = select(2, one:callFor(20, "BLPOP", "nothing", 20))
                heard:fire()
            end)
            loop:sleep(0.1)
            server:call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert.equal("fired", heard:wait(10))
            assert.same({ code = "LOST", message = "Redis closed the connection" }, problem)
            assert.is_true(one:await())
            assert.equal("PONG", (one:call "PING"))
        end)
        assert.same({ ("warning no connection to redis://127.0.0.1:%d: Redis closed the connection; trying again")
            :format(server.port) }, logged)
    end)

    for name, row in pairs {
        ["no Redis"] = { "HTTP/1.1 400 Bad Request\r\n\r\n", "what came is no answer of Redis's" },
        ["a Redis that says more than was asked"] = { "+OK\r\n+PONG\r\n+MORE\r\n",
            "Redis said something that nobody had asked" },
        ["a Redis that is loading"] = { "-LOADING Redis is loading its data\r\n", "LOADING Redis is loading" },
    } do
        it("tells " .. name .. ", and tries again", function()
            local tcp = servers.tcp { default = { { read = 5 }, { send = row[1] }, { stall = true } } }
            finally(function() tcp:stop() end)
            local logged = with("redis://127.0.0.1:" .. tcp.port, nil, function(_, loop)
                local due = core.now() + 20
                while tcp:log().connections < 2 and core.now() < due do
                    loop:sleep(0.02)
                end
            end)
            assert.truthy(logged[1] and logged[1]:find(row[2], 1, true), logged[1])
            assert.matches("trying again$", logged[1])
            assert.is_true(tcp:log().connections >= 2)
        end)
    end

    it("asks less and less often for a Redis that is gone", function()
        local tcp = servers.tcp { default = { { close = true } } }
        finally(function() tcp:stop() end)
        local began, first, last = core.now(), nil, nil
        with("redis://127.0.0.1:" .. tcp.port, nil, function(_, loop)
            -- Of eight attempts the first four take less time than the last four.
            local times, due = {}, core.now() + 20
            while #times < 8 and core.now() < due do
                while #times < tcp:log().connections do
                    times[#times + 1] = core.now()
                end
                loop:sleep(0.01)
            end
            first, last = times[4] - began, times[8] - times[4]
        end)
        assert.is_true(last > 2 * first, ("%g s and then %g s"):format(first, last))
    end)

    describe("over TLS", function()
        local secure, port

        lazy_setup(function()
            port = servers.freePort()
            secure = redis.start { ["tls-port"] = tostring(port), ["tls-cert-file"] = cert.cert,
                ["tls-key-file"] = cert.key, ["tls-ca-cert-file"] = cert.cert, ["tls-auth-clients"] = "no" }
        end)

        lazy_teardown(function()
            secure:stop()
        end)

        local function talk(host, tls, seconds)
            local value
            local logged = with(("rediss://%s:%d"):format(host, port), tls, function(one, loop, log)
                local due = core.now() + (seconds or 20)
                while not one.ready and #log == 0 and core.now() < due do
                    loop:sleep(0.01)
                end
                value = one:call("ECHO", ("x"):rep(300000))
            end)
            return value, logged[1]
        end

        it("speaks to a server whose certificate is trusted, by its address", function()
            local value, problem = talk("127.0.0.1", { caFile = cert.cert })
            assert.equal(300000, #(value or ""), problem)
        end)

        it("speaks to one by its name", function()
            -- libcurl knows this name for itself; others ask the machine, which may have no /etc/hosts.
            if not socket.dns.getaddrinfo "localhost" then
                return pending "this machine does not know localhost"
            end
            local value, problem = talk("localhost", { caFile = cert.cert })
            assert.equal(300000, #(value or ""), problem)
        end)

        it("refuses one that is not trusted", function()
            local value, problem = talk("127.0.0.1", {})
            assert.is_nil(value)
            assert.matches("TLS: certificate verify failed", problem)
        end)

        it("refuses one that is for another host", function()
            local other = servers.certificate "DNS:redis.example"
            finally(function() other:remove() end)
            assert(secure:call("CONFIG", "SET", "tls-cert-file", other.cert, "tls-key-file", other.key))
            local value, problem = talk("127.0.0.1", { caFile = other.cert })
            assert(secure:call("CONFIG", "SET", "tls-cert-file", cert.cert, "tls-key-file", cert.key))
            assert.is_nil(value)
            assert.matches("TLS: the certificate is not for 127.0.0.1", problem)
        end)

        it("shows a certificate to a server that wants one", function()
            assert(secure:call("CONFIG", "SET", "tls-auth-clients", "yes"))
            finally(function() secure:call("CONFIG", "SET", "tls-auth-clients", "no") end)
            local value, problem = talk("127.0.0.1", { caFile = cert.cert })
            assert.is_nil(value)
            assert.is_string(problem)
            value, problem = talk("127.0.0.1", { caFile = cert.cert, certFile = cert.cert, keyFile = cert.key })
            assert.equal(300000, #(value or ""), problem)
        end)

        it("serves a worker", function()
            local hub = servers.hub {}
            finally(function() hub:stop() end)
            local worker = redis.worker(secure, hub, { url = "rediss://127.0.0.1:" .. port, caFile = cert.cert })
            local id = assert(secure:call("FCALL", "kataven_list", 1, "{kataven}"))
            assert.truthy(secure:call("BLPOP", "{kataven}:reply:" .. id, 30)[2]:find('"ok":true', 1, true))
            worker:signal "TERM"
            assert.equal(0, (select(3, worker:wait())))
        end)
    end)
end)

describe("kataven.redis.socket", function()
    it("knows whom a certificate is for", function()
        local function fits(host, dns, ip)
            return stream.isFor({ ["2.5.29.17"] = { dNSName = dns, iPAddress = ip } }, host)
        end
        assert.is_true(fits("redis.example", { "other.example", "Redis.Example" }))
        assert.is_true(fits("a.redis.example", { "*.redis.example" }))
        assert.is_true(fits("::1", {}, { "::1" }))
        for _, case in ipairs {
            { "redis.example", { "*.redis.example" } }, { "a.b.redis.example", { "*.redis.example" } },
            { "redis.example", { "redis.exampl" } }, { "example", { "*.", "*" } },
            { "localhost", { "*.localhost" } },
            { "a.com", { "*.com" } }, { "127.0.0.1", { "127.0.0.1" } },
            { "127.0.0.1", {}, { "127.0.0.2" } }, { "10.0.0.1", { "*.0.0.1" } },
        } do
            assert.is_false(fits(case[1], case[2], case[3]), case[1])
        end
        assert.is_false(stream.isFor({}, "redis.example"))
    end)
end)

describe("kataven.redis.loop", function()
    it("ends with its coroutines, and wakes who waits for a time in the order of the times", function()
        local loop, order = loops.new(), {}
        for _, seconds in ipairs { 0.06, 0.02, 0.04 } do
            loop:spawn(function()
                loop:sleep(seconds)
                order[#order + 1] = seconds
            end)
        end
        loop:run()
        assert.same({ 0.02, 0.04, 0.06 }, order)
    end)

    it("fires an event for all who wait, and for nobody who comes later", function()
        local loop, woken = loops.new(), {}
        local event = loop:event()
        for index = 1, 3 do
            loop:spawn(function()
                woken[index] = event:wait(5)
            end)
        end
        loop:spawn(function()
            event:fire()
            woken.late = event:wait(0.01)
        end)
        loop:run()
        assert.same({ "fired", "fired", "fired", late = "timeout" }, woken)
    end)

    it("ends with what a coroutine raises, unless somebody wants to hear it", function()
        local loop, heard = loops.new(), nil
        loop:spawn(function() error("one", 0) end, function(problem) heard = problem end)
        loop:run()
        assert.equal("one", heard)
        loop:spawn(function() error("two", 0) end)
        local ok, why = pcall(loop.run, loop)
        assert.is_false(ok)
        assert.matches("two", why)
    end)

    it("says so where everybody waits for another", function()
        local loop = loops.new()
        loop:spawn(function() loop:event():wait() end)
        local ok, why = pcall(loop.run, loop)
        assert.is_false(ok)
        assert.equal("every coroutine waits for another one", why)
    end)

    it("wakes all who wait for one descriptor", function()
        local loop, woken = loops.new(), 0
        local signals = assert(core.signals "USR1")
        for _ = 1, 3 do
            loop:spawn(function()
                if loop:wait(10, signals:fd()) == "ready" then
                    woken = woken + 1
                end
            end)
        end
        loop:spawn(function()
            os.execute "kill -USR1 $PPID"
        end)
        loop:run()
        assert.equal(3, woken)
        assert.equal("USR1", signals:take())
        assert.is_nil(signals:take())
        signals:close()
    end)
end)
