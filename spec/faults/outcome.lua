--- What the contract wants of a call that meets a fault. `maybe` is what a write says; a read always says false.
--- `again` tells who is sent once more where retries are on: "reads", "all", or nobody.

local outcome = {
    --- The answer is lost: a read is repeated, a write is not and says so.
    LOST = { error = "ConnectionError", maybe = true, again = "reads" },
    TIMED_OUT = { error = "TimeoutError", maybe = true, again = "reads" },
    --- Nothing went out, so everything is repeated.
    NOTHING_SENT = { error = "ConnectionError", maybe = false, again = "all", message = "nothing was sent" },
    NO_CONNECTION = { error = "TimeoutError", maybe = false, again = "all", message = "no connection within" },
    --- An answer came, and is not what the API promises.
    REFUSED = { error = "ResponseError", maybe = true },
    FINE = { ok = true },
    --- And the answer has to be the call's own.
    OWN = { ok = true, own = true },
}

--- A reset may overtake the client's look at the new connection, or come after the request: either it sent nothing, or
--- the answer is lost.
outcome.LOST_OR_NOT_SENT = { error = "ConnectionError", maybe = true, again = "reads", either = outcome.NOTHING_SENT }

--- An answer with a status that is no success.
function outcome.status(status, name, maybe, again)
    return { error = name or "APIError", status = status, maybe = maybe or false, again = again }
end

return outcome
