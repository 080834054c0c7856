--- The benchmark's nginx: one worker on loopback, plain and with TLS, that answers as the Hub would.
---
---   /25, /1000 and /100000 are base URLs that list so many keys; /create mints one; /slow lists 25 after 200 ms,
---   /slow1 only one; and /close lists 25 and closes the connection.

local authority = require "spec.support.authority"
local files = require "spec.support.files"
local nginx = require "spec.support.nginx"
local servers = require "spec.support.servers"
local shell = require "spec.support.shell"

local server = {}

server.PATH = "/api/v1/widget-keys"
server.SIZES = { 1, 25, 1000, 100000 }
--- What /create is sent by peers that do not make their own.
server.BODY = '{"name":"acme.com","domain_allowlist":["acme.com","*.acme.com"]}'

local MINTED = '{"id":"5f0c3a54-8a1f-4f0e-9f56-6d1b40b9f5a1","last8":"9c41d07e","name":"acme.com",'
    .. '"domain_allowlist":["acme.com","*.acme.com"],"agent_id":null,"created_at":"2026-11-24T09:30:00Z",'
    .. '"disabled_at":null,"key":"pk_live_bench_0f6e7d1b2c3a49588796a5b4c3d2e1f0"}'

-- Numbers that look random and are the same in every run.
local function generator()
    local state = 20261124
    return function(below)
        state = (state * 16807) % 2147483647
        return state % below
    end
end

local function hex(random, digits)
    local parts = {}
    for index = 1, digits do
        parts[index] = ("%x"):format(random(16))
    end
    return table.concat(parts)
end

-- One row of metadata, some 250 bytes: every third pins an agent, every fourth is for one origin only, every fifth is
-- disabled. A list of 100,000 stays clear of 2^19 different strings, at which Lua doubles its table of them: the last
-- few would count for 4 MB.
local function row(random, index)
    local name = ("customer-%d.example"):format(index)
    return ('{"id":"%s-%s-4%s-a%s-%s","last8":"%s","name":"%s","domain_allowlist":["%s"%s],"agent_id":%s,'
        .. '"created_at":"2026-%02d-%02dT%02d:%02d:00Z","disabled_at":%s}'):format(
        hex(random, 8), hex(random, 4), hex(random, 3), hex(random, 3), hex(random, 12), hex(random, 8), name, name,
        index % 4 == 0 and "" or (',"*.%s"'):format(name),
        index % 3 == 0 and '"agent_' .. hex(random, 12) .. '"' or "null", random(12) + 1, random(28) + 1,
        random(24), random(60), index % 5 == 0 and '"2026-11-24T09:30:00Z"' or "null")
end

local function writeKeys(path, count)
    local random, rows = generator(), {}
    for index = 1, count do
        rows[index] = row(random, index)
    end
    files.write(path, "[" .. table.concat(rows, ",") .. "]")
end

-- The files that nginx sends, made once.
local function prepare(directory, sizes)
    shell.run("mkdir -p %s", directory)
    for _, size in ipairs(sizes) do
        local path = ("%s/%d.json"):format(directory, size)
        if not files.read(path) then
            writeKeys(path, size)
        end
    end
end

local LIST = [[
        location = /%s%s {
            default_type application/json;
            alias %s/%d.json;
            %s
        }
]]

local SLOW = [[
        location = /slow%s%s { content_by_lua_block { ngx.sleep(0.2) ngx.exec("/%d%s") } }
]]

-- The server block's lines. The Lua module is what can wait.
local function locations(directory, sizes, ports, leaf)
    local lines = {
        -- Hundreds connect at one moment; with nginx's own 511 some might have to ask again, a second later.
        ("listen 127.0.0.1:%d backlog=4096;\nlisten 127.0.0.1:%d ssl;"):format(ports.plain, ports.tls),
        ("ssl_certificate %s;\nssl_certificate_key %s;"):format(leaf.cert, leaf.key),
        ("location = /create%s { default_type application/json; return 201 '%s'; }"):format(server.PATH, MINTED),
        SLOW:format("", server.PATH, 25, server.PATH),
        SLOW:format("1", server.PATH, 1, server.PATH),
        LIST:format("close", server.PATH, directory, 25, "keepalive_timeout 0;"),
    }
    for _, size in ipairs(sizes) do
        lines[#lines + 1] = LIST:format(size, server.PATH, directory, size, "")
    end
    return table.concat(lines, "\n")
end

local HTTP = [[
    sendfile on;
    tcp_nopush on;
    open_file_cache max=100;
    keepalive_requests 1000000000;
    keepalive_timeout 600;
]]

--- Starts it. `directory` is absolute, and keeps the files between runs.
---@param directory string
---@param sizes? integer[] of lists, 25 among them
---@return table server with `base(name, tls)`, `url(name, tls)`, `root` (the authority's certificate) and `stop`
function server.start(directory, sizes)
    sizes = sizes or server.SIZES
    prepare(directory, sizes)
    local ca = authority.new()
    local leaf = ca:issue { san = "DNS:localhost", by = ca.root }
    local self, ports
    -- They were free a moment ago.
    for attempt = 1, 3 do
        ports = { plain = servers.freePort(), tls = servers.freePort() }
        local ok, result = pcall(nginx.start, {
            main = "worker_rlimit_nofile 4096;", http = HTTP, server = locations(directory, sizes, ports, leaf),
            path = ";;", cpath = ";;",
        })
        if ok then
            self = result
            break
        elseif attempt == 3 then
            ca:remove()
            error(result, 0)
        end
    end
    local started = { directory = directory, root = ca.root.only }
    function started.base(name, tls)
        return (tls and "https://localhost:%d/%s" or "http://127.0.0.1:%d/%s"):format(tls and ports.tls or ports.plain,
            name)
    end
    function started.url(name, tls)
        return started.base(name, tls) .. server.PATH
    end
    function started.stop()
        self:stop()
        ca:remove()
    end
    return started
end

return server
