-- The examples, each as a program of its own against the local hub.

local child = require "spec.support.child"
local examples = require "spec.support.examples"
local redis = require "spec.support.redis"
local servers = require "spec.support.servers"

describe("examples/", function()
    local hub

    setup(function()
        hub = servers.hub { latency = 0.2 }
    end)

    teardown(function()
        hub:stop()
    end)

    before_each(function()
        hub:reset()
    end)

    local function run(name, arguments)
        return child.run(("arg = { %s }\n%s"):format(arguments or "", examples.read("examples/" .. name .. ".lua")), {
            KATAVEN_BASE_URL = hub.url,
            KATAVEN_API_KEY = hub.apiKey,
        })
    end

    local NAMES = { "acme.com", "play.example", "shop.example" }

    local function sortedLines(text)
        local lines = {}
        for line in text:gmatch "[^\n]+" do
            lines[#lines + 1] = line
        end
        table.sort(lines)
        return lines
    end

    -- The names in lines like "minted a key for ...", in alphabetical order.
    local function minted(output)
        local names = {}
        for name in output:gmatch "minted a key for ([%w.]+)" do
            names[#names + 1] = name
        end
        table.sort(names)
        return names
    end

    it("demo.lua names a secret that the hub pairs with the key, and does not show it", function()
        local usual = hub
        hub = servers.hub { pairs = true, limits = { minute = 30 } }
        finally(function()
            hub:stop()
            hub = usual
        end)
        local output, errors = run "demo"
        assert.equal("", errors)
        assert.matches('\n    data%-client%-key="pk_live_[%w_]+"\n  It is paired with a secret key, for a backend only',
            output)
        assert.is_nil(output:find "sk_live_%w")
    end)

    -- Its own limit is the published one, which the last part runs into.
    it("demo.lua shows a key's life and what refusals look like", function()
        hub:reset { limits = { minute = 30 } }
        hub:next { n = 100, delay = 0 }
        local output, errors = run "demo"
        assert.equal("", errors)
        local function has(pattern)
            local found = { output:match(pattern) }
            assert.truthy(found[1], pattern .. " is not in: " .. output)
            return table.concat(found, " ")
        end
        assert.equal(hub.url, has "^\nThe hub is at (%S+)%. A key for acme%.com and everything below it:\n")
        has '\n    data%-client%-key="(pk_live_[%w_]+)"\n'
        local row = "\n  (%%x[%%x-]+) +%s +%s +%s\n"
        local first = has(row:format("acme%.com", "acme%.com, %*%.acme%.com", "live"))
        local second = has(row:format("staging%.acme%.com", "%(nowhere%)", "live"))
        assert.equal(first, has(row:format("acme%.com", "acme%.com, %*%.acme%.com", "revoked")))
        assert.equal(second, has(row:format("staging%.acme%.com", "localhost:%*", "live")))
        has "\nBoth are deleted:\n  (0 keys are left)%.\n"
        has "\n  AuthenticationError: [^\n]*401[^\n]*\n  (err%.name = \"AuthenticationError\", err%.status = 401)\n"
        has "\n  RateLimitError: [^\n]*429[^\n]*\n  (err%.retryAfter = %d+), in seconds%. "
        local stats = hub:stats()
        assert.same({ 2, 2, 2, 0 }, { stats.creates, stats.updates, stats.deletes, stats.keys })
    end)

    for _, name in ipairs { "cqueues", "luv" } do
        it(name .. ".lua mints while its loop runs on", function()
            local output, errors = run(name)
            assert.equal("", errors)
            assert.same(NAMES, minted(output))
            local ticks = tonumber(output:match "the loop ticked (%d+) times meanwhile")
            assert.is_true(ticks >= 10, output) -- in 200 ms
            assert.equal(3, hub:stats().creates)
        end)
    end

    it("copas.lua mints", function()
        if _VERSION ~= "Lua 5.1" or not require("kataven.core").descriptors then
            return pending "copas 1 is packaged for Lua 5.1 only, and needs epoll"
        end
        local output, errors = run "copas"
        assert.equal("", errors)
        assert.same(NAMES, minted(output))
        assert.equal(3, hub:stats().creates)
    end)

    it("parallel.lua mints for each customer, and shows what it is told by the way", function()
        local output, errors = run("parallel", [["a.example", "b.example", "c.example"]])
        assert.matches("1 of 3\r2 of 3\r3 of 3\n$", errors)
        local lines = sortedLines(output)
        assert.equal(3, #lines)
        for index, name in ipairs { "a", "b", "c" } do
            assert.matches("^" .. name .. "%.example\tpk_live_[%w_]+$", lines[index])
        end
    end)

    it("parallel.lua says what failed", function()
        hub:next { n = 1, status = 400, body = "no such customer" }
        local output = run("parallel", [["a.example", "b.example"]])
        assert.matches("%.example\tfailed\tBadRequestError: .-no such customer", output)
        assert.matches("%.example\tpk_live_", output)
    end)

    it("frames.lua starts calls in one frame and ends them in another, and no frame waits #speed", function()
        -- The list is refused, and is to be tried again long after its scene is over.
        hub:next { { n = 1, delay = 0 }, { n = 1, status = 429, headers = { ["Retry-After"] = "20" }, body = "busy" } }
        local output, errors = run "frames"
        assert.equal("", errors)
        local at = tonumber(output:match "frame +(%d+): the key the shop's is there")
        assert.is_true(at > 5 and at <= 60, output) -- 200 ms are 12 frames
        assert.matches("frame +90: no list: CancelledError", output)
        local left, longest = output:match "(%d+) calls are left; the longest frame spent ([%d.]+) ms"
        assert.equal("0", left)
        assert.is_true(tonumber(longest) < 150, output)
    end)

    it("redis.lua registers customers and mints their keys, in one transaction each", function()
        local missing = redis.missing()
        if missing then
            return pending(missing)
        end
        local server = redis.start {}
        local worker = redis.worker(server, hub)
        finally(function()
            worker:stop()
            server:stop()
            redis.forget()
        end)
        hub:next { n = 1, status = 400, body = "no such customer" }
        local output, errors = child.run(("arg = { %s }\n%s"):format(
            [["refused.example", "acme.com", "shop.example"]], examples.read "examples/redis.lua"),
            { REDIS_URL = server.url })
        assert.equal("", errors)
        assert.matches("^refused%.example\tfailed: 400 no such customer\nacme%.com\tpk_live_[%w_]+\n"
            .. "shop%.example\tpk_live_[%w_]+\n$", output)
        assert.same({ ["acme.com"] = 1, ["shop.example"] = 1 }, hub:created())
        assert.equal("acme.com", server:call("HGET", "{kataven}:customer:acme.com", "name"))
        assert.is_string(server:call("HGET", "{kataven}:customer:acme.com", "widget_key"))
        assert.is_nil((server:call("HGET", "{kataven}:customer:refused.example", "widget_key")))
        assert.is_string(server:call("HGET", "{kataven}:customer:refused.example", "request"))
    end)
end)
