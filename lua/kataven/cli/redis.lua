--- What `kataven redis-worker` and `kataven redis-functions` take, and share.

local redis = {}

---@class kataven.cli.RedisArguments
---@field stream? string redis-worker
---@field concurrency? integer redis-worker
---@field lease? number redis-worker
---@field tries? integer redis-worker
---@field replyExpiry? integer redis-worker
---@field grace? number redis-worker
---@field report? number redis-worker
---@field seal? string redis-worker: a Lua module
---@field max? integer
---@field snippet? boolean redis-functions
---@field load? boolean redis-functions
---@field caFile? string
---@field certFile? string
---@field keyFile? string

--- The commands, in the order of the help; each is called `redis-<name>`.
redis.COMMANDS = { "worker", "functions" }

--- Each gets a parser of its own, with what it takes, and what all epilogs end with.
---@type table<string, fun(parser: table, elsewhere: string)>
redis.define = {}

-- A number in a command's own words: what the module says of it would name its option.
local function number(name, whole)
    return function(text)
        local value = tonumber(text)
        if not value or value ~= value or value <= 0 or value == math.huge or whole and value % 1 ~= 0 then
            return nil, ("%s wants a %s greater than 0, got '%s'"):format(name,
                whole and "whole number" or "number of seconds", text)
        end
        return whole and math.floor(value) or value
    end
end

-- Options go into a table of their own, so that the worker's `timeout` is not the command's.
local function option(parser, name, argname, target, description, convert)
    local made = parser:option(name):argname(argname):target "redis":description(description)
        :action(function(result, _, value)
            result.redis = result.redis or {}
            result.redis[target] = value
        end)
    return convert and made:convert(convert(name)) or made
end

local function flag(parser, name, target, description)
    return parser:flag(name):target "redis":description(description):action(function(result)
        result.redis = result.redis or {}
        result.redis[target] = true
    end)
end

local function whole(name)
    return number(name, true)
end

local function shared(parser)
    option(parser, "--max", "N", "max", "Requests that the stream may hold, one more being refused; 10000.", whole)
    option(parser, "--cacert", "FILE", "caFile", "Whom to trust with rediss://, else those whom the system trusts.")
    option(parser, "--cert", "FILE", "certFile", "A certificate to show to Redis.")
    option(parser, "--key", "FILE", "keyFile", "The private key of that certificate.")
end

function redis.define.worker(parser, elsewhere)
    parser:description("Carry out the requests that scripts in Redis have queued. Redis is found by REDIS_URL.\n"
        .. "SIGTERM and Ctrl-C end it once what is in flight is finished.")
    option(parser, "--stream", "NAME", "stream", "The stream that it takes requests from; {kataven}.")
    option(parser, "--concurrency", "N", "concurrency", "Requests in flight at once; 20, and 500 at most.", whole)
    option(parser, "--lease", "SECONDS", "lease",
        "Seconds without a sign of life until other workers take over what one had; 30.", number)
    option(parser, "--tries", "N", "tries", "How often a request is taken up before it goes to the dead letters; 5.",
        whole)
    option(parser, "--reply-expiry", "SECONDS", "replyExpiry", "How long a reply waits for its caller; 300.", whole)
    option(parser, "--grace", "SECONDS", "grace", "How long it may take to finish when it is to end; 60.", number)
    option(parser, "--report", "SECONDS", "report", "Between lines of figures in the log; 60.", number)
    option(parser, "--seal", "MODULE", "seal",
        "A Lua module that is a function of a reply's text, and gives what is kept in Redis in its place.")
    shared(parser)
    parser:epilog("Examples:\n   REDIS_URL=redis://127.0.0.1:6379 kataven redis-worker\n"
        .. "   REDIS_URL=rediss://worker@redis.example kataven redis-worker" .. elsewhere)
end

function redis.define.functions(parser, elsewhere)
    parser:description("Print the functions that queue requests inside Redis, for FUNCTION LOAD.")
    parser:mutex(
        flag(parser, "--load", "load", "Load them into the Redis of REDIS_URL, in place of older ones."),
        flag(parser, "--snippet", "snippet", "Print what a script or library begins with that queues requests itself."))
    shared(parser)
    parser:epilog("Examples:\n   kataven redis-functions | redis-cli -x FUNCTION LOAD REPLACE\n"
        .. "   REDIS_URL=redis://127.0.0.1:6379 kataven redis-functions --load\n"
        .. "   kataven redis-functions --snippet > kataven.lua" .. elsewhere)
end

--- The options of the module's that are given by name, and REDIS_URL.
---@param context kataven.cli.Context
---@return table
function redis.options(context)
    local options = {}
    for name, value in pairs(context.arguments.redis or {}) do
        options[name] = value
    end
    options.snippet, options.load, options.seal = nil, nil, nil
    local url = context.host.getenv "REDIS_URL"
    options.url = url ~= "" and url or nil
    return options
end

--- A problem with them, in the command's words.
---@param problem string
---@return string
function redis.inOurWords(problem)
    return (problem:gsub("^[^\n]-%.lua:%d+: ", ""):gsub("^url cannot", "REDIS_URL cannot")
        :gsub("^(%l+) is empty", "--%1 is empty"))
end

--- Loads what needs libraries that not everybody has; says what is missing.
---@param name string
---@return table?
---@return string? problem
function redis.load(name)
    local found, result = pcall(require, name)
    if found then
        return result
    end
    local missing = tostring(result):match "module '(socket)' not found" or tostring(result):match "needs redis%-lua"
    if missing == "socket" then
        return nil, "it needs luasocket (Debian: lua-socket; LuaRocks: luarocks install luasocket)"
    elseif missing then
        return nil, tostring(result)
    end
    error(result, 0)
end

return redis
