--- The transport over libcurl: one attempt, driven by the C core. And what others
--- give, made like what it gives.

local core = require "kataven.core"
local errors = require "kataven.errors"
local failures = require "kataven.failures"
local headers = require "kataven.headers"

---@class kataven.Request one attempt, as a transport gets it
---@field method string
---@field url string absolute, with the query
---@field path string the specification's path, without the query
---@field headers table<string, string>
---@field body? string
---@field timeout number seconds for the whole attempt
---@field connectTimeout number seconds until the connection stands

---@class kataven.Response
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string

---@class kataven.Failure no whole answer came
---@field kind "connect"|"connection"|"timeout"|"tls"|"tooLarge"|"cancelled"|"cassette"
---@field message string
---@field sent boolean whether the request may have gone out
---@field status? integer where the answer had begun

---@alias kataven.Over fun(self: kataven.Transport, inner: kataven.Transport, apiKey: string, others: string[]): kataven.Transport

---@class kataven.Transport
---@field send fun(self: kataven.Transport, request: kataven.Request, wait: fun(seconds: number, fd?: integer): boolean?): kataven.Response?, kataven.Failure?
---@field over? kataven.Over wraps a client's libcurl; the key, and `others` that no text may show, are for hiding them
---@field clock? fun(self: kataven.Transport): kataven.cassette.Clock? the time to live in

local transport = {}

local Curl = {}
Curl.__index = Curl
Curl.__name = "kataven.Curl"

--- A transport over an engine.
---@param engine userdata
---@param options { direct: boolean, watches: boolean, mostValues: number }
---@return kataven.Transport
function transport.new(engine, options)
    return setmetatable({
        engine = engine,
        direct = options.direct,
        watches = options.watches,
        mostValues = options.mostValues,
        -- Header sets as libcurl wants them, kept while the table lives: a
        -- client's own never change, and so are prepared once.
        lines = setmetatable({}, { __mode = "k" }),
    }, Curl)
end

--- Overwrites what was prepared with the token, once its engine is closed.
function Curl:forget()
    for set, lines in pairs(self.lines) do
        lines:close()
        self.lines[set] = nil
    end
end

local function linesFor(self, set)
    local lines = self.lines[set]
    if not lines then
        lines = core.lines(headers.list(set))
        self.lines[set] = lines
    end
    return lines
end

-- Waits by itself. It comes back early after a signal, so that the host's handler
-- can run.
local function block(op)
    while not op:poll() do end
end

-- What came of an attempt, as a transport gives it.
local function taken(self, op, top)
    local status, kindOrHeaders, bodyOrMessage, sentOrValue, partial = op:take(top, self.mostValues)
    if status then
        -- With room for what makes it a call's meta.
        return { status = status, headers = kindOrHeaders, body = bodyOrMessage, value = sentOrValue,
            requestId = nil, attempts = nil, elapsed = nil }
    end
    return nil, {
        kind = kindOrHeaders,
        message = bodyOrMessage,
        sent = sentOrValue,
        status = partial ~= 0 and partial or nil,
    }
end

-- Steps. Gives how long to wait before the next look, and the descriptor; or nil
-- once it is over.
local function look(self, op, parks)
    if not parks then
        return op:look(self.watches)
    elseif not op:step() then
        return math.huge
    end
end

-- The client's own calls name the first byte of the JSON that they expect as
-- `top`. Where a 2xx answer is that, its `value` takes the place of its `body`.
---@param request kataven.Request
---@param wait fun(seconds: number, fd?: integer): boolean?
---@param turn? userdata the client's own: rests when the attempt ends, whatever becomes of its caller
---@param parks? boolean to wait is to sleep until the turn has news
---@param who? table what `wait` takes before the rest: it is shared, and no function was made for this call
---@return kataven.Response?
---@return kataven.Failure?
function Curl:send(request, wait, turn, parks, who)
    local op, kind, problem = self.engine:start(request.method, request.url, linesFor(self, request.headers),
        request.body, request.timeout, request.connectTimeout, self.direct, turn)
    if not op then
        return nil, { kind = kind, message = problem, sent = false }
    end
    if wait == core.wait then
        block(op) -- a host that may be
    else
        local seconds, fd = look(self, op, parks)
        while seconds do
            local stop
            if who then
                stop = wait(who, seconds, fd)
            else
                stop = wait(seconds, fd)
            end
            if stop then
                op:cancel()
                break
            end
            seconds, fd = look(self, op, parks)
        end
    end
    return taken(self, op, request.top)
end

--- One attempt by a host that may be blocked, if a turn is free for it right now:
--- what most calls are, without what the others need. Gives nothing where it
--- cannot be made this way.
---@param request { method: string, url: string, body?: string, top?: string }
---@param set table<string, string> headers
---@param timeout number
---@param connectTimeout number
---@return kataven.Response?
---@return kataven.Failure?
function Curl:sendAtOnce(request, set, timeout, connectTimeout)
    local op = self.engine:begin(request.method, request.url, linesFor(self, set), request.body, timeout,
        connectTimeout < timeout and connectTimeout or timeout, self.direct)
    if not op then
        return nil
    end
    -- A hook may raise, as Ctrl-C's does: the turn is then free at once.
    local fine, problem = pcall(block, op)
    if not fine then
        op:cancel()
        error(problem, 0)
    end
    return taken(self, op, request.top)
end

-- Whether a request had gone out, by what a transport says of its failure. In
-- doubt it had: a repeated write is worse than one that is not repeated.
local function wasSent(problem)
    if problem.kind == "connect" or problem.kind == "proxy" or problem.kind == "tls" or problem.kind == "cassette" then
        return problem.sent == true
    end
    return problem.sent ~= false
end

--- What a transport of somebody else's gave, brought into the form it ought to
--- have. It does not know how large an answer may be.
---@param response any
---@param problem any
---@param maxResponseBytes integer
---@return kataven.Response?
---@return kataven.Failure?
function transport.normal(response, problem, maxResponseBytes)
    if type(response) == "table" and errors.isStatus(response.status)
        and (response.headers == nil or type(response.headers) == "table")
        and (response.body == nil or type(response.body) == "string") then
        if #(response.body or "") > maxResponseBytes then
            return nil, { kind = "tooLarge", sent = true, status = response.status,
                message = "the answer is larger than maxResponseBytes allows" }
        end
        local named = {}
        for name, value in pairs(response.headers or {}) do
            name, value = tostring(name):lower(), tostring(value)
            named[name] = named[name] and named[name] .. ", " .. value or value -- as libcurl's are joined
        end
        return { status = response.status, headers = named, body = response.body or "" }
    end
    if not response and type(problem) == "table" and failures.known(problem.kind) then
        local sent = wasSent(problem)
        return nil, {
            kind = problem.kind == "connect" and sent and "connection" or problem.kind,
            message = problem.message ~= nil and tostring(problem.message) or nil,
            sent = sent,
            status = errors.isStatus(problem.status) and problem.status or nil,
        }
    end
    -- Nothing is known, so the worst is assumed: that it was sent.
    return nil, {
        kind = "connection",
        message = "the transport returned neither a response nor a failure: " .. tostring(problem or response),
        sent = true,
    }
end

return transport
