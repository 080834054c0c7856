--- Whole answers that are not what was asked for, and what comes between two requests of one connection. `steps` come
--- after a request was read.

local faults = require "spec.support.faults"
local outcome = require "spec.faults.outcome"
local servers = require "spec.support.servers"

local REFUSED, FINE = outcome.REFUSED, outcome.FINE
local status = outcome.status
local CLOSE, STALL = { close = true }, { stall = true }

local function send(bytes, ...)
    return { { send = bytes }, ... }
end

local function answered(code, name, maybe, again)
    return {
        name = "a " .. code,
        steps = send(servers.answer { status = code, body = '{"detail":"no"}',
            headers = { ["Content-Type"] = "application/json", ["Retry-After"] = "0" } }),
        -- The worst case of each: a 5xx came from in front of a server that had done it.
        effect = maybe or false,
        all = status(code, name, maybe, again),
    }
end

-- The server puts the request's header there, which is as long as the key with its scheme.
local GIVEN = "{authorization}"

local function givenBack(code, kind, body)
    local length = #body - 2 + #"Bearer " + #faults.KEY
    return { { echo = "authorization", send = ("HTTP/1.1 %s %s\r\nContent-Type: %s\r\nX-Given: %s\r\n"
        .. "X-%s: x\r\nContent-Length: %d\r\n\r\n%s"):format(code, GIVEN, kind, GIVEN, faults.KEY, length,
        (body:gsub("%%s", GIVEN))) } }
end

return {
    answered(301), answered(304), answered(307),
    answered(400, "BadRequestError"), answered(401, "AuthenticationError"), answered(403, "PermissionDeniedError"),
    answered(404, "NotFoundError"), answered(405), answered(409, "ConflictError"),
    answered(422, "UnprocessableEntityError"),
    answered(408, nil, true, "reads"),
    answered(429, "RateLimitError", false, "all"),
    answered(500, "ServerError", true, "reads"), answered(501, "ServerError", true),
    answered(502, "ServerError", true, "reads"), answered(503, "ServerError", true, "reads"),
    answered(504, "ServerError", true, "reads"),

    -- The key is in the reason, headers and the body; it is looked for in all that comes of them.
    { name = "a 403 that gives the key back", effect = false, all = status(403, "PermissionDeniedError"),
        steps = givenBack("403", 'application/json', '{"detail":"%s"}') },
    { name = "a 500 that gives the key back", all = status(500, "ServerError", true, "reads"),
        steps = givenBack("500", "text/plain", "%s") },
    { name = "a 200 that gives the key back and is no JSON", all = REFUSED, head = FINE,
        steps = givenBack("200", "application/json", "[%s") },
    { name = "a key in place of an answer", all = outcome.LOST,
        steps = { { send = GIVEN .. "\r\n\r\n", echo = "authorization" }, CLOSE } },

    { name = "a 204 with a body", all = REFUSED, delete = FINE, head = FINE,
        steps = send("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}") },
    { name = "a 204 with an answer after it", all = REFUSED, delete = FINE, head = FINE,
        steps = send('HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"id":"stolen"}') },
    { name = "a 204 whose body comes later", all = REFUSED, delete = FINE, head = FINE,
        steps = { { send = "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n" }, { stall = 0.02 },
            { send = "{}" } } },
    { name = "a 304 whose body comes later", effect = false, all = status(304),
        steps = { { send = "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n" }, { stall = 0.02 },
            { send = "2\r\n{}\r\n0\r\n\r\n" } } },
    { name = "a 304 with a body", effect = false, all = status(304),
        steps = send("HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n{}") },
    { name = "a 205 without a body", all = REFUSED, delete = FINE, head = FINE,
        steps = send("HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n") },
    { name = "two answers to one request", all = FINE, list = REFUSED,
        steps = send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n'
            .. '{"id":"stolen"}') },
    { name = "an answer of nothing", all = REFUSED, delete = FINE, head = FINE,
        steps = send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") },
    { name = "a page of HTML", all = REFUSED, delete = FINE, head = FINE,
        steps = send(servers.answer { headers = { ["Content-Type"] = "text/html" }, body = "<html>maintenance</html>" },
            CLOSE) },
    { name = "a 401 with more than maxResponseBytes", effect = false,
        all = { error = "ResponseError", status = 401, maybe = false, message = "maxResponseBytes" },
        head = status(401, "AuthenticationError"),
        steps = { { send = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3000000000\r\n\r\n" },
            { send = ("x"):rep(1000), times = 3000000 } } },
    { name = "a 401 with a large body", effect = false, all = status(401, "AuthenticationError"),
        steps = { { send = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 90000\r\n\r\n" },
            { send = ("x"):rep(90000) } } },
    { name = "a 500 that is cut", all = outcome.LOST, head = status(500, "ServerError", true, "reads"),
        steps = send("HTTP/1.1 500 Error\r\nContent-Length: 50\r\n\r\nno", CLOSE) },
    { name = "a 429 that is cut", all = outcome.LOST, head = status(429, "RateLimitError", false, "all"),
        steps = send("HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 50\r\n\r\nno", CLOSE) },
    { name = "a 404 that stalls", timeout = true, all = outcome.TIMED_OUT, head = status(404, "NotFoundError"),
        steps = send("HTTP/1.1 404 Not Found\r\nContent-Length: 50\r\n\r\nno", STALL) },
}
