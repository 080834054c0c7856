-- A local Kataven hub, for the specs, the demonstration and trying things out: the published API of widget keys on
-- 127.0.0.1, with its state in memory. Run it with `lua5.1 spec/support/hub.lua --help`.
--
-- The first line it prints is `port=<number>`; the next two set the variables that a client reads.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path

local argparse = require "argparse"
local cqueues = require "cqueues"
local signal = require "cqueues.signal"
local headers = require "http.headers"
local server = require "http.server"
local api = require "hub.api"
local control = require "hub.control"
local limits = require "hub.limits"
local randomHex = require "hub.random"
local state = require "hub.state"

-- How long a client may take over its body, and an answer over being read.
local PATIENCE = 30
local STDIN = 0

local function options()
    local parser = argparse("hub.lua", "A local Kataven hub on 127.0.0.1, with its state in memory.")
    parser:option("--port", "Port to listen on; 0 takes a free one.", "0"):convert(tonumber)
    parser:option("--api-key", "The key that it accepts.", "sk_live_local_demo")
    parser:option("--jwt", "The JWT that it accepts, with X-Account-ID.", "eyJ.local.demo")
    local function limit(flag, what, default)
        parser:option(flag, ("Requests %s; 0 for no limit."):format(what), tostring(default)):convert(tonumber)
    end
    limit("--limit-minute", "a minute", limits.PUBLISHED.minute)
    limit("--limit-hour", "an hour", limits.PUBLISHED.hour)
    limit("--limit-day", "a day", limits.PUBLISHED.day)
    limit("--limit-in-flight", "at once", limits.PUBLISHED.inFlight)
    parser:option("--latency", "Seconds that every answer takes.", "0"):convert(tonumber)
    parser:flag("--pairs", "Answer a create with a pair, public_key and secret_key.")
    parser:option("--tls-cert", "Serve HTTPS with this certificate (PEM).")
    parser:option("--tls-key", "The certificate's private key (PEM).")
    parser:flag("--parent-stdin", "Exit as soon as standard input has something to say, its end included.")
    parser:flag("--quiet", "Do not print a line for each request.")
    local parsed = parser:parse()
    -- The key is printed for a shell to read, so it may not hold anything that a shell would read otherwise.
    if not parsed.api_key:find("^sk_live_[a-z0-9][a-z0-9_-]*_[A-Za-z0-9-]+$") then
        parser:error("--api-key wants sk_live_<account>_<rest>")
    elseif not parsed.tls_cert ~= not parsed.tls_key then
        parser:error("--tls-cert and --tls-key go together")
    end
    return parsed
end

