-- What a client has open stays with it: a program that a script runs through os.execute gets none of its descriptors.

local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local files = require "spec.support.files"
local servers = require "spec.support.servers"

if not files.read "/proc/self/status" then
    describe("a client's descriptors", function()
        it("are looked at on Linux", function()
            pending "elsewhere nothing says which descriptors a process has"
        end)
    end)
    return
end

local LIST = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }

describe("a program that a script runs", function()
    local cert, plain, secure, slow

    lazy_setup(function()
        cert = servers.certificate()
        slow = compiled.build("slow_dns", "-shared")
        plain, secure = servers.tcp(), servers.tcp()
    end)

    lazy_teardown(function()
        plain:stop()
        secure:stop()
        cert:remove()
        os.remove(slow)
    end)

    it("gets none of a client's descriptors", function()
        plain:script { default = { { read = "request" }, { send = LIST }, { read = "request" }, { stall = true } } }
        secure:script { tls = { cert = cert.cert, key = cert.key }, default = { { tls = true }, { read = "request" },
            { send = LIST }, { read = "request" }, { stall = true } } }
        local output, errors = child.run([[
            local files, kataven = require "spec.support.files", require "kataven"
            local host = require "spec.support.scheduler".new()
            local path = os.tmpname()

            -- What is open in the shell that is run here ("$"), or in this process, its parent ("PPID").
            local function open(whose)
                os.execute(("ls -l /proc/$%s/fd >%s; :"):format(whose, path))
                local found = {}
                for number, what in files.read(path):gmatch "(%d+) %-> (%S+)" do
                    found[#found + 1] = ("%s %s\n"):format(number, what)
                end
                return table.concat(found)
            end
            local before = open "$"
            local function compare(moment, sockets)
                local own, passedOn = select(2, open "PPID":gsub("socket:", "")), open "$"
                assert(own >= sockets, ("%d sockets are too few to see anything"):format(own))
                assert(passedOn == before, ("%s, a shell got\n%s"):format(moment, passedOn))
                io.write(moment, ", ")
            end

            local function client(url)
                return kataven.new { apiKey = "sk_live_spec_x", baseUrl = url, caFile = os.getenv "CERT",
                    wait = host.wait }
            end
            local function start(one)
                host.spawn(function() one.widgetKeys.list() end)
                local looks = 0
                host.run(function()
                    looks = looks + 1
                    return looks > 10
                end)
            end
            local plain, secure = client(os.getenv "PLAIN"), client(os.getenv "SECURE")
            local slow = client "https://api.slow.test/v1"
            for _, one in ipairs { plain, secure } do
                host.spawn(function() assert(one.widgetKeys.list()) end)
            end
            host.run()
            compare("kept alive", 4) -- with a pair for each client that libcurl wakes itself by
            start(plain)
            start(secure)
            compare("in flight", 4)

            -- The resolver wakes libcurl by a pair as well, whose numbers need not be next to each other.
            local hole = io.open "/proc/self/status"
            local number = open "PPID":match "(%d+) /proc/%d+/status"
            start(slow)
            hole:close()
            start(slow)
            assert(open "PPID":find("\n" .. number .. " socket:"), "the hole was not filled")
            compare("being resolved", 10)
            os.remove(path)
        ]], { PLAIN = plain.url, SECURE = secure.url, CERT = cert.cert, LD_PRELOAD = slow, SLOW_DNS = "20" })
        assert.equal("", errors)
        assert.equal("kept alive, in flight, being resolved, ", output)
    end)
end)
