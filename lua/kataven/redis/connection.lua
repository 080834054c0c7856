--- One connection to Redis: redis-lua speaks, over a stream that never blocks.
--- Several coroutines may ask at once; what they ask goes out at once, and the
--- answers come in that order. It connects again by itself, with a back-off.
---
--- redis-lua reads an answer when it has sent a command. Here it does so in a
--- coroutine for each command, which rests until bytes have come for it; where
--- the connection is lost, it is dropped.

local core = require "kataven.core"
local inputs = require "kataven.redis.input"
local stream = require "kataven.redis.socket"

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

-- Debian has redis-lua in the folders of some Luas, and it is the same for all of them.
local function ofAnotherLua()
    for template in package.path:gmatch "[^;]+" do
        for _, version in ipairs { "5.1", "5.3" } do
            local path, count = template:gsub("%?", "redis")
                :gsub("/lua/5%.%d/redis%.lua$", "/lua/" .. version .. "/redis.lua")
            local chunk = count > 0 and loadfile(path)
            if chunk then
                return chunk "redis"
            end
        end
    end
end

local found, redis = pcall(require, "redis")
redis = found and redis or ofAnotherLua()
if not redis then
    error("kataven beside Redis needs redis-lua (Debian: lua-redis; LuaRocks: redis-lua)", 0)
end

local connection = {}

---@class kataven.redis.ConnectionOptions
---@field address kataven.redis.Address
---@field tls? kataven.redis.Tls
---@field name string for CLIENT SETNAME
---@field log fun(level: string, message: string)
---@field told? { why?: string } what was logged last; those to one Redis may share it

---@class kataven.redis.Problem
---@field code string the first word of an error of Redis's, or "LOST"
---@field message string

---@class kataven.redis.Connection
local Connection = {}
Connection.__index = Connection

-- Seconds: to connect, to wait for an answer, and between attempts to connect.
local CONNECT, ANSWER = 10, 10
local PAUSE_FIRST, PAUSE_LONGEST = 0.05, 5
-- Longer than Redis takes to answer a command that waits there.
local LENIENCE = 10
-- What no second attempt would change, where it is told at the very first.
local FINAL = { NOAUTH = true, WRONGPASS = true, NOPERM = true, DENIED = true }

local function problem(code, message)
    return { code = code, message = message }
end

-- A problem that Redis told. redis-lua has put a word before it.
local function told(message)
    local text = message:gsub("^redis error: ", "")
    return problem(text:match "^%S+" or "ERR", text)
end

-- The socket that redis-lua sees. What it does there is done within a command's coroutine.
local function newSocket(self)
    local shown = {}
    function shown.send(_, bytes)
        self.stream:put(bytes)
        return #bytes
    end
    function shown.receive(_, want)
        while true do
            local bytes
            if self.commands[self.first] ~= self.speaking then
                bytes = nil -- what has come is another's
            elseif want == "*l" then
                bytes = self.input:line()
            else
                bytes = self.input:take(want)
            end
            if bytes then
                return bytes
            end
            coroutine.yield()
        end
    end
    return shown
end

-- redis-lua over that socket. What Redis calls an error is no reason to raise one; what is no answer is.
local function newClient(self)
    local client = redis.connect { socket = newSocket(self) }
    client.error = function(message)
        if message:find "^redis error: " then
            return { problem = told(message) }
        end
        error(message, 0)
    end
    return client
end

local function resume(self, command)
    self.speaking = command
    local ok, value = coroutine.resume(command.thread)
    self.speaking = nil
    if not ok then
        -- Bytes that are no answer of Redis's, so that nothing can be told of those behind them.
        return "what came is no answer of Redis's: " .. tostring(value)
    elseif coroutine.status(command.thread) == "dead" then
        command.done = true
        if type(value) == "table" and value.problem then
            command.problem = value.problem
        else
            command.value = value
        end
        command.event:fire()
    end
end

-- Says that the connection is gone to all who wait for an answer.
local function lose(self, why)
    if self.stream then
        self.stream:close()
        self.stream = nil
    end
    self.ready = false
    local commands, first, last = self.commands, self.first, self.last
    self.commands, self.first, self.last = {}, 1, 0
    for index = first, last do
        commands[index].done = true
        commands[index].problem = problem("LOST", why)
        commands[index].event:fire()
    end
end

-- Hands what has come to the commands, oldest first. Gives a problem.
local function deliver(self)
    while self.first <= self.last do
        local command = self.commands[self.first]
        local why = resume(self, command)
        if why then
            return why
        elseif not command.done then
            break
        end
        self.commands[self.first] = nil
        self.first = self.first + 1
    end
    if self.first > self.last and not self.input:isEmpty() then
        return "Redis said something that nobody had asked"
    end
end

-- Moves bytes until the connection is lost; gives why.
local function pump(self)
    while true do
        local why = self.stream:flush()
        if why then
            return why
        end
        local due = math.huge
        for index = self.first, self.last do
            due = math.min(due, self.commands[index].due)
        end
        local left = due - core.now()
        if left <= 0 then
            return "Redis did not answer in time"
        end
        self.stream:wait(left < math.huge and left or nil, self.wake)
        if self.closing then
            return "closed" -- and the stream with it
        elseif self.refused then
            return self.refused.message
        end
        local bytes
        bytes, why = self.stream:take()
        if not bytes then
            return why
        end
        if bytes ~= "" then
            self.input:add(bytes)
            why = deliver(self)
            if why then
                return why
            end
        end
    end
