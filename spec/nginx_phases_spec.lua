-- Every phase of a real nginx, and every place within one: a call works, or says why it cannot and sends nothing.

local nginx = require "spec.support.nginx"
local servers = require "spec.support.servers"

local missing = nginx.missing()
if missing then
    describe("the phases of nginx", function()
        pending(missing)
    end)
    return
end

-- `try(where)` makes a call that creates a key of that name, and notes what came of it.
local PROBE = [[
    local kataven = require "kataven"
    client = kataven.new {}
    function attempt(where)
        local key, err = client.widgetKeys.create { name = where }
        if key then
            return key.name
        end
        return ("%s|%d|%s|%s"):format(err.name, err.attempts, tostring(err.maybeApplied), err.message)
    end
    function try(where)
        ngx.shared.seen:set(where, attempt(where))
    end
    try "init"
]]

local HTTP = [[
    lua_shared_dict seen 1m;
    init_worker_by_lua_block {
        try "init_worker"
        ngx.timer.at(0, function() try "timer" end)
    }
    exit_worker_by_lua_block { try "exit_worker" }
    ssl_session_fetch_by_lua_block { try "ssl_session_fetch" }
    ssl_session_store_by_lua_block { try "ssl_session_store" }
    upstream chosen {
        server 0.0.0.1;
        balancer_by_lua_block {
            try "balancer"
            assert(require("ngx.balancer").set_current_peer("127.0.0.1", ngx.var.server_port))
        }
    }
]]

-- The TLS server is the one below; this is the plain one's.
local SERVER = [[
    location = /all {
        set_by_lua_block $ignored { try "set" return "" }
        rewrite_by_lua_block { try "rewrite" }
        access_by_lua_block { try "access" }
        content_by_lua_block { try "content" ngx.print "all" }
        header_filter_by_lua_block { try "header_filter" }
        body_filter_by_lua_block { if ngx.arg[1] == "all" then try "body_filter" end }
        log_by_lua_block { try "log" }
    }
    location = /balanced {
        proxy_pass http://chosen/_ready;
    }
]]

local TLS = [[
    }
    server {
        listen 127.0.0.1:%d ssl;
        ssl_certificate %s;
        ssl_certificate_key %s;
        ssl_protocols TLSv1.2;
        ssl_session_tickets off;
        ssl_session_cache shared:sessions:1m;
        ssl_client_hello_by_lua_block { try "ssl_client_hello" }
        ssl_certificate_by_lua_block { try "ssl_certificate" }
        server_rewrite_by_lua_block { try "server_rewrite" }
        location = /tls { return 204; }
]]

