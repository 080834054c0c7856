local child = require "spec.support.child"

-- Runs the stories in a child that was prepared so.
local function run(code)
    local output, errors = child.run([[
        local stories = require "spec.support.stories"
        ]] .. code .. [[

        io.write "all well"
    ]])
    assert.equal("", errors)
    assert.equal("all well", output)
end

describe("every call gives what it should", function()
    it("under a collector that never rests", function()
        run [[
            collectgarbage("setpause", 0)
            collectgarbage("setstepmul", 1000)
            stories.run(10)
        ]]
    end)

    it("under one that collects everything all the time", function()
        run [[
            debug.sethook(function() collectgarbage() end, "", 500)
            stories.run(4)
        ]]
    end)

    it("under one that works by generations, where Lua has it", function()
        run [[
            if pcall(collectgarbage, "generational") then
                stories.run(30)
            end
        ]]
    end)

    it("and leaves nothing behind", function()
        run [[
            local function used()
                collectgarbage()
                collectgarbage()
                return collectgarbage "count"
            end
            if jit then -- compiled code counts as memory in use
                jit.off()
                jit.flush()
            end
            stories.run(10)
            local before = used()
            stories.run(100)
            local grown = used() - before
            assert(grown < 8, ("%.1f kilobytes are left behind"):format(grown))
        ]]
    end)
end)
