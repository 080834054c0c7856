-- A TCP server on 127.0.0.1 that plays a script, for the faults that no well-behaved server would show. servers.lua
-- starts it and describes the scripts.
--
-- Standard input and output are its control connection: a command as one line of JSON, answered by one line of JSON. It
-- ends when its input does, so it never outlives the spec that started it. Its last line is `stopped`; one that begins
-- with `error:` is a failure of its own.
--
-- cqueues gives the event loop and the timers; luasocket the sockets, since it can set SO_LINGER, which makes resets.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path

local cqueues = require "cqueues"
local json = require "dkjson"
local signal = require "cqueues.signal"
local socket = require "socket"
local connection = require "tcp_server.connection"
local run = require "tcp_server.run"

local STDIN = { pollfd = 0, events = "r" }

local server = { loop = cqueues.new() }

local function say(line)
    io.stdout:write(line, "\n")
    io.stdout:flush()
end

-- The port is taken once and kept: without `listen` it refuses, and no other program can take it.
function server:bind(port)
    local listener = assert(socket.tcp4())
    assert(listener:setoption("reuseaddr", true))
    assert(listener:bind("127.0.0.1", port))
    listener:settimeout(0)
    self.listener = listener
    self.port = select(2, listener:getsockname())
end

-- Hands all the connections that wait to the script that is being played.
function server:accept()
    while true do
        local client = self.listener:accept()
        if not client then return end
        local current = self.run
        local conn = current:welcome(connection.new(client))
        self.loop:wrap(function() current:play(conn) end)
    end
end

function server:listen()
    if self.listening then return end
    assert(self.listener:listen(128))
    self.listening = true
    local listener = self.listener
    self.loop:wrap(function()
        while self.listener == listener do
            cqueues.poll({ pollfd = listener:getfd(), events = "r" })
            if self.listener == listener then self:accept() end
        end
    end)
end

-- A listener cannot stop listening: it is closed, and its port taken again at once.
function server:unlisten()
    if not self.listening then return end
    cqueues.cancel(self.listener:getfd())
    self.listener:close()
    self.listening = false
    self:bind(self.port)
end

local commands = {}

-- Replaces the script. The port stays; connections of the script before play on, and record into its log.
function commands.script(command)
    local current = run.new(server, command)
    -- Who connected before the new script came belongs to the old one.
    if server.listening then server:accept() end
    server.run = current
    if not server.listener then server:bind(command.port or 0) end
    if command.listen == false then
        server:unlisten()
    elseif command.listenAfter then
        server:unlisten()
        server.loop:wrap(function()
            cqueues.sleep(command.listenAfter)
            if server.run == current then server:listen() end
        end)
    else
        server:listen()
    end
    return { port = server.port }
end

function commands.log()
    return server.run:log()
end

function commands.signal(command)
    server.run:signal(command.name)
    return server.run:log()
end

-- Answers as soon as what is waited for has happened; input that ends meanwhile ends the wait.
function commands.wait(command)
    local deadline = cqueues.monotime() + command.timeout
    while not server.run:reached(command) do
        local left = deadline - cqueues.monotime()
        if left <= 0 then
            local log = server.run:log()
            log.timedOut = true
            return log
        end
        local happened = cqueues.poll(server.run.changed, STDIN, left)
        if happened ~= server.run.changed and happened ~= left then break end
    end
    return server.run:log()
end

local function stop()
    say("stopped")
    os.exit(0)
end

-- Commands come one at a time, each after the answer to the one before: nothing is left in the input's buffer.
local function control()
    while true do
        cqueues.poll(STDIN)
        local line = io.read("*l")
        if not line then stop() end
        local command = json.decode(line)
        local handler = command and commands[command.command]
        if not handler then
            say(json.encode { error = "not a command: " .. line:sub(1, 80) })
        elseif command.command == "wait" then
            -- It yields, which Lua 5.1 cannot do inside pcall.
            say(json.encode(handler(command)))
        else
            local ok, answer = pcall(handler, command)
            say(json.encode(ok and answer or { error = tostring(answer) }))
        end
    end
end

local function main()
    -- Ctrl-C goes to the spec as well, whose end is then the end of the input.
    signal.block(signal.SIGINT)
    server.loop:wrap(control)
    for why, _, _, _, descriptor in server.loop:errors() do
        if descriptor == 0 then stop() end
        say("error: " .. tostring(why))
    end
end

main()
