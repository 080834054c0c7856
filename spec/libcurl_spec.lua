-- Another libcurl than the usual one: options of a newer version, and another TLS library.

local build = require "spec.support.build"
local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local core = require "kataven.core"
local files = require "spec.support.files"
local log = require "kataven.log"
local servers = require "spec.support.servers"
local shell = require "spec.support.shell"

describe("libcurl", function()
    -- From 8.23 on the multi handle has to be told as well, or an end waits for a name that is being resolved.
    it("is told, on its multi handle, to wait for no resolver at the end", function()
        if build.darwin then
            pending "nothing is preloaded here"
            return
        end
        local object, path = compiled.build("multi_options", "-shared"), os.tmpname()
        finally(function()
            os.remove(object)
            os.remove(path)
        end)
        local _, errors, status = child.complete([[
            local client = require "kataven".new { apiKey = "sk_live_spec_x", baseUrl = "http://127.0.0.1:1",
                retry = false }
            assert(not client.widgetKeys.list())
        ]], { LD_PRELOAD = object, MULTI_OPTIONS = path })
        assert.same({ "", 0 }, { errors, status })
        local told = {}
        for number, value in assert(files.read(path)):gmatch "(%d+) (%d+)\n" do
            told[tonumber(number)] = tonumber(value)
        end
        assert.equal(1, told[21], "CURLMOPT_QUICK_EXIT")
        assert.equal(0, told[3], "CURLMOPT_PIPELINING: CURLPIPE_NOTHING")
    end)

    it("over OpenSSL is nothing to speak of", function()
        assert.is_nil(core.tlsProblem)
    end)

    describe("over GnuTLS", function()
        local place, cert, server

        lazy_setup(function()
            cert = servers.certificate()
            server = servers.tcp { tls = { cert = cert.cert, key = cert.key }, default = { { tls = true },
                { read = "request" }, { send = servers.answer { headers = { ["Content-Type"] = "application/json" },
                    body = "[]" } } } }
            local _, found = shell.try((os.getenv "CC" or "cc") .. " -print-file-name=libcurl-gnutls.so.4")
            if found:find "^/" then
                place = shell.run "mktemp -d":gsub("\n$", "")
                build.make("BUILD=%s CURL_LIBS=-l:libcurl-gnutls.so.4 all", place .. "/core")
            end
        end)

        lazy_teardown(function()
            cert:remove()
            server:stop()
            if place then
                shell.run("rm -rf %s", place)
            end
        end)

        local function run(script, environment)
            if not place then
                pending "libcurl over GnuTLS is not installed (Debian: libcurl3-gnutls)"
                return
            end
            environment.LUA_CPATH = place .. "/core/?.so;" .. package.cpath
            environment.CERT, environment.URL = cert.cert, server.url
            local output, errors, status = child.complete(script, environment)
            assert.equal(0, status, errors)
            return output, errors
        end

        local MAKE = [[
            local kataven = require "kataven"
            local function make(options)
                options.apiKey, options.baseUrl = "sk_live_spec_x", os.getenv "URL"
                options.caFile = os.getenv "CERT"
                return kataven.new(options)
            end
        ]]

        it("is warned of as a client is made, once, and calls are made all the same", function()
            local output, errors = run(MAKE .. [[
                local events = {}
                local client = make { log = function(event) events[#events + 1] = event end }
                io.write(#events, " ", events[1].event, " ", events[1].error, "\n")
                assert(client.widgetKeys.list())
                for index = 2, #events do assert(events[index].event ~= "warning") end
                for name in pairs(events[1]) do assert(name == "event" or name == "error", name) end
                make { log = function() error "must not matter" end }
                make {}
            ]], {})
            if output then
                assert.equal("", errors)
                assert.matches("^1 warning this process's libcurl does TLS by GnuTLS/[%d.]+, and only OpenSSL is "
                    .. "supported: .-\n$", output)
            end
        end)

        it("is warned of on stderr, where KATAVEN_LOG asks for a log", function()
            local output, errors = run(MAKE .. "make {}", { KATAVEN_LOG = "debug" })
            if output then
                assert.matches("^kataven: warning, this process's libcurl does TLS by GnuTLS/[^\n]+\n$", errors)
            end
        end)

        it("concerns nobody who brings a transport of their own", function()
            local output, errors = run(MAKE .. [[
                make { transport = { send = function() end }, log = function() io.write "logged" end }
            ]], {})
            if output then
                assert.same({ "", "" }, { output, errors })
            end
        end)
    end)
end)

describe("the default log", function()
    it("has a line for what belongs to no call", function()
        assert.equal("kataven: warning, look out", log.line { event = "warning", error = "look out" })
    end)
end)
