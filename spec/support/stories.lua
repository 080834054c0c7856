--- Calls of every kind and with every end, which check all of their results; to
--- be run in a process of its own, whose heap is small enough for a collector
--- that never rests.

local core = require "kataven.core"
local kataven = require "kataven"
local loop = require "spec.support.loop"
local spy = require "spec.support.spy"

local stories = {}

-- The same delays each time.
function core.random()
    return 0
end

local function show(value)
    if type(value) ~= "table" then
        return tostring(value)
    end
    local names, parts = {}, {}
    for name in pairs(value) do
        names[#names + 1] = name
    end
    table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
    for index, name in ipairs(names) do
        parts[index] = tostring(name) .. "=" .. show(value[name])
    end
    return "{" .. table.concat(parts, ", ") .. "}"
end

local function same(wanted, got)
    if show(wanted) ~= show(got) then
        error(("wanted %s, got %s"):format(show(wanted), show(got)), 2)
    end
end

-- Calls of every kind, ends of every kind; asserts all of their results.
function stories.calls(round)
    local id = "wk_" .. round
    local transport = spy.new(
        spy.json(('[{"id":"%s","disabled_at":null,"n":[1,2.0,null]}]'):format(id)),
        spy.text("busy", 503, { ["retry-after"] = "1" }),
        spy.json("[]"),
        spy.json(('{"id":"%s","key":"pk_live_x_%d"}'):format(id, round), 201),
        spy.text("no such key " .. spy.TOKEN, 404, { ["x-request-id"] = "r" .. round }),
        { status = 204 },
        { kind = "timeout", sent = true, message = "late" },
        spy.json "{broken")
    local client = spy.client(transport)

    local keys, meta = client.widgetKeys.list()
    same({ { id = id, n = { 1, 2, kataven.null } } }, keys)
    same(200, meta.status)
    keys, meta = client.widgetKeys:list { retry = { max = 1 } }
    same({ 0, 2 }, { #keys, meta.attempts })
    local key = client.widgetKeys.create {
        name = "n" .. round,
        domain_allowlist = { "a", "é" },
        agent_id = kataven.null,
    }
    same("pk_live_x_" .. round, key.key)
    local _, err = client.widgetKeys.update(id, { disabled = round % 2 == 0 })
    same({ "NotFoundError", "r" .. round, "no such key [redacted]" }, { err.name, err.requestId, err.body })
    same(true, client.widgetKeys.delete(id))
    _, err = client:request { method = "PUT", path = "/p", query = { a = { 1, round } }, body = { x = { { round } } } }
    same({ "TimeoutError", true }, { err.name, err.maybeApplied })
    _, err = client:request { path = "/p", headers = { ["X-A"] = "1" } }
    same("ResponseError", err.name)
    same(false, (pcall(client.widgetKeys.create, { nmae = 1 })))

    same('{"agent_id":null,"domain_allowlist":["a","é"],"name":"n' .. round .. '"}', transport.requests[4].body)
    same("/v1/widget-keys/" .. id, (transport.requests[6].url:gsub("^https://[^/]*", "")))
    same(('{"x":[[%d]]}'):format(round), transport.requests[7].body)
    same(("https://api.kataven.ai/v1/p?a=1&a=%d"):format(round), transport.requests[7].url)
    client:close()
    _, err = client.widgetKeys.list()
    same("ClosedError", err.name)
end

-- Calls side by side, some of them cancelled, one dropped.
function stories.crowd()
    local transport = spy.new(function(request, wait)
        if wait(1) then
            return nil, { kind = "cancelled", sent = true, message = "x" }
        end
        return spy.json(('{"path":"%s"}'):format(request.path))
    end)
    local host, canceller = loop.new(transport), kataven.canceller()
    local client = spy.client(transport, { wait = host.wait, maxConcurrent = 3 })
    local results = {}
    for index = 1, 8 do
        host.spawn(function()
            local value, err = client:request { path = "/" .. index, cancel = index == 3 and canceller or nil }
            results[index] = value and value.path or err.name
        end)
    end
    local dropped = host.spawn(function() client:request { path = "/dropped" } end)
    host.run(0.5)
    host.drop(dropped)
    canceller:cancel()
    host.run()
    same({ "/1", "/2", "CancelledError", "/4", "/5", "/6", "/7", "/8" }, results)
end

function stories.replay()
    local cassette = kataven.cassette.open "spec/cassettes/widget_keys.json"
    local client = spy.client(cassette)
    same("Zürich – „alt“", client.widgetKeys.list()[2].name)
    local _, err = client.widgetKeys.update("wk_3", { disabled = true })
    same("CassetteError", err.name)
    same(true, err.message:find("body.domain_allowlist: recorded [], got nothing", 1, true) ~= nil)
    same(4, cassette:remaining())
end

--- Runs all of them.
function stories.run(rounds)
    for round = 1, rounds do
        stories.calls(round)
        stories.crowd()
        stories.replay()
    end
end

return stories
