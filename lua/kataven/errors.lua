--- The error family. A call that fails gives `nil, err`; `err` is a table with
--- the fields below, which reads well through `tostring` and is told apart with
--- `err:is "APIError"`.

---@class kataven.Error
---@field name string its class, such as "RateLimitError"
---@field message string what happened and what to do, with the server's text (cut to 500 bytes)
---@field method? string HTTP method
---@field path? string the specification's path, without the query
---@field status? integer HTTP status, where the server answered
---@field headers? table<string, string> the answer's headers, names in lower case
---@field body? string the answer's body, with the client's key hidden
---@field data? any the body decoded, where it is JSON
---@field retryAfter? number seconds that the server asked to wait
---@field requestId? string the answer's x-request-id
---@field attempts integer attempts made
---@field elapsed number seconds since the call began
---@field maybeApplied boolean true when a write may have been carried out though its answer was lost
---@field conflicts? { name: string, keys: kataven.WidgetKey[] }[] of a PlanError: wanted names that several live keys have
---@field is fun(self: kataven.Error, name: string): boolean whether it is of that class, or of one below it

local errors = {}

-- Each class and the one above it.
local PARENTS = {
    APIError = "KatavenError",
    BadRequestError = "APIError",
    AuthenticationError = "APIError",
    PermissionDeniedError = "APIError",
    NotFoundError = "APIError",
    ConflictError = "APIError",
    UnprocessableEntityError = "APIError",
    RateLimitError = "APIError",
    ServerError = "APIError",
    ConnectionError = "KatavenError",
    TimeoutError = "ConnectionError",
    TLSError = "ConnectionError",
    ResponseError = "KatavenError",
    CancelledError = "KatavenError",
    ClosedError = "KatavenError",
    HostError = "KatavenError",
    CassetteError = "KatavenError",
    PlanError = "KatavenError",
}

local BY_STATUS = {
    [400] = "BadRequestError",
    [401] = "AuthenticationError",
    [403] = "PermissionDeniedError",
    [404] = "NotFoundError",
    [409] = "ConflictError",
    [422] = "UnprocessableEntityError",
    [429] = "RateLimitError",
}

local LONGEST_TEXT = 500

local Error = {}
Error.__index = Error
Error.__name = "kataven.Error"

function Error:is(name)
    local class = self.name
    while class and class ~= name do
        class = PARENTS[class]
    end
    return class ~= nil
end

function Error:__tostring()
    local where = self.method and ("%s %s: "):format(self.method, self.path) or ""
    return ("%s: %s%s"):format(self.name, where, self.message)
end

function Error.__concat(left, right)
    return tostring(left) .. tostring(right)
end

--- Makes an error of a table of its fields.
---@param fields table
---@return kataven.Error
function errors.new(fields)
    return setmetatable(fields, Error)
end

--- Whether a value is an error of this family.
---@param value any
---@return boolean
function errors.isError(value)
    return type(value) == "table" and getmetatable(value) == Error
end

--- Whether a value is an HTTP status.
---@param value any
---@return boolean
function errors.isStatus(value)
    return type(value) == "number" and value % 1 == 0 and value >= 100 and value <= 999
end

--- The class for an HTTP status.
---@param status integer
---@return string
function errors.forStatus(status)
    return BY_STATUS[status] or status >= 500 and status <= 599 and "ServerError" or "APIError"
end

-- The last place up to `at` where a text may be cut: not in a UTF-8 character.
local function border(text, at)
    while at > 0 and at < #text and text:byte(at + 1) >= 0x80 and text:byte(at + 1) < 0xC0 do
        at = at - 1
    end
    return at
end

--- A server's text as it may stand in a message: one line, no control
--- characters (a terminal would obey them), at most 500 bytes, and no UTF-8
--- character cut in half.
---@param text string
---@return string
function errors.excerpt(text)
    local start = text:sub(1, border(text, 4 * LONGEST_TEXT))
    local line = start:gsub("\194[\128-\159]", " "):gsub("[%z\1-\32\127]+", " "):gsub("^ ", ""):gsub(" $", "")
    if #line <= LONGEST_TEXT and #start == #text then
        return line
    end
    return line:sub(1, border(line, math.min(#line, LONGEST_TEXT - 3))) .. "..."
end

return errors
