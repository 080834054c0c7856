--- The options of a worker: names, defaults, checks.

local check = require "kataven.check"
local functions = require "kataven.redis.functions"
local url = require "kataven.redis.url"

local settings = {}

---@class kataven.redis.WorkerOptions
---@field url? string REDIS_URL, else redis://127.0.0.1:6379
---@field stream? string {kataven}
---@field concurrency? integer requests that it carries out at once; 20
---@field lease? number seconds after which another worker takes over what one has not kept; 30
---@field tries? integer of a read, or of a write that was never sent, before it goes to the dead letters; 5
---@field replyExpiry? integer seconds that a reply is kept for its caller, ten years at most; 300
---@field max? integer requests that the stream may hold, where the worker loads the functions; 10000
---@field grace? number seconds to finish in, once it was told to end; 60
---@field report? number seconds between lines of figures in the log; 60
---@field caFile? string whom to trust with rediss://, else the system's
---@field certFile? string what to show to Redis
---@field keyFile? string its private key
---@field seal? fun(text: string, id: string): string makes what is kept in Redis of a reply
---@field log? fun(level: "info"|"warning"|"error", message: string) lines on stderr
---@field client? kataven.Options of the client; transport, wait and maxConcurrent are the worker's own

local DEFAULTS = {
    stream = "{kataven}", concurrency = 20, lease = 30, tries = 5, replyExpiry = 300,
    max = functions.DEFAULT_MAX, grace = 60, report = 60,
}
--- The names of all options.
settings.KNOWN = { "url", "stream", "concurrency", "lease", "tries", "replyExpiry", "max", "grace", "report", "caFile",
    "certFile", "keyFile", "seal", "log", "client" }
local WHOLE = { "concurrency", "tries", "replyExpiry", "max" }
-- Requests at once: Lua passes their ids on as arguments, and select takes so many descriptors.
local MOST = 500
-- Seconds, ten years: Redis refuses what its clock cannot hold, and the reply would have nowhere to go.
local LONGEST = 315360000
local OWN = { "transport", "wait", "maxConcurrent" }

-- A terminal would obey control characters, and a server may have sent some.
local function stderr(level, message)
    io.stderr:write(os.date "!%Y-%m-%dT%H:%M:%SZ", " ", level, " ", (message:gsub("%c", " ")), "\n")
end

local function env(name)
    local value = os.getenv(name)
    return value ~= "" and value or nil
end

local function problemOf(o)
    local problem = check.number("lease", o.lease, 0) or check.number("grace", o.grace, 0, true)
        or check.number("report", o.report, 0) or check.type("client", o.client, "table")
        or check.hidden("client", o.client)
    for _, name in ipairs(WHOLE) do
        problem = problem or check.number(name, o[name], 1, true)
            or o[name] % 1 ~= 0 and ("%s must be a whole number, got %s"):format(name, check.describe(o[name])) or nil
    end
    if not problem and o.concurrency > MOST then
        problem = ("concurrency must be at most %d, got %s"):format(MOST, check.describe(o.concurrency))
    end
    if not problem and o.replyExpiry > LONGEST then
        problem = ("replyExpiry must be at most %d (seconds), got %s"):format(LONGEST, check.describe(o.replyExpiry))
    end
    for _, name in ipairs { "stream", "caFile", "certFile", "keyFile" } do
        problem = problem or check.type(name, o[name], "string")
            or o[name] == "" and name .. " is empty" or nil
    end
    for _, name in ipairs { "seal", "log" } do
        if not problem and o[name] ~= nil and not check.callable(o[name]) then
            problem = ("%s must be a function, got %s"):format(name, check.describe(o[name]))
        end
    end
    for _, name in ipairs(OWN) do
        if not problem and o.client and o.client[name] ~= nil then
            problem = ("client.%s is the worker's own"):format(name)
        end
    end
    return problem
end

--- Resolves the options: explicit, else environment, else default.
---@param given any
---@return table? resolved
---@return string? problem
function settings.read(given)
    if given ~= nil and type(given) ~= "table" then
        return nil, ("a worker takes a table of options, got %s"):format(check.kind(given))
    end
    given = given or {}
    local problem = check.hidden("the table of a worker's options", given)
        or check.unknown(given, settings.KNOWN, "option")
    if problem then
        return nil, problem
    end
    local o = {}
    for _, name in ipairs(settings.KNOWN) do
        o[name] = given[name]
        if o[name] == nil then
            o[name] = DEFAULTS[name]
        end
    end
    problem = problemOf(o)
    if problem then
        return nil, problem
    end
    for _, name in ipairs(WHOLE) do
        o[name] = math.floor(o[name]) -- 20.0 is no number to Redis
    end
    local where = given.url == nil and env "REDIS_URL" and "REDIS_URL" or "url"
    o.address, problem = url.parse(given.url or env "REDIS_URL" or "redis://127.0.0.1:6379")
    if problem then
        return nil, ("%s cannot be read: %s"):format(where, problem)
    end
    o.log = o.log or stderr
    return o
end

return settings
