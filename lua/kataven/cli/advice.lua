--- What a failed call of the client's comes to for whoever typed the command: the
--- library's advice in terms of the command, and more where there is some.

local text = require "kataven.cli.text"

local advice = {}

-- What the library says of a lost answer; each command knows better.
local LOST = "; it may have been carried out all the same (maybeApplied): look with list() before repeating it"

-- Where the library speaks of its options.
local WORDS = {
    { "name its issuer's certificate with caFile", "add its issuer's certificate to those of this system" },
    { "baseUrl", "--base-url" },
}

-- After a lost answer, by command. apply has a way of its own.
local AFTER = {
    create = "it may exist all the same, and its text, shown only once, is lost: look for its name with kataven "
        .. "widget-keys list, revoke by its id the one that was made just now, if there is one (another of that name "
        .. "may be in use), and create it again",
    update = "it may be done all the same; the same command may be given again",
    revoke = "it may be done all the same; the same command may be given again",
    delete = "it may be done all the same; look with kataven widget-keys list, or give the same command again",
}

local BY_CLASS = {
    { "AuthenticationError", "check KATAVEN_API_KEY, or the file of --api-key-file" },
    { "PermissionDeniedError", "the API key may not do this: check whose it is" },
    { "NotFoundError", "look again with kataven widget-keys list, and check --base-url" },
    { "TimeoutError", "--timeout gives it longer" },
}

local function replace(message, what, by)
    return (message:gsub(what:gsub("%p", "%%%0"), (by:gsub("%%", "%%%%"))))
end

local function more(err, command)
    if err.maybeApplied then
        return AFTER[command]
    elseif err:is "RateLimitError" then
        return ("the account is over its limit; try again in %s"):format(
            err.retryAfter and ("%g s"):format(err.retryAfter) or "a while")
    end
    for _, pair in ipairs(BY_CLASS) do
        if err:is(pair[1]) then
            return pair[2]
        end
    end
    if err:is "ConnectionError" and err.message:find "^nothing was sent, " then
        return "check the network, and --base-url"
    end
end

--- The message of an error, with what to do.
---@param err kataven.Error
---@param command string|nil the command's name
---@return string
function advice.message(err, command)
    local message = replace(err.message, LOST, "")
    for _, pair in ipairs(WORDS) do
        message = replace(message, pair[1], pair[2])
    end
    local add = more(err, command)
    return add and message .. "; " .. add or message
end

--- The same as a line by itself: what failed, where, and what to do.
---@param err kataven.Error
---@param command string|nil the command's name
---@return string
function advice.line(err, command)
    local where = err.method and ("%s %s: "):format(err.method, err.path) or ""
    local line = ("%s: %s%s"):format(err.name, where, advice.message(err, command))
    return text.joined(line, ":", "; ") -- a CassetteError has several lines
end

return advice
