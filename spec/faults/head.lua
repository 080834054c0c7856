--- Faults in an answer's status line and headers, and interim answers. `steps` come after a request was read, which has
--- had its effect unless `effect = false`.

local outcome = require "spec.faults.outcome"

local LOST, TIMED_OUT, REFUSED, FINE, OWN =
    outcome.LOST, outcome.TIMED_OUT, outcome.REFUSED, outcome.FINE, outcome.OWN
local status = outcome.status

local OK = "HTTP/1.1 200 OK\r\n"
local REST = "Content-Type: application/json\r\nX-Call: {x-call}\r\nContent-Length: 17\r\n\r\n"
local OBJECT, LIST = '{"id":"{x-call}"}', '[{"id":"{x-call}"}]'
local CLOSE, RESET, STALL = { close = true }, { reset = true }, { stall = true }

local function send(bytes, ...)
    return { { send = bytes }, ... }
end

-- A whole answer after `before`, which is each call's own; HEAD gets no body.
local function own(before, head)
    local function answer(body)
        local rest = REST:gsub("17", tostring(#body))
        return { { send = before .. (head or OK) .. rest .. body, echo = "x-call" } }
    end
    return { { choose = "method", cases = { GET = answer(LIST), HEAD = { { send = before .. (head or OK) .. REST,
        echo = "x-call" } } }, steps = answer(OBJECT) } }
end

local rows = {
    { name = "reset instead of an answer", steps = { RESET }, all = LOST },
    { name = "closed instead of an answer", steps = { CLOSE }, all = LOST },
    { name = "no answer", steps = { STALL }, timeout = true, all = TIMED_OUT },

    -- The status line
    { name = "closed within the status line", steps = send("HTTP/1.1 20", CLOSE), all = LOST },
    { name = "reset within the status line", steps = send("HTTP/1.1 20", RESET), all = LOST },
    { name = "stalled within the status line", steps = send("HTTP/1.1 20", STALL), timeout = true, all = TIMED_OUT },
    { name = "closed after one byte", steps = send("H", CLOSE), all = LOST },
    { name = "closed after the status line", steps = send("HTTP/1.1 204 OK\r\n", CLOSE), all = LOST },
    { name = "the status line trickles", steps = { { trickle = OK:rep(200), every = 0.01 } }, timeout = true,
        all = TIMED_OUT },
    { name = "garbage", steps = send("SSH-2.0-OpenSSH_9.2p1\r\n", CLOSE), all = LOST },
    { name = "binary garbage", steps = send("\0\1\2\3\255\254\r\n\r\n\0\0", CLOSE), all = LOST },
    { name = "a TLS alert in clear", steps = send("\21\3\1\0\2\2\40", CLOSE), all = LOST },
    { name = "endless garbage", steps = { { send = ("x"):rep(1000), times = 100000 } }, all = LOST },
    { name = "blank lines", steps = send("\r\n\r\n\r\n", CLOSE), all = LOST },
    { name = "HTTP/0.9", steps = send("<html>hello</html>", CLOSE), all = LOST },
    { name = "an HTTP/2 connection's frames",
        steps = send("\0\0\18\4\0\0\0\0\0\0\3\0\0\0\128\0\4\0\1\0\0\0\5\0\255\255\255",
        CLOSE), all = LOST },
    { name = "the client's own HTTP/2 preface", steps = send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", CLOSE), all = LOST },
    { name = "a request", steps = send("GET / HTTP/1.1\r\nHost: x\r\n\r\n", CLOSE), all = LOST },
    { name = "a status that is a word", steps = send("HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", CLOSE),
        all = LOST },
    { name = "a status of two digits", steps = send("HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", CLOSE), all = LOST },
    { name = "a status of four digits", steps = send("HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}", CLOSE),
        all = LOST },
    { name = "a status of four digits that begins like a success",
        steps = send('HTTP/1.1 2010 Created\r\nContent-Length: 15\r\n\r\n{"id":"stolen"}', CLOSE), all = LOST },
    { name = "a status of four digits that begins like a 429",
        steps = send("HTTP/1.1 4290 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", CLOSE), all = LOST },
    { name = "a status of four digits as HTTP/2 has it",
        steps = send("HTTP/2 2010\r\nContent-Length: 2\r\n\r\n{}", CLOSE), all = LOST },
    { name = "an interim status of four digits", steps = own "HTTP/1.1 1030 Early Hints\r\n\r\n", all = LOST },
    { name = "an interim status of four digits as HTTP/2 has it", steps = own "HTTP/2 1030\r\n\r\n", all = LOST },
    { name = "a status that a word follows at once",
        steps = send("HTTP/1.1 200OK\r\nContent-Length: 2\r\n\r\n{}", CLOSE), all = LOST },
    { name = "a negative status", steps = send("HTTP/1.1 -20 OK\r\nContent-Length: 2\r\n\r\n{}", CLOSE), all = LOST },
    { name = "no status", steps = send("HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", CLOSE), all = LOST },
    { name = "status 000", steps = send("HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n", CLOSE), all = LOST },
    { name = "HTTP/9.9", steps = send("HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}", CLOSE), all = LOST },
    { name = "status 999", steps = send("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", CLOSE), effect = false,
        all = status(999, nil, true) },
    { name = "no reason", steps = own("HTTP/1.1 103\r\n\r\n", "HTTP/1.1 200\r\n"), all = OWN },

    -- Headers
    { name = "closed within the headers", steps = send(OK .. "Content-Le", CLOSE), all = LOST },
    { name = "reset within the headers", steps = send(OK .. "A: b\r\n", RESET), all = LOST },
    { name = "closed before the blank line", steps = send(OK .. "Content-Length: 0\r\n", CLOSE), all = LOST },
    { name = "stalled within the headers", steps = send(OK .. "Content-Le", STALL), timeout = true, all = TIMED_OUT },
    { name = "the headers trickle", steps = { { send = OK }, { trickle = ("A: b\r\n"):rep(500), every = 0.005 } },
        timeout = true, all = TIMED_OUT },
    { name = "endless headers", steps = { { send = OK }, { send = "X-A: " .. ("y"):rep(990) .. "\r\n",
        times = 100000 } },
        all = REFUSED, message = "headers" },
    { name = "endless short headers", steps = { { send = OK }, { send = "a:b\r\n", times = 1000000 } },
        all = REFUSED, message = "1000 lines" },
    { name = "one endless header line", steps = { { send = OK .. "X-A: " }, { send = ("y"):rep(1000),
        times = 100000 } },
        all = REFUSED, message = "header line" },
    { name = "a NUL byte in a header", steps = send(OK .. "X-A: a\0b\r\nContent-Length: 2\r\n\r\n{}", CLOSE),
        all = LOST },
    { name = "a NUL byte in a header's name", steps = send(OK .. "X\0A: b\r\nContent-Length: 2\r\n\r\n{}", CLOSE),
        all = LOST },
    { name = "a folded header", steps = own("", OK .. "X-A: one\r\n two\r\n\tthree\r\n"), all = OWN },
    { name = "a header without a colon", steps = send(OK .. "nonsense\r\nContent-Length: 2\r\n\r\n{}", CLOSE),
        all = LOST },
    { name = "a header without a name", steps = own("", OK .. ": nameless\r\n"), all = OWN },
    { name = "lines that end in a bare newline",
        steps = send("HTTP/1.1 200 OK\nContent-Length: 2\n\n[]", CLOSE), all = REFUSED,
        list = FINE, delete = REFUSED, head = FINE },
    { name = "bytes above 127 in a header", steps = own("", OK .. "X-A: \255\254\128\r\n"), all = OWN },

    -- Interim answers
    { name = "a 100 first", steps = own "HTTP/1.1 100 Continue\r\n\r\n", all = OWN },
    { name = "a 103 with headers first",
        steps = own "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n",
        all = OWN },
    { name = "fifty interim answers", steps = own(("HTTP/1.1 102 Processing\r\n\r\n"):rep(50)), all = OWN },
    { name = "closed after a 100", steps = send("HTTP/1.1 100 Continue\r\n\r\n", CLOSE), all = LOST },
    { name = "reset after a 103", steps = send("HTTP/1.1 103 Early Hints\r\n\r\n", RESET), all = LOST },
    { name = "stalled after a 100", steps = send("HTTP/1.1 100 Continue\r\n\r\n", STALL), timeout = true,
        all = TIMED_OUT },
    { name = "endless interim answers", steps = { { send = "HTTP/1.1 100 Continue\r\n\r\n", times = 1000000 } },
        all = REFUSED, message = "headers" },
    { name = "interim answers that trickle", steps = { { trickle = ("HTTP/1.1 103 Early\r\n\r\n"):rep(500), chunk = 22,
        every = 0.01 } }, timeout = true, all = TIMED_OUT },
    { name = "a 101 that nobody asked for", steps = send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", CLOSE), all = LOST },
    { name = "a 101, and then silence", steps = send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", STALL), timeout = true,
        all = TIMED_OUT, head = LOST },
    { name = "garbage after a 100", steps = send("HTTP/1.1 100 Continue\r\n\r\nnonsense\r\n\r\n", CLOSE), all = LOST },
}

return rows
