--- The worker: takes requests from the stream, carries them out, and leaves the
--- replies. One process, one client, two connections to Redis.

local client = require "kataven.client"
local connection = require "kataven.redis.connection"
local core = require "kataven.core"
local handling = require "kataven.redis.handling"
local loops = require "kataven.redis.loop"
local options = require "kataven.options"
local queues = require "kataven.redis.queue"
local redact = require "kataven.redact"
local settings = require "kataven.redis.settings"
local tap = require "kataven.redis.tap"

local worker = {}

---@class kataven.redis.Worker
local Worker = {}
Worker.__index = Worker

-- Seconds: how long a request is waited for in Redis, at a time; and between attempts to end that early.
local TAKE, NUDGE = 5, 0.1
-- Writes that a worker knows to have sent: so many at least.
local REMEMBERED = 10000

-- Who this is, to Redis. No two processes share it, ever.
local function consumerName()
    local pid = 0
    local file = io.open("/proc/self/stat", "r")
    if file then
        pid = tonumber(file:read("*l"):match "^%d+") or 0
        file:close()
    end
    return ("%s-%d-%08x%08x"):format(require("socket").dns.gethostname(), pid,
        math.floor(core.random() * 0xffffffff), math.floor(core.random() * 0xffffffff))
end

--- Notes that a write is about to go out. Gives false where it was noted before:
--- a Redis that lost its last seconds forgets its marks, and gives an entry out
--- again.
---@param id string
---@return boolean new
function Worker:remember(id)
    if self.sent[id] or self.sentBefore[id] then
        return false
    end
    self.sent[id], self.sentCount = true, self.sentCount + 1
    if self.sentCount >= REMEMBERED then
        self.sent, self.sentBefore, self.sentCount = {}, self.sent, 0
    end
    return true
end

-- Starts on entries, but for those that are under way here. `again`: they were taken over.
local function start(self, entries, again)
    for _, entry in ipairs(entries) do
        local id, fields = entry[1], entry[2]
        if not self.mine[id] then
            self.mine[id] = true
            self.busy = self.busy + 1
            local running = 0
            local function over()
                self.mine[id] = nil
                self.busy, self.running = self.busy - 1, self.running - running
                self.room:fire()
            end
            self.loop:spawn(function()
                -- New ones are waited for while others are taken over, so that more may come than there is room for. What
                -- waits here is not marked yet.
                while self.running >= self.options.concurrency do
                    self.room:wait()
                end
                self.running, running = self.running + 1, 1
                handling.run(self, id, fields or {}, again)
                over()
            end, function(problem, thread)
                -- It is taken over when its lease is over, here or elsewhere.
                self.log("error", ("handling %s raised: %s"):format(id,
                    debug and debug.traceback(thread, tostring(problem)) or tostring(problem)))
                over()
            end)
        end
    end
end

-- Takes new requests while there is room for them.
local function read(self)
    local pause = NUDGE
    while not self.stopping do
        local room = self.options.concurrency - self.busy
        if room <= 0 then
            self.room:wait()
        else
            if not self.readerId then
                self.readerId = self.reader:call("CLIENT", "ID")
            end
            self.reading = true
            local entries, problem = self.queue:take(self.reader, TAKE, room)
            self.reading = false
            if entries then
                pause = NUDGE
                start(self, entries)
            elseif not self.stopping then
                self.readerId = nil
                pause = self.queue:recover(problem, pause, self.reader)
            end
        end
    end
    self.room:fire()
end

local function totals(self)
    return ("done %d, failed %d, retried %d"):format(self.counts.done, self.counts.failed, self.counts.retried)
end

local function report(self, numbers)
    local now = core.now()
    if now - self.reported < self.options.report then
        return
    end
    self.reported = now
    self.log("info", ("queued %d, in flight %d (here %d), the oldest %.1f s; here %s"):format(
        numbers[1], numbers[2], self.busy, numbers[3] / 1000, totals(self)))
end

