--- Faults in an answer's body and its length. `steps` come after a request was read. A HEAD takes the head alone for
--- the whole answer, whatever it promises.

local outcome = require "spec.faults.outcome"

local LOST, TIMED_OUT, REFUSED, FINE = outcome.LOST, outcome.TIMED_OUT, outcome.REFUSED, outcome.FINE

local OK = "HTTP/1.1 200 OK\r\n"
local CHUNKED = OK .. "Transfer-Encoding: chunked\r\n\r\n"
local CLOSE, RESET, STALL = { close = true }, { reset = true }, { stall = true }
local GZIP = "\31\139\8\0\0\0\0\0\0\3\139\142\5\0\41\76" -- of "[]", cut short

local function send(bytes, ...)
    return { { send = bytes }, ... }
end

local function length(value)
    return OK .. "Content-Length: " .. value .. "\r\n\r\n"
end

return {
    -- Cut off
    { name = "closed within the body", steps = send(length(20) .. "{", CLOSE), all = LOST, head = FINE },
    { name = "closed before the body", steps = send(length(20), CLOSE), all = LOST, head = FINE },
    { name = "one byte is missing", steps = send(length(3) .. "[]", CLOSE), all = LOST, head = FINE },
    { name = "reset within the body", steps = send(length(20) .. "{", RESET), all = LOST, head = FINE },
    { name = "stalled within the body", steps = send(length(20) .. "{", STALL), timeout = true, all = TIMED_OUT,
        head = FINE },
    { name = "stalled before the body", steps = send(length(20), STALL), timeout = true, all = TIMED_OUT, head = FINE },
    { name = "the body trickles", steps = { { send = length(900) }, { trickle = (" "):rep(900), every = 0.01 } },
        timeout = true, all = TIMED_OUT, head = FINE },
    { name = "a body to the connection's end, cut by a reset", steps = send(OK .. "\r\n[", RESET), all = LOST,
        head = FINE },
    { name = "a body to the connection's end, which is cut JSON",
        steps = send(OK .. "Content-Type: application/json\r\n\r\n[{", CLOSE), untilClose = true,
        all = REFUSED, head = FINE },
    { name = "a body to an end that never comes", steps = send(OK .. "\r\n[]", STALL), timeout = true, all = TIMED_OUT,
        head = FINE },

    -- Lengths
    { name = "a length of 3 GB", steps = send(length("3221225472") .. "{", STALL), all = REFUSED, head = FINE,
        message = "maxResponseBytes" },
    { name = "a length beyond 64 bits", steps = send(length("99999999999999999999999") .. "{", STALL), all = REFUSED,
        head = FINE, message = "maxResponseBytes" },
    { name = "a length of one byte too many", steps = send(length("100001"), STALL), all = REFUSED, head = FINE,
        message = "maxResponseBytes" },
    { name = "an endless body", steps = { { send = OK .. "\r\n" }, { send = ("x"):rep(1000), times = 1000000 } },
        all = REFUSED, head = FINE, message = "maxResponseBytes" },
    { name = "a negative length", steps = send(length(-2) .. "{}", CLOSE), all = LOST },
    { name = "a length that is a word", steps = send(length("many") .. "{}", CLOSE), all = LOST },
    { name = "an empty length", steps = send(length("") .. "{}", CLOSE), all = LOST },
    { name = "a length in hexadecimal", steps = send(length("0x2") .. "{}", CLOSE), all = LOST },
    { name = "a length and a word", steps = send(length("2 bytes") .. "{}", CLOSE), all = LOST },
    { name = "two lengths, the first too long",
        steps = send(OK .. "Content-Length: 20\r\nContent-Length: 2\r\n\r\n{}", CLOSE), all = LOST },
    { name = "two lengths, the last too long",
        steps = send(OK .. "Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}", CLOSE), all = LOST },
    { name = "two lengths in one line", steps = send(length("2, 20") .. "{}", CLOSE), all = LOST },
    { name = "a body longer than its length", steps = send(length(2) .. "{}{}{}"), all = FINE, list = REFUSED },

    -- Chunks
    { name = "closed within a chunk", steps = send(CHUNKED .. "5\r\n{", CLOSE), all = LOST, head = FINE },
    { name = "reset within a chunk", steps = send(CHUNKED .. "5\r\n{", RESET), all = LOST, head = FINE },
    { name = "closed between chunks", steps = send(CHUNKED .. "2\r\n{}\r\n", CLOSE), all = LOST, head = FINE },
    { name = "closed after the last chunk, before the end", steps = send(CHUNKED .. "2\r\n{}\r\n0\r\n", CLOSE),
        all = LOST,
        head = FINE },
    { name = "stalled before the last chunk", steps = send(CHUNKED .. "2\r\n{}\r\n", STALL), timeout = true,
        all = TIMED_OUT, head = FINE },
    { name = "stalled within a chunk's size", steps = send(CHUNKED .. "2", STALL), timeout = true, all = TIMED_OUT,
        head = FINE },
    { name = "a chunk's size that is junk", steps = send(CHUNKED .. "zz\r\n{}\r\n0\r\n\r\n", CLOSE), all = LOST,
        head = FINE },
    { name = "a chunk's size that is negative", steps = send(CHUNKED .. "-2\r\n{}\r\n0\r\n\r\n", CLOSE), all = LOST,
        head = FINE },
    { name = "a chunk's size beyond 64 bits", steps = send(CHUNKED .. "fffffffffffffffff\r\n{}", CLOSE), all = LOST,
        head = FINE },
    { name = "no chunks where they are promised", steps = send(CHUNKED .. '{"id":"x"}', CLOSE), all = LOST,
        head = FINE },
    { name = "a chunk longer than its size", steps = send(CHUNKED .. "2\r\n{}{}\r\n0\r\n\r\n", CLOSE), all = LOST,
        head = FINE },
    { name = "a chunk of 3 GB, cut off", steps = send(CHUNKED .. "c0000000\r\n{", CLOSE), all = LOST, head = FINE },
    { name = "a chunk of 3 GB that comes", steps = { { send = CHUNKED .. "c0000000\r\n" }, { send = ("x"):rep(1000),
        times = 3000000 } }, all = REFUSED, head = FINE, message = "maxResponseBytes" },
    { name = "endless chunks", steps = { { send = CHUNKED }, { send = "4\r\n    \r\n", times = 1000000 } },
        all = REFUSED, head = FINE, message = "maxResponseBytes" },
    { name = "an endless chunk extension", steps = { { send = CHUNKED .. "2;x=" },
        { trickle = ("y"):rep(100000), chunk = 200, every = 0.002 } }, timeout = true, all = TIMED_OUT, head = FINE },
    { name = "endless trailers", steps = { { send = CHUNKED .. "2\r\n{}\r\n0\r\n" },
        { send = "X-Trailer: " .. ("y"):rep(900) .. "\r\n", times = 1000000 } }, all = REFUSED, head = FINE,
        message = "headers" },
    { name = "chunks and a length", all = FINE, list = REFUSED,
        steps = send(OK .. "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", CLOSE) },
    { name = "an unknown transfer coding", steps = send(OK .. "Transfer-Encoding: rot13\r\n\r\n{}", CLOSE), all = LOST,
        head = FINE },

    -- What nobody asked for
    { name = "gzip, cut short, its length promised",
        steps = send(OK .. "Content-Encoding: gzip\r\nContent-Length: 30\r\n\r\n" .. GZIP, CLOSE), all = LOST,
            head = FINE },
    { name = "gzip, cut short, as JSON", all = REFUSED, head = FINE, delete = FINE,
        steps = send(OK .. "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: "
            .. #GZIP .. "\r\n\r\n" .. GZIP, CLOSE) },
    { name = "NUL bytes for a body", steps = send(length(4) .. "\0\0\0\0", CLOSE), all = REFUSED, head = FINE,
        delete = FINE },
    { name = "good JSON, and a NUL byte after it", steps = send(length(5) .. "{}\0{}", CLOSE), all = REFUSED,
        head = FINE,
        delete = FINE },
}