local function readFile(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

local function tlsContext(certPath, keyPath)
    local context = require("http.tls").new_server_context()
    context:setCertificate(require("openssl.x509").new(readFile(certPath)))
    context:setPrivateKey(require("openssl.pkey").new(readFile(keyPath)))
    return context
end

local function copyOf(map)
    local copy = {}
    for name, value in pairs(map or {}) do copy[name:lower()] = value end
    return copy
end

-- What a planned fault answers, in place of the API.
local function planned(fault)
    local answer = { status = fault.status, headers = copyOf(fault.headers), body = fault.body }
    answer.headers["content-type"] = answer.headers["content-type"] or "text/plain"
    return answer
end

local function respond(hub, request, connection)
    if request.path:find("^/_hub/") then return control.answer(hub, request) end
    hub:countRequest(request.method, connection)
    local fault = hub:nextFault() or {}
    local delay = hub.latency + (fault.delay or 0)
    if not fault.status then return api.answer(hub, request, delay) end
    if fault.apply then api.answer(hub, request, 0) end
    if delay > 0 then cqueues.sleep(delay) end
    return planned(fault)
end

-- Gives the request, or nil where the client went away in the middle of it. lua-http 0.4 takes a body that ends early
-- for a whole one.
local function readRequest(stream)
    local fields = stream:get_headers(PATIENCE)
    if not fields then return nil end
    local request = { method = fields:get(":method"), path = fields:get(":path") or "", headers = {} }
    for name, value in fields:each() do request.headers[name] = value end
    request.body = stream:get_body_as_string(PATIENCE)
    local promised = tonumber(request.headers["content-length"]) or 0
    return request.body and #request.body >= promised and request
end

-- Takes the socket from under a connection that cannot go on. Left to itself, lua-http 0.4 reads it again and again,
-- without an end (its issues 213 and 233).
local function drop(connection)
    local taken = connection:take_socket()
    if taken then taken:close() end
end

-- Failures to write are not looked at: the client has gone, and nobody is left to tell.
local function writeAnswer(stream, request, answer)
    local fields = headers.new()
    fields:append(":status", tostring(answer.status))
    for name, value in pairs(answer.headers) do fields:append(name, tostring(value)) end
    fields:append("x-request-id", "req_" .. randomHex(8))
    local body = answer.body or ""
    local bare = request.method == "HEAD" or answer.status == 204 or answer.status == 304 or body == ""
    if not bare then fields:append("content-length", tostring(#body)) end
    if stream:write_headers(fields, bare, PATIENCE) and not bare then
        stream:write_chunk(body, true, PATIENCE)
    end
end

-- The word that tells whoever waits for it that the hub ended as it should.
local function stop()
    print("stopped")
    os.exit(0)
end

local function announce(port, flags)
    print("port=" .. port)
    print(("export KATAVEN_BASE_URL=%s://127.0.0.1:%d"):format(flags.tls_cert and "https" or "http", port))
    print("export KATAVEN_API_KEY=" .. flags.api_key)
    io.stdout:flush()
end

local function complain(...)
    print("error: " .. table.concat({ ... }, " "))
    io.stdout:flush()
end

-- What the client does wrong (garbage, a broken handshake, going away) is not a fault of the hub.
local function onError(_, _, operation, why)
    if operation == "onstream" or operation == "accept" then complain(operation, tostring(why)) end
end

local function newHub(flags)
    return state.new {
        apiKey = flags.api_key,
        jwt = flags.jwt,
        latency = flags.latency,
        pairs = flags.pairs,
        limits = {
            minute = flags.limit_minute,
            hour = flags.limit_hour,
            day = flags.limit_day,
            inFlight = flags.limit_in_flight,
        },
    }
end

-- Gives the server and its port; without a port there is nothing to do but to say so.
local function listen(loop, flags, onStream)
    local listener = assert(server.listen {
        cq = loop,
        host = "127.0.0.1",
        port = flags.port,
        reuseaddr = true,
        tls = flags.tls_cert ~= nil,
        ctx = flags.tls_cert and tlsContext(flags.tls_cert, flags.tls_key) or nil,
        version = 1.1,
        intra_stream_timeout = PATIENCE,
        onstream = onStream,
        onerror = onError,
    })
    local ok, why = listener:listen()
    if not ok then
        io.stderr:write(("hub: cannot listen on port %d: %s\n"):format(flags.port, why))
        os.exit(1)
    end
    local _, _, port = listener:localname()
    return port
end

local function main()
    local flags = options()
    local hub = newHub(flags)
    local function onStream(_, stream)
        local connection = stream.connection
        local request = readRequest(stream)
        if not request then return drop(connection) end
        local answer = respond(hub, request, connection)
        writeAnswer(stream, request, answer)
        if not flags.quiet then
            print(request.method, request.path, answer.status)
            io.stdout:flush()
        end
        if hub.stopping then stop() end
    end

    -- Blocked before anything runs, so that Ctrl-C comes as an event and never as a traceback.
    signal.block(signal.SIGINT, signal.SIGTERM)
    local signals = signal.listen(signal.SIGINT, signal.SIGTERM)
    local loop = cqueues.new()
    announce(listen(loop, flags, onStream), flags)
    loop:wrap(function()
        signals:wait()
        stop()
    end)
    if flags.parent_stdin then
        loop:wrap(function()
            cqueues.poll({ pollfd = STDIN, events = "r" })
            stop()
        end)
    end
    for why, _, _, _, descriptor in loop:errors() do
        -- What cannot be polled (a file, /dev/null, a closed descriptor) is held open by nobody.
        if descriptor == STDIN then stop() end
        complain("loop", tostring(why))
    end
end

main()
