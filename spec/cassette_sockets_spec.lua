-- A replay opens no socket, whatever its file holds: the kernel kills it if it asks for one.

local child = require "spec.support.child"
local compiled = require "spec.support.compiled"

local function linux()
    local handle = io.open("/proc/self/status", "rb")
    return handle and handle:close()
end

describe("a replay", function()
    local launcher

    setup(function()
        launcher = linux() and compiled.build "no_sockets"
    end)

    teardown(function()
        if launcher then
            os.remove(launcher)
        end
    end)

    local function run(script)
        if not launcher then
            pending("only Linux lets a program forbid itself sockets")
        end
        return child.run(script, { KATAVEN_API_KEY = "sk_live_test_x", http_proxy = "http://127.0.0.1:9" }, launcher)
    end

    it("is watched in earnest: libcurl's transport does not outlive its first call", function()
        local output = run [[
            local client = require("kataven").new { baseUrl = "http://127.0.0.1:9", retry = false }
            io.write "before "
            io.stdout:flush()
            client.widgetKeys.list()
            io.write "after"
        ]]
        assert.equal("before ", output)
    end)

    it("opens no socket and does not even start libcurl", function()
        local output, errors = run [[
            local kataven = require "kataven"
            local core = require "kataven.core"
            local files = {
                '{"version":1,"interactions":[]}',
                '{"version":1,"interactions":[{"request":{"method":"GET","path":"/api/v1/widget-keys"},'
                    .. '"response":{"status":302,"headers":{"location":"http://127.0.0.1:9/x"},"body":""}}]}',
                '{"version":1,"interactions":[{"request":{"method":"GET","path":"/api/v1/widget-keys"},'
                    .. '"response":{"status":429,"headers":{"retry-after":"3"}}},'
                    .. '{"request":{"method":"GET","path":"/api/v1/widget-keys"},'
                    .. '"error":{"kind":"connect","delay":2}},'
                    .. '{"request":{"method":"GET","path":"/api/v1/widget-keys"},'
                    .. '"error":{"kind":"timeout","sent":true}},'
                    .. '{"request":{"method":"GET","path":"/api/v1/widget-keys"},'
                    .. '"response":{"status":200,"json":[]}}]}',
                '{"version":1,"interactions":[{"request":{"method":"GET","path":"//127.0.0.1:9/x"},'
                    .. '"response":{"status":200}}]}',
                '{"version":1,"interactions":[{"url":"http://127.0.0.1:9/"}]}',
                '{"version":2,"interactions":[]}',
                'not a cassette at all',
                '',
            }
            local path = os.tmpname()
            for i, text in ipairs(files) do
                local file = io.open(path, "wb")
                file:write(text)
                file:close()
                for _, mode in ipairs { "replay", "once" } do
                    for _, baseUrl in ipairs { "http://127.0.0.1:9", "https://api.kataven.ai/v1" } do
                        local ok, cassette = pcall(kataven.cassette.open, path, { mode = mode })
                        if ok then
                            local client = kataven.new { transport = cassette, baseUrl = baseUrl }
                            client.widgetKeys.list()
                            client.widgetKeys.create({ name = "a" }, { cancel = kataven.canceller() })
                            client:request { path = "/127.0.0.1:9/x" }
                            client:close()
                        end
                    end
                end
            end
            os.remove(path)
            assert(not pcall(kataven.cassette.open, path))
            assert(core.curlReady() == false)
            io.write "to its end"
        ]]
        assert.equal("", errors)
        assert.equal("to its end", output)
    end)
end)
