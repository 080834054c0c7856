--- A client: what `kataven.new` makes of its options.

local answer = require "kataven.answer"
local call = require "kataven.call"
local check = require "kataven.check"
local core = require "kataven.core"
local globals = require "kataven.globals"
local headers = require "kataven.headers"
local options = require "kataven.options"
local parallel = require "kataven.parallel"
local redact = require "kataven.redact"
local request = require "kataven.request"
local transport = require "kataven.transport"
local version = require "kataven.version"
local waiting = require "kataven.waiting"
local widgetKeys = require "kataven.widget_keys"

---@class kataven.RetryOptions
---@field max? integer retries, not attempts; 3
---@field baseDelay? number seconds before the first retry, doubled for each; 0.5
---@field maxDelay? number seconds, the longest back-off; 8
---@field maxWait? number seconds; a Retry-After beyond it ends the call at once; 60

---@alias kataven.Wait (fun(seconds: number, fd?: integer))|"ngx"|"cqueues"|"copas"|"luv"|"yield"

---@class kataven.Options
---@field apiKey? string sk_live_..., or a JWT; KATAVEN_API_KEY
---@field accountId? string required with a JWT; KATAVEN_ACCOUNT_ID
---@field baseUrl? string KATAVEN_BASE_URL, else https://api.kataven.ai/v1
---@field allowHttp? boolean allow http:// to other machines
---@field timeout? number seconds for one attempt, to the last byte; 30
---@field connectTimeout? number seconds until the connection stands; 10
---@field deadline? number seconds for a whole call; none
---@field retry? boolean|kataven.RetryOptions true
---@field maxConcurrent? integer requests in flight at once; 20
---@field maxResponseBytes? integer 64 MiB
---@field headers? table<string, string> sent with every request
---@field userAgent? string added to the client's own
---@field proxy? string|false a URL, or false for none; else the environment's rules
---@field caFile? string a bundle of certificates to trust
---@field caPath? string a hashed directory of them
---@field transport? kataven.Transport else the file in KATAVEN_CASSETTE, else libcurl
---@field wait? kataven.Wait lets the host's event loop run; else calls block, and in OpenResty it is "ngx"
---@field log? fun(event: kataven.LogEvent)

-- What it gives: what became of each task, in their order, and what `progress` raised.
---@alias kataven.Parallel fun(self: kataven.Client, tasks: function[], options?: kataven.ParallelOptions): kataven.Result[], any

---@class kataven.Client
---@field widgetKeys kataven.WidgetKeys
---@field request fun(self: kataven.Client, given: kataven.RequestOptions): any, kataven.Meta|kataven.Error any endpoint of the Hub API
---@field parallel kataven.Parallel runs functions side by side, at most maxConcurrent requests in flight
---@field queue fun(self: kataven.Client, options?: kataven.QueueOptions): kataven.Queue for the phases of OpenResty that cannot wait
---@field close fun(self: kataven.Client) ends calls in flight with a ClosedError and frees what the client holds; may be called again

local NOTHING = {}

local function luaName()
    local jit = globals.get "jit"
    return type(jit) == "table" and jit.version or globals.get "_VERSION" or "Lua"
end

local function ownHeaders(o)
    return {
        ["Authorization"] = "Bearer " .. o.apiKey,
        ["X-Account-ID"] = o.accountId,
        ["Accept"] = "application/json",
        ["Accept-Encoding"] = "identity", -- without it a server may choose
        ["User-Agent"] = ("kataven-lua/%s (%s; libcurl/%s)%s"):format(
            version, luaName(), core.curlVersion, o.userAgent and " " .. o.userAgent or ""),
    }
end

-- The two sets that a request goes out with, a body's and the other.
local function headerSets(base, over)
    local plain = headers.merge(base, over)
    return { plain = plain, withBody = headers.merge({ ["Content-Type"] = "application/json" }, plain) }
end

-- A shorter text would be found in words of ours.
local SHORTEST_SECRET = 4