end

-- Sends a command, and waits for its answer.
local function ask(self, seconds, name, ...)
    local count, arguments = select("#", ...), { ... }
    local client = self.client
    local command = { event = self.loop:event(), due = core.now() + seconds }
    command.thread = coroutine.create(function()
        return redis.command(name)(client, unpack(arguments, 1, count))
    end)
    self.last = self.last + 1
    self.commands[self.last] = command
    assert(resume(self, command) == nil) -- it sends, and then rests
    self.wake:fire()
    if not command.done then
        command.event:wait()
    end
    if command.problem then
        return nil, command.problem
    end
    return command.value
end

-- What is said first on a connection.
local function greet(self)
    local address, mine, why = self.options.address, self.stream, nil
    local function say(...)
        if not why and self.stream == mine then
            local _
            _, why = ask(self, ANSWER, ...)
        end
    end
    if address.user then
        say("AUTH", address.user, address.password or "")
    elseif address.password then
        say("AUTH", address.password)
    end
    if address.database ~= 0 then
        say("SELECT", address.database)
    end
    if not why and self.stream == mine then
        local _, refused = ask(self, ANSWER, "CLIENT", "SETNAME", self.options.name)
        -- A name is for people to see; who may not give one can do without.
        why = refused and refused.code ~= "NOPERM" and refused or nil
    end
    -- Says whether Redis is of use at all: it may be loading, or want a password.
    say "PING"
    return why
end

-- Greets Redis on a new stream. A refusal is the end of it; where it comes at the very first, of everything.
local function begin(self)
    local mine = self.stream
    local refused = greet(self)
    if self.stream ~= mine then
        return -- lost meanwhile
    elseif refused then
        self.refused = refused
        self.closing = self.closing or self.fussy and FINAL[refused.code]
        self.wake:fire()
    else
        self.ready, self.fussy, self.told.why, self.pause = true, false, nil, PAUSE_FIRST
        self.changed:fire()
    end
end

-- Connects, again and again, and lives for as long as that is wanted.
local function live(self)
    local text = self.options.address.text
    while not self.closing do
        local why
        self.refused = nil
        self.stream, why = stream.connect(self.loop, self.options.address, self.options.tls or {}, CONNECT)
        if self.stream then
            self.input = inputs.new()
            self.client = newClient(self)
            self.loop:spawn(function() begin(self) end)
            why = pump(self)
        end
        lose(self, why)
        if not self.closing then
            if self.told.why ~= why then
                self.told.why = why
                self.options.log("warning", ("no connection to %s: %s; trying again"):format(text, why))
            end
            self.changed:wait(self.pause * (1 - core.random() / 4))
            self.pause = math.min(self.pause * 2, PAUSE_LONGEST)
        end
    end
    self.ended = true
    self.changed:fire()
end

--- Makes one, and has the loop connect it.
---@param loop kataven.redis.Loop
---@param options kataven.redis.ConnectionOptions
---@return kataven.redis.Connection
function connection.new(loop, options)
    local self = setmetatable({
        loop = loop,
        options = options,
        commands = {}, -- sent, in their order
        first = 1,
        last = 0,
        ready = false,
        fussy = true, -- it has never stood
        told = options.told or {},
        pause = PAUSE_FIRST, -- before the next attempt to connect
        wake = loop:event(),
        changed = loop:event(),
    }, Connection)
    loop:spawn(function()
        live(self)
    end)
    return self
end

--- Waits until it stands. Gives false when it never will: it was closed, or was
--- refused when it had never stood.
---@return boolean
---@return kataven.redis.Problem?
function Connection:await()
    while not self.ready do
        if self.ended then
            return false, self.refused
        end
        self.changed:wait()
    end
    return true
end

--- Sends a command and waits for its answer. Where the connection is lost
--- meanwhile, or does not stand, the problem's code is LOST: whether the command
--- was carried out is not known.
---@param name string
---@param ... string|number
---@return any value nil as well where Redis has none
---@return kataven.redis.Problem?
function Connection:call(name, ...)
    if not self.ready then
        return nil, problem("LOST", "there is no connection")
    end
    return ask(self, ANSWER, name, ...)
end

--- The same for a command that waits in Redis for so many seconds.
---@param seconds number
function Connection:callFor(seconds, name, ...)
    if not self.ready then
        return nil, problem("LOST", "there is no connection")
    end
    return ask(self, seconds + LENIENCE, name, ...)
end

--- Has it connect anew, and its name be resolved anew: what it is connected to is
--- not of use any more.
---@param why kataven.redis.Problem which is not logged here
function Connection:renew(why)
    if self.ready then
        self.ready, self.refused, self.told.why = false, why, why.message
        self.wake:fire()
    end
end

--- Ends it; also where its loop has ended.
function Connection:close()
    self.closing = true
    lose(self, "closed")
    self.wake:fire()
    self.changed:fire()
end

return connection
