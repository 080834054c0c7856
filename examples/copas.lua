-- In Copas: calls run in its threads, side by side with its servers and timers.
--
--   make LUA=5.1; eval "$(make -s env LUA=5.1)"; lua5.1 examples/copas.lua
--
-- Needs copas (Debian: lua-copas, for Lua 5.1). Reads KATAVEN_API_KEY, and KATAVEN_BASE_URL where it is not the
-- production's. Runs with copas 1, which has no timers, as with later ones.

local copas = require "copas"
local kataven = require "kataven"

local client = kataven.new { wait = "copas" }
local left = 0

for _, name in ipairs { "acme.com", "shop.example", "play.example" } do
    left = left + 1
    copas.addthread(function()
        local key, err = client.widgetKeys.create { name = name }
        print(key and "minted a key for " .. key.name or err)
        left = left - 1
    end)
end

-- A server would call copas.loop(), which never ends.
while left > 0 do
    copas.step()
end
client:close()
