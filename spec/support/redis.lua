-- A Redis of a spec's own, that ends with the spec, and workers beside it.
--
--   local server = redis.start { appendonly = "yes" }
--   local id = server:call("FCALL", "kataven_list", 1, "{kataven}")
--   local worker = redis.worker(server, hub, { lease = 1 })
--   server:stop()
--
-- It listens on loopback, or with `unixsocket` there as well, and keeps everything in a directory of its own.

local child = require "spec.support.child"
local files = require "spec.support.files"
local servers = require "spec.support.servers"
local socket = require "socket"

local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"

local redis = {}

local PROGRAMS = { "/usr/bin/redis-server", "/usr/local/bin/redis-server", "/usr/sbin/redis-server",
    "/opt/homebrew/bin/redis-server" }
local PATIENCE = 20

local function quote(text)
    return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

local function program()
    for _, path in ipairs(PROGRAMS) do
        if files.read(path) then
            return path
        end
    end
end

-- Debian has redis-lua in the folders of Lua 5.1 to 5.3; it is Lua, and the same for all of them.
local DEBIANS = "/usr/share/lua/5.1/redis.lua"
local folder

local function findLibrary()
    if folder or pcall(require, "redis") then
        return true
    elseif not files.read(DEBIANS) then
        return false
    end
    folder = os.tmpname()
    os.remove(folder)
    os.execute(("mkdir -m 700 %s && ln -s %s %s/redis.lua"):format(quote(folder), DEBIANS, quote(folder)))
    package.path = package.path .. ";" .. folder .. "/?.lua"
    return pcall(require, "redis")
end

--- Why there is nothing to be tested here, or nil: for `pending`.
---@return string?
function redis.missing()
    if not program() then
        return "there is no redis-server"
    elseif not findLibrary() then
        return "there is no redis-lua for this Lua"
    end
end

--- Removes what `missing` may have made.
function redis.forget()
    if folder then
        os.execute("rm -rf " .. quote(folder))
        package.path = package.path:gsub(";" .. folder:gsub("%p", "%%%0") .. "/%?%.lua", "")
        folder = nil
    end
end

local Server = {}
Server.__index = Server