local CONTENT = {
    ["/seen"] = [[
        local lines = {}
        for _, where in ipairs(ngx.shared.seen:get_keys(0)) do
            lines[#lines + 1] = where .. "=" .. ngx.shared.seen:get(where)
        end
        ngx.print(table.concat(lines, "\n"))
    ]],
}

-- Places within a phase that can wait, by name: the Lua that leaves in `said` what `attempt` gave.
local GOOD = {
    pcall = [[ said = select(2, pcall(attempt, where)) ]],
    xpcall = [[ said = select(2, xpcall(function() return attempt(where) end, debug.traceback)) ]],
    ["a light thread"] = [[ said = select(2, ngx.thread.wait(ngx.thread.spawn(attempt, where))) ]],
    ["a coroutine"] = [[ said = select(2, coroutine.resume(coroutine.create(attempt), where)) ]],
    ["a coroutine of a coroutine"] = [[
        said = coroutine.wrap(function() return coroutine.wrap(function() return attempt(where) end)() end)()
    ]],
    ["an iterator"] = [[ for it in function() return not said and attempt(where) or nil end do said = it end ]],
    ["a metamethod"] = [[ said = setmetatable({}, { __index = function() return attempt(where) end }).x ]],
    ["client:parallel"] = [[ said = client:parallel({ function() return attempt(where) end })[1].value ]],
    ["a coroutine in client:parallel"] = [[
        said = client:parallel({ coroutine.wrap(function() return attempt(where) end) })[1].value
    ]],
}

local BAD = {
    gsub = [[ ("x"):gsub("x", function() said = attempt(where) end) ]],
    sort = [[ table.sort({ 1, 2 }, function() said = said or attempt(where) end) ]],
    require = [[ package.preload.it = function() said = attempt(where) end; package.loaded.it = nil; require "it" ]],
    ["client:parallel in gsub"] = [[
        ("x"):gsub("x", function()
            local result = client:parallel({ function() return attempt(where) end })[1]
            said = result.value or tostring(result.err)
        end)
    ]],
    ["gsub in client:parallel"] = [[
        client:parallel { function() ("x"):gsub("x", function() said = attempt(where) end) end }
    ]],
}

for _, places in ipairs { GOOD, BAD } do
    for where, script in pairs(places) do
        CONTENT["/" .. where:gsub("%W", "-")] = ("local where, said = %q; %s; ngx.print(said)"):format(where, script)
    end
end

local CAN = {
    "init", "init_worker", "timer", "server_rewrite", "rewrite", "access", "content", "ssl_certificate",
}
local CANNOT = {
    "set", "header_filter", "body_filter", "log", "balancer", "exit_worker", "ssl_client_hello", "ssl_session_fetch",
    "ssl_session_store",
}

describe("the phases of nginx", function()
    local hub, cert, server, seen, tlsPort

    local function look()
        local found = {}
        for where, result in server:get("/seen").body:gmatch "([%w_]+)=([^\n]*)" do
            found[where] = result
        end
        return found
    end

    lazy_setup(function()
        hub = servers.hub()
        cert = servers.certificate()
        tlsPort = servers.freePort()
        server = nginx.start {
            env = { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey },
            init = PROBE,
            http = HTTP,
            content = CONTENT,
            server = SERVER .. TLS:format(tlsPort, cert.cert, cert.key),
        }
        assert.equal("all", server:get("/all").body)
        assert.equal(204, server:get("/balanced").status)
        -- The session is asked for again, five times.
        os.execute(("openssl s_client -connect 127.0.0.1:%d -tls1_2 -reconnect </dev/null >/dev/null 2>&1")
            :format(tlsPort))
        assert.equal(204, servers.http("GET", ("https://127.0.0.1:%d/tls"):format(tlsPort)).status)
        local worker = server:workers()
        server:replace(worker[1])
        server:awaitExit(worker)
        seen = server:await("every phase", function()
            local found = look()
            return found.exit_worker and found.timer and found.log and found
        end)
    end)

    lazy_teardown(function()
        server:stop()
        hub:stop()
        cert:remove()
    end)

    for _, phase in ipairs(CAN) do
        it(("%s makes a call"):format(phase), function()
            assert.equal(phase, seen[phase])
            assert.is_true(hub:created()[phase] >= 1)
        end)
    end

    for _, phase in ipairs(CANNOT) do
        it(("%s gives a HostError that says where to make it"):format(phase), function()
            assert.matches("^HostError|0|false|OpenResty cannot wait in the phase " .. phase .. ": ", seen[phase])
            assert.matches(phase == "exit_worker" and "make the call before the worker exits"
                or "put the call into a queue %(client:queue%), or make it in rewrite, access, content or a timer",
                seen[phase])
            assert.matches("; nothing was sent$", seen[phase])
            assert.is_nil(hub:created()[phase])
        end)
    end

    for where in pairs(GOOD) do
        it(("a call works in %s"):format(where), function()
            assert.equal(where, server:get("/" .. where:gsub("%W", "-")).body)
            assert.equal(1, hub:created()[where])
        end)
    end

    for where in pairs(BAD) do
        it(("a call says that it cannot wait in %s"):format(where), function()
            local said = server:get("/" .. where:gsub("%W", "-")).body
            assert.matches("HostError", said)
            assert.matches("OpenResty cannot wait at this place of the phase content: a C function is between the "
                .. "call and its coroutine %(a callback of string.gsub or table.sort, require%); "
                .. "nothing was sent", said)
            assert.is_nil(hub:created()[where])
        end)
    end

    it("nginx has nothing to complain of", function()
        assert.same({}, server:complaints())
    end)
end)
