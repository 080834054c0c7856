-- One list of promises, kept by every transport: libcurl's, the cassette's, a recording's, and one of ten lines.

local base64 = require "kataven.base64"
local cassette = require "kataven.cassette"
local conformance = require "spec.support.conformance"
local core = require "kataven.core"
local servers = require "spec.support.servers"
local transport = require "kataven.transport"

-- A server that says it, and its end.
local function serverFor(says, times)
    if says.fault == "refused" then
        local port = servers.refusing()
        return port.url, function() port:stop() end
    end
    local step
    if says.fault == "lost" then
        step = { reset = true }
    elseif says.fault == "stall" then
        step = { stall = true }
    elseif says.fault == "tooLarge" then
        step = { send = servers.answer { body = ("x"):rep(conformance.LIMIT + 1) } }
    else
        step = { send = servers.answer(says) }
    end
    local script = {}
    for i = 1, times do
        script[i] = { { read = "request" }, step }
    end
    local tcp = servers.tcp(script)
    return tcp.url, function() tcp:stop() end
end

local function curlFor(says, times)
    local base, stop = serverFor(says, times)
    local engine = core.engine(nil, nil, "", conformance.LIMIT, 20)
    return transport.new(engine, { direct = true, watcher = false }), base, function()
        engine:close()
        stop()
    end
end

local function remove(path)
    return function()
        os.remove(path)
    end
end

describe("the transport over libcurl", function()
    conformance.run(curlFor)
end)

describe("a cassette in replay", function()
    local FAULTS = {
        lost = '"error":{"kind":"connection","sent":true}',
        refused = '"error":{"kind":"connect"}',
        tooLarge = '"error":{"kind":"tooLarge"}',
        stall = '"response":{"status":200,"delay":20}',
    }

    local function answer(says)
        local headers = {}
        for name, value in pairs(says.headers) do
            headers[#headers + 1] = core.encode(name) .. ":" .. core.encode(value)
        end
        return ('"response":{"status":%d,"headers":{%s},"bodyBase64":"%s"}'):format(
            says.status, table.concat(headers, ","), base64.encode(says.body))
    end

    conformance.run(function(says, times)
        local one = '{"request":{"method":"POST","path":"/api/v1/widget-keys","query":"a=1","json":{"name":"a"}},'
            .. (says.fault and FAULTS[says.fault] or answer(says)) .. "}"
        local path = os.tmpname()
        local handle = assert(io.open(path, "wb"))
        handle:write('{"version":1,"interactions":[', (one .. ","):rep(times - 1), one, "]}")
        handle:close()
        return cassette.open(path), "http://127.0.0.1:9", remove(path)
    end)
end)

describe("a cassette that records", function()
    conformance.run(function(says, times)
        local inner, base, stop = curlFor(says, times)
        local path = os.tmpname()
        return cassette.open(path, { mode = "record" }):over(inner), base, function()
            stop()
            os.remove(path)
        end
    end)
end)

describe("a transport of ten lines", function()
    local FAILURES = {
        lost = { "connection", true },
        refused = { "connect", false },
        stall = { "timeout", true },
        tooLarge = { "tooLarge", true },
    }

    conformance.run(function(says)
        local canned = {}
        function canned.send(_, request, wait)
            if wait(0.001) then
                return nil, { kind = "cancelled", message = "cancelled", sent = false }
            elseif says.fault then
                local kind, sent = FAILURES[says.fault][1], FAILURES[says.fault][2]
                return nil, { kind = kind, message = kind .. " at " .. request.path, sent = sent }
            end
            local headers = {}
            for name, value in pairs(says.headers) do headers[name:lower()] = value end
            return { status = says.status, headers = headers, body = says.body }
        end
        return canned, "http://127.0.0.1:9", function() end
    end)
end)
