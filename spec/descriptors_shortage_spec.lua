-- A client takes few descriptors; where none are left it collects what nobody uses, and then says what is missing.

local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local files = require "spec.support.files"
local servers = require "spec.support.servers"

if not files.read "/proc/self/status" then
    describe("a shortage of descriptors", function()
        it("is made on Linux", function()
            pending "elsewhere nothing says which descriptors a process has"
        end)
    end)
    return
end

local core = require "kataven.core"

local LIST = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }
local FOREVER = { { ["repeat"] = true, steps = { { read = "request" }, { send = LIST } } } }

-- Helpers that the scripts share: `opened` counts a process's descriptors by what they are; `fill` leaves it so many.
local COMMON = [[
    local kataven = require "kataven"
    local function client(options)
        options = options or {}
        options.apiKey, options.baseUrl = "sk_live_spec_x", options.baseUrl or os.getenv "URL"
        options.caFile = os.getenv "CERT"
        if options.retry == nil then options.retry = false end
        return kataven.new(options)
    end
    local function write(one)
        return one:request { method = "POST", path = "/p", body = {} }
    end
    local function opened()
        local path = os.tmpname()
        os.execute("ls -l /proc/$PPID/fd >" .. path)
        local file = io.open(path, "rb")
        local text = file:read "*a"
        file:close()
        os.remove(path)
        local counts = { all = 0 }
        for what in text:gmatch "%d+ %-> ([^\n]+)" do
            what = what:match "^anon_inode:%[?(%a+)" or what:match "^(socket):" or "other"
            counts[what] = (counts[what] or 0) + 1
            counts.all = counts.all + 1
        end
        return counts
    end
    local fillers = {}
    local function fill(left)
        repeat
            local file = io.open "/dev/null"
            fillers[#fillers + 1] = file
        until not file
        for _ = 1, left do
            table.remove(fillers):close()
        end
    end
    local function empty()
        for _, file in ipairs(fillers) do file:close() end
        fillers = {}
    end
]]

local function limited(number)
    return { "sh", "-c", ('ulimit -n %d; exec "$@"'):format(number), "sh" }
end

describe("a client's descriptors", function()
    local server, secure, cert

    lazy_setup(function()
        cert = servers.certificate()
        server = servers.tcp { default = FOREVER }
        secure = servers.tcp { tls = { cert = cert.cert, key = cert.key },
            default = { { tls = true }, { ["repeat"] = true, steps = { { read = "request" }, { send = LIST } } } } }
    end)

    lazy_teardown(function()
        server:stop()
        secure:stop()
        cert:remove()
    end)

    local function run(script, launcher, url)
        local output, errors, status = child.complete(COMMON .. script,
            { URL = url or server.url, CERT = cert.cert }, launcher)
        assert.equal("", errors)
        assert.equal(0, status)
        return output
    end

    it("are few where calls block, and none of them is for a host to watch", function()
        assert.equal("0 true true 0 0", run [[
            local before = opened()
            local one = client()
            assert(one.widgetKeys.list())
            assert(one.widgetKeys.list())
            local now = opened()
            -- The connection, the set of what to watch, and what this libcurl wakes itself by.
            io.write(now.timerfd or 0, " ", tostring(now.all - before.all <= 4), " ",
                tostring((now.eventpoll or 0) <= 1), " ")
            one:close()
            io.write(opened().all - before.all, " ")
            for _ = 1, 3 do assert(client().widgetKeys.list()) end
            collectgarbage() collectgarbage()
            io.write(opened().all - before.all)
        ]])
    end)

    it("are opened when a host first asks for one, and all closed again", function()
        assert.equal(core.descriptors and "1 true 0" or "0 false 0", run [[
            local before, seen = opened(), false
            local one = client { wait = function(seconds, fd)
                seen = seen or fd ~= nil
                require "kataven.core".wait(seconds, fd)
            end }
            assert(write(one))
            io.write(opened().timerfd or 0, " ", tostring(seen), " ")
            one:close()
            io.write(opened().all - before.all)
        ]])
    end)

    for _, stop in ipairs { "", 'collectgarbage "stop"' } do
        it("are collected with clients that nobody closed, where none are left: " .. stop, function()
            assert.equal("300", run(stop .. [[
                local done = 0
                for _ = 1, 300 do
                    assert(client().widgetKeys.list())
                    done = done + 1
                end
                io.write(done)
            ]], limited(64)))
        end)
    end

    -- Wherever it runs out: in the set, the connection, a file of certificates, …
    for _, case in ipairs { { "HTTP" }, { "TLS" } } do
        it("make a call fail by their name wherever they end, with nothing sent, over " .. case[1], function()
            local url = case[1] == "TLS" and secure.url or server.url
            local output = run([[
                local spare = client()
                assert(spare.widgetKeys.list()) -- so that all is loaded
                for left = 0, 9 do
                    fill(left)
                    local one = client()
                    local value, err = write(one)
                    empty()
                    if value then
                        io.write "made "
                    else
                        local text = tostring(err)
                        assert(err.name == "ConnectionError" and not err.maybeApplied, text)
                        assert(text:find "nothing was sent", text)
                        assert(text:find "this process has run out of descriptors", text)
                        assert(text:find "ulimit %-n", text)
                        io.write "short "
                    end
                    -- And it is as good as new.
                    assert(one.widgetKeys.list())
                    one:close()
                end
            ]], limited(64), url)
            assert.matches("^short .*made made made made made $", output)
        end)
    end

    it("may run out in a loop: calls go on without one to watch, or say it", function()
        assert.matches("^[ms]+m$", run([[
            local host = require "spec.support.scheduler".new()
            for left = 0, 9 do
                fill(left)
                local one = client { wait = host.wait }
                local said
                host.spawn(function()
                    local value, err = write(one)
                    said = value and "m" or tostring(err):find "run out of descriptors" and "s" or tostring(err)
                end)
                host.run()
                empty()
                io.write(said)
                one:close()
            end
        ]], limited(64)))
    end)

    it("come back within one call that goes on trying", function()
        assert.equal("3", run([[
            fill(0)
            local one = client { retry = { max = 2, baseDelay = 0.001 }, log = function(event)
                if event.event == "request" and event.attempt == 3 then empty() end
            end }
            local value, meta = write(one)
            assert(value, tostring(meta))
            io.write(meta.attempts)
        ]], limited(64)))
    end)

    describe("refused by a filter", function()
        local program

        lazy_setup(function()
            program = compiled.build "refused_calls"
        end)

        lazy_teardown(function()
            os.remove(program)
        end)

        local CALL = [[
            local one = client { baseUrl = os.getenv "TO" }
            local value, err = write(one)
            io.write(value and "made" or err.name .. (err.maybeApplied and " maybe " or " ") .. err.message)
        ]]
        local ERRNO = { EPERM = 1, EACCES = 13, ENOSYS = 38 }

        for _, case in ipairs { { "socket", "EPERM" }, { "socket", "EACCES" }, { "socket", "ENOSYS" },
            { "connect", "EPERM" }, { "epoll_create1", "ENOSYS" }, { "epoll_create1", "EPERM" } } do
            local call, name = case[1], case[2]
            it(("are named by the system call: %s, %s"):format(call, name), function()
                if call == "epoll_create1" and not core.descriptors then
                    pending "this core does without"
                    return
                end
                local output = run(CALL:gsub('os.getenv "TO"', "nil"), { program, tostring(ERRNO[name]), call })
                assert.matches("^ConnectionError nothing was sent", output)
                assert.truthy(output:find(("the system call %s (%s)"):format(call, name), 1, true), output)
                assert.is_nil(output:lower():find("libcurl", 1, true), output)
            end)
        end

        it("are named where a host's name is to be resolved", function()
            local output = run(CALL:gsub('os.getenv "TO"', '"https://hub.test"'), { program, "1", "socket,socketpair" })
            assert.matches("the system call socket%a* %(EPERM%)", output)
        end)

        it("are done without where only a host would watch them", function()
            for _, calls in ipairs { "eventfd2", "timerfd_create", "eventfd2,timerfd_create" } do
                assert.equal("made", run([[
                    local one = client { wait = require "kataven.core".wait }
                    assert(write(one))
                    one:close()
                    local host = require "spec.support.scheduler".new()
                    one = client { wait = host.wait }
                    host.spawn(function() assert(write(one)) io.write "made" end)
                    host.run()
                ]], { program, "1", calls }))
            end
        end)
    end)
end)
