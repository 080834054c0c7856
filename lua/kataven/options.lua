--- The options of `kataven.new` and of single calls: names, defaults, checks.

local apiKey = require "kataven.api_key"
local canceller = require "kataven.canceller"
local check = require "kataven.check"
local core = require "kataven.core"
local default = require "kataven.cassette.default"
local globals = require "kataven.globals"
local headers = require "kataven.headers"
local host = require "kataven.host"
local log = require "kataven.log"

local options = {}

local DEFAULT_BASE_URL = "https://api.kataven.ai/v1"
local RETRY_DEFAULTS = { max = 3, baseDelay = 0.5, maxDelay = 8, maxWait = 60 }
local RETRY_KNOWN = { "max", "baseDelay", "maxDelay", "maxWait" }
local CALL_KNOWN = { "timeout", "deadline", "retry", "headers", "cancel" }
--- The names of all options of `kataven.new`.
options.CLIENT_KNOWN = {
    "apiKey", "accountId", "baseUrl", "allowHttp", "timeout", "connectTimeout", "deadline", "retry",
    "maxConcurrent", "maxResponseBytes", "headers", "userAgent", "proxy", "caFile", "caPath",
    "transport", "wait", "log",
}

local env = globals.getenv

local function retryProblem(retry)
    if retry == nil or type(retry) == "boolean" then
        return nil
    elseif type(retry) ~= "table" then
        return ("retry must be true, false or a table, got %s"):format(check.describe(retry))
    end
    local problem = check.hidden("retry", retry) or check.unknown(retry, RETRY_KNOWN, "option of retry")
        or check.number("retry.max", retry.max, 0, true)
        or check.number("retry.baseDelay", retry.baseDelay, 0, true)
        or check.number("retry.maxDelay", retry.maxDelay, 0, true)
        or check.number("retry.maxWait", retry.maxWait, 0, true)
    if not problem and retry.max and retry.max % 1 ~= 0 then
        problem = ("retry.max must be a whole number, got %s"):format(check.describe(retry.max))
    end
    return problem
end

--- The policy that a call retries by: its own `retry` over the client's.
---@param base table the policy underneath
---@param retry? boolean|table
---@return table
function options.retryPolicy(base, retry)
    if retry == nil then
        return base
    elseif retry == true then
        return base.max > 0 and base or RETRY_DEFAULTS
    elseif retry == false then
        retry = { max = 0 } -- the delays stay, for a call that sets a max of its own
    end
    local policy = {}
    for _, name in ipairs(RETRY_KNOWN) do
        policy[name] = retry[name] == nil and base[name] or retry[name]
    end
    return policy
end

-- What a client and a single call have in common.
local function sharedProblem(given)
    return check.number("timeout", given.timeout, 0)
        or check.number("deadline", given.deadline, 0)
        or retryProblem(given.retry)
        or headers.problem(given.headers)
end

