-- Hosts that load the module and then take away what it was loaded with: `require`, libraries, single functions. What a
-- client needs it has from then on, and what is loaded later comes by the `require` of the beginning.

local child = require "spec.support.child"
local servers = require "spec.support.servers"

-- Everything that is used within the sandboxes, by a program that needs no global that they take away.
local PROGRAM = [[
local function check(value, problem, ...)
    if not value then
        error(problem, 2)
    end
    return value, problem, ...
end

-- Over sockets, by blocking.
local client = kataven.new { apiKey = "sk_live_a_1", baseUrl = URL, proxy = false, retry = false }
check(#kataven.assert(client.widgetKeys.list()) == 1, "list")
local key = kataven.assert(client.widgetKeys.create { name = "b", domain_allowlist = { "b.example" } })
check(key.id == "k2", "create")
check(client:request { path = "/api/v1/widget-keys", query = { a = { 1, 2 } }, headers = { ["X-A"] = "1" } }, "request")
local refused, err = client.widgetKeys.delete "k3"
check(not refused and err:is "NotFoundError", "delete")
check(tostring(err):find("404 no such key", 1, true), tostring(err))
client:close()
check(tostring(client):find("closed", 1, true), "tostring")

-- The parts that make no call.
local plan = check(kataven.plan({ { name = "a" }, { name = "c" } }, { { id = "k1", name = "a" } }))
check(#plan.changes == 1 and plan.changes[1].action == "create", "plan")
check(kataven.canceller().cancelled == false, "canceller")
check(kataven.array {}, "array")

-- Misuse is said at the caller's line, and nothing else is raised.
for _, wrong in ipairs {
    { apiKey = '"sk_live_a_1"' }, { apiKey = "sk_live_a_1", log = 5 }, { apiKey = "sk_live_a_1", wait = "nonesuch" },
    { apiKey = "sk_live_a_1", transport = {} }, { apikey = "x" }, setmetatable({}, { __index = {} }),
} do
    local ok, problem = pcall(kataven.new, wrong)
    check(not ok and type(problem) == "string", "misuse")
    check(problem:find "^apiKey" or problem:find "^log" or problem:find "^wait" or problem:find "^transport"
        or problem:find "^unknown option" or problem:find "^the table of options", problem)
end

-- Another transport, and whatever can be called.
local waits = 0
local replies = { send = function(_, _, wait)
    wait(0.001)
    return { status = 200, headers = {}, body = "[]" }
end }
local other = kataven.new {
    apiKey = "sk_live_a_1", transport = replies, log = setmetatable({}, { __call = function() end }),
    wait = setmetatable({}, { __call = function() waits = waits + 1 end }),
}
kataven.assert(other.widgetKeys.list { timeout = 5, deadline = 10, retry = { max = 1 } })
check(waits == 1, "wait")

-- A part that is loaded when it is first used.
local found, cassette = pcall(function() return kataven.cassette end)
check(found, cassette)
check(kataven.cassette == cassette, "cassette")
if CAN_READ then
    local tape = cassette.open("spec/cassettes/widget_keys.json", { allowRepeats = true })
    local player = kataven.new { apiKey = "sk_live_a_1", transport = tape }
    kataven.assert(player.widgetKeys.list())
    check(tape:remaining() > 0, "remaining")
    player:close()
else
    local ok, problem = pcall(cassette.open, "spec/cassettes/widget_keys.json")
    check(not ok and problem:find("this host grants no io.open", 1, true), problem)
end
local ok, problem = pcall(client.queue, client, {})
check(not ok and problem:find("client:queue is for OpenResty", 1, true), problem)

-- A coroutine with globals of its own, on 5.1 and LuaJIT: what was not needed yet is still loaded.
if setGlobals then
    local fine, why = threads.resume(threads.create(function()
        setGlobals(0, {})
        return kataven.new { apiKey = "sk_live_a_1", wait = "yield" }
    end))
    check(fine, why)
end

-- Coroutines, where there are any.
local yields, unyielding = pcall(kataven.new, { apiKey = "sk_live_a_1", wait = "yield" })
check(yields == HAS_COROUTINES, unyielding)
check(yields or unyielding == 'wait = "yield" needs coroutines, which this host does not grant', unyielding)
local ran, results = pcall(client.parallel, { function() return 1 end, function() return 2 end })
check(ran == HAS_COROUTINES, results)
check(ran and results[2].value == 2 or results:find("needs coroutines, which this host does not grant", 1, true),
    results)
]]

-- What the program is to know, and what it may use, as a text of Lua: `kataven` is there.
local HEAD = [[
local URL, CAN_READ, HAS_COROUTINES = %q, %s, %s
local error, ipairs, pcall, setmetatable, tostring, type = error, ipairs, pcall, setmetatable, tostring, type
local write, stderr = io.write, io.stderr
local threads, setGlobals = coroutine, HAS_COROUTINES and rawget(_G, "setfenv")
local host = _G
]]

local SANDBOXES = {
    {
        name = "whose require raises after loading, without debug.getmetatable and os.getenv (as Luanti's)",
        after = [[
            debug.getmetatable, debug.getregistry, os.getenv = nil, nil, nil
            require = function() error("require() is disabled when mod security is on.", 0) end
        ]],
    },
    {
        name = "without require after loading",
        after = "require = nil",
    },
    {
        name = "whose globals must be declared, and may not be set",
        before = [[
            local function strict(_, name) error("variable '" .. tostring(name) .. "' is not declared", 2) end
            local function sealed(_, name) error("assignment to '" .. tostring(name) .. "'", 2) end
            require "cjson"
            setmetatable(_G, { __index = strict, __newindex = sealed })
        ]],
        after = [[
            rawset(_G, "require", nil)
        ]],
    },
    {
        name = "with few libraries",
        after = [[
            os, io, debug, jit, package, collectgarbage, coroutine, newproxy = nil, nil, nil, nil, nil, nil, nil, nil
            require, _VERSION = nil, nil
            host._G = nil
        ]],
        reads = false, coroutines = false,
    },
    {
        name = "with few libraries from the beginning",
        before = [[
            for _, name in ipairs { "os", "io", "debug", "jit", "package", "collectgarbage", "coroutine", "newproxy",
                "_VERSION", "_G" } do
                host[name] = nil
            end
        ]],
        after = "host.require = nil",
        reads = false, coroutines = false,
    },
    {
        name = "whose functions raise",
        before = [[
            local function denied() error "not allowed" end
            os.getenv, collectgarbage, coroutine.running = denied, denied, denied
            debug.getmetatable, debug.getregistry, debug.traceback = denied, denied, denied
        ]],
        after = [[
            require = function() error "not allowed outside of loading" end
        ]],
    },
    {
        name = "that gives each file an environment of its own, with a require that C does not see",
        before = [[
            local searchers = package.searchers or package.loaders
            local path, real, open = package.path, require, io.open
            local inside = { io = { open = open }, math = math, string = string, table = table }
            for _, name in ipairs { "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal",
                "rawget", "rawset", "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall" } do
                inside[name] = rawget(_G, name)
            end
            inside.require = real
            local setfenv, loadstring, load = rawget(_G, "setfenv"), rawget(_G, "loadstring"), load
            table.insert(searchers, 2, function(name)
                for template in path:gmatch "[^;]+" do
                    local file = name:find "^kataven" and open((template:gsub("%?", (name:gsub("%.", "/")))), "rb")
                    if file then
                        local text = file:read "*a"
                        file:close()
                        if setfenv then
                            return setfenv(assert(loadstring(text, "=" .. name)), inside)
                        end
                        return assert(load(text, "=" .. name, "t", inside))
                    end
                end
                return "none"
            end)
            take = function() return inside.require "kataven" end
            setmetatable(inside, { __newindex = function() error "sealed" end })
            host.inside = inside
            host.require = nil
        ]],
        after = [[
            host.inside.require = function() error "not allowed outside of loading" end
        ]],
        coroutines = false,
    },
}

describe("the module, in a sandbox", function()
    local server

    setup(function()
        server = servers.tcp()
    end)

    teardown(function()
        server:stop()
    end)

    for _, sandbox in ipairs(SANDBOXES) do
        it(sandbox.name .. ", works", function()
            local function json(status, body)
                local kind = status < 400 and "application/json" or "text/plain"
                return { send = servers.answer { status = status, headers = { ["Content-Type"] = kind }, body = body } }
            end
            local read = { read = "request" }
            server:script { {
                read, json(200, '[{"id":"k1"}]'), read, json(201, '{"id":"k2"}'), read, json(200, "[]"),
                read, json(404, "no such key"),
            } }
            local head = HEAD:format(server.url, tostring(sandbox.reads ~= false),
                tostring(sandbox.coroutines ~= false))
            local output, errors = child.run(table.concat {
                head, "local take = function() return require 'kataven' end\n", sandbox.before or "", "\n",
                "local kataven = take()\n", sandbox.after or "", "\n",
                "local ok, problem = pcall(function()\n", PROGRAM, "\nend)\n",
                "write(ok and 'ran to its end' or tostring(problem))\n",
            })
            assert.same({ "ran to its end", "" }, { output, errors })
        end)
    end
end)
