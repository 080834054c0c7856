--- The event loops that `wait` knows by name, as specs use them: each has `name`,
--- and `run(functions)`, which runs them as its coroutines until all have ended.

local core = require "kataven.core"

local loops = {}

-- A function that counts how many are left, and keeps what one raises.
local function counted(functions)
    local state = { left = #functions }
    local wrapped = {}
    for index, run in ipairs(functions) do
        wrapped[index] = function()
            -- Not through pcall, across which PUC Lua 5.1 cannot yield: a function that raises is not counted.
            run()
            state.left = state.left - 1
        end
    end
    return wrapped, state
end

local MAKE = {}

function MAKE.cqueues()
    local cqueues = require "cqueues"
    return {
        run = function(functions)
            local loop = cqueues.new()
            for _, run in ipairs(functions) do
                loop:wrap(run)
            end
            assert(loop:loop())
        end,
        sleep = cqueues.sleep,
    }
end

function MAKE.copas()
    local copas = require "copas"
    return {
        run = function(functions)
            local wrapped, state = counted(functions)
            for _, run in ipairs(wrapped) do
                copas.addthread(run)
            end
            while state.left > 0 do
                assert(copas.step(20), "nothing happened for 20 seconds")
            end
        end,
        -- Copas 1 has none.
        sleep = nil,
    }
end

function MAKE.luv()
    local uv = require "luv"
    return {
        run = function(functions)
            local wrapped, state = counted(functions)
            for _, run in ipairs(wrapped) do
                coroutine.wrap(run)()
            end
            uv.run()
            assert(state.left == 0, "the loop ended before its coroutines")
        end,
        sleep = function(seconds)
            local thread, timer = coroutine.running(), require("luv").new_timer()
            timer:start(math.ceil(seconds * 1000), 0, function()
                timer:close()
                assert(coroutine.resume(thread))
            end)
            coroutine.yield()
        end,
    }
end

-- A loop by hand, of 100 rounds a second.
MAKE["yield"] = function()
    return {
        run = function(functions)
            local threads = {}
            for index, run in ipairs(functions) do
                threads[index] = coroutine.create(run)
            end
            while #threads > 0 do
                for index = #threads, 1, -1 do
                    assert(coroutine.resume(threads[index]))
                    if coroutine.status(threads[index]) == "dead" then
                        table.remove(threads, index)
                    end
                end
                core.wait(0.01)
            end
        end,
        sleep = function(seconds)
            local due = core.now() + seconds
            while core.now() < due do
                coroutine.yield()
            end
        end,
    }
end

--- The loop of that name, or nil and why there is none here.
---@param name string
function loops.get(name)
    local ok, loop = pcall(MAKE[name])
    if not ok then
        return nil, tostring(loop):match "^[^\n]*"
    end
    loop.name = name
    return loop
end

return loops