-- A proxy's user info, which its answers may echo: those are the call's where there is no TLS. As both are sent together,
-- and each by itself, decoded and as they stand in the URL.
local function proxySecrets(o)
    local found = {}
    if o.direct or o.baseText:find "^https:" then
        return found
    end
    local proxy = o.proxy == nil and core.proxyOfEnvironment(false) or o.proxy
    local info = proxy and proxy:match "^([^@]*)@"
    if not info then
        return found
    end
    info = info:gsub("^[^/]*://", "")
    local decoded = info:gsub("%%(%x%x)", function(hex)
        return string.char(tonumber(hex, 16))
    end)
    for _, text in ipairs { decoded, info } do
        local user, password = text:match "^([^:]*):?(.*)$"
        for _, secret in ipairs { user .. ":" .. password, password, user } do
            if #secret >= SHORTEST_SECRET then
                found[#found + 1] = secret
            end
        end
    end
    return found
end

-- A client's inside; the user's object holds it in closures only, so that a
-- dump of that object shows no key.
local function newInside(o)
    local clock = o.transport and check.callable(o.transport.clock) and o.transport:clock() or nil
    local host = o.host or {}
    local others = proxySecrets(o)
    local inside = {
        engine = core.engine(o.caFile, o.caPath, o.proxy == false and "" or o.proxy, o.maxResponseBytes,
            o.maxConcurrent),
        baseText = o.baseText,
        timeout = o.timeout,
        connectTimeout = o.connectTimeout,
        deadline = o.deadline,
        maxConcurrent = o.maxConcurrent,
        maxResponseBytes = o.maxResponseBytes,
        mostValues = answer.mostValues(o.maxResponseBytes),
        log = o.log,
        redactor = redact.secrets(o.apiKey, others),
        now = clock and clock.now or core.now,
        host = host,
        block = core.wait, -- how to wait where the host cannot
        wait = host.wait or core.wait,
        watches = core.descriptors and host.watches and clock == nil or false,
        ownClock = clock ~= nil,
        closed = false,
        calls = 0, -- how many there were, for their order
        front = { first = 1, last = 0 }, -- of the queue, see waiting.isBehind
        -- The calls that are in the host's hands right now. One whose wait raised,
        -- or whose coroutine was dropped, leaves it once it was collected.
        waiting = setmetatable({}, { __mode = "k" }),
    }
    if clock then
        -- A recorded conversation has a time of its own, which waits move: to
        -- where each ends, so that waits side by side do not add up.
        inside.block = clock.advance
        inside.wait = not host.wait and clock.advance or function(seconds, fd)
            local due = clock.now() + seconds
            -- A host that is known by name is let run, and not slept in.
            host.wait(o.wait == host.wait and seconds or waiting.SHORTEST, fd)
            local left = due - clock.now()
            if left > 0 then
                clock.advance(left)
            end
        end
    end
    -- A transport may want to send through the client's own one, to record it.
    local over = o.transport and check.callable(o.transport.over)
    if over or not o.transport then
        inside.curl = transport.new(inside.engine, { direct = o.direct, watches = inside.watches,
            mostValues = inside.mostValues })
    end
    inside.transport = over and o.transport:over(inside.curl, o.apiKey, others) or o.transport or inside.curl
    -- Calls may block, and nobody listens.
    inside.plain = inside.transport == inside.curl and inside.wait == core.wait and not host.here and not o.log
    return inside
end

local function close(inside)
    if inside.closed then
        return
    end
    inside.closed = true
    if not next(inside.waiting) then
        inside.engine:close()
    else
        -- While calls are in the host's hands, the descriptor they watch stays
        -- open and readable; the last of them closes it.
        inside.engine:close(true)
    end
    if inside.curl then
        inside.curl:forget()
    end
end

local client = {}

--- Makes a client of resolved options (see kataven.options).
---@param o table
---@return kataven.Client
function client.new(o)
    local inside = newInside(o)
    local base, baseText, retry = o.base, o.baseText, o.retry
    local baseHeaders = headers.merge(ownHeaders(o), o.headers)
    local ownSets = headerSets(baseHeaders)

    local lastPath, lastUrl

    local function send(spec, given)
        given = given or NOTHING
        if not spec.url then
            if spec.path ~= lastPath then -- most calls go where the last one went
                lastUrl = core.join(base, spec.path)
                if not lastUrl then -- collected; a finaliser calls
                    close(inside)
                end
                lastPath = lastUrl and spec.path
            end
            spec.url = lastUrl
        end
        return call.run(inside, spec, given,
            given.headers and headerSets(baseHeaders, given.headers) or ownSets,
            options.retryPolicy(retry, given.retry))
    end

    if inside.curl and core.tlsProblem and o.log then
        pcall(o.log, { event = "warning", error = core.tlsProblem })
    end

    local self = { widgetKeys = widgetKeys(send) }

    function self.request(given, ...)
        if given == self then
            given = ...
        end
        local spec, problem = request.read(given)
        if spec then
            spec.url, problem = core.join(base, spec.query and spec.path .. "?" .. spec.query or spec.path)
            problem = problem and "path " .. problem
        end
        if problem then
            error(problem, 2)
        end
        local value, result = send(spec, given)
        return value, result
    end

    function self.parallel(tasks, given, ...)
        if tasks == self then
            tasks, given = given, ...
        end
        local results, problem = parallel.run(inside, tasks, given)
        if not results then
            error(problem, 2)
        end
        return results, problem
    end

    function self.queue(given, ...)
        if given == self then
            given = ...
        end
        local made, problem = globals.require("kataven.queue").new(inside, given)
        if not made then
            error(problem, 2)
        end
        return made
    end

    function self.close()
        close(inside)
    end

    return setmetatable(self, {
        __name = "kataven.Client",
        __metatable = "kataven.Client",
        __tostring = function()
            return ("kataven.Client (%s%s)"):format(baseText, inside.closed and ", closed" or "")
        end,
        __close = function()
            close(inside)
        end,
    })
end

return client
