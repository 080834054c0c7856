--- Loads the functions into a Redis, in place of older ones.

local connection = require "kataven.redis.connection"
local functions = require "kataven.redis.functions"
local loops = require "kataven.redis.loop"
local settings = require "kataven.redis.settings"

--- Blocks until it is done. One attempt to connect is made.
---@param given { url?: string, max?: integer, caFile?: string, certFile?: string, keyFile?: string }
---@return string? where the address, without its password
---@return string? problem
return function(given)
    local o, problem = settings.read(given)
    if not o then
        return nil, problem
    end
    local loop, done = loops.new(), false
    local one
    one = connection.new(loop, {
        address = o.address, tls = o, name = "kataven-functions",
        log = function(_, message)
            problem = message:gsub("; trying again$", "")
            one:close()
        end,
    })
    loop:spawn(function()
        local stands, refused = one:await()
        if stands then
            local _, why = one:call("FUNCTION", "LOAD", "REPLACE", functions.library { max = o.max })
            done, problem = why == nil, why and why.message
        elseif refused then
            problem = problem or refused.message
        end
        one:close()
    end)
    loop:run()
    return done and o.address.text or nil, not done and problem or nil
end
