--- Faults before a request was read, each met by every connection. `steps` begin with the connection.

local outcome = require "spec.faults.outcome"

local LOST, TIMED_OUT = outcome.LOST, outcome.TIMED_OUT

return {
    { name = "the port refuses", listen = false, all = outcome.NOTHING_SENT },
    { name = "the backlog is full", silent = true, timeout = true, all = outcome.NO_CONNECTION },
    -- The system completes the connection whether or not the program accepts it, so the request has gone out.
    { name = "reset at once", steps = { { reset = true } }, all = outcome.LOST_OR_NOT_SENT },
    { name = "closed at once", steps = { { close = true } }, all = LOST },
    { name = "stalled at once", steps = { { stall = true, deaf = true } }, timeout = true, all = TIMED_OUT },
    { name = "garbage before any request", steps = { { send = "220 smtp.example ESMTP\r\n" }, { stall = true } },
        all = LOST },
    { name = "an answer before any request",
        steps = { { send = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
            { stall = true } },
        all = outcome.status(408, nil, true, "reads") },
    { name = "reset after one byte of the request", steps = { { read = 1 }, { reset = true } }, all = LOST },
    { name = "closed after one byte of the request", steps = { { read = 1 }, { close = true } }, all = LOST },
    { name = "stalled after one byte of the request", steps = { { read = 1 }, { stall = true } }, timeout = true,
        all = TIMED_OUT },
    { name = "reset after ten bytes", steps = { { read = 10 }, { reset = true } }, all = LOST },
    { name = "reset after the head of a long request", steps = { { read = "head" }, { reset = true } }, large = true,
        all = LOST },
    { name = "reset within the body of a long request", steps = { { read = "head" }, { read = 100000 },
        { reset = true } },
        large = true, all = LOST },
    { name = "closed after the head of a long request", steps = { { read = "head" }, { close = true } }, large = true,
        all = LOST },
    { name = "stalled within a long request, which gets stuck",
        steps = { { read = "head" }, { stall = true, deaf = true } }, large = true, timeout = true, all = TIMED_OUT },
    { name = "refused within a long request, with a 413",
        steps = { { read = "head" },
            { send = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
            { stall = true, deaf = true } },
        large = true, all = outcome.status(413) },
}
