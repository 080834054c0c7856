-- In cqueues: calls run in its coroutines, side by side with everything else that the loop does.
--
--   eval "$(make -s env)"; lua5.4 examples/cqueues.lua
--
-- Needs cqueues (Debian: lua-cqueues). Reads KATAVEN_API_KEY, and KATAVEN_BASE_URL where it is not the production's.

local cqueues = require "cqueues"
local kataven = require "kataven"

local loop = cqueues.new()
local client = kataven.new { wait = "cqueues" }

for _, name in ipairs { "acme.com", "shop.example", "play.example" } do
    loop:wrap(function()
        local key = kataven.assert(client.widgetKeys.create { name = name })
        print("minted a key for " .. key.name)
    end)
end

-- What else the program does meanwhile.
local ticks = 0
loop:wrap(function()
    repeat
        cqueues.sleep(0.001)
        ticks = ticks + 1
    until loop:count() == 1
end)

assert(loop:loop())
print(("the loop ticked %d times meanwhile"):format(ticks))
client:close()
