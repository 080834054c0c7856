-- core.signals: signals as something to read, which end a wait of the core's and nothing else.

local child = require "spec.support.child"
local core = require "kataven.core"

describe("core.signals", function()
    -- Waits in the core after it has said so; the signal is to end the wait.
    local WAITS = [[
        local core = require "kataven.core"
        local watch = assert(core.signals("INT", "TERM", "HUP"))
        print "ready"
        io.stdout:flush()
        local name
        repeat
            core.wait(30)
            name = watch:take()
        until name
        print(name)
        io.stdout:flush()
        if os.getenv "RELEASE" then
            watch:close()
            watch:close()
            print("released", watch:fd(), watch:take())
            io.stdout:flush()
            core.wait(30)
        end
    ]]

    for _, name in ipairs { "INT", "TERM", "HUP" } do
        it("makes SIG" .. name .. " something to ask for", function()
            local script = child.start(WAITS, {})
            finally(function() script:stop() end)
            assert.equal("ready", script:line())
            script:sleeps()
            script:signal(name)
            assert.equal(name, script:line())
            local output, errors, status = script:wait()
            assert.same({ "", "", 0 }, { output, errors, status })
        end)
    end

    it("has them handled as before once it is closed", function()
        local script = child.start(WAITS, { environment = { RELEASE = "yes" } })
        finally(function() script:stop() end)
        script:line()
        script:sleeps()
        script:signal "TERM"
        assert.same({ "TERM", "released\tnil\tnil" }, { script:line(), script:line() })
        script:signal "TERM"
        local _, _, status = script:wait()
        assert.equal(128 + 15, status)
    end)

    it("lets a signal be that the process ignores", function()
        local script = child.start(WAITS, { launcher = { "env", "--ignore-signal=HUP" } })
        finally(function() script:stop() end)
        script:line()
        script:sleeps()
        script:signal "HUP"
        script:signal "INT"
        assert.equal("INT", script:line())
    end)

    it("has a descriptor to wait on, and gives a signal once", function()
        local watch = assert(core.signals "USR1")
        finally(function() watch:close() end)
        assert.is_nil(watch:take())
        os.execute("kill -USR1 " .. io.open("/proc/self/stat"):read "*l":match "^%d+")
        core.wait(30, watch:fd()) -- comes back at once
        assert.equal("USR1", watch:take())
        assert.is_nil(watch:take())
    end)

    it("is there once at a time, and says so", function()
        local watch = assert(core.signals "USR1")
        assert.same({ nil, "signals are watched already" }, { core.signals "USR1" })
        watch:close()
        assert(core.signals "USR1"):close()
    end)

    it("knows some signals only", function()
        for _, wrong in ipairs { { "KILL" }, { "SIGTERM" }, {}, { "INT", "INT", "INT", "INT", "INT" } } do
            assert.is_false((pcall(core.signals, (rawget(table, "unpack") or rawget(_G, "unpack"))(wrong))))
        end
    end)
end)
