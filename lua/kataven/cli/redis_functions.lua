--- `kataven redis-functions`.

local redis = require "kataven.cli.redis"

local redisFunctions = {}

--- Prints the functions, or loads them. Text also where stdout is no terminal: it is
--- source.
---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function redisFunctions.run(context, arguments)
    local given = arguments.redis or {}
    local functions = require "kataven.redis.functions"
    if not given.load then
        context:out((given.snippet and functions.snippet or functions.library) { max = given.max })
        return 0
    end
    local load, problem = redis.load "kataven.redis.load"
    if not load then
        return context:misused(problem)
    end
    local where
    where, problem = load(redis.options(context))
    if not where then
        problem = redis.inOurWords(problem)
        return context:fail { name = "RedisError",
            message = problem:find "REDIS_URL" and problem or problem .. "; set REDIS_URL to where Redis is" }
    end
    context:say(("The functions are loaded into %s."):format(where))
    return 0
end

return redisFunctions
