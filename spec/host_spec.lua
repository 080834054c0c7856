-- The hosts that `wait` knows by name: what they need, and what becomes of an error in them.

local child = require "spec.support.child"
local core = require "kataven.core"
local kataven = require "kataven"
local servers = require "spec.support.servers"

local KEY = "sk_live_spec_hosts"
local EMPTY = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }

describe("the descriptor of a wait", function()
    it("is readable when a call that ends has taken in another's answer", function()
        local tcp = servers.tcp { default = { { read = "request" }, { wait = "go" }, { send = EMPTY } } }
        local descriptor
        local client = kataven.new { apiKey = KEY, baseUrl = tcp.url, proxy = false, maxConcurrent = 1,
            wait = function(_, fd)
                descriptor = fd
                coroutine.yield()
            end }
        local keys, err, _
        local first = coroutine.create(function() keys = client.widgetKeys.list() end)
        local second = coroutine.create(function() _, err = client.widgetKeys.list { deadline = 0.05 } end)
        repeat
            assert(coroutine.resume(first))
        until #tcp:log().requests == 1
        assert(coroutine.resume(second))
        tcp:signal "go"
        core.wait(0.2) -- the answer is there, and the second one's time over
        assert(coroutine.resume(second))
        assert.equal("TimeoutError", err.name)
        if descriptor then
            local began = core.now()
            core.wait(5, descriptor)
            assert.is_true(core.now() - began < 2)
        end
        if coroutine.status(first) ~= "dead" then
            assert(coroutine.resume(first))
        end
        assert.same({}, keys)
        client:close()
        tcp:stop()
    end)
end)

describe("a host that was named", function()
    it("needs its library only when it is used, and says where to get it", function()
        for name, source in pairs {
            cqueues = "Debian: lua-cqueues; LuaRocks: cqueues",
            copas = "Debian: lua-copas; LuaRocks: copas",
            luv = "Debian: lua-luv; LuaRocks: luv",
        } do
            local output = child.run(([[
                package.preload[%q] = function() error("it is not there", 0) end
                local kataven = require "kataven"
                kataven.new { apiKey = "sk_live_a" }
                print(pcall(kataven.new, { apiKey = "sk_live_a", wait = %q }))
            ]]):format(name, name))
            assert.matches(('^false\t.-wait = "%s" needs the Lua module "%s" %%('):format(name, name), output)
            assert.truthy(output:find(source, 1, true))
            assert.truthy(output:find("which does not load: it is not there", 1, true), output)
        end
    end)

    it("may be copas 1 only where there is a descriptor, which has to stand in for timers", function()
        for version, sleep in pairs { [1] = "nil", [2] = "function() end" } do
            local output = child.run(([[
                package.preload.copas = function() return { receive = function() end, sleep = %s } end
                require("kataven.core").descriptors = false
                print(pcall(require("kataven").new, { apiKey = "sk_live_a", wait = "copas" }))
            ]]):format(sleep))
            if version == 1 then
                assert.truthy(output:find('wait = "copas" needs copas 2 or later on a system without epoll', 1, true))
            else
                assert.matches("^true\t", output)
            end
        end
    end)

    it("passes what a coroutine of luv's raises on to its loop, which ends the program and says why", function()
        local hub = servers.hub { apiKey = KEY }
        local output, errors = child.run(([[
            local uv = require "luv"
            local client = require("kataven").new { apiKey = %q, baseUrl = %q, wait = "luv" }
            local function handler()
                assert(client.widgetKeys.list())
                error("in the handler")
            end
            coroutine.wrap(handler)()
            uv.run()
            print "not reached"
        ]]):format(KEY, hub.url))
        hub:stop()
        assert.equal("", output)
        assert.matches("^Uncaught Error: [^\n]+:5: in the handler\nstack traceback:\n[^\n]+\n[^\n]+:5: in function",
            errors)
    end)
end)
