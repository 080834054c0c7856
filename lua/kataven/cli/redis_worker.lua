--- `kataven redis-worker`.

local redis = require "kataven.cli.redis"
local settings = require "kataven.cli.client"

local redisWorker = {}

-- The function of the module that --seal names, or nil and what is wrong.
local function sealOf(name)
    if not name then
        return nil
    end
    local found, result = pcall(require, name)
    if not found then
        return nil, ("--seal %s: %s"):format(name, (tostring(result):match "^[^\n]*"))
    elseif type(result) ~= "function" then
        return nil, ("--seal %s: the module must be a function of a reply's text, and is a %s"):format(
            name, type(result))
    end
    return result
end

--- Works until a signal ends it.
---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function redisWorker.run(context, arguments)
    local options = redis.options(context)
    local worker, problem = redis.load "kataven.redis.worker"
    if worker and arguments.cassette then
        problem = "redis-worker plays no --cassette: what it does is meant to last"
    end
    if not problem then
        options.client, problem = settings.options(context)
    end
    if not problem then
        options.seal, problem = sealOf((arguments.redis or {}).seal)
    end
    if problem then
        return context:misused(problem)
    end
    function options.log(level, message)
        context:say(("%s %s %s"):format(os.date "!%Y-%m-%dT%H:%M:%SZ", level, message))
    end
    local ok, made = pcall(worker.new, options)
    if not ok then
        return context:misused(redis.inOurWords(settings.inOurWords(made)))
    end
    return made:run()
end

return redisWorker
