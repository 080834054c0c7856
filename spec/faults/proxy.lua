--- Faults of a proxy that is asked for a tunnel. `steps` come after its CONNECT was read, on every connection; `tls`
--- stands for a handshake as the Hub.
---
--- The effect of a request can only be had behind a tunnel, so all of these have none but the last ones.

local outcome = require "spec.faults.outcome"

local NOTHING_SENT, NO_CONNECTION, LOST = outcome.NOTHING_SENT, outcome.NO_CONNECTION, outcome.LOST

local TOO_LONG = { error = "ConnectionError", maybe = false, again = "all", message = "headers of more than",
    either = { error = "TimeoutError", maybe = false, message = "without end or pause" } }

local OPENED = "HTTP/1.1 200 Connection established\r\n\r\n"
local DENIED = "HTTP/1.1 407 Proxy Authentication Required\r\n"
local CLOSE, RESET, STALL = { close = true }, { reset = true }, { stall = true }
local ENDLESS = 100000000
-- Neither is ever sent again: a certificate that is refused, and a peer that speaks no TLS.
local NO_TLS = { error = "TLSError", maybe = false }

local function send(bytes, ...)
    return { { send = bytes }, ... }
end

local function flood(head, piece)
    return { { send = head }, { send = piece, times = ENDLESS } }
end

return {
    -- Without an end
    { name = "headers without end", steps = flood("HTTP/1.1 200 OK\r\n", "X-A: " .. ("y"):rep(90) .. "\r\n"),
        all = TOO_LONG },
    { name = "short headers of a 407 without end", steps = flood(DENIED, "a:b\r\n"),
        all = TOO_LONG },
    { name = "a header line without end", steps = flood("HTTP/1.1 200 OK\r\nX-A: ", ("y"):rep(1000)),
        all = NOTHING_SENT },
    { name = "a status line without end", steps = flood("HTTP/1.1 200 ", ("y"):rep(1000)), all = NOTHING_SENT },
    { name = "the long body of a 407, which never ends",
        steps = flood(DENIED .. "Content-Length: 1000000000000\r\n\r\n", ("x"):rep(1000)), timeout = true,
        all = NO_CONNECTION },
    { name = "the chunks of a 407, which never end",
        steps = flood(DENIED .. "Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"), timeout = true,
        all = NO_CONNECTION },
    { name = "a chunk's extension in a 407, which never ends",
        steps = flood(DENIED .. "Transfer-Encoding: chunked\r\n\r\n5;", ("x"):rep(1000)), timeout = true,
        all = NO_CONNECTION },
    { name = "trailers of a 407, which never end",
        steps = flood(DENIED .. "Transfer-Encoding: chunked\r\n\r\n0\r\n", "a: b\r\n"), timeout = true,
        all = NO_CONNECTION },
    { name = "interim answers without end", steps = flood("", "HTTP/1.1 100 Continue\r\n\r\n"), all = NOTHING_SENT },
    { name = "bytes that are no answer, without end", steps = flood("", ("x"):rep(1000)), all = NOTHING_SENT },

    -- A refusal
    { name = "a 407 with a length", steps = send(DENIED
        .. "Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 6\r\n\r\ndenied", STALL), all = NOTHING_SENT },
    { name = "a 407 without a length", steps = send(DENIED .. "Proxy-Authenticate: Basic\r\n\r\ndenied", CLOSE),
        all = NOTHING_SENT },
    { name = "a 407 that asks for nothing", steps = send(DENIED .. "\r\n", CLOSE), all = NOTHING_SENT },
    { name = "a 407 shorter than it says", steps = send(DENIED .. "Content-Length: 60\r\n\r\ndenied", CLOSE),
        all = NOTHING_SENT },
    { name = "a 502", steps = send("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", CLOSE),
        all = NOTHING_SENT },
    { name = "a redirect", steps = send(
        "HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nContent-Length: 0\r\n\r\n", CLOSE),
        all = NOTHING_SENT },

    -- Slow, or broken off
    { name = "no answer", steps = { STALL }, timeout = true, all = NO_CONNECTION },
    { name = "a status line that drips", steps = { { trickle = OPENED:rep(200), every = 0.01 } }, timeout = true,
        all = NO_CONNECTION },
    { name = "headers that drip", steps = { { send = "HTTP/1.1 200 OK\r\n" }, { trickle = ("A: b\r\n"):rep(500),
        every = 0.005 } }, timeout = true, all = NO_CONNECTION },
    { name = "the body of a 407 that drips", steps = { { send = DENIED .. "Content-Length: 9000\r\n\r\n" },
        { trickle = ("x"):rep(9000), every = 0.005 } }, timeout = true, all = NO_CONNECTION },
    { name = "an end instead of an answer", steps = { CLOSE }, all = NOTHING_SENT },
    { name = "a reset instead of an answer", steps = { RESET }, all = NOTHING_SENT },
    { name = "an end within the status line", steps = send("HTTP/1.1 20", CLOSE), all = NOTHING_SENT },
    { name = "a reset within the headers", steps = send("HTTP/1.1 200 OK\r\nA: b", RESET), all = NOTHING_SENT },

    -- TLS behind the tunnel
    { name = "an end in place of the handshake", steps = send(OPENED, CLOSE), all = NOTHING_SENT },
    { name = "a reset in place of the handshake", steps = send(OPENED, RESET), all = NOTHING_SENT },
    { name = "no handshake", steps = send(OPENED, STALL), timeout = true, all = NO_CONNECTION },
    { name = "text in place of the handshake", steps = send(OPENED, { send = "220 smtp.example ESMTP\r\n" }, STALL),
        all = NO_TLS },
    { name = "text without end in place of the handshake", steps = flood(OPENED, ("x"):rep(1000)), all = NO_TLS },
    { name = "a handshake message that drips", timeout = true, all = NO_CONNECTION,
        steps = { { send = OPENED .. "\22\3\3\64\0\2\0\63\252" }, { trickle = ("\0"):rep(9000), every = 0.005 } } },
    { name = "an end within the handshake", steps = { { send = OPENED }, { read = 1 }, CLOSE }, all = NOTHING_SENT },
    { name = "a reset within the handshake", steps = { { send = OPENED }, { read = 1 }, RESET }, all = NOTHING_SENT },
    { name = "a stranger's certificate", steps = { { send = OPENED }, "stranger" }, all = NO_TLS },
    { name = "an end behind the handshake", steps = { { send = OPENED }, "hub", CLOSE }, all = LOST },
    { name = "an end behind the request", steps = { { send = OPENED }, "hub", { read = "request" },
        { effect = "served" }, CLOSE }, all = LOST },
}
