--- A stream to Redis that never blocks: TCP, a local socket, or TLS over TCP,
--- with certificate and host name verified. Names alone are resolved by the
--- system's resolver, which blocks.

local core = require "kataven.core"
local socket = require "socket"

local stream = {}

---@class kataven.redis.Tls
---@field caFile? string whom to trust, else the system's
---@field certFile? string what to show to a server that asks for it
---@field keyFile? string its private key

---@class kataven.redis.Stream
local Stream = {}
Stream.__index = Stream

-- Where systems keep the certificates that they trust.
local CA_PATHS = { "/etc/ssl/certs" }
local CA_FILES = { "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt" }

local CHUNK = 64 * 1024

local function isThere(path)
    local file = io.open(path, "rb")
    return file ~= nil and file:close() and true
end

local function first(paths)
    for _, path in ipairs(paths) do
        if isThere(path) then
            return path
        end
    end
end

local function env(name)
    local value = os.getenv(name)
    return value ~= "" and value or nil
end

-- What luasec is told. It trusts nobody by itself.
local function tlsParameters(tls)
    local parameters = {
        mode = "client", protocol = "any", verify = { "peer", "fail_if_no_peer_cert" },
        options = { "all", "no_sslv2", "no_sslv3", "no_tlsv1", "no_tlsv1_1" },
        certificate = tls.certFile, key = tls.keyFile or tls.certFile,
    }
    if tls.caFile then
        parameters.cafile = tls.caFile
    else
        parameters.cafile = env "SSL_CERT_FILE" or first(CA_FILES)
        parameters.capath = env "SSL_CERT_DIR" or first(CA_PATHS)
    end
    return parameters
end

-- Whether a name of a certificate, which may begin with "*.", is the host's.
local function nameFits(name, host)
    name = name:lower()
    if name:find "^%*%." then
        -- It stands for one label, and not for the only one that is left.
        return name:find(".", 3, true) ~= nil and name:sub(2) == host:match "^[^.]+(%..*)$"
    end
    return name == host
end

--- Whether a certificate is for a host, by its alternative names.
---@param extensions table as luasec gives them
---@param host string in lower case
---@return boolean
function stream.isFor(extensions, host)
    local names = extensions["2.5.29.17"] or {}
    if host:find ":" or host:find "^[%d.]+$" then
        for _, address in ipairs(names.iPAddress or {}) do
            if address:lower() == host then
                return true
            end
        end
        return false
    end
    for _, name in ipairs(names.dNSName or {}) do
        if nameFits(name, host) then
            return true
        end
    end
    return false
end

-- Waits for what luasocket or luasec wants, until a time. Gives a problem when that is over.
local function await(self, want, due)
    local left = due - core.now()
    local read = want == "wantread"
    if left <= 0 or self.loop:watch(read and { read = self.raw } or { write = self.raw }, left) == "timeout" then
        return "no answer in time"
    end
end

local function connectTo(self, raw, due, ...)
    self.raw = raw
    raw:settimeout(0)
    local done, why = raw:connect(...)
    if not done and why == "timeout" then
        why = await(self, "wantwrite", due)
        if not why then
            done, why = raw:connect(...) -- says what became of it
            done = done or why == "already connected"
        end
    end
    if done then
        return nil
    end
    raw:close()
    self.raw = nil
    return why
end

local function connectTcp(self, address, due)
    local list, why = socket.dns.getaddrinfo(address.host)
    if not list then
        return ("%s has no address: %s"):format(address.host, tostring(why))
    end
    for _, entry in ipairs(list) do
        local raw = entry.family == "inet6" and socket.tcp6() or socket.tcp4()
        why = connectTo(self, raw, due, entry.addr, address.port)
        if not why then
            raw:setoption("tcp-nodelay", true)
            raw:setoption("keepalive", true)
            return nil
        end
    end
    return why
end

local function connectLocal(self, address, due)
    local found, unix = pcall(require, "socket.unix")
    if not found then
        return "this luasocket has no local sockets"
    end
    local raw = (type(unix) == "table" and unix.stream or unix)()
    return connectTo(self, raw, due, address.path)
end

local function secure(self, address, tls, due)
    local found, ssl = pcall(require, "ssl")
    if not found then
        return "rediss:// needs luasec (Debian: lua-sec; LuaRocks: luasec)"
    end
    local wrapped, why = ssl.wrap(self.raw, tlsParameters(tls))
    if not wrapped then
        return "TLS: " .. tostring(why)
    end
    self.raw = wrapped
    wrapped:settimeout(0)
    if not address.host:find ":" and not address.host:find "^[%d.]+$" then
        wrapped:sni(address.host)
    end
    while true do
        local done
        done, why = wrapped:dohandshake()
        if done then
            break
        elseif why ~= "wantread" and why ~= "wantwrite" then
            return "TLS: " .. tostring(why)
        end
        why = await(self, why, due)
        if why then
            return "TLS: " .. why
        end
    end
    local certificate = wrapped:getpeercertificate()
    if not certificate or not stream.isFor(certificate:extensions(), address.host) then
        return ("TLS: the certificate is not for %s"):format(address.host)
    end
end

--- Connects. To be called in a coroutine of the loop.
---@param loop kataven.redis.Loop
---@param address kataven.redis.Address
---@param tls kataven.redis.Tls
---@param seconds number to do it in
---@return kataven.redis.Stream?
---@return string? problem
function stream.connect(loop, address, tls, seconds)
    local self = setmetatable({ loop = loop, out = "", written = 0 }, Stream)
    local due = core.now() + seconds
    local problem = (address.scheme == "unix" and connectLocal or connectTcp)(self, address, due)
    if not problem and address.scheme == "rediss" then
        problem = secure(self, address, tls, due)
    end
    if problem then
        self:close()
        return nil, problem
    end
    return self
end

--- Takes bytes to be written.
---@param bytes string
function Stream:put(bytes)
    self.out, self.written = self.out:sub(self.written + 1) .. bytes, 0
end

--- Writes what there is to be written, as far as it goes now.
---@return string? problem
function Stream:flush()
    while self.written < #self.out do
        local last, why, partial = self.raw:send(self.out, self.written + 1)
        self.written = math.max(self.written, last or partial or 0)
        if why == "wantread" or why == "wantwrite" or why == "timeout" then
            self.wantsToRead = why == "wantread"
            return nil
        elseif why then
            return why
        end
    end
    self.out, self.written = "", 0
end

--- What has come by now; nil and a problem where the stream has ended.
---@return string? bytes perhaps none
---@return string? problem
function Stream:take()
    local parts = {}
    repeat
        local bytes, why, partial = self.raw:receive(CHUNK)
        local got = bytes or partial or ""
        parts[#parts + 1] = got
        if why == "closed" or why and why ~= "timeout" and why ~= "wantread" and why ~= "wantwrite" then
            local rest = table.concat(parts)
            if rest ~= "" then
                return rest -- and the end at the next look
            end
            return nil, why == "closed" and "Redis closed the connection" or why
        end
    until not bytes
    return table.concat(parts)
end

--- Waits until something has come, or there is room for what is to be written.
---@param seconds number
---@param event kataven.redis.Event ends the wait as well
---@return kataven.redis.Woken
function Stream:wait(seconds, event)
    local write = self.out ~= "" and not self.wantsToRead and self.raw or nil -- none where all was written
    return self.loop:watch({ read = self.raw, write = write }, seconds, event)
end

function Stream:close()
    if self.raw then
        self.raw:close()
        self.raw = nil
    end
end

return stream
