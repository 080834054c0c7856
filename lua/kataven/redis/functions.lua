--- The library of functions that runs inside Redis, and what scripts there need
--- to queue a request by themselves.

local check = require "kataven.check"
local requests = require "kataven.redis.server.requests"
local worker = require "kataven.redis.server.worker"

---@class kataven.redis.FunctionOptions
---@field max? integer requests that a stream may hold; 10000. One more is refused

local functions = {}

--- Goes up when a worker needs other functions than before.
functions.VERSION = 2

functions.DEFAULT_MAX = 10000

local OPTIONS = { "max" }

local ENTRY = [==[

local function asked(least, most, usage)
    return function(keys, args)
        if #keys ~= 1 or #args < least or #args > most then
            return ("usage: FCALL %s, got %d %s and %d %s"):format(usage, #keys, #keys == 1 and "key" or "keys",
                #args, #args == 1 and "argument" or "arguments")
        end
    end
end

-- What is called from outside gives errors back, which read better than raised ones.
local function offer(method, usage, least, most, queue)
    local problemOf = asked(least, most, ("kataven_%s 1 <stream>%s"):format(method, usage))
    redis.register_function("kataven_" .. method, function(keys, args)
        local problem = problemOf(keys, args)
        if problem then
            return redis.error_reply("KATAVEN " .. problem)
        end
        local id, code
        id, code, problem = queue(keys[1], args)
        return id or redis.error_reply(code .. " " .. problem)
    end)
end

offer("list", " [options]", 0, 1, function(stream, args)
    return kataven.enqueue(stream, "list", nil, nil, args[1])
end)
offer("create", " <input> [options]", 1, 2, function(stream, args)
    return kataven.enqueue(stream, "create", nil, args[1], args[2])
end)
offer("update", " <id> <patch> [options]", 2, 3, function(stream, args)
    return kataven.enqueue(stream, "update", args[1], args[2], args[3])
end)
offer("delete", " <id> [options]", 1, 2, function(stream, args)
    return kataven.enqueue(stream, "delete", args[1], nil, args[2])
end)

redis.register_function({
    function_name = "kataven_version",
    callback = function() return $version end,
    flags = { "no-writes" },
})

]==]

-- The options' `max`, or nil and a problem.
local function maxOf(given)
    given = given == nil and {} or given
    local problem = type(given) ~= "table" and ("the options must be a table, got %s"):format(check.describe(given))
        or check.unknown(given, OPTIONS, "option")
        or check.number("max", given.max, 1, true)
    local max = not problem and (given.max or functions.DEFAULT_MAX)
    if max and max % 1 ~= 0 then
        problem = ("max must be a whole number, got %s"):format(check.describe(max))
    end
    return not problem and max or nil, problem
end

local function filled(text, max)
    return (text:gsub("%$(%l+)", { max = ("%d"):format(max), version = ("%d"):format(functions.VERSION) }))
end

--- The library, for FUNCTION LOAD. Raises when an option is wrong.
---@param given? kataven.redis.FunctionOptions
---@return string source
function functions.library(given)
    local max, problem = maxOf(given)
    if not max then
        error(problem, 2)
    end
    return filled("#!lua name=kataven\nlocal kataven = (function()\n" .. requests .. "end)()\n" .. ENTRY .. worker, max)
end

--- What a script of EVAL's or a library of functions begins with that queues
--- requests by itself, since FCALL is not to be had inside of one. It defines
--- `local kataven`, with list, create, update and delete. Raises when an option
--- is wrong.
---@param given? kataven.redis.FunctionOptions
---@return string source
function functions.snippet(given)
    local max, problem = maxOf(given)
    if not max then
        error(problem, 2)
    end
    return filled("local kataven = (function()\n" .. requests .. "end)()\n", max)
end

return functions
