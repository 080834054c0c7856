-- One accepted connection: luasocket's socket, never blocking, in a cqueues coroutine. It reads into a buffer of its
-- own, so that what a client sent too early is kept for the next step.
--
-- A method that finds the connection ended gives nil and how: "gone" (the client closed or reset it, which luasocket
-- does not tell apart) or "tls" (the handshake failed), with the library's word for it.

local cqueues = require "cqueues"
local socket = require "socket"
local ssl = require "ssl"

local connection = {}
connection.__index = connection

local BLOCK = 65536
local FOR_EVER = 86400

-- luasocket and luasec have different words for "not now".
local WAITS = { timeout = "r", wantread = "r", wantwrite = "w" }

function connection.new(client)
    client:settimeout(0)
    client:setoption("tcp-nodelay", true)
    return setmetatable({ socket = client, buffer = "" }, connection)
end

-- True once the socket is ready, false after `timeout` seconds.
function connection:ready(mode, timeout)
    return cqueues.poll({ pollfd = self.socket:getfd(), events = mode }, timeout) ~= timeout
end

-- Adds what has arrived to the buffer, and waits for it at most until `deadline`; false when the time is over. The end
-- is read once and remembered: of a TLS connection that broke off, luasec reads for ever when it is asked a third time.
function connection:fill(deadline)
    if self.over then return nil, "gone", self.over end
    while true do
        local data, why, partial = self.socket:receive(BLOCK)
        data = data or partial
        if data and #data > 0 then
            self.buffer = self.buffer .. data
            return true
        end
        local mode = WAITS[why]
        if not mode then
            self.over = why
            return nil, "gone", why
        end
        local left = deadline and deadline - cqueues.monotime()
        if left and left <= 0 then return false end
        self:ready(mode, left)
    end
end

-- Gives the next `count` bytes.
function connection:take(count)
    while #self.buffer < count do
        local ok, how, why = self:fill()
        if not ok then return nil, how, why end
    end
    local bytes = self.buffer:sub(1, count)
    self.buffer = self.buffer:sub(count + 1)
    return bytes
end

-- Gives a request's head, the blank line included.
function connection:takeHead()
    while true do
        local _, last = self.buffer:find("\r\n\r\n", 1, true)
        if last then return self:take(last) end
        local ok, how, why = self:fill()
        if not ok then return nil, how, why end
    end
end

-- Header names as they came, in their order: what a client really sent is what specs want to see.
local function parseHead(head)
    local method, target, version = head:match("^(%S+) (%S+) (HTTP/%S+)\r\n")
    local request = { method = method, target = target, version = version, headers = {}, head = head, body = "" }
    for name, value in head:gmatch("\r\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
        request.headers[#request.headers + 1] = { name, value }
        if name:lower() == "content-length" then request.length = tonumber(value) end
    end
    return request
end

-- Gives one request: `{method, target, version, headers, head, body}`. Without `whole` its body stays unread. A body in
-- chunks is not understood: it would stay in the buffer.
function connection:takeRequest(whole)
    local head, how, why = self:takeHead()
    if not head then return nil, how, why end
    local request = parseHead(head)
    if whole and request.length then
        request.body, how, why = self:take(request.length)
        if not request.body then return nil, how, why end
    end
    return request
end

function connection:send(bytes)
    local sent = 0
    while sent < #bytes do
        local last, why, partial = self.socket:send(bytes, sent + 1)
        sent = last or partial or sent
        if not last then
            local mode = WAITS[why]
            if not mode then return nil, "gone", why end
            -- luasocket says "timeout" for both directions.
            self:ready(why == "timeout" and "w" or mode)
        end
    end
    return true
end

-- Waits `seconds`, or for ever, and ends early when the client goes. A deaf one does not even read, so that what the
-- client sends piles up in the system's buffers until it can send no more.
function connection:stall(seconds, deaf)
    if deaf then
        cqueues.sleep(seconds or FOR_EVER)
        return true
    end
    local deadline = seconds and cqueues.monotime() + seconds
    local ok, how, why
    repeat ok, how, why = self:fill(deadline) until not ok
    if ok == false then return true end
    return nil, how, why
end

-- Speaks TLS from here on.
function connection:startTls(parameters)
    local wrapped, problem = ssl.wrap(self.socket, {
        mode = "server",
        protocol = parameters.protocol or "any",
        certificate = parameters.cert,
        key = parameters.key,
        ciphers = parameters.ciphers,
        verify = parameters.verify,
        options = { "all" },
    })
    if not wrapped then error("TLS: " .. tostring(problem)) end
    self.socket = wrapped
    wrapped:settimeout(0)
    while true do
        local ok, why = wrapped:dohandshake()
        if ok then return true end
        if not WAITS[why] then return nil, "tls", why end
        self:ready(WAITS[why])
    end
end

-- Takes the descriptor away from a TLS connection, which would otherwise say goodbye on it.
local function bare(client)
    local raw = socket.tcp4()
    raw:close()
    raw:setfd(client:getfd())
    return raw
end

-- Ends the connection, and gives `how`: "close" says goodbye (in TLS too) and ends with a FIN, "cut" leaves out the TLS
-- goodbye, "reset" sends a RST. What has arrived is read first, for the system turns a close over unread bytes into a
-- reset.
function connection:finish(how)
    local descriptor = self.socket:getfd()
    cqueues.cancel(descriptor)
    if how == "reset" then
        local raw = bare(self.socket)
        raw:setoption("linger", { on = true, timeout = 0 })
        raw:close()
    else
        while self:fill(0) do self.buffer = "" end
        if how == "cut" then bare(self.socket):close() end
    end
    -- After `bare`, this one's descriptor is gone already; nothing can have taken its number in between.
    self.socket:close()
    return how
end

return connection
