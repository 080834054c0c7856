--- Within nginx, one worker, over an upstream of 200 ms: 50 calls at once against one, and the share of a core that 500
--- in flight take.

local figures = require "bench.figures"
local nginx = require "spec.support.nginx"
local shell = require "spec.support.shell"

local AT_ONCE, CLIENTS, EACH = 50, 25, 20

-- %s: the upstream's base URLs. A client of its own for the single calls, with a turn for each of them.
local INIT = [[
    kataven = require "kataven"
    local function new(base, maxConcurrent)
        return kataven.new { apiKey = "sk_live_bench_1", baseUrl = base, maxConcurrent = maxConcurrent, retry = false }
    end
    one, many = new("%s", ]] .. AT_ONCE .. [[), { ["25"] = {}, ["1"] = {} }
    for index = 1, ]] .. CLIENTS .. [[ do
        many["25"][index] = new("%s", ]] .. EACH .. [[)
        many["1"][index] = new("%s", ]] .. EACH .. [[)
    end
]]

local ONE = [[
    local keys, err = one.widgetKeys.list()
    ngx.status = keys and 200 or 500
    ngx.say(keys and #keys or tostring(err))
]]

-- Calls without a pause in all light threads; after a second the worker's nanoseconds on a processor are read, and
-- again some seconds later. `keys` picks the clients.
local LOAD = [[
    local over, done, failed, threads = false, 0, 0, {}
    local function read()
        local file = io.open "/proc/self/schedstat"
        local spent = file:read "*n"
        file:close()
        ngx.update_time()
        return spent, ngx.now(), done
    end
    for _, client in ipairs(many[ngx.var.arg_keys]) do
        for _ = 1, ]] .. EACH .. [[ do
            threads[#threads + 1] = ngx.thread.spawn(function()
                while not over do
                    if client.widgetKeys.list() then
                        done = done + 1
                    else
                        failed = failed + 1
                    end
                end
            end)
        end
    end
    local seconds = tonumber(ngx.var.arg_seconds)
    ngx.sleep(1)
    local spent, began, before = read()
    ngx.sleep(seconds)
    local total, ended, after = read()
    over = true
    for _, thread in ipairs(threads) do
        ngx.thread.wait(thread)
    end
    for _, client in ipairs(many[ngx.var.arg_keys]) do
        client:close()
    end
    ngx.say(((total - spent) / 1e9) / (ended - began), " ", (after - before) / (ended - began), " ", failed)
]]

local MAIN = "worker_rlimit_nofile 4096;"

local function start(slow, slowOne)
    local here = shell.run "pwd":match "[^\n]+"
    return nginx.start {
        main = MAIN,
        init = INIT:format(slow, slow, slowOne),
        content = { ["/one"] = ONE, ["/load"] = LOAD },
        path = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(here, here),
        cpath = ("%s/build/luajit/?.so;;"):format(here),
    }
end

-- Seconds until the last of so many requests at once was answered.
local function last(server, count)
    local paths, longest = {}, 0
    for index = 1, count do
        paths[index] = "/one"
    end
    for _, answer in ipairs(server:all(paths)) do
        assert(answer.status == 200, answer.body)
        longest = math.max(longest, answer.seconds)
    end
    return longest
end

local function measure(context, server)
    local report = context.report
    last(server, AT_ONCE) -- makes the connections
    local results = figures.interleave({ "one", "many" }, context.quick and 1 or 9, function(name)
        return last(server, name == "one" and 1 or AT_ONCE)
    end)
    local ratio = figures.ratio(results.many, results.one)
    report:most(("nginx, %d at once, over one call"):format(AT_ONCE), ratio.median, 1.3,
        ("%s; %.0f and %.0f ms"):format(figures.text(ratio), figures.median(results.many) * 1000,
            figures.median(results.one) * 1000))
    local rows = { { "keys in an answer", "share of a core", "calls a second", "µs of CPU for a call" } }
    for _, keys in ipairs { "1", "25" } do
        local path = ("/load?keys=%s&seconds=%g"):format(keys, context.quick and 0.5 or 5)
        local share, rate, failed = server:get(path).body:match "([%d.]+) ([%d.]+) (%d+)"
        assert(failed == "0", "calls failed")
        rows[#rows + 1] = { keys, ("%.3f"):format(share), ("%.0f"):format(rate), ("%.0f"):format(share / rate * 1e6) }
        -- 500 that take 200 ms each are 2,500 a second at most.
        if keys == "25" and tonumber(rate) < CLIENTS * EACH * 4 then
            report:judge { what = ("nginx, %d in flight (%d clients)"):format(CLIENTS * EACH, CLIENTS),
                limit = "under 0.2 of a core", figure = ("only %.0f calls a second were reached"):format(rate) }
        elseif keys == "25" then
            report:most(("nginx, %d in flight (%d clients)"):format(CLIENTS * EACH, CLIENTS), tonumber(share), 0.2,
                ("%.3f of a core, at %.0f calls of 25 keys a second"):format(share, rate), " of a core", true)
        end
    end
    report:table(("nginx, one worker, %d in flight"):format(CLIENTS * EACH), rows)
end

return function(context)
    if shell.try "test -e build/luajit/kataven/core.so" ~= 0 then
        context.report:judge { what = "nginx, 50 at once, and 500 in flight", figure = "there is no build for LuaJIT",
            limit = "1.3 times one call, 0.2 of a core" }
        return
    end
    local server = start(context.server.base "slow", context.server.base "slow1")
    local ok, problem = xpcall(measure, debug.traceback, context, server)
    local log = server:log()
    server:stop()
    if not ok then
        error(problem .. "\n" .. log, 0)
    end
end
