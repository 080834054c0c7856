-- Signals: a broken pipe ends no process, and Ctrl-C ends a wait.

local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local files = require "spec.support.files"
local servers = require "spec.support.servers"

if not files.read "/proc/self/status" then
    describe("signals", function()
        it("are tested on Linux", function()
            pending "elsewhere nothing can be preloaded"
        end)
    end)
    return
end

local LIST = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }

-- A connection's steps, with `more` after those that are given.
local function steps(given, more)
    for _, step in ipairs(more) do
        given[#given + 1] = step
    end
    return given
end

describe("SIGPIPE, where the host has not touched it,", function()
    -- Whoever runs the specs may ignore it, and a shell cannot take that back.
    local DEFAULT = { "env", "--default-signal=PIPE" }
    local BROKEN_PIPE = 128 + 13
    local cert, plain, secure, loud

    lazy_setup(function()
        cert = servers.certificate()
        plain, secure = servers.tcp(), servers.tcp()
        loud = compiled.build("loud_pipes", "-shared")
    end)

    lazy_teardown(function()
        plain:stop()
        secure:stop()
        cert:remove()
        os.remove(loud)
    end)

    it("would end the process", function()
        local _, _, status = child.complete([[
            local pipe = io.popen("exec true", "w")
            pipe:write(("x"):rep(1024 * 1024))
            pipe:close()
        ]], nil, DEFAULT)
        assert.equal(BROKEN_PIPE, status)
    end)

    -- Uploads more than the system's buffers hold to a server that has read the head of the request.
    local function upload(how, environment)
        local server = how.tls and secure or plain
        server:script {
            default = steps(steps(how.tls and { { tls = true } } or {},
                how.kept and { { read = "request" }, { send = LIST } } or {}),
                { { read = "head" }, { [how.ending] = true } }),
            tls = how.tls and { cert = cert.cert, key = cert.key } or nil,
        }
        environment = environment or {}
        environment.URL, environment.CERT, environment.KEPT = server.url, cert.cert, how.kept and "yes" or ""
        local output, errors, status = child.complete([[
            local kataven = require "kataven"
            local client = kataven.new {
                apiKey = "sk_live_spec_x", baseUrl = os.getenv "URL", caFile = os.getenv "CERT",
            }
            if os.getenv "KEPT" == "yes" then
                assert(client.widgetKeys.list())
            end
            local body = '"' .. ("x"):rep(16 * 1024 * 1024) .. '"'
            local value, err = client:request { method = "POST", path = "/p", body = body }
            assert(value == nil)
            print(err.name, err.maybeApplied, err.attempts)
            client:close()
            io.write "alive"
        ]], environment, DEFAULT)
        local posts = 0
        for _, request in ipairs(server:log().requests) do
            posts = posts + (request.method == "POST" and 1 or 0)
        end
        assert.equal(1, posts)
        assert.equal("", errors)
        return output, status
    end

    for _, how in ipairs {
        { name = "resets a new connection", ending = "reset" },
        { name = "resets a kept-alive connection", ending = "reset", kept = true },
        { name = "closes a new connection", ending = "close" },
        { name = "closes a kept-alive connection", ending = "close", kept = true },
    } do
        for _, tls in ipairs { false, true } do
            it(("does not when the server %s under an upload over %s"):format(how.name, tls and "TLS" or "HTTP"),
                function()
                    how.tls = tls
                    local output, status = upload(how)
                    assert.equal("ConnectionError\ttrue\t1\nalive", output)
                    assert.equal(0, status)
                end)
        end
    end

    for _, tls in ipairs { false, true } do
        local over = tls and "TLS" or "HTTP"

        it("is seen by this spec, with a libcurl that lets it through, over " .. over, function()
            local output, status = upload({ ending = "reset", tls = tls }, { LD_PRELOAD = loud })
            assert.equal("", output)
            assert.equal(BROKEN_PIPE, status)
        end)

        it("does not either with such a libcurl of its time, over " .. over, function()
            local output, status = upload({ ending = "reset", tls = tls }, { LD_PRELOAD = loud, OLD_CURL = "yes" })
            assert.equal("ConnectionError\ttrue\t1\nalive", output)
            assert.equal(0, status)
        end)
    end
end)

describe("Ctrl-C in the stand-alone interpreter", function()
    local server, slow, late

    lazy_setup(function()
        server = servers.tcp()
        slow = compiled.build("slow_dns", "-shared")
        late = compiled.build("late_signal", "-shared")
    end)

    lazy_teardown(function()
        server:stop()
        os.remove(slow)
        os.remove(late)
    end)

    -- Interrupts a script that would go on for a minute or more, when it has come as far as `reached` waits for;
    -- without that, it interrupts itself.
    local function interrupt(code, reached, environment)
        environment = environment or {}
        environment.URL = environment.URL or server.url
        local script = child.start([[
            local core, kataven = require "kataven.core", require "kataven"
            local function say(what)
                print(what)
                io.stdout:flush()
            end
            local options = { apiKey = "sk_live_spec_x", baseUrl = os.getenv "URL", timeout = 100 }
        ]] .. code, { environment = environment })
        finally(function() script:stop() end)
        local began = os.time()
        if reached then
            reached(script)
            script:sleeps()
            began = os.time()
            script:signal "INT"
        end
        local output, errors, status = script:wait()
        assert.equal("", output)
        assert.matches("^%S+: .-interrupted!\n", errors)
        assert.equal(1, status)
        assert.is_true(os.time() - began < 20)
    end

    it("ends a call that waits for its answer", function()
        server:script { { { read = "request" }, { stall = true } } }
        interrupt("kataven.new(options).widgetKeys.list()", function()
            server:wait { requests = 1 }
        end)
    end)

    it("ends it even when it comes just before the wait", function()
        server:script { { { read = "request" }, { stall = true } } }
        interrupt("kataven.new(options).widgetKeys.list()", nil, { LD_PRELOAD = late })
    end)

    it("ends one that comes after many others", function()
        server:script { { { ["repeat"] = 300, steps = { { read = "request" }, { send = LIST } } },
            { read = "request" }, { stall = true } } }
        interrupt("local client = kataven.new(options) while true do client.widgetKeys.list() end", function()
            server:wait { requests = 301 }
        end)
    end)

    it("ends a back-off", function()
        server:script { { { read = "request" },
            { send = servers.answer { status = 503, headers = { ["Retry-After"] = "60" } } } } }
        interrupt([[
            options.log = function(event)
                if event.event == "retry" then
                    say "again in a minute"
                end
            end
            kataven.new(options).widgetKeys.list()
        ]], function(script)
            assert.equal("again in a minute", script:line())
        end)
    end)

    it("ends a back-off even when it comes just before the wait", function()
        interrupt([[
            options.transport = { send = function() return nil, { kind = "connect", sent = false, message = "x" } end }
            options.retry = { baseDelay = 60, maxDelay = 60 }
            kataven.new(options).widgetKeys.list()
        ]], nil, { LD_PRELOAD = late })
    end)

    it("ends a place in the queue", function()
        server:script { { { read = "request" }, { stall = true } } }
        interrupt([[
            local first
            options.maxConcurrent = 1
            options.wait = function(...) return (first and core.wait or coroutine.yield)(...) end
            local client = kataven.new(options)
            local holder = coroutine.create(function() client.widgetKeys.list() end)
            coroutine.resume(holder)
            first = true
            say "queued"
            client.widgetKeys.list()
        ]], function(script)
            assert.equal("queued", script:line())
            server:wait { requests = 1 } -- the other's goes on
        end)
        assert.equal(1, #server:log().requests)
    end)

    it("ends a wait for a name's address", function()
        local log = os.tmpname()
        interrupt("kataven.new(options).widgetKeys.list()", function()
            repeat
                os.execute "sleep 0.01"
            until files.read(log) == "asked\n"
            os.remove(log)
        end, { URL = "https://api.slow.test/v1", LD_PRELOAD = slow, SLOW_DNS = "60", SLOW_DNS_LOG = log })
    end)
end)
