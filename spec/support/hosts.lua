--- What the specs of event loops have in common: a description for each loop, with a hub and a scripted server.

local busted = require "busted"
local core = require "kataven.core"
local kataven = require "kataven"
local loops = require "spec.support.loops"
local servers = require "spec.support.servers"

local hosts = {}

hosts.KEY = "sk_live_spec_hosts"

-- Debian has copas 1, for Lua 5.1 only, which LuaJIT can use too.
local ABSENT = {
    copas = _VERSION ~= "Lua 5.1" and "copas is packaged for Lua 5.1 only"
        or not core.descriptors and "copas 1 has no timers, so it needs epoll",
}

--- Describes something for each of these loops, as `wait` names them. `tests` gets `on`, which has `on.name`, `on.loop`
--- (see spec.support.loops), `on.hub`, `on.tcp`, and `on.client(server, options)`, which makes a client that waits in
--- the loop and is closed after the test. A loop that is missing here is pending.
---@param names string[]
---@param tests fun(on: table)
function hosts.describe(names, tests)
    for _, name in ipairs(names) do
        busted.describe(('wait = "%s"'):format(name), function()
            if ABSENT[name] then
                busted.pending(ABSENT[name])
                return
            end

            -- A client that a test lets go of is to be collected.
            local on, made = { name = name }, setmetatable({}, { __mode = "k" })

            function on.client(server, options)
                local all = { apiKey = hosts.KEY, baseUrl = server.url, wait = name, proxy = false }
                for key, value in pairs(options or {}) do
                    all[key] = value
                end
                local client = kataven.new(all)
                made[client] = true
                return client
            end

            busted.setup(function()
                on.loop = assert(loops.get(name))
                on.hub = servers.hub { apiKey = hosts.KEY, latency = 0.2, limits = { inFlight = 0 } }
                on.tcp = servers.tcp {}
            end)

            busted.teardown(function()
                on.hub:stop()
                on.tcp:stop()
            end)

            busted.after_each(function()
                for client in pairs(made) do
                    client:close()
                end
            end)

            tests(on)
        end)
    end
end

return hosts