-- A connection by redis-lua that gives Redis's errors back, and does not raise them.
local function dial(self, address)
    local connection
    if address.unixsocket then
        local unix = require "socket.unix"
        connection = (type(unix) == "table" and unix.stream or unix)()
        assert(connection:connect(address.unixsocket))
    else
        connection = assert(socket.connect("127.0.0.1", self.port))
        connection:setoption("tcp-nodelay", true)
    end
    connection:settimeout(60)
    local library = require "redis"
    local client = library.connect { socket = connection }
    client.error = function(message)
        return { problem = (message:gsub("^redis error: ", "")) }
    end
    return {
        call = function(_, name, ...)
            local value = library.command(name)(client, ...)
            if type(value) == "table" and value.problem then
                return nil, value.problem
            end
            return value
        end,
        close = function()
            connection:close()
        end,
        -- Many at once: an array of commands, and the array of what they gave.
        all = function(_, commands)
            local replies = {}
            -- Not so many that the answers fill a socket's buffer while nobody reads.
            for from = 1, #commands, 100 do
                local to = math.min(from + 99, #commands)
                for index = from, to do
                    local rest = {}
                    for word = 2, #commands[index] do
                        rest[word - 1] = commands[index][word]
                    end
                    client.requests.multibulk(client, commands[index][1], rest)
                end
                for index = from, to do
                    -- redis-lua reads an answer without having sent anything.
                    replies[index] = library.command("", { request = function() end })(client)
                end
            end
            return replies
        end,
    }
end

-- Starts the program on the same directory and port as before.
local function launch(self)
    self.keeper = assert(io.popen(("exec sh %sredis/keeper.sh %s %s"):format(quote(here), quote(program()),
        quote(self.directory .. "/redis.conf")), "w"))
    self.client = nil
    local deadline = socket.gettime() + PATIENCE
    repeat
        local ok, client = pcall(dial, self, self.address)
        if ok then
            local fine, pong, problem = pcall(client.call, client, "PING")
            if fine and (pong == "PONG" or problem and (problem:find "^NOAUTH" or problem:find "^NOPERM")) then
                self.client = client
                if self.password then
                    assert(client:call("AUTH", self.password))
                end
                return
            end
            client:close()
        end
        socket.sleep(0.02)
    until socket.gettime() > deadline
    local log = files.read(self.directory .. "/log")
    self:stop()
    error("redis-server did not start:\n" .. tostring(log), 3)
end

--- Starts one and waits until it answers. Options are lines of its configuration, by name; `requirepass` is used here
--- too, and an array stands for several lines. With `unixsocket = true` there is a local socket.
---@param options? table<string, string|string[]|boolean>
function redis.start(options)
    local self = setmetatable({ directory = os.tmpname(), port = servers.freePort() }, Server)
    os.remove(self.directory)
    os.execute("mkdir -m 700 " .. quote(self.directory))
    local lines = { "bind 127.0.0.1", "port " .. self.port, "dir " .. self.directory,
        "logfile " .. self.directory .. "/log", "pidfile " .. self.directory .. "/pid", "daemonize no", 'save ""' }
    self.address = {}
    -- What a spec says stands last, and counts.
    for name, value in pairs(options or {}) do
        if name == "unixsocket" then
            value = self.directory .. "/socket"
            self.address.unixsocket = value
        end
        for _, line in ipairs(type(value) == "table" and value or { value }) do
            lines[#lines + 1] = name .. " " .. line
        end
    end
    self.password = options and options.requirepass
    self.url = ("redis://%s127.0.0.1:%d"):format(self.password and ":" .. self.password .. "@" or "", self.port)
    self.unixUrl = self.address.unixsocket and "unix://" .. self.address.unixsocket
    files.write(self.directory .. "/redis.conf", table.concat(lines, "\n") .. "\n")
    launch(self)
    return self
end

--- A command; gives its answer, or nil and the text of Redis's error.
function Server:call(...)
    return self.client:call(...)
end

--- Many at once.
function Server:all(commands)
    return self.client:all(commands)
end

--- Another connection, to be closed.
function Server:connect()
    return dial(self, self.address)
end

function Server:pid()
    return tonumber(self:call("INFO", "server"):match "process_id:(%d+)")
end

--- Ends it with a signal, waits until it has ended, and starts it again on what it has kept.
---@param signal string
---@param meanwhile? fun()
function Server:restart(signal, meanwhile)
    os.execute(("kill -%s %d"):format(signal, self:pid()))
    -- The connection ends with the process.
    pcall(self.call, self, "BLPOP", "nothing", 30)
    self.client:close()
    self.keeper:close()
    if meanwhile then
        meanwhile()
    end
    launch(self)
end

--- Ends it. May be called again.
function Server:stop()
    if self.keeper then
        self.keeper:close()
        self.keeper = nil
    end
    os.execute("rm -rf " .. quote(self.directory))
end

--- Starts a worker for a hub and waits until it is ready. Options: those of kataven.redis.worker, as far as they are
--- numbers, strings and booleans; `environment`; `options`, Lua text of further ones; `before`, Lua text that runs
--- before it is made; `unready = true` does not wait.
function redis.worker(server, hub, options)
    local words, environment = {}, { REDIS_URL = server.url, KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey }
    for name, value in pairs(options or {}) do
        if name == "environment" then
            for variable, text in pairs(value) do
                environment[variable] = text
            end
        elseif name ~= "options" and name ~= "before" and name ~= "unready" then
            words[#words + 1] = ("%s = %s,"):format(name, type(value) == "string" and ("%q"):format(value)
                or tostring(value))
        end
    end
    local worker = child.start(([[
        %s
        local worker = require("kataven.redis.worker").new {
            %s %s
            log = function(level, message)
                io.stderr:write(level, " ", message, "\n")
                if message:find "^ready" then
                    io.write "ready\n"
                    io.flush()
                end
            end,
        }
        os.exit(worker:run(), true)
    ]]):format(options and options.before or "", table.concat(words, " "), options and options.options or ""),
        { environment = environment })
    if not (options and options.unready) and worker:line() ~= "ready" then
        local _, errors, status = worker:wait()
        error(("the worker did not become ready (%d): %s"):format(status, errors), 2)
    end
    return worker
end

return redis
