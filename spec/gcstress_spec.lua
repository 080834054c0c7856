local core = require "kataven.core"
local kataven = require "kataven"
local loop = require "spec.support.loop"
local spy = require "spec.support.spy"

-- Calls of every kind, ends of every kind; asserts all of their results.
local function story(round)
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
    assert.same({ { id = id, n = { 1, 2, kataven.null } } }, keys)
    assert.equal(200, meta.status)
    keys, meta = client.widgetKeys:list { retry = { max = 1 } }
    assert.same({ 0, 2 }, { #keys, meta.attempts })
    local key = client.widgetKeys.create { name = "n" .. round, domain_allowlist = { "a", "é" }, agent_id = kataven.null }
    assert.equal("pk_live_x_" .. round, key.key)
    local _, err = client.widgetKeys.update(id, { disabled = round % 2 == 0 })
    assert.same({ "NotFoundError", "r" .. round, "no such key [redacted]" }, { err.name, err.requestId, err.body })
    assert.is_true(client.widgetKeys.delete(id))
    _, err = client:request { method = "PUT", path = "/p", query = { a = { 1, round } }, body = { x = { { round } } } }
    assert.same({ "TimeoutError", true }, { err.name, err.maybeApplied })
    _, err = client:request { path = "/p", headers = { ["X-A"] = "1" } }
    assert.equal("ResponseError", err.name)
    assert.is_false((pcall(client.widgetKeys.create, { nmae = 1 })))

    assert.equal('{"agent_id":null,"domain_allowlist":["a","é"],"name":"n' .. round .. '"}', transport.requests[4].body)
    assert.equal("/v1/widget-keys/" .. id, (transport.requests[6].url:gsub("^https://[^/]*", "")))
    assert.equal(('{"x":[[%d]]}'):format(round), transport.requests[7].body)
    assert.equal(("https://api.kataven.ai/v1/p?a=1&a=%d"):format(round), transport.requests[7].url)
    client:close()
    _, err = client.widgetKeys.list()
    assert.equal("ClosedError", err.name)
end

-- Calls side by side, some of them cancelled, one dropped.
local function crowd(round)
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
    assert.same({ "/1", "/2", "CancelledError", "/4", "/5", "/6", "/7", "/8" }, results, round)
end

local function replay()
    local cassette = kataven.cassette.open "spec/cassettes/widget_keys.json"
    local client = spy.client(cassette)
    assert.equal("Zürich – „alt“", client.widgetKeys.list()[2].name)
    local _, err = client.widgetKeys.update("wk_3", { disabled = true })
    assert.equal("CassetteError", err.name)
    assert.truthy(err.message:find('body.domain_allowlist: recorded [], got nothing', 1, true), err.message)
    assert.equal(4, cassette:remaining())
end

describe("under a collector that never rests", function()
    local pause, stepmul

    before_each(function()
        stub(core, "random").returns(0)
        pause, stepmul = collectgarbage("setpause", 0), collectgarbage("setstepmul", 1000)
    end)

    after_each(function()
        debug.sethook()
        collectgarbage("setpause", pause)
        collectgarbage("setstepmul", stepmul)
        core.random:revert()
    end)

    it("every call gives what it should", function()
        for round = 1, 30 do
            story(round)
            crowd(round)
            replay()
        end
    end)

    it("also where it collects everything all the time", function()
        debug.sethook(function()
            collectgarbage()
        end, "", 2000)
        for round = 1, 3 do
            story(round)
            crowd(round)
            replay()
        end
        debug.sethook()
    end)

    it("also where it works by generations", function()
        if not pcall(collectgarbage, "generational") then
            return -- Lua 5.4 has that
        end
        for round = 1, 10 do
            story(round)
            crowd(round)
            replay()
        end
        collectgarbage "incremental"
    end)

    it("leaves nothing behind", function()
        local function used()
            collectgarbage()
            collectgarbage()
            return collectgarbage "count"
        end
        story(0)
        crowd(0)
        local before = used()
        for round = 1, 20 do
            story(round)
            crowd(round)
        end
        assert.is_true(used() - before < 40, "kilobytes: " .. used() - before)
    end)
end)
