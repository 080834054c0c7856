-- lua-http on one connection, with lua-cjson.

local cjson = require "cjson"
local client = require "http.client"
local headers = require "http.headers"
local worker = require "bench.worker"

local host, port, path = worker.url:match "^http://([^:/]+):(%d+)(/.*)$"
local connection = assert(client.connect { host = host, port = tonumber(port), tls = false, version = 1.1 })

worker.run(function()
    local creates = worker.kind == "create"
    local body = creates and cjson.encode(worker.input)
    local request = headers.new()
    request:append(":method", creates and "POST" or "GET")
    request:append(":authority", host .. ":" .. port)
    request:append(":path", path)
    request:append(":scheme", "http")
    request:append("authorization", "Bearer " .. worker.token)
    request:append("accept", "application/json")
    if body then
        request:append("content-type", "application/json")
        request:append("content-length", tostring(#body))
    end
    local stream = assert(connection:new_stream())
    assert(stream:write_headers(request, not body))
    if body then
        assert(stream:write_body_from_string(body))
    end
    local answer = assert(stream:get_headers())
    assert(tonumber(answer:get ":status") < 300)
    local text = assert(stream:get_body_as_string())
    stream:shutdown()
    return cjson.decode(text)
end)
