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
---@field body? string the answer's body as it came
---@field data? any the body decoded, where it is JSON
---@field retryAfter? number seconds that the server asked to wait
---@field requestId? string the answer's x-request-id
---@field attempts integer attempts made
---@field elapsed number seconds since the call began
---@field maybeApplied boolean true when a write may have been carried out though its answer was lost
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

--- The class for an HTTP status.
---@param status integer
---@return string
function errors.forStatus(status)
    return BY_STATUS[status] or status >= 500 and status <= 599 and "ServerError" or "APIError"
end

--- A server's text as it may stand in a message: one line, no control
--- characters (a terminal would obey them), at most 500 bytes, and no UTF-8
--- character cut in half.
---@param text string
---@return string
function errors.excerpt(text)
    local line = text:sub(1, 4 * LONGEST_TEXT):gsub("[%z\1-\32\127]+", " "):gsub("^ ", ""):gsub(" $", "")
    if #line <= LONGEST_TEXT then
        return line
    end
    local cut = LONGEST_TEXT - 3
    while cut > 0 and line:byte(cut + 1) >= 0x80 and line:byte(cut + 1) < 0xC0 do
        cut = cut - 1
    end
    return line:sub(1, cut) .. "..."
end

return errors