--- A problem with the options of one call, or nil.
---@param given any
---@param known? string[] the names that may stand in the same table
---@return string?
function options.callProblem(given, known)
    if given == nil then
        return nil
    elseif type(given) ~= "table" then
        return ("the options of a call must be a table, got %s"):format(check.describe(given))
    end
    local names = CALL_KNOWN
    if known then
        names = {}
        for _, set in ipairs { known, CALL_KNOWN } do
            for _, name in ipairs(set) do
                names[#names + 1] = name
            end
        end
    end
    local problem = check.hidden("the table of a call's options", given) or check.unknown(given, names, "option")
        or sharedProblem(given)
    if not problem and given.cancel ~= nil and not canceller.is(given.cancel) then
        problem = ("cancel must be a kataven.canceller(), got %s"):format(check.describe(given.cancel))
    end
    return problem
end

local function keyProblem(key, accountId)
    local problem = apiKey.problem(key)
    if not problem and accountId == nil and apiKey.isJwt(key) then
        problem = "accountId is missing: with a JWT as apiKey the Hub needs to know the account "
            .. "(pass accountId, or set KATAVEN_ACCOUNT_ID)"
    end
    return problem
end

local function accountProblem(id)
    if id == nil then
        return nil
    elseif type(id) ~= "string" then
        return ("accountId must be a string, got %s"):format(check.describe(id))
    elseif #id > 63 or not id:find("^[a-z0-9][a-z0-9_-]*$") then
        return ("accountId must match [a-z0-9][a-z0-9_-]{0,62}, got %s"):format(check.describe(id))
    end
end

local function userAgentProblem(agent)
    local problem = check.type("userAgent", agent, "string")
    if not problem and agent and (agent == "" or check.hasControl(agent)) then
        problem = ("userAgent must be text without control characters, got %s"):format(check.describe(agent))
    end
    return problem
end

local function proxyProblem(proxy)
    if proxy == nil or proxy == false then
        return nil
    elseif type(proxy) ~= "string" then
        return ("proxy must be a URL, or false for none, got %s"):format(check.kind(proxy))
    end
    local problem = core.proxyProblem(proxy)
    return problem and ("proxy %s; or false for none"):format(problem)
end

local function pathProblem(name, path)
    local problem = check.type(name, path, "string")
    if not problem and path and (path == "" or path:find("%z")) then
        problem = ("%s must be the name of a %s, got %s"):format(name, name == "caFile" and "file" or "directory",
            check.describe(path))
    end
    return problem
end

local function transportProblem(transport)
    if transport == nil then
        return nil
    end
    local kind = type(transport)
    if (kind == "table" or kind == "userdata") and check.callable(transport.send) then
        return nil
    end
    return ("transport must be an object with a method send(self, request, wait), got %s"):format(
        kind == "table" and "a table without one" or check.kind(transport))
end

local function limitProblem(name, value)
    local problem = check.number(name, value, 1, true)
    if not problem and value and value % 1 ~= 0 then
        problem = ("%s must be a whole number, got %s"):format(name, check.describe(value))
    end
    return problem
end

local function wholeProblem(o)
    local problem = keyProblem(o.apiKey, o.accountId)
        or accountProblem(o.accountId)
        or check.type("baseUrl", o.baseUrl, "string")
        or check.type("allowHttp", o.allowHttp, "boolean")
        or sharedProblem(o)
        or check.number("connectTimeout", o.connectTimeout, 0)
        or limitProblem("maxConcurrent", o.maxConcurrent)
        or limitProblem("maxResponseBytes", o.maxResponseBytes)
        or userAgentProblem(o.userAgent)
        or proxyProblem(o.proxy)
        or pathProblem("caFile", o.caFile)
        or pathProblem("caPath", o.caPath)
        or transportProblem(o.transport)
    if not problem and o.log ~= nil and not check.callable(o.log) then
        problem = ("log must be a function of one table, got %s"):format(check.describe(o.log))
    end
    return problem
end

-- Where calls wait: nil to block. In OpenResty that would stop every request of
-- the worker, so nobody gets it by forgetting an option.
local function hostOf(wait)
    if wait == nil then
        if host.isOpenResty() then
            return host.named "ngx"
        end
        return nil
    elseif check.callable(wait) then
        return { wait = wait, probes = true }
    end
    return host.named(wait)
end

--- Resolves the options of a client: explicit, else environment, else default.
---@param given any
---@return table? resolved
---@return string? problem
function options.client(given)
    if given ~= nil and type(given) ~= "table" then
        return nil, ("kataven.new takes a table of options, got %s"):format(check.kind(given))
    end
    given = given or {}
    local problem = check.hidden("the table of options for kataven.new", given)
        or check.unknown(given, options.CLIENT_KNOWN, "option")
    if problem then
        return nil, problem
    end
    local o = {}
    for _, name in ipairs(options.CLIENT_KNOWN) do
        o[name] = given[name]
    end
    if o.transport == nil then
        o.transport, problem = default.transport()
        if problem then
            return nil, problem
        end
    end
    o.apiKey = o.apiKey == nil and env "KATAVEN_API_KEY" or o.apiKey
    if o.apiKey == nil and given.transport == nil and o.transport and o.transport.mode == "replay" then
        o.apiKey = default.PLACEHOLDER_KEY
    end
    o.accountId = o.accountId == nil and env "KATAVEN_ACCOUNT_ID" or o.accountId
    o.baseUrl = o.baseUrl == nil and env "KATAVEN_BASE_URL" or o.baseUrl
    if o.baseUrl == nil then
        o.baseUrl = DEFAULT_BASE_URL
    end
    problem = wholeProblem(o)
    if not problem then
        o.host, problem = hostOf(o.wait)
    end
    if problem then
        return nil, problem
    end
    if check.looksSecret(o.baseUrl) then
        return nil, "baseUrl holds a credential (not shown); pass it as apiKey, and the Hub's address as baseUrl"
    end
    local base, about = core.base(o.baseUrl)
    if not base then
        return nil, "baseUrl " .. about
    elseif not about.tls and not about.loopback and not o.allowHttp then
        return nil, "baseUrl is http:// to another machine, which would send the key in clear; "
            .. "use https://, or pass allowHttp = true if that network is to be trusted"
    end
    o.base, o.direct, o.baseText = base, about.loopback, about.text
    o.timeout = o.timeout or 30
    o.connectTimeout = o.connectTimeout or 10
    o.maxConcurrent = o.maxConcurrent or 20
    o.maxResponseBytes = o.maxResponseBytes or 64 * 1024 * 1024
    o.retry = options.retryPolicy(RETRY_DEFAULTS, o.retry)
    if o.log == nil and env "KATAVEN_LOG" == "debug" then
        o.log = log.stderr
    end
    return o
end

return options
