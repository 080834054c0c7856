-- A game: 60 frames a second, and calls that begin in one of them and end in another. No frame ever waits for the
-- network, and what a scene has started ends with the scene.
--
--   eval "$(make -s env)"; lua5.4 examples/frames.lua
--
-- Reads KATAVEN_API_KEY, and KATAVEN_BASE_URL where it is not the production's. An engine brings its own loop; here
-- luasocket (Debian: lua-socket) has the clock and the sleep.

local kataven = require "kataven"
local socket = require "socket"

local FRAME = 1 / 60

-- With "yield" a call yields whenever it would have to wait. Whoever resumes it lets it go on.
local client = kataven.new { wait = "yield" }

local frame, longest = 0, 0
local calls = {} -- coroutines that are under way

local function say(...)
    print(("frame %3d: %s"):format(frame, string.format(...)))
end

-- Starts a function that makes calls. It runs until its first wait, and on in later frames.
local function start(run)
    calls[#calls + 1] = coroutine.create(run)
end

-- Once a frame: each call takes a step, which never waits.
local function updateCalls()
    for index = #calls, 1, -1 do
        local ok, problem = coroutine.resume(calls[index])
        if not ok then
            say("a call raised: %s", tostring(problem))
        end
        if coroutine.status(calls[index]) == "dead" then
            table.remove(calls, index)
        end
    end
end

-- The scenes: each has so many frames, and starts its calls when it is entered. They are given the scene's canceller.
local scenes = {
    {
        name = "shop",
        frames = 60,
        enter = function(cancel)
            start(function()
                local key, err = client.widgetKeys.create({ name = "the shop's" }, { cancel = cancel })
                if key then
                    say("the key %s is there", key.name)
                elseif err.maybeApplied then
                    say("nobody knows whether the key is there: %s", err.message)
                else
                    say("no key: %s", tostring(err))
                end
            end)
        end,
    },
    {
        name = "arena",
        frames = 30,
        enter = function(cancel)
            start(function()
                local keys, err = client.widgetKeys.list { cancel = cancel }
                if keys then
                    say("there are %d keys", #keys)
                else
                    say("no list: %s", err.name)
                end
            end)
        end,
    },
}

for _, scene in ipairs(scenes) do
    say("the %s begins", scene.name)
    local canceller = kataven.canceller()
    scene.enter(canceller)
    for _ = 1, scene.frames do
        local began = socket.gettime()
        frame = frame + 1
        updateCalls()
        local spent = socket.gettime() - began
        longest = math.max(longest, spent)
        socket.sleep(math.max(FRAME - spent, 0)) -- input, physics, drawing
    end
    -- What the scene started ends here, and hears of it in the next frame: in flight, in the queue, or while it waits
    -- before it tries again.
    canceller:cancel()
    updateCalls()
end

say("%d calls are left; the longest frame spent %.1f ms on calls", #calls, longest * 1000)
client:close()
