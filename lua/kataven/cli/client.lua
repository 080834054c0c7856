--- The client that the command makes its calls with, from its arguments and the
--- environment.

local core = require "kataven.core"
local kataven = require "kataven"
local log = require "kataven.log"

local client = {}

-- For a replay, which sends nothing.
local NO_KEY = "sk_live_replay_placeholder"

-- What the module calls its options, and what they are called here.
local NAMES = {
    { "kataven.cassette.open: ", "" },
    { "pass accountId, or set", "use --account, or set" },
    { "with a JWT as apiKey", "with a JWT as the API key" },
    { "pass the account's", "give the account's" },
    { "use https://, or pass allowHttp = true if that network is to be trusted", "use https://" },
    { "pass it as apiKey, and the Hub's address as baseUrl", "the key goes into KATAVEN_API_KEY or --api-key-file" },
    { "^apiKey", "the API key" },
    { "^accountId", "--account (KATAVEN_ACCOUNT_ID)" },
    { "^baseUrl", "--base-url (KATAVEN_BASE_URL)" },
}

--- A problem that the module raised, in the command's words.
---@param problem any
---@return string
function client.inOurWords(problem)
    problem = tostring(problem):gsub("^[^\n]-:%d+: ", "")
    for _, pair in ipairs(NAMES) do
        local anchored = pair[1]:sub(1, 1) == "^"
        local start, stop = problem:find(anchored and pair[1]:sub(2) or pair[1], 1, true)
        if start and (not anchored or start == 1) then
            problem = problem:sub(1, start - 1) .. pair[2] .. problem:sub(stop + 1)
        end
    end
    return problem
end

-- The key in a file that has nothing else.
local function readKey(context, path)
    local handle, message
    if path == "-" then
        handle = context.host.stdin
    else
        handle, message = io.open(path, "rb")
    end
    local content
    if handle then
        content, message = handle:read(64 * 1024)
        if path ~= "-" then
            handle:close()
        end
    end
    if not content and message then
        local prefix = path .. ": " -- as io.open has it, and read has not
        return nil, ("cannot read the API key from %s%s"):format(
            message:sub(1, #prefix) == prefix and "" or prefix, message)
    end
    local key = (content or ""):match "^%s*(%S+)%s*$"
    if not key then
        return nil, ("--api-key-file %s: it should hold the API key (sk_live_...) and nothing else"):format(path)
    end
    if path ~= "-" and core.othersMayRead(path) then
        context:say(("kataven: other users can read %s: chmod 600 it"):format(path))
    end
    return key
end

-- What a call gives; or nil and what is wrong with its options. Ctrl-C is neither.
local function tried(call, ...)
    local ok, result = pcall(call, ...)
    if ok then
        return result
    elseif type(result) == "string" and result:find "interrupted!$" then
        error(result, 0)
    end
    return nil, client.inOurWords(result)
end

--- Its options; or nil and what is wrong, in one line.
---@param context kataven.cli.Context
---@return kataven.Options?
---@return string? problem
function client.options(context)
    local given = context.arguments
    local function env(name)
        local value = context.host.getenv(name)
        return value ~= "" and value or nil
    end
    local options = {
        apiKey = env "KATAVEN_API_KEY",
        accountId = given.account or env "KATAVEN_ACCOUNT_ID",
        baseUrl = given.baseUrl or env "KATAVEN_BASE_URL",
        timeout = given.timeout,
    }
    local problem
    if given.noRetry then
        options.retry = false
    end
    if given.verbose then
        options.log = function(event)
            context:say(log.line(event))
        end
    end
    if given.cassette then
        options.transport, problem = tried(kataven.cassette.open, given.cassette, { mode = "replay" })
        if problem then
            return nil, problem
        end
    end
    if given.apiKeyFile then
        options.apiKey, problem = readKey(context, given.apiKeyFile)
        if problem then
            return nil, problem
        end
    elseif not options.apiKey and options.transport and options.transport.mode == "replay" then
        options.apiKey = NO_KEY
    elseif not options.apiKey and not env "KATAVEN_CASSETTE" then
        return nil, "there is no API key: set KATAVEN_API_KEY, or give --api-key-file FILE"
    end
    return options
end

--- Makes it; or gives nil and what is wrong, in one line.
---@param context kataven.cli.Context
---@return kataven.Client?
---@return string? problem
function client.new(context)
    local options, problem = client.options(context)
    if not options then
        return nil, problem
    end
    if not options.transport and (context.host.getenv "KATAVEN_CASSETTE" or "") == "" then
        options.wait = context.wait -- a recording has a time of its own
    end
    return tried(kataven.new, options)
end

return client
