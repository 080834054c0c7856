-- Very many calls through one client, with faults among them, and very many clients, most of them with a call: memory
-- and descriptors have to end where they were when all was warm. `make soak` runs it; SOAK_CALLS and SOAK_CLIENTS say
-- how many. It prints figures, and `N passed, N failed` at the end.
--
--   soak.lua <the server's program>

local calls = require "spec.soak.calls"
local clients = require "spec.soak.clients"
local measure = require "spec.soak.measure"
local socket = require "socket"

local function size(name, default)
    local value = os.getenv(name)
    local number = tonumber(value ~= "" and value or default)
    assert(number and number >= 1000 and number % 1 == 0, name .. " must be a whole number of 1000 or more")
    return number
end

local program = assert(arg[1], "usage: soak.lua <server>")
local callCount, clientCount = size("SOAK_CALLS", 200000), size("SOAK_CLIENTS", 20000)

-- The server ends with its standard input, which is a pipe from here.
local port_file = os.tmpname()
local server = assert(io.popen(program .. " >" .. port_file, "w"))
local port
local patience = socket.gettime() + 10
repeat
    local handle = assert(io.open(port_file))
    port = handle:read "*l"
    handle:close()
    assert(port or socket.gettime() < patience, "the server did not start")
until port
os.remove(port_file)

local passed, failed = 0, 0

-- One thing that has to hold.
local function check(what, holds, detail)
    if holds then
        passed = passed + 1
    else
        failed = failed + 1
    end
    print(("%s  %s%s"):format(holds and "ok  " or "FAIL", what, detail and ": " .. detail or ""))
end

local origin = "http://127.0.0.1:" .. port
-- The clients first: what many calls side by side leave of free memory would hide a small leak.
clients.run { origin = origin, count = clientCount, check = check, measure = measure }
calls.run { origin = origin, count = callCount, check = check, measure = measure }

server:close()
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0 and 0 or 1)
