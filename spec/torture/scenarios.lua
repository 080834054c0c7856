-- What the allocation sweep runs, and how it tells what came of it. Each scenario is prepared, run with a request for
-- memory refused, and judged; then the same client has to serve a call.

local host = ...

local TOKEN = "sk_live_torture"
local PATH = host.directory .. "/cassette.json"

local verdict = {} -- filled below

local function fail(...)
    error(("%s"):rep(select("#", ...), " "):format(...), 0)
end

-- How a value reads in a complaint.
local function show(value)
    if type(value) ~= "table" then
        return type(value) == "string" and ("%q"):format(value) or tostring(value)
    end
    local parts = {}
    for key, member in pairs(value) do
        parts[#parts + 1] = tostring(key) .. " = " .. (type(member) == "table" and show(member) or tostring(member))
    end
    table.sort(parts)
    return "{ " .. table.concat(parts, ", ") .. " }"
end

local function same(got, wanted)
    if type(got) ~= "table" or type(wanted) ~= "table" then
        return got == wanted
    end
    for key, value in pairs(wanted) do
        if not same(got[key], value) then
            return false
        end
    end
    for key in pairs(got) do
        if wanted[key] == nil then
            return false
        end
    end
    return true
end

local function options(more)
    local all = { apiKey = TOKEN, baseUrl = "http://127.0.0.1:" .. host.port, retry = false, timeout = 5,
        connectTimeout = 5 }
    for name, value in pairs(more or {}) do
        all[name] = value
    end
    return all
end

-- The calls, each with what it is to give and what it does on the hub.

local LISTED = {
    { id = "wk_1", name = "key 1", uses = 25, domain_allowlist = { "a.example", "*.a.example" } },
    { id = "wk_2", name = "k\195\169y \"2\"", domain_allowlist = {} },
}

local function listing(client)
    return {
        call = function()
            return client.widgetKeys.list()
        end,
        value = LISTED,
        status = 200,
    }
end

local function creation(client, kataven, digit)
    return {
        call = function()
            return client.widgetKeys.create { name = "key " .. digit, domain_allowlist = { "a.example" } }
        end,
        value = {
            id = "wk_" .. digit,
            name = "key " .. digit,
            key = "pk_live_" .. digit,
            domain_allowlist = {},
            limits = { day = 25, hour = { 1, 2.5, kataven.null } },
        },
        status = 201,
        effect = "posts",
        subject = digit,
    }
end

local function patched(digit)
    return { id = "wk_" .. digit, name = "key " .. digit, disabled_at = "2030" }
end

local function change(client, kataven)
    return {
        call = function()
            return client.widgetKeys.update("wk_4", { agent_id = kataven.null, disabled = true })
        end,
        value = patched(4),
        status = 200,
        effect = "patches",
        subject = 4,
    }
end

local function deletion(client)
    return {
        call = function()
            return client.widgetKeys.delete "wk_5"
        end,
        value = patched(5),
        status = 200,
        effect = "deletes",
        subject = 5,
    }
end

local function getting(client, path, more)
    local wanted = {
        call = function()
            return client:request { path = path }
        end,
        value = LISTED,
        status = 200,
    }
    for name, value in pairs(more or {}) do
        wanted[name] = value
    end
    return wanted
end

-- What is raised where memory has run out.
local OUT = "not enough memory"

-- What stands in an error then. The last two are what libcurl says for it.
local WORDS = { "emory", "Could not resolve host: 127.0.0.1",
    "getaddrinfo() thread failed to start" }

local function speaksOfMemory(text)
    for _, words in ipairs(WORDS) do
        if text:find(words, 1, true) then
            return true
        end
    end
    return false
end

local function judgeEffect(wanted)
    local done = wanted.effect and host.count(wanted.effect, wanted.subject) or 0
    if done > 1 then
        fail(done, "effects of one call")
    end
    return done
end

-- One call's `value, meta` or `nil, err`; what was raised is judged elsewhere.
function verdict.call(wanted, hit, value, result)
    local done = judgeEffect(wanted)
    if value ~= nil then
        if wanted.error then
            fail("gave", show(value), "where", wanted.error, "is due")
        elseif not same(value, wanted.value) then
            fail("a wrong value:", show(value))
        elseif wanted.effect and done ~= 1 and not wanted.recorded then
            fail("success without effect")
        elseif type(result) ~= "table" or result.status ~= wanted.status or result.attempts == nil
            or type(result.headers) ~= "table" or result.headers["content-type"] ~= "application/json" then
            fail("a wrong meta:", show(result))
        end
        return true
    elseif type(result) ~= "table" or not result.is or not result:is "KatavenError" then
        fail("nil, and no error of ours:", show(result))
    end
    local text = tostring(result)
    if text:find(TOKEN, 1, true) then
        fail("the token is in the error")
    elseif result.name == wanted.error then
        if result.maybeApplied ~= (wanted.maybeApplied or false) then
            fail("maybeApplied is", result.maybeApplied)
        end
    elseif not hit then
        fail("an error without a cause:", text)
    elseif not speaksOfMemory(text) then
        fail("an error that does not speak of memory:", text)
    elseif done == 1 and result.maybeApplied ~= true then
        fail("it was carried out, and maybeApplied is", result.maybeApplied, "in", text)
    elseif not wanted.effect and result.maybeApplied then
        fail("a read that may have been applied:", text)
    end
    return false
end

local function judgeRaise(hit, status, message)
    if not hit then
        fail("raised without a cause:", show(message))
    elseif message ~= OUT then
        fail("status", status, "raised something else:", show(message))
    end
end

-- A later call of the same client.
local function follow(client, kataven)
    local wanted = listing(client)
    verdict.call(wanted, false, wanted.call())
    wanted = creation(client, kataven, 9)
    verdict.call(wanted, false, wanted.call())
end

local function finish(client)
    client:close()
    client:close()
    local value, err = client.widgetKeys.list()
    if value ~= nil or err.name ~= "ClosedError" then
        fail("a closed client gave", show(value), show(err))
    elseif host.strangers() > 0 then
        fail("a request went out without the token, or to a proxy")
    end
end

-- A scenario of one call: make(client, kataven) gives it.
local function ofCall(name, make, more)
    more = more or {}
    return {
        name = name,
        start = function()
            local kataven = host.open()
            local client = kataven.new(options(more.options))
            local wanted = make(client, kataven)
            if more.uncollected then
                collectgarbage "stop" -- a turn that was dropped is then kept
            end
            if more.warm then
                local listed = listing(client)
                verdict.call(listed, false, listed.call())
            end
            return more.within and more.within(wanted.call) or wanted.call, function(hit, status, ...)
                if status == 0 then
                    verdict.call(wanted, hit, ...)
                else
                    judgeRaise(hit, status, ...)
                    judgeEffect(wanted)
                end
                follow(client, kataven)
                judgeEffect(wanted)
                finish(client)
            end
        end,
    }
end

local scenarios = {
    {
        name = "load",
        without = "libcurl",
        start = function()
            return function()
                local kataven = host.open()
                return kataven, kataven.cassette, require "kataven.queue"
            end, function(hit, status, kataven)
                if status ~= 0 then
                    judgeRaise(hit, status, kataven)
                    -- Lua 5.1 and LuaJIT never load again what once failed to load.
                    for module in pairs(package.loaded) do
                        if module:find "^kataven" or module == "cjson" then
                            package.loaded[module] = nil
                        end
                    end
                    kataven = host.open()
                end
                local client = kataven.new(options())
                follow(client, kataven)
                finish(client)
                assert(kataven.cassette.open)
            end
        end,
    },
    {
        name = "new",
        start = function()
            local kataven = host.open()
            local given = options { accountId = "acct_1", headers = { ["X-More"] = "1" }, userAgent = "torture/1",
                caFile = "none.pem", caPath = "/none", proxy = "http://127.0.0.1:1", log = function() end }
            return function()
                return kataven.new(given)
            end, function(hit, status, client)
                if status ~= 0 then
                    judgeRaise(hit, status, client)
                    client = kataven.new(given)
                end
                follow(client, kataven)
                finish(client)
            end
        end,
    },
    ofCall("list", listing),
    ofCall("create", function(client, kataven)
        return creation(client, kataven, 3)
    end),
    ofCall("update", change),
    ofCall("delete", deletion),
    ofCall("list-again", listing, { warm = true }),
    ofCall("create-again", function(client, kataven)
        return creation(client, kataven, 3)
    end, { warm = true }),
    ofCall("request", function(client, kataven)
        local wanted = creation(client, kataven, 6)
        function wanted.call()
            return client:request {
                method = "POST", path = "/api/v1/widget-keys", query = { a = "1", b = { "x y", 2, true } },
                headers = { ["X-More"] = "much" }, cancel = kataven.canceller(), deadline = 30,
                body = { name = "key 6", domain_allowlist = kataven.array {}, nested = { { 1.5 }, { kataven.null } } },
            }
        end
        return wanted
    end),
    ofCall("missing", function(client)
        return getting(client, "/api/v1/missing", { error = "NotFoundError" })
    end),
    ofCall("refused", function(client, kataven)
        local wanted = creation(client, kataven, 7)
        function wanted.call()
            return client.widgetKeys.create { name = "refused 7" }
        end
        wanted.error, wanted.maybeApplied = "ServerError", true
        return wanted
    end),
    ofCall("busy", function(client)
        return getting(client, "/api/v1/busy")
    end, { options = { retry = { max = 2, baseDelay = 0.001 } } }),
    ofCall("retried", function(client, kataven)
        return creation(client, kataven, 3)
    end, { options = { retry = { max = 1, baseDelay = 0.001 } } }),
    ofCall("long", function(client)
        return getting(client, "/api/v1/long", { value = { ("x"):rep(20 * 1024) } })
    end),
    ofCall("logged", listing, { options = { log = function(event)
        return ("%s %s"):format(event.event, event.path)
    end } }),
    ofCall("one-at-a-time", function(client, kataven)
        return creation(client, kataven, 3)
    end, { options = { maxConcurrent = 1 }, uncollected = true }),
    ofCall("waiting", function(client, kataven)
        return creation(client, kataven, 3)
    end, { options = { wait = host.wait } }),
    ofCall("yielding", function(client, kataven)
        return creation(client, kataven, 3)
    end, {
        options = { wait = function(seconds, fd)
            if coroutine.running() and select(2, coroutine.running()) ~= true then
                coroutine.yield(seconds, fd)
            else
                host.wait(seconds, fd)
            end
        end },
        within = function(call)
            return function()
                local thread = coroutine.create(call)
                local function on(resumed, what, ...)
                    if not resumed then
                        error(what, 0)
                    elseif coroutine.status(thread) == "dead" then
                        return what, ...
                    end
                    host.wait(what, ...)
                    return on(coroutine.resume(thread))
                end
                return on(coroutine.resume(thread))
            end
        end,
    }),
}
local function add(scenario)
    scenarios[#scenarios + 1] = scenario
end

-- client:parallel, where calls block and where they wait by a function.
local function parallel(name, more)
    add {
        name = name,
        start = function()
            local kataven = host.open()
            local client = kataven.new(options(more))
            local calls = { listing(client) }
            for digit = 1, 3 do
                calls[#calls + 1] = creation(client, kataven, digit)
            end
            calls[#calls + 1] = deletion(client)
            local tasks, told = {}, 0
            for i, wanted in ipairs(calls) do
                tasks[i] = wanted.call
            end
            return function()
                return client:parallel(tasks, { progress = function(done)
                    told = done
                end })
            end, function(hit, status, results, complaint)
                if status ~= 0 then
                    judgeRaise(hit, status, results)
                else
                    if #results ~= #calls then
                        fail(#results, "results")
                    elseif complaint ~= nil and not (hit and complaint == OUT) then
                        fail("a complaint", show(complaint))
                    elseif told ~= #calls and complaint == nil then
                        fail("progress told of", told)
                    end
                    for i, wanted in ipairs(calls) do
                        local result = results[i]
                        if type(result.err) == "string" then
                            judgeRaise(hit, "in a task", result.err)
                        else
                            verdict.call(wanted, hit, result.value, result.value ~= nil and result.meta or result.err)
                        end
                    end
                end
                follow(client, kataven)
                for _, wanted in ipairs(calls) do
                    judgeEffect(wanted)
                end
                local again = listing(client)
                local results2 = client:parallel { again.call, again.call }
                for i = 1, 2 do
                    verdict.call(again, false, results2[i].value, results2[i].meta or results2[i].err)
                end
                finish(client)
            end
        end,
    }
end

parallel("parallel")
parallel("parallel-2", { maxConcurrent = 2 })
parallel("parallel-wait", { wait = host.wait, maxConcurrent = 3 })

-- Ends a client, with two calls in flight or without any; that by itself asks for no memory, but the error of what
-- comes after does.
local function closing(name, inFlight)
    add {
        name = name,
        without = "libcurl",
        start = function()
            local kataven = host.open()
            local client = kataven.new(options { wait = coroutine.yield })
            local ended, threads = {}, {}
            for i = 1, inFlight do
                threads[i] = coroutine.create(function()
                    ended[i] = { client:request { path = "/api/v1/silent" } }
                end)
                assert(coroutine.resume(threads[i]))
            end
            return function()
                client:close()
                for i = 1, inFlight do
                    local resumed, why = coroutine.resume(threads[i])
                    if not resumed then
                        error(why, 0)
                    end
                end
                return client.widgetKeys.list()
            end, function(hit, status, value, err)
                if status ~= 0 then
                    judgeRaise(hit, status, value)
                elseif value ~= nil or err.name ~= "ClosedError" then
                    fail("a closed client gave", show(value), show(err))
                end
                client:close()
                for i = 1, inFlight do
                    if coroutine.status(threads[i]) == "suspended" then
                        assert(coroutine.resume(threads[i]))
                    end
                    if not (ended[i] and ended[i][2].name == "ClosedError") and not hit then
                        fail("a call in flight gave", show(ended[i]))
                    end
                end
                finish(client)
                client = kataven.new(options())
                follow(client, kataven)
                finish(client)
            end
        end,
    }
end

closing("close", 0)
closing("close-calls", 2)

-- Cassettes. A file with one call.

local function write(text)
    local file = assert(io.open(PATH, "wb"))
    file:write(text)
    file:close()
end

local function read()
    local file = io.open(PATH, "rb")
    local text = file and file:read "*a"
    if file then
        file:close()
    end
    return text
end

local RECORDED = [[{
  "version": 1,
  "interactions": [
    {
      "request": {
        "method": "POST",
        "path": "/api/v1/widget-keys",
        "json": { "name": "key 3", "domain_allowlist": ["a.example"] }
      },
      "response": {
        "status": 201,
        "headers": { "content-type": "application/json", "x-request-id": "r1" },
        "json": {
          "id": "wk_3", "name": "key 3", "key": "pk_live_[redacted]", "agent_id": null, "domain_allowlist": [],
          "limits": { "day": 25, "hour": [1, 2.5, null] }
        }
      }
    }
  ]
}
]]

-- Opens a cassette and makes a call through it. `before` is what the file holds
-- then: "nothing" or "a call".
local function cassette(name, mode, before, replays)
    add {
        name = name,
        start = function()
            local kataven = host.open()
            assert(kataven.cassette) -- loads it
            os.remove(PATH)
            if before == "a call" then
                write(RECORDED)
            end
            local asked = host.requests()
            local tape, client
            local wanted = creation(nil, kataven, replays and 3 or 4)
            wanted.recorded = replays
            wanted.value.key = replays and "pk_live_[redacted]" or wanted.value.key
            return function()
                tape = kataven.cassette.open(PATH, { mode = mode })
                client = kataven.new(options { transport = tape })
                local value, result = client.widgetKeys.create {
                    name = wanted.value.name, domain_allowlist = { "a.example" },
                }
                return value, result, tape:problem()
            end, function(hit, status, value, result, problem)
                if replays and host.requests() ~= asked then
                    fail("a replay asked the hub")
                end
                local done = 0
                if status ~= 0 then
                    judgeRaise(hit, status, value)
                elseif verdict.call(wanted, hit, value, result) then
                    done = 1
                end
                if replays then
                    wanted.effect = nil
                end
                judgeEffect(wanted)
                if problem ~= nil and not (hit and problem:find "memory" or done == 0 and replays) then
                    fail("the cassette has a problem:", problem)
                end
                -- The file: the old one or the new one, whole, with no secret and none beside it.
                local now = read()
                local kept = before == "a call" and 1 or 0
                if host.files() > 1 then
                    fail("a file was left beside the cassette")
                elseif now and now:find(TOKEN, 1, true) then
                    fail("the token was recorded")
                elseif not now and kept == 1 then
                    fail("the file is gone")
                end
                local count = 0
                if now then
                    local whole = assert(kataven.cassette.open(PATH, { mode = "replay" }))
                    count = whole:remaining()
                end
                if replays then
                    kept, done = 1, 0
                end
                -- A success that was not recorded has to be complained of.
                if done == 1 and problem == nil and count ~= (mode == "append" and kept or 0) + 1 then
                    fail("recorded", count, "with no complaint")
                elseif count > kept + 1 then
                    fail("recorded", count)
                end
                -- The client goes on, or says why it records no more.
                if not client then
                    tape = kataven.cassette.open(PATH, { mode = mode })
                    client = kataven.new(options { transport = tape })
                end
                local spent = replays and tape:remaining() == 0
                local again = creation(nil, kataven, replays and 3 or 8)
                again.value.key = replays and "pk_live_[redacted]" or again.value.key
                local other, err = client.widgetKeys.create {
                    name = again.value.name, domain_allowlist = { "a.example" },
                }
                if spent then
                    if other ~= nil or err.name ~= "CassetteError" then
                        fail("played twice:", show(other), show(err))
                    end
                elseif other == nil and (err.name ~= "CassetteError" or not tostring(err):find "memory") then
                    fail("the next call gave", tostring(err))
                elseif other ~= nil and not same(other, again.value) then
                    fail("the next call gave", show(other))
                end
                client:close()
                os.remove(PATH)
                if host.strangers() > 0 then
                    fail("a request went out without the token, or to a proxy")
                end
            end
        end,
    }
end

cassette("replay", "replay", "a call", true)
cassette("once-replays", "once", "a call", true)
cassette("once-records", "once", "nothing", false)
cassette("record", "record", "a call", false) -- over it
cassette("append", "append", "a call", false)

return scenarios
