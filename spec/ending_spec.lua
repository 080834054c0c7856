-- How a Lua state ends with calls under way: the process lives on, or ends as it was to, with nothing lost or leaked.

local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local files = require "spec.support.files"
local servers = require "spec.support.servers"
local valgrind = require "spec.support.valgrind"

if not files.read "/proc/self/status" then
    describe("a Lua state that ends with calls under way", function()
        it("is watched on Linux", function()
            pending "elsewhere nothing can be preloaded, nor threads be counted"
        end)
    end)
    return
end

local STALLED = { { read = "request" }, { stall = true } }
local BUSY = servers.answer { status = 503, headers = { ["Retry-After"] = "60" }, body = "busy" }

-- One call in flight over HTTP, one that waits for its turn, one in its back-off, one in flight over TLS and one whose
-- host's name is being resolved; when the gate opens, the script ends.
local CALLS = [[
    local kataven = require "kataven"
    local host = require "spec.support.scheduler".new()
    local function client(url, max)
        return kataven.new { apiKey = "sk_live_spec_x", baseUrl = url, caFile = os.getenv "CERT", wait = host.wait,
            maxConcurrent = max }
    end
    local plain = client(os.getenv "PLAIN", 1)
    local calls = {
        function() client(os.getenv "BUSY").widgetKeys.list() end,
        function() plain.widgetKeys.create { name = "in flight" } end,
        function() plain.widgetKeys.list() end,
        function() client(os.getenv "SECURE").widgetKeys.create { name = "in flight" } end,
        function() client "https://api.slow.test/v1".widgetKeys.list() end,
    }
    for _, call in ipairs(calls) do
        host.spawn(call)
    end
    local open = false
    host.spawn(function()
        open = client(os.getenv "GATE").widgetKeys.list()
    end)
    host.run(function() return open end)
    assert(#host.threads == #calls)
    io.write "said"
]]

local ENDINGS = {
    { name = "at its last line", code = "", status = 0 },
    { name = "by os.exit, which closes the state where it can", code = "os.exit(0, true)", status = 0 },
    { name = "by os.exit, which leaves the state as it is", code = "os.exit(0)", status = 0 },
    { name = "by an error", code = "error('enough', 0)", status = 1 },
}

-- A test that gets what valgrind is started by.
local function underValgrind(run)
    return function()
        if valgrind.problem then
            pending(valgrind.problem)
        else
            run(valgrind.launcher)
        end
    end
end

describe("a script that ends with calls under way", function()
    local cert, plain, secure, busy, gate, slow

    lazy_setup(function()
        cert = servers.certificate()
        slow = compiled.build("slow_dns", "-shared")
        plain, secure, busy, gate = servers.tcp(), servers.tcp(), servers.tcp(), servers.tcp()
    end)

    lazy_teardown(function()
        for _, server in ipairs { plain, secure, busy, gate } do
            server:stop()
        end
        cert:remove()
        os.remove(slow)
    end)

    local function run(ending, launcher)
        plain:script { default = STALLED }
        secure:script {
            default = { { tls = true }, STALLED[1], STALLED[2] }, tls = { cert = cert.cert, key = cert.key },
        }
        busy:script { { { read = "request" }, { send = BUSY }, { effect = "answered" }, { stall = true } } }
        gate:script { { { read = "request" }, { wait = "all" },
            { send = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" } } } }
        local script = child.start(CALLS .. ending.code, {
            launcher = launcher,
            environment = { PLAIN = plain.url, SECURE = secure.url, BUSY = busy.url, GATE = gate.url, CERT = cert.cert,
                LD_PRELOAD = slow, SLOW_DNS = "20" },
        })
        finally(function() script:stop() end)
        local patience = 60 -- valgrind is slow, and where others are at work it is slower
        gate:wait { requests = 1, timeout = patience }
        plain:wait { requests = 1, timeout = patience }
        secure:wait { requests = 1, timeout = patience }
        busy:wait { effects = 1, timeout = patience }
        gate:signal "all"
        local output, errors, status = script:wait()

        assert.equal("said", output, errors)
        assert.equal(ending.status, status, errors)
        assert.equal(1, #plain:wait { ended = 1 }.requests) -- the second never had its turn
        secure:wait { ended = 1 }
        return errors
    end

    for _, ending in ipairs(ENDINGS) do
        it("ends well " .. ending.name, function()
            local errors = run(ending)
            assert.equal(ending.status == 0 and "" or "enough", (errors:match "^[^\n]*":gsub("^.*: ", "")))
        end)
    end

    for index = 1, 2 do
        it("is clean under valgrind " .. ENDINGS[index].name, underValgrind(function(launcher)
            assert.equal("", run(ENDINGS[index], launcher))
        end))
    end
end)

describe("while a name is slowly resolved", function()
    local slow, log

    lazy_setup(function()
        slow, log = compiled.build("slow_dns", "-shared"), os.tmpname()
    end)

    lazy_teardown(function()
        os.remove(slow)
        os.remove(log)
    end)

    -- Starts a call, and goes on when the resolver is at work. `SLOW_DNS` is in seconds.
    local ASK = [[
        local core, kataven = require "kataven.core", require "kataven"
        local files = require "spec.support.files"
        local canceller = kataven.canceller()
        client = kataven.new { apiKey = "sk_live_spec_x", baseUrl = "https://api.slow.test/v1", retry = false,
            wait = coroutine.yield }
        call = coroutine.create(function()
            local value, err = client.widgetKeys.create({ name = "x" }, { cancel = canceller, timeout = TIMEOUT })
            return value, err
        end)
        -- What a call gave, once it is over.
        local function finish()
            local ok, value, err
            repeat
                ok, value, err = coroutine.resume(call)
                assert(ok, value)
                core.wait(coroutine.status(call) == "dead" and 0 or value)
            until coroutine.status(call) == "dead"
            assert(value == nil)
            return err
        end
        local before = #files.read(os.getenv "SLOW_DNS_LOG")
        repeat
            assert(coroutine.resume(call))
            core.wait(0.002)
        until #files.read(os.getenv "SLOW_DNS_LOG") > before
        local began = core.now()
    ]]

    local function environment(seconds, more)
        files.write(log, "")
        local all = { LD_PRELOAD = slow, SLOW_DNS = tostring(seconds), SLOW_DNS_LOG = log }
        for name, value in pairs(more or {}) do
            all[name] = value
        end
        return all
    end

    -- The resolver takes 20 seconds; who waits for it takes as long.
    for _, way in ipairs {
        { name = "a timeout", timeout = "0.5", code = "", error = "TimeoutError" },
        { name = "a cancel", timeout = "60", code = "canceller:cancel()", error = "CancelledError" },
        { name = "a close", timeout = "60", code = "client:close()", error = "ClosedError" },
    } do
        it(way.name .. " does not wait for it", function()
            local script = ASK:gsub("TIMEOUT", way.timeout) .. way.code .. [[

                local err = finish()
                print(err.name, err.maybeApplied, core.now() - began < 10)
            ]]
            local output, errors, status = child.complete(script, environment(20))
            assert.equal("", errors)
            assert.equal(way.error .. "\tfalse\ttrue\n", output)
            assert.equal(0, status)
            assert.equal("asked\n", files.read(log)) -- and was ended with the process
        end)
    end

    it("a call that is forgotten does not wait for it, nor does the end of the state", function()
        local script = ASK:gsub("TIMEOUT", "60") .. [[
            call = nil
            collectgarbage()
            collectgarbage()
            print(core.now() - began < 10)
        ]]
        local output, errors, status = child.complete(script, environment(20))
        assert.equal("", errors)
        assert.equal("true\n", output)
        assert.equal(0, status)
    end)

    it("ends a call when the resolver has answered", function()
        local output, errors = child.run(ASK:gsub("TIMEOUT", "60") .. [[
            local err = finish()
            print(err.name, err.maybeApplied, err.message)
        ]], environment(1))
        assert.equal("", errors)
        assert.matches("^ConnectionError\tfalse\tnothing was sent, .*Could not resolve host: api%.slow%.test\n$",
            output)
        assert.equal("asked\nanswered\n", files.read(log))
    end)

    describe("and the state is closed, in a host that lives on,", function()
        local host, go

        lazy_setup(function()
            host, go = compiled.host "closing_host", os.tmpname()
        end)

        lazy_teardown(function()
            os.remove(host)
        end)

        -- Two states one after the other, each of which leaves its resolver behind; then none is left.
        local function run(launcher, cpath)
            os.remove(go)
            local script = child.start(ASK:gsub("TIMEOUT", "60") .. "io.write 'closing '", {
                program = host, launcher = launcher,
                environment = environment(60, { LUA_CPATH = cpath, SLOW_DNS_GO = go }),
            })
            local output, errors, status = script:wait()
            os.remove(go)
            assert.equal("", errors)
            assert.equal("closing 1\nclosing 2\n0\nalive\n", output)
            assert.equal(0, status)
            assert.equal("asked\nasked\nanswered\nanswered\n", files.read(log))
        end

        it("the resolver finds all that it needs", function()
            run()
        end)

        it("valgrind finds nothing", underValgrind(run))

        -- LuaRocks tells the linker nothing of -z nodelete: the module pins itself.
        it("the same is true of a module that was linked without the pin", function()
            if os.getenv "ASAN_OPTIONS" then
                return pending "the objects at hand want the sanitizers' runtime, which the host here lacks"
            end
            local place = os.tmpname()
            os.remove(place)
            finally(function() os.execute("rm -rf " .. place) end)
            local objects = os.getenv "CORE":gsub("kataven/core%.so$", "obj")
            local command = "mkdir -p %s/kataven && %s -shared -o %s/kataven/core.so %s/*.o -lcurl -lm -ldl -lpthread"
            assert(os.execute(command:format(place, os.getenv "CC" or "cc", place, objects)))
            local pipe = io.popen(("readelf -d %s/kataven/core.so"):format(place))
            local dynamic = pipe:read "*a"
            pipe:close()
            assert.truthy(dynamic:find "NEEDED")
            assert.is_nil(dynamic:find "NODELETE")
            run(nil, place .. "/?.so;" .. package.cpath)
        end)
    end)
end)
