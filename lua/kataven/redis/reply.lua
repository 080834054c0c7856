--- Replies, as JSON: `{"ok":true,"value":…,"meta":…}` or
--- `{"ok":false,"error":…}`. What the server sent goes in as it came.

local core = require "kataven.core"

local reply = {}

--- Besides the client's own errors.
---@alias kataven.redis.ErrorName
---| "MisuseError" the entry is no request that could be sent
---| "WorkerError" the worker gave it up, or could not make a reply of the answer

local ERROR_FIELDS = { "name", "message", "status", "headers", "body", "retryAfter", "requestId", "method", "path",
    "attempts", "elapsed", "maybeApplied" }

-- Blanks: SLOWLOG keeps the first 128 bytes of every argument, and a key is not to be among them.
local APART = (" "):rep(128)

local PATH = "/api/v1/widget-keys"
local VERBS = { list = "GET", create = "POST", update = "PATCH", delete = "DELETE" }

-- JSON is UTF-8, and what servers say need not be.
local function clean(value)
    if type(value) == "string" then
        return core.encode(value) and value or (value:gsub("[\128-\255]", "?"))
    elseif type(value) == "table" then
        local copy = {}
        for name, each in pairs(value) do
            copy[clean(name)] = clean(each)
        end
        return copy
    end
    return value
end

--- For a value. `body` is the answer's text where it is JSON.
---@param value any
---@param meta kataven.Meta
---@param body? string
---@return string
function reply.value(value, meta, body)
    local text
    if type(value) == "table" and body then
        text = body
    elseif type(value) == "table" then
        text = "[]" -- a null, where an array is promised
    else
        text = core.encode(value)
    end
    return ('{"ok":true,%s"value":%s,"meta":%s}'):format(APART, text, core.encode(clean {
        status = meta.status, headers = meta.headers, requestId = meta.requestId,
        attempts = meta.attempts, elapsed = meta.elapsed,
    }))
end

--- For an error: every field that it has.
---@param err table
---@return string
function reply.error(err)
    local fields = {}
    for _, name in ipairs(ERROR_FIELDS) do
        fields[name] = clean(err[name])
    end
    local text = core.encode(fields)
    if err.data ~= nil then
        -- The body is JSON then, and says better than Lua's tables which of its lists are empty.
        text = text:sub(1, -2) .. ',"data":' .. err.body .. "}"
    end
    return ('{"ok":false,%s"error":%s}'):format(APART, text)
end

--- An error that the worker makes itself, in the form of the client's.
---@param name string
---@param message string
---@param request? kataven.redis.Request
---@param maybeApplied boolean
---@return table
function reply.newError(name, message, request, maybeApplied)
    local method = request and request.method
    return {
        name = name,
        message = message,
        method = VERBS[method],
        path = method and PATH .. (request.id and "/" .. core.escape(request.id) or ""),
        attempts = 0,
        maybeApplied = maybeApplied,
    }
end

return reply
