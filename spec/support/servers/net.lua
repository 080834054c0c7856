-- The network side of specs: requests written by hand, answers for scripts, ports that misbehave, certificates.

local json = require "dkjson"
local socket = require "socket"

local process = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "process.lua")

local net = {}

local function connect(scheme, host, port)
    local connection = socket.tcp4()
    connection:settimeout(10)
    assert(connection:connect(host, tonumber(port)))
    if scheme == "http" then return connection end
    connection = assert(require("ssl").wrap(connection, { mode = "client", protocol = "any", verify = "none" }))
    connection:settimeout(10)
    assert(connection:dohandshake())
    return connection
end

-- Cuts an answer into `{status, headers, body}`, with header names in lower case.
local function parseAnswer(text)
    local head, body = text:match("^(.-\r\n)\r\n(.*)$")
    local status = head and tonumber(head:match("^HTTP/%S+ (%d%d%d)"))
    if not status then error("not an HTTP answer: " .. text:sub(1, 200), 0) end
    local headers = {}
    for name, value in head:gmatch("\r\n([^:\r\n]+):[ \t]*([^\r\n]*)") do headers[name:lower()] = value end
    return { status = status, headers = headers, body = body }
end

-- One request on a connection of its own, written here by hand: what the specs compare a client with must not be a
-- client's work. `options`: headers, and a body, of which a table is sent as JSON.
function net.http(method, url, options)
    options = options or {}
    local scheme, host, port, target = url:match("^(https?)://([^:/]+):(%d+)(/.*)$")
    assert(scheme, "want a URL with a port and a path: " .. tostring(url))
    local body, fields = options.body, {}
    if type(body) == "table" then
        body = json.encode(body)
        fields["Content-Type"] = "application/json"
    end
    for name, value in pairs(options.headers or {}) do fields[name] = value end
    local lines = { ("%s %s HTTP/1.1"):format(method, target), ("Host: %s:%s"):format(host, port), "Connection: close" }
    for name, value in pairs(fields) do lines[#lines + 1] = name .. ": " .. value end
    if body then lines[#lines + 1] = "Content-Length: " .. #body end
    local connection = connect(scheme, host, port)
    assert(connection:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")))
    local text, why, partial = connection:receive("*a")
    connection:close()
    local answer = parseAnswer(text or partial)
    -- The length decides what is whole, since lua-http ends TLS without the goodbye that luasec wants to see.
    local promised = method ~= "HEAD" and tonumber(answer.headers["content-length"]) or 0
    if #answer.body < promised then error(("no whole answer: %s"):format(why or "closed"), 2) end
    return answer
end

-- The bytes of an answer, for a script's `send`: `{status, reason, headers, body}`. `length` promises another length
-- than the body has.
function net.answer(options)
    local body = options.body or ""
    local lines = { ("HTTP/1.1 %d %s"):format(options.status or 200, options.reason or "Answer") }
    for name, value in pairs(options.headers or {}) do lines[#lines + 1] = name .. ": " .. value end
    lines[#lines + 1] = "Content-Length: " .. (options.length or #body)
    return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

local port = {}
port.__index = port

function port:stop()
    for _, held in ipairs(self.held) do held:close() end
    self.held = {}
end

local function bound()
    local listener = assert(socket.tcp4())
    assert(listener:bind("127.0.0.1", 0))
    local _, number = listener:getsockname()
    return listener, setmetatable({ held = { listener }, port = number, url = "http://127.0.0.1:" .. number }, port)
end

-- A port that refuses connections, and that nobody else can take until `stop`.
function net.refusing()
    return select(2, bound())
end

-- A port where connecting never ends: its queue is full and nobody accepts.
function net.silent()
    local listener, self = bound()
    assert(listener:listen(0))
    for _ = 1, 3 do
        local filler = socket.tcp4()
        filler:settimeout(0)
        filler:connect("127.0.0.1", self.port)
        self.held[#self.held + 1] = filler
    end
    return self
end

-- A port that was free a moment ago. Where it need not be known beforehand, port 0 is better.
function net.freePort()
    local _, self = bound()
    self:stop()
    return self.port
end

local certificate = {}
certificate.__index = certificate

function certificate:remove()
    os.remove(self.cert)
    os.remove(self.key)
end

-- A certificate that is its own authority: paths `cert` and `key`, until `remove`. `names` are alternative names as
-- OpenSSL writes them.
function net.certificate(names)
    local self = setmetatable({ cert = os.tmpname(), key = os.tmpname() }, certificate)
    local command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        .. " -subj /CN=kataven-lua-spec -addext subjectAltName=%s -out %s -keyout %s 2>/dev/null"
    local san = process.quote(names or "DNS:localhost,IP:127.0.0.1")
    assert(process.succeeds(command:format(san, process.quote(self.cert), process.quote(self.key))), "openssl failed")
    return self
end

return net
