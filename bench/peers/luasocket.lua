-- luasocket with HTTP written by hand, since its own keeps no connection, and lua-cjson.

local cjson = require "cjson"
local socket = require "socket"
local worker = require "bench.worker"

local host, port, path = worker.url:match "^http://([^:/]+):(%d+)(/.*)$"
local connection = assert(socket.tcp4())
assert(connection:connect(host, tonumber(port)))
connection:settimeout(30)
connection:setoption("tcp-nodelay", true)

local head = (" %s HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n"):format(
    path, host, port, worker.token)

local function request()
    if worker.kind ~= "create" then
        return "GET" .. head .. "\r\n"
    end
    local body = cjson.encode(worker.input)
    return ("POST%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(head, #body, body)
end

worker.run(function()
    assert(connection:send(request()))
    local status = assert(connection:receive "*l"):match "^HTTP/1%.1 (%d+)"
    local length
    repeat
        local line = assert(connection:receive "*l")
        local name, value = line:match "^([^:]+):%s*(.*)$"
        if name and name:lower() == "content-length" then
            length = tonumber(value)
        end
    until line == ""
    assert(tonumber(status) < 300)
    return cjson.decode((assert(connection:receive(length))))
end)