-- Keeps what is in flight ours, and takes over what others have left.
local function tend(self)
    local pause = NUDGE
    while not self.ended do
        local ids = {}
        for id in pairs(self.mine) do
            ids[#ids + 1] = id
        end
        local numbers, problem = self.queue:beat(ids)
        local entries
        -- One of them may wait here: what died elsewhere must not wait until nothing new comes.
        local room = math.max(self.options.concurrency - self.busy, self.busy == self.running and 1 or 0)
        if not problem and room > 0 and not self.stopping then
            entries, problem = self.queue:takeOver(self.options.lease, room)
        end
        if problem then
            pause = self.queue:recover(problem, pause, self.commands)
        else
            pause = NUDGE
            report(self, numbers)
            start(self, entries or {}, true)
            self.beat:wait(self.options.lease / 3)
        end
    end
end

-- What Redis's own settings mean for what is promised here. Who may not ask is not told.
local function look(self)
    local function setting(name)
        local pair = self.commands:call("CONFIG", "GET", name)
        return pair and pair[2]
    end
    local text, fsync, policy = self.commands:call("INFO", "persistence"), setting "appendfsync",
        setting "maxmemory-policy"
    if text and text:find "aof_enabled:0" then
        self.log("warning", "this Redis keeps no append-only file: if it crashes, requests may be lost, or (from an "
            .. "older snapshot) sent once more; see docs/redis.md")
    elseif fsync and fsync ~= "always" then
        self.log("warning", ("appendfsync is %s: if Redis crashes, it may forget what it acknowledged last, and a "
            .. "write be sent once more; always is what is wanted; see docs/redis.md"):format(fsync))
    end
    if policy and policy ~= "noeviction" then
        self.log("warning", ("maxmemory-policy is %s, by which Redis may throw requests or replies away; noeviction is "
            .. "what is wanted"):format(policy))
    end
end

-- Brings both connections up. Gives why that is of no use.
local function arrive(self)
    for _, one in ipairs { self.commands, self.reader } do
        local stands, refused = one:await()
        if not stands then
            return refused and refused.message or "closed"
        end
    end
    local pause = NUDGE
    while true do
        local problem = self.queue:setUp()
        if not problem then
            return nil
        elseif problem.code == "NOPERM" or problem.code == "VERSION" or problem.code == "ERR"
            or problem.code == "WRONGTYPE" then
            return problem.message
        end
        pause = self.queue:recover(problem, pause, self.commands)
    end
end

-- Ends the wait in Redis for new requests. It may just be beginning, so it is ended again until it is over.
local function unblock(self)
    while self.reading do
        if self.readerId then
            self.commands:call("CLIENT", "UNBLOCK", self.readerId)
        end
        self.room:wait(NUDGE)
    end
end

-- Finishes what is in flight, and leaves.
local function finish(self)
    local due = core.now() + self.options.grace
    self.loop:spawn(function() unblock(self) end)
    self.room:fire()
    while (self.busy > 0 or self.reading) and core.now() < due do
        self.room:wait(due - core.now())
    end
    if self.busy > 0 then
        local ids = {}
        for id in pairs(self.mine) do
            ids[#ids + 1] = id
        end
        self.log("error", ("%g s were not enough; left for another worker: %s"):format(
            self.options.grace, table.concat(ids, " ")))
        self.status = 1
    elseif self.commands.ready then
        self.queue:beat {} -- the numbers as they are now
        self.queue:leave()
    end
    self.ended = true
    self.log("info", "ended; " .. totals(self))
    self.loop:stop()
end

--- Has it take nothing new, finish what is in flight, and end. May be called
--- again.
function Worker:stop()
    if not self.stopping then
        self.stopping = true
        self.loop:spawn(function() finish(self) end)
    end
end

-- Ends it when it is told to, by a signal. A second one ends the process.
local function listen(self, signals)
    local name
    repeat
        self.loop:wait(3600, signals:fd())
        name = signals:take()
    until name
    signals:close()
    self.log("info", ("SIG%s: takes nothing new, finishes %d"):format(name, self.busy))
    self:stop()
end

local function main(self)
    local problem = arrive(self)
    if problem then
        self.log("error", ("cannot work with %s: %s"):format(self.options.address.text, problem))
        self.status = 1
        self.loop:stop()
        return
    end
    look(self)
    self.log("info", ("ready at %s, stream %s, as %s"):format(
        self.options.address.text, self.options.stream, self.queue.consumer))
    self.loop:spawn(function() read(self) end)
    self.loop:spawn(function() tend(self) end)
end

-- The client, whose calls wait in the loop.
local function newClient(self)
    local given, cassette = {}, os.getenv "KATAVEN_CASSETTE"
    if cassette and cassette ~= "" then
        return nil, "KATAVEN_CASSETTE is set, and a worker plays no cassette: what it does is meant to last"
    end
    for name, value in pairs(self.options.client or {}) do
        given[name] = value
    end
    given.transport = self.tap
    given.maxConcurrent = self.options.concurrency
    given.wait = function(seconds, fd)
        self.loop:wait(seconds, fd)
    end
    local resolved, problem = options.client(given)
    if not resolved then
        return nil, problem
    end
    resolved.host.watches = true
    self.redactor = redact.secrets(resolved.apiKey)
    self.hide = redact.everything(resolved.apiKey)
    return client.new(resolved)
end

--- Makes a worker, which does nothing yet. Raises when an option is wrong or
--- unknown.
---@param given? kataven.redis.WorkerOptions
---@return kataven.redis.Worker
function worker.new(given)
    local o, problem = settings.read(given)
    if not o then
        error(problem, 2)
    end
    local loop, write = loops.new(), o.log
    local self
    -- An error of the seal, or of whatever else was handed an answer, may quote it.
    o.log = function(level, message)
        write(level, self and self.hide and self.hide(message) or message)
    end
    self = setmetatable({
        options = o, log = o.log, loop = loop, tap = tap.new(),
        mine = {}, -- the entries that are under way here
        busy = 0, -- how many these are
        running = 0, -- how many of them are being carried out
        counts = { done = 0, failed = 0, retried = 0 },
        sent = {}, sentBefore = {}, sentCount = 0, -- see Worker:remember
        room = loop:event(), beat = loop:event(),
        reported = core.now(), status = 0,
    }, Worker)
    self.client, problem = newClient(self)
    if not self.client then
        error(problem, 2)
    end
    return self
end

--- Runs it until it is stopped, by SIGTERM or SIGINT too.
---@return integer status 0, or 1 where it could not work, or left something unfinished
function Worker:run()
    local o, name = self.options, consumerName()
    local tls = { caFile = o.caFile, certFile = o.certFile, keyFile = o.keyFile }
    local told = {}
    local function connect(what)
        return connection.new(self.loop, { address = o.address, tls = tls, name = "kataven-" .. what, log = o.log,
            told = told })
    end
    self.commands, self.reader = connect "worker", connect "reader"
    self.queue = queues.new(self.loop, self.commands, { stream = o.stream, consumer = name, max = o.max, log = o.log,
        reader = self.reader })
    local signals, problem = core.signals("TERM", "INT")
    if signals then
        self.loop:spawn(function() listen(self, signals) end)
    else
        o.log("warning", "SIGTERM will not be heard: " .. problem)
    end
    self.loop:spawn(function() main(self) end)
    self.loop:run()
    if signals then
        signals:close()
    end
    self.commands:close()
    self.reader:close()
    self.client:close()
    return self.status
end

return worker
