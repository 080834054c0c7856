-- An nginx of a spec's own, with Debian's Lua module, that ends with the spec.
--
--   local server = nginx.start {
--       env = { KATAVEN_API_KEY = hub.apiKey },
--       init = [[ client = require("kataven").new {} ]],
--       content = { ["/list"] = [[ ngx.say(#client.widgetKeys.list()) ]] },
--   }
--   local answer = server:get "/list"
--   server:stop()
--
-- Its Lua finds what the spec's finds, unless it is given a `path` and a `cpath`. It listens on loopback, keeps
-- everything in a directory of its own, and is to be started and stopped within lazy_setup and lazy_teardown, or with
-- `nginx.with`.

local files = require "spec.support.files"
local requests = require "spec.support.requests"
local servers = require "spec.support.servers"
local socket = require "socket"

local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"

local nginx = {}

-- Where distributions put the modules, and nginx itself, which may not be in a user's PATH.
local MODULES = { "/usr/lib/nginx/modules/", "/usr/lib64/nginx/modules/", "/usr/share/nginx/modules/" }
local PROGRAMS = { "/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx" }

local PATIENCE = 15

-- The first of some files that is there.
local function first(paths, name)
    for _, path in ipairs(paths) do
        if files.read(path .. (name or "")) then
            return path
        end
    end
end

--- Why there can be no nginx at all, or nil.
---@return string?
function nginx.absent()
    if not first(PROGRAMS) or not first(MODULES, "ngx_http_lua_module.so") then
        return "there is no nginx with its Lua module"
    end
end

--- Why there can be no nginx under this Lua, or nil: for `pending`.
---@return string?
function nginx.missing()
    if not rawget(_G, "jit") then
        return "nginx's Lua is LuaJIT, so the core has to be LuaJIT's"
    end
    return nginx.absent()
end

local Server = {}
Server.__index = Server

-- Beside them: `env`, `content` (the Lua of locations by their paths), `path` and `cpath`.
local DEFAULTS = {
    workers = 1,
    main = "", -- lines beside events and http
    http = "", -- within http
    init = "", -- the Lua of init_by_lua_block
    server = "", -- within the server
}

-- The temporary directories' compiled-in places are root's.
local CONFIGURATION = [[
daemon off;
pid $directory/nginx.pid;
worker_processes $workers;
error_log error.log notice;
load_module $modules/ndk_http_module.so;
load_module $modules/ngx_http_lua_module.so;
$env
$main
events {
    worker_connections 4096;
}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    lua_package_path '$path';
    lua_package_cpath '$cpath';
    $http
    init_by_lua_block {
        $init
    }
    server {
        # One socket for each worker, so that all of them get something to do.
        listen 127.0.0.1:$port reuseport;
        location = /_ready {
            return 204;
        }
        $content
        $server
    }
}
]]

local function envLines(variables)
    local lines = {}
    for name, value in pairs(variables or {}) do
        lines[#lines + 1] = ('env "%s=%s";'):format(name, value)
    end
    return table.concat(lines, "\n")
end

local function locations(scripts)
    local blocks = {}
    for path, script in pairs(scripts or {}) do
        blocks[#blocks + 1] = ("location = %s { content_by_lua_block { %s } }"):format(path, script)
    end
    return table.concat(blocks, "\n")
end

local function workingDirectory()
    local pipe = io.popen "pwd"
    local directory = pipe:read "*l"
    pipe:close()
    return directory
end

-- Nginx changes to a directory of its own.
local function absolute(path)
    local directory = workingDirectory()
    return ((";" .. path):gsub(";%./", ";" .. directory .. "/"):sub(2))
end

local function configuration(parts, port, directory)
    local values = {
        port = port,
        directory = directory,
        modules = first(MODULES, "ngx_http_lua_module.so"):gsub("/$", ""),
        env = envLines(parts.env),
        content = locations(parts.content),
        path = absolute(parts.path or package.path),
        cpath = absolute(parts.cpath or package.cpath),
    }
    for name, default in pairs(DEFAULTS) do
        values[name] = parts[name] or default
    end
    -- Only in the frame: what a spec gives has variables of nginx's own.
    return (CONFIGURATION:gsub("%$(%l+)", function(name)
        return tostring(values[name])
    end))
end

local function quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- True when it answers, false when it has ended.
local function awaitStart(self)
    local deadline = socket.gettime() + PATIENCE
    repeat
        local ok, answer = pcall(self.get, self, "/_ready")
        if ok and answer.status ~= 0 then
            return true
        end
        socket.sleep(0.02)
        local log = self:log()
    until socket.gettime() > deadline or log:find "%[emerg%]" or log:find "init_by_lua error"
    return false
end

-- Runs nginx with a configuration that `write` makes of a port and a directory. The port was free a moment ago, so it
-- tries again where somebody has taken it.
local function launch(write, prefix, environment)
    local text
    for _ = 1, 3 do
        local directory = os.tmpname()
        os.remove(directory)
        os.execute("mkdir -m 700 " .. quote(directory))
        local port = servers.freePort()
        files.write(directory .. "/nginx.conf", write(port, directory))
        local words = { "exec env" }
        for name, value in pairs(environment or {}) do
            words[#words + 1] = quote(name .. "=" .. value)
        end
        words[#words + 1] = ("sh %s %s %s -p %s -c %s -e %s"):format(quote(here .. "nginx/keeper.sh"),
            quote(directory), quote(first(PROGRAMS)), quote(prefix or directory), quote(directory .. "/nginx.conf"),
            quote(directory .. "/error.log"))
        local self = setmetatable({
            directory = directory,
            port = port,
            url = "http://127.0.0.1:" .. port,
            keeper = assert(io.popen(table.concat(words, " "), "w")),
        }, Server)
        if awaitStart(self) then
            return self
        end
        text = self:log()
        self:stop()
        if not text:find("Address already in use", 1, true) then
            break
        end
    end
    error("nginx did not start:\n" .. text, 3)
end

local PARTS = { env = true, content = true, path = true, cpath = true }
for name in pairs(DEFAULTS) do
    PARTS[name] = true
end

--- Starts one and waits until it answers.
---@param parts table
function nginx.start(parts)
    for name in pairs(parts) do
        if not PARTS[name] then
            error(("nginx.start knows no part %q"):format(tostring(name)), 2)
        end
    end
    return launch(function(port, directory)
        return configuration(parts, port, directory)
    end)
end

--- Starts one with a whole configuration, as from the working directory; only its port and the place of its pid file
--- are the spec's.
---@param text string
---@param port string the port in it
---@param environment table<string, string>
function nginx.whole(text, port, environment)
    return launch(function(free, directory)
        return (text:gsub("(127%.0%.0%.1:)" .. port .. "%f[%D]", "%1" .. free)
            :gsub("\npid [^;]*;", "\npid " .. directory .. "/nginx.pid;"))
    end, workingDirectory(), environment)
end

--- Starts one, hands it to a function, and stops it whatever that raises.
---@param parts table
---@param use fun(server: table)
function nginx.with(parts, use)
    local self = nginx.start(parts)
    local ok, why = pcall(use, self)
    if not ok and type(why) == "string" then
        why = why .. "\nerror.log:\n" .. self:log()
    end
    self:stop()
    if not ok then
        error(why, 0)
    end
end

--- One request on a connection of its own: {status, head, body, seconds}.
function Server:get(path)
    return requests.all(self.port, { path })[1]
end

--- Many at once: their answers in order, each with the seconds that it took.
function Server:all(paths)
    return requests.all(self.port, paths)
end

--- A connection with a request sent, to be closed or read by the spec.
function Server:open(path)
    return requests.open(self.port, path)
end

--- The error log as it is now, and what it wrote elsewhere.
function Server:log()
    return (files.read(self.directory .. "/error.log") or "") .. (files.read(self.directory .. "/output") or "")
end

--- The lines of the error log that are errors, but for those that match one of the patterns.
---@param expected? string[]
function Server:complaints(expected)
    local found = {}
    for line in self:log():gmatch "[^\n]+" do
        local bad = line:find "%[error%]" or line:find "%[crit%]" or line:find "%[alert%]" or line:find "%[emerg%]"
            or line:find "%[warn%]"
        for _, pattern in ipairs(expected or {}) do
            bad = bad and not line:find(pattern)
        end
        found[#found + 1] = bad and line or nil
    end
    return found
end

--- Calls a function until it gives something true, and gives that; raises after a while.
function Server:await(what, ask)
    local deadline = socket.gettime() + PATIENCE
    repeat
        local value = ask()
        if value then
            return value
        end
        socket.sleep(0.02)
    until socket.gettime() > deadline
    error(("waited in vain for %s; error.log:\n%s"):format(what, self:log()), 2)
end

--- The master's process id.
function Server:master()
    return (files.read(self.directory .. "/nginx.pid"):match "%d+")
end

--- The process ids of the workers, those that are shutting down included.
function Server:workers()
    local pipe = io.popen("ps -o pid= --ppid " .. self:master())
    local pids = {}
    for pid in pipe:read("*a"):gmatch "%d+" do
        pids[#pids + 1] = pid
    end
    pipe:close()
    return pids
end

local function running(self, pid)
    for _, each in ipairs(self:workers()) do
        if each == pid then
            return true
        end
    end
    return false
end

--- Has all workers, or one, end once they have nothing to do; new ones come in their place.
---@param pid? string one worker's; else the configuration is read again
function Server:replace(pid)
    os.execute(pid and "kill -QUIT " .. pid or "kill -HUP " .. self:master())
end

--- Waits until worker processes have ended.
function Server:awaitExit(pids)
    for _, pid in ipairs(pids) do
        self:await(("the worker %s to exit"):format(pid), function()
            return not running(self, pid)
        end)
    end
end

--- Ends it, and everything that it started. May be called again.
function Server:stop()
    if self.keeper then
        self.keeper:close()
        self.keeper = nil
    end
end

return nginx
