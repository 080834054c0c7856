-- Servers for specs, each a process of its own: the local hub, and a TCP server that plays a script. They run under
-- lua5.1, whatever Lua runs the spec, and end with it: each reads its standard input, which is a pipe from here.
--
--   local hub = servers.hub { limits = { minute = 2 } }
--   local tcp = servers.tcp { { { read = "request" }, { send = servers.answer { status = 503 } } } }
--
-- All wait for an event and never for a while. `stop` may be called twice; it raises when the server reported a fault
-- of its own.

local json = require "dkjson"

-- Found beside this file, whatever the working directory is.
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local process = dofile(here .. "servers/process.lua")
local net = dofile(here .. "servers/net.lua")

local servers = {
    http = net.http,
    answer = net.answer,
    refusing = net.refusing,
    silent = net.silent,
    freePort = net.freePort,
    certificate = net.certificate,
}

local function checkOptions(what, options, known)
    for name in pairs(options) do
        if not known[name] then error(("%s knows no option %q"):format(what, tostring(name)), 3) end
    end
end

-- The hub ----------------------------------------------------------------------------------------------------------

local hub = {}
hub.__index = hub

local HUB_OPTIONS = { apiKey = true, jwt = true, latency = true, limits = true, pairs = true, tls = true }
local LIMITS = { minute = true, hour = true, day = true, inFlight = true }
local PLAN = { n = true, status = true, headers = true, body = true, delay = true, apply = true }

