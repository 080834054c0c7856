-- The core's own copies of the API key are gone from memory as soon as the client is closed, whatever becomes of its
-- objects. In those copies it stands behind the header's name and before a NUL byte: it does so neither in Lua's
-- strings nor in what libcurl sends, both of which may keep it.

local build = require "spec.support.build"
local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local files = require "spec.support.files"
local servers = require "spec.support.servers"
local shell = require "spec.support.shell"

local ANSWER = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }

describe("when a client is closed, the core has no copy of its key any more", function()
    local problem, module, forks, tcp

    lazy_setup(function()
        if os.getenv "SPEC_REPORTS" then
            problem = "under a sanitizer or valgrind memory is not to be looked through"
            return
        elseif not files.read "/proc/self/maps" then
            problem = "there is no /proc/self/maps"
            return
        end
        local flags = shell.run("pkg-config --cflags " .. build.pc):gsub("\n$", "")
        module = compiled.build("memory", "-shared " .. flags)
        forks = compiled.module "forks"
        tcp = servers.tcp {}
    end)

    lazy_teardown(function()
        if module then
            os.remove(module)
            os.remove(forks)
            tcp:stop()
        end
    end)

    -- Runs a script, in which `client` has a wait as given and one call behind it, and `copies()` counts.
    local function its(name, wait, script)
        it(name, function()
            if problem then
                pending(problem)
                return
            end
            tcp:script { default = { { read = "request" }, { send = ANSWER }, { read = "request" }, { stall = true } } }
            local output, errors = child.run([[
                collectgarbage("stop") -- nothing is wiped because it was collected
                local core, kataven = require "kataven.core", require "kataven"
                local memory = package.loadlib(os.getenv "MODULE", "luaopen_memory")()
                local key = "sk_live_canary_" .. ("4fA9xQ"):rep(3)
                local function copies()
                    return memory("Authorization: ", "Bearer ", key, "\0")
                end
                local client = kataven.new { apiKey = key, baseUrl = os.getenv "URL", wait = ]] .. wait .. [[ }
                local function run(call)
                    local co = coroutine.create(call)
                    assert(coroutine.resume(co))
                    return co
                end
                local first = run(function() assert(client.widgetKeys.list()) end)
                while coroutine.status(first) ~= "dead" do
                    core.wait(0.001)
                    assert(coroutine.resume(first))
                end
                assert(copies() > 0, "the search finds nothing")
                ]] .. script .. [[

                local left = copies()
                io.write(left == 0 and "none" or left .. " are left")
            ]], { MODULE = module, FORKS = forks, URL = tcp.url })
            assert.same({ "none", "" }, { output, errors })
        end)
    end

    local YIELDS = "function() coroutine.yield() end"

    its("after its calls", "nil", "client:close()")

    its("with headers of a call's own", YIELDS, [[
        for index = 1, 3 do
            run(function() client.widgetKeys.list { headers = { ["X-Call"] = tostring(index) } } end)
        end
        client:close()
    ]])

    its("during a call", YIELDS, [[
        local result
        local co = run(function() result = select(2, client.widgetKeys.list()) end)
        client:close()
        assert(coroutine.resume(co))
        assert(result.name == "ClosedError")
    ]])

    its("during a call that nobody goes on with", YIELDS, [[
        run(function() client.widgetKeys.list() end)
        client:close()
    ]])

    -- The attempt is the parent's, so the child neither ends it nor gives back what is its own; but it is wiped.
    its("in a forked child, during a call", YIELDS, [[
        local forks = package.loadlib(os.getenv "FORKS", "luaopen_forks")()
        run(function() client.widgetKeys.list() end)
        local pid = forks.fork()
        if pid == 0 then
            client:close()
            os.exit(copies() == 0 and 0 or 1)
        end
        local left = forks.wait(pid)
        assert(left == 0, "the child has copies left")
        client:close()
    ]])
end)
