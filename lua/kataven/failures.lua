--- What went wrong with a call, as an error that a person can act on. `self` is
--- the call (see kataven.call) throughout.

local answer = require "kataven.answer"
local core = require "kataven.core"
local errors = require "kataven.errors"
local redact = require "kataven.redact"

local failures = {}

local KIND_NAMES = {
    connect = "ConnectionError",
    proxy = "ConnectionError", -- of libcurl's own: the environment names none that can be used
    connection = "ConnectionError",
    timeout = "TimeoutError",
    tls = "TLSError",
    tooLarge = "ResponseError",
    cancelled = "CancelledError",
    cassette = "CassetteError",
}

local AFTER_LOSS = "; it may have been carried out all the same (maybeApplied): look with list() before repeating it"

-- What to do about a refused handshake, by the words of the TLS library, which alone say which check failed (OpenSSL's,
-- and GnuTLS's where they are known).
local TLS_ADVICE = {
    { "local issuer", "to trust it, name its issuer's certificate with caFile; a server ought to send the intermediate"
        .. " ones itself" },
    { "issuer", "to trust it, name its issuer's certificate with caFile" },
    { "self[- ]signed", "to trust it, name its issuer's certificate with caFile" },
    { "expired", "look at this machine's clock; if it is right, the server needs a new certificate" },
    { "not yet valid", "look at this machine's clock; if it is right, the server needs a new certificate" },
    { "not yet activated", "look at this machine's clock; if it is right, the server needs a new certificate" },
    { "match", "it is for another host: check the host in baseUrl" },
    { "too weak", "what this system takes is set in its OpenSSL; the server needs a stronger certificate" },
    { "too small", "what this system takes is set in its OpenSSL; the server needs a stronger certificate" },
    { "alert protocol version", "the server has to offer TLS 1.2 or newer" },
    { "unsupported protocol", "the server has to offer TLS 1.2 or newer" },
    { "wrong version number", "it does not seem to speak TLS: check the scheme (http or https) and port in baseUrl" },
}

local function tlsAdvice(detail)
    for _, row in ipairs(TLS_ADVICE) do
        if detail:find(row[1]) then
            return "; " .. row[2]
        end
    end
    return ""
end

--- Whether a transport may give a failure of this kind. "orphaned" is libcurl's
--- own: the client was closed, or the process forked, under the attempt.
---@param kind any
---@return boolean
function failures.known(kind)
    return KIND_NAMES[kind] ~= nil or kind == "orphaned"
end

--- An error of what is known of a call, without the client's key. No other key is in
--- its message either, which goes into logs; a body keeps them, since it may be the only
--- copy of a key that was just made. `extra` has further fields, and is taken over; a body
--- in it is without the client's key already.
---@return kataven.Error
function failures.new(self, name, message, extra)
    local client = self.client
    local redactor = client.redactor
    local err = extra or {}
    err.name = name
    err.message = redact.keys(redactor:text(message))
    err.method, err.path = self.method, redactor:text(self.path)
    err.attempts = self.attempts
    err.elapsed = client.now() - self.began
    err.maybeApplied = err.maybeApplied or false
    if err.headers then
        local clean = {}
        for key, value in pairs(err.headers) do
            clean[redactor:text(key)] = redactor:text(value)
        end
        err.headers = clean
        err.requestId = clean["x-request-id"]
    end
    if err.body then
        local kind = err.headers and err.headers["content-type"]
        if kind and kind:lower():find("json", 1, true) or err.body:find("^%s*[%[{]") then
            err.data = core.decode(err.body, false, client.mostValues)
        end
    end
    return errors.new(err)
end

--- The error for an answer that is not a success. `told` is what Retry-After
--- asked for.
---@return kataven.Error
function failures.answered(self, response, outcome, told)
    -- Without the token first: a cut could leave half of it, which nothing finds.
    local body = self.client.redactor:text(response.body)
    local coding = answer.coding(response)
    local text = coding and ("(its body has the Content-Encoding %s, and is not shown)"):format(coding)
        or errors.excerpt(body)
    local name = errors.forStatus(response.status)
    local message = ("%d %s"):format(response.status, text ~= "" and text or "(no text)")
    if response.status >= 300 and response.status < 400 then
        message = message .. "; redirects are never followed: check baseUrl"
    end
    local applied = core.maybeApplied(outcome, false)
    return failures.new(self, name, applied and message .. AFTER_LOSS or message, {
        status = response.status,
        headers = response.headers,
        body = body,
        retryAfter = told,
        maybeApplied = applied,
    })
end

local function lossMessage(self, problem)
    local kind, detail = problem.kind, problem.message
    if detail == nil or detail == "" then
        detail = "no more is known"
    end
    if kind == "timeout" then
        local limit = self.timeoutIsDeadline and ("the deadline of %g s"):format(self.deadline)
            or ("timeout = %g s"):format(self.timeout)
        if not problem.sent and self.client.connectTimeout < self.timeout then
            limit = ("%s and connectTimeout = %g s"):format(limit, self.client.connectTimeout)
        end
        return ("%s within %s: %s"):format(problem.sent and "no whole answer" or "no connection", limit, detail)
    elseif kind == "connect" then
        return ("nothing was sent, since no connection to %s could be made: %s"):format(self.client.baseText, detail)
    elseif kind == "proxy" then
        return "nothing was sent: " .. detail
    elseif kind == "connection" then
        return "the connection broke before a whole answer came: " .. detail
    elseif kind == "tls" then
        return ("the secure connection to %s was refused: %s%s"):format(self.client.baseText, detail, tlsAdvice(detail))
    end
    return detail
end

--- The error for a 2xx answer that is not what the API promises.
---@return kataven.Error
function failures.refused(self, response, outcome, problem)
    local applied = core.maybeApplied(outcome, true)
    return failures.new(self, "ResponseError", ("%d, but %s%s"):format(
        response.status, problem, applied and AFTER_LOSS or ""),
        {
            status = response.status,
            headers = response.headers,
            body = self.client.redactor:text(response.body),
            maybeApplied = applied,
        })
end

--- The error for an attempt without a whole answer. `reason` is the class of the
--- error that ends the call from outside, if it was ended so.
---@return kataven.Error
function failures.lost(self, problem, outcome, reason)
    local name, message = KIND_NAMES[problem.kind], lossMessage(self, problem)
    local applied = core.maybeApplied(outcome, true)
    if problem.kind == "orphaned" or problem.kind == "cancelled" then
        name = reason or (problem.kind == "orphaned" and "ConnectionError" or "CancelledError")
        message = name == "ConnectionError" and message or ("%s while the request was %s"):format(
            name == "ClosedError" and "the client was closed" or "cancelled",
            problem.sent and "under way" or "not sent yet")
    end
    return failures.new(self, name, applied and message .. AFTER_LOSS or message,
        { status = problem.status, maybeApplied = applied })
end

return failures