-- Options: `limits` ({minute, hour, day, inFlight}), `latency` (seconds for every answer), `apiKey`, `jwt`, `tls`
-- ({cert, key}, paths), `pairs` (a create answers with public_key and secret_key). Requests per time have no limit here
-- unless one is asked for, so that a spec may send as many as it likes; those in flight have the published one.
function servers.hub(options)
    options = options or {}
    checkOptions("servers.hub", options, HUB_OPTIONS)
    local allowed = options.limits or {}
    checkOptions("limits", allowed, LIMITS)
    local flags = {
        "--parent-stdin --quiet",
        "--limit-minute", allowed.minute or 0,
        "--limit-hour", allowed.hour or 0,
        "--limit-day", allowed.day or 0,
    }
    local function flag(name, value)
        if value == nil then return end
        flags[#flags + 1] = name
        flags[#flags + 1] = process.quote(value)
    end
    flag("--limit-in-flight", allowed.inFlight)
    flag("--latency", options.latency)
    flag("--api-key", options.apiKey)
    flag("--jwt", options.jwt)
    if options.pairs then flags[#flags + 1] = "--pairs" end
    if options.tls then
        flag("--tls-cert", options.tls.cert)
        flag("--tls-key", options.tls.key)
    end
    local hubProcess = process.start("hub", table.concat(flags, " "))
    local first = hubProcess:readLine()
    local port = tonumber(first:match("^port=(%d+)$"))
    if not port then hubProcess:fail(first) end
    local url = hubProcess:readLine():match("=(.*)$")
    local apiKey = hubProcess:readLine():match("=(.*)$")
    return setmetatable({ process = hubProcess, port = port, url = url, apiKey = apiKey }, hub)
end

-- A call of a control endpoint; gives the decoded answer, if there is one.
function hub:control(method, name, body)
    local answer = servers.http(method, self.url .. "/_hub/" .. name, { body = body })
    if answer.status >= 300 then error(("/_hub/%s: %d %s"):format(name, answer.status, answer.body), 2) end
    return answer.body ~= "" and json.decode(answer.body) or nil
end

-- Counts of API requests since the start or the last reset: total, requests (by method), creates, updates, deletes,
-- effects (the three together), refused (429s), connections, inFlight, mostInFlight, keys, faultsLeft.
function hub:stats()
    return self:control("GET", "stats")
end

-- What was done to each key since then: { [id] = {creates, updates, deletes} }.
function hub:effects()
    return self:control("GET", "effects")
end

-- Makes so many keys without a request, and gives their ids. `used` marks them so, as below.
function hub:mint(count, used)
    return self:control("POST", "mint", { n = count, used = used or false })
end

-- Forgets keys, counts and planned answers, and sets the limits as at the start, or as given.
function hub:reset(options)
    options = options or {}
    checkOptions("reset", options, { limits = true })
    checkOptions("limits", options.limits or {}, LIMITS)
    self:control("POST", "reset", options)
end

-- Plans the answers to the next API requests: one table or an array of `{n, status, headers, body, delay, apply}`.
-- Without a status the request is answered as usual, `delay` seconds later. With `apply` it is carried out although it
-- is answered with `status`.
function hub:next(plan)
    for _, fault in ipairs(plan[1] and plan or { plan }) do
        checkOptions("next", fault, PLAN)
        fault.delay = fault.delay or 0 -- dkjson takes a table with an `n` and nothing else for an array
    end
    self:control("POST", "next", plan)
end

-- Marks a key as used, which makes its deletion a soft one.
function hub:use(id)
    self:control("POST", "use/" .. id)
end

-- Moves the hub's clock forward, over the end of a limit's window for instance.
function hub:advance(seconds)
    self:control("POST", "advance", { seconds = seconds })
end

-- How often each name was created, by the keys that are there.
function hub:created()
    local names = {}
    local answer = servers.http("GET", self.url .. "/api/v1/widget-keys", {
        headers = { Authorization = "Bearer " .. self.apiKey },
    })
    for _, key in ipairs(json.decode(answer.body)) do names[key.name] = (names[key.name] or 0) + 1 end
    return names
end

function hub:stop()
    self.process:stop()
end

-- The scripted TCP server ------------------------------------------------------------------------------------------

local tcp = {}
tcp.__index = tcp

local SCRIPT_OPTIONS = { default = true, tls = true, listen = true, listenAfter = true, port = true }

-- The array part goes over the wire as `connections`.
local function scriptCommand(script)
    local command = { command = "script", connections = setmetatable({}, { __jsontype = "array" }) }
    for name, value in pairs(script) do
        if type(name) == "number" then
            command.connections[name] = value
        elseif SCRIPT_OPTIONS[name] then
            command[name] = value
        else
            error(("servers.tcp knows no option %q"):format(tostring(name)), 3)
        end
    end
    return command
end

local function ask(self, command)
    if not self.process:running() then error("the server has been stopped", 3) end
    self.process:write(json.encode(command))
    local line = self.process:readLine()
    local answer = json.decode(line)
    if not answer then self.process:fail(line) end
    if answer.error then error(answer.error, 3) end
    return answer
end

-- A script: one list of steps for each connection, in the order in which they come. Beside them may stand `default`
-- (the steps of later connections; without it they are reset), `tls` (as in the step below), `listen = false` (the
-- port refuses), `listenAfter` (it refuses for so many seconds) and `port`.
--
-- Steps, each a table:
--   read = "request", "head" or a number of bytes
--   send = bytes; `times` repeats them; with `echo`, a header's name, its value in the last request replaces the {name}
--   trickle = bytes; `chunk` of them `every` so many seconds
--   choose = "method" or a header's name, of the last request: what stands in `cases` for its value, else `steps`; a
--   value   that came up before takes `again`, where there is one
--   stall = seconds or true (for ever); ends early when the client goes, unless it is `deaf` and does not even read
--   effect = name, which is counted           unlisten = true: the port refuses from now on
--   wait = name of a signal or what `wait` below takes, signal = name
--   ["repeat"] = a number or true, with `steps`
--   tls = true, or {cert, key, protocol, ciphers, verify}, as luasec calls them: the handshake happens here
--   close, cut (without TLS's goodbye) or reset = true: the end. A list without one of them ends with a close.
--
-- `environment` holds variables for the server's process.
function servers.tcp(script, environment)
    local self = setmetatable({ process = process.start("tcp_server", "", environment) }, tcp)
    local ok, why = pcall(self.script, self, script or {})
    if not ok then
        if self.process:running() then self.process:stop() end
        error(why, 2)
    end
    return self
end

-- Plays another script on the same port, with an empty log.
function tcp:script(script)
    self.port = ask(self, scriptCommand(script)).port
    self.url = ("%s://127.0.0.1:%d"):format(script.tls and "https" or "http", self.port)
end

-- Every request gets `header`, a table by lower-case name, beside the raw list `headers`.
local function readable(log)
    for _, request in ipairs(log.requests) do
        request.header = {}
        for _, field in ipairs(request.headers) do
            local name, before = field[1]:lower(), request.header[field[1]:lower()]
            request.header[name] = before and before .. ", " .. field[2] or field[2]
        end
    end
    return log
end

-- What has happened: connections (a number), requests ({connection, method, target, version, headers, header, head,
-- body, at, effects}), ended ({connection, how, why, at}), effects (by name), effectsTotal. `at` is in seconds since
-- the script was given; `how` is close, cut or reset as the script said, "gone" where the client ended it, "tls" where
-- the handshake failed, with `why`.
function tcp:log()
    return readable(ask(self, { command = "log" }))
end

-- Waits until so many `connections`, `requests`, `effects` and `ended` have been seen, and a `signal` was given, and
-- gives the log. Raises after `timeout` seconds, 10 unless told.
function tcp:wait(wanted)
    local command = { command = "wait", timeout = 10 }
    for name, value in pairs(wanted) do command[name] = value end
    local log = ask(self, command)
    if log.timedOut then error("waited in vain; so far: " .. json.encode(log), 2) end
    return readable(log)
end

-- Lets the steps `{wait=name}` go on.
function tcp:signal(name)
    ask(self, { command = "signal", name = name })
end

function tcp:stop()
    self.process:stop()
end

return servers
