-- In luv (libuv): calls run in coroutines, which the loop's callbacks resume.
--
--   eval "$(make -s env)"; lua5.4 examples/luv.lua
--
-- Needs luv (Debian: lua-luv). Reads KATAVEN_API_KEY, and KATAVEN_BASE_URL where it is not the production's.

local kataven = require "kataven"
local uv = require "luv"

local client = kataven.new { wait = "luv" }
local left, ticks = 0, 0

-- What else the program does meanwhile.
local ticker = uv.new_timer()
ticker:start(1, 1, function()
    ticks = ticks + 1
end)

for _, name in ipairs { "acme.com", "shop.example", "play.example" } do
    left = left + 1
    coroutine.wrap(function()
        local key = kataven.assert(client.widgetKeys.create { name = name })
        print("minted a key for " .. key.name)
        left = left - 1
        if left == 0 then
            ticker:close()
            client:close()
        end
    end)()
end

uv.run()
print(("the loop ticked %d times meanwhile"):format(ticks))
