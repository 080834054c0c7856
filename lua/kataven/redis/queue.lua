--- The worker's side of the stream: each operation on it, asked again until
--- Redis has answered. Every one of them may be repeated (see
--- kataven.redis.server.worker).

local functions = require "kataven.redis.functions"

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local queue = {}

---@class kataven.redis.Queue
local Queue = {}
Queue.__index = Queue

queue.GROUP = "kataven"

-- What a node says that is the master no more, or not yet.
local ELSEWHERE = { READONLY = true, UNBLOCKED = true, MASTERDOWN = true }
-- Seconds between attempts.
local PAUSE_FIRST, PAUSE_LONGEST = 0.05, 2

--- The names of the keys that belong to a stream.
---@param stream string
---@return table
function queue.keys(stream)
    return { stream = stream, sent = stream .. ":sent", metrics = stream .. ":metrics", dead = stream .. ":dead",
        reply = stream .. ":reply:" }
end

---@param loop kataven.redis.Loop
---@param commands kataven.redis.Connection
---@param options { stream: string, consumer: string, max: integer, log: function, reader: kataven.redis.Connection }
---@return kataven.redis.Queue
function queue.new(loop, commands, options)
    return setmetatable({
        loop = loop,
        commands = commands,
        keys = queue.keys(options.stream),
        consumer = options.consumer,
        max = options.max,
        reader = options.reader,
        log = options.log,
        tokens = 0,
    }, Queue)
end

local function isMissing(problem)
    return problem.code == "NOGROUP" or problem.message:find("Function not found", 1, true) ~= nil
end

--- Sees to the functions and the consumer group, which a Redis that restarted
--- may have lost. Gives a problem that is not Redis's being away.
---@return kataven.redis.Problem?
function Queue:setUp()
    local commands = self.commands
    local version, problem = commands:call("FCALL_RO", "kataven_version", 0)
    if problem and isMissing(problem) then
        version, problem = 0, nil
    end
    if not problem and version > functions.VERSION then
        problem = { code = "VERSION", message = ("the functions in Redis are of version %d, and this worker knows %d: "
            .. "it needs a newer kataven"):format(version, functions.VERSION) }
    elseif not problem and version < functions.VERSION then
        problem = select(2, commands:call("FUNCTION", "LOAD", "REPLACE", functions.library { max = self.max }))
        if problem and problem.code == "NOPERM" then
            problem.message = problem.message .. '; let somebody load the functions who may: '
                .. '"kataven redis-functions --load"'
        elseif not problem then
            self.log("info", ("the functions were loaded (version %d)"):format(functions.VERSION))
        end
    end
    if not problem then
        problem = select(2, commands:call("XGROUP", "CREATE", self.keys.stream, queue.GROUP, "0", "MKSTREAM"))
        if problem and problem.code == "BUSYGROUP" then
            problem = nil
        elseif not problem then
            self.log("info", ("the consumer group of %s was made"):format(self.keys.stream))
        end
    end
    if not problem then
        local keys = self.keys
        problem = select(2, commands:call("FCALL", "kataven_worker_check", 5, keys.stream, keys.sent, keys.metrics,
            keys.reply .. "0-1", keys.dead, self.consumer))
    end
    return problem
end

--- What to do about a problem before the same is asked again: sets up what is
--- missing, or waits. `pause` is the one before.
---@param problem kataven.redis.Problem
---@param pause number
---@param connection kataven.redis.Connection that told it
---@return number pause
function Queue:recover(problem, pause, connection)
    if isMissing(problem) then
        problem = self:setUp()
    end
    if not problem then
        -- Not at once: what is set up and yet not there will not be there then either.
        self.loop:sleep(pause)
        return math.min(pause * 2, PAUSE_LONGEST)
    elseif problem.code == "LOST" then
        -- And then the pause: it may be this very command that costs the connection, each time.
        connection:await()
    elseif self.complained ~= problem.message then
        self.complained = problem.message
        self.log("error", "Redis refuses: " .. problem.message)
    end
    if problem and ELSEWHERE[problem.code] then
        self.commands:renew(problem)
        self.reader:renew(problem)
    end
    self.loop:sleep(pause)
    return math.min(pause * 2, PAUSE_LONGEST)
end

-- Asks until there is an answer.
local function insist(self, ...)
    local pause = PAUSE_FIRST
    while true do
        local value, problem = self.commands:call(...)
        if not problem then
            self.complained = nil
            return value
        end
        pause = self:recover(problem, pause, self.commands)
    end
end

--- A name for one handling of one entry, that nobody else has.
---@return string
function Queue:token()
    self.tokens = self.tokens + 1
    return ("%s/%d"):format(self.consumer, self.tokens)
end

--- How often an entry was given to a worker; 0 where it is nobody's any more.
---@param id string
---@return integer
function Queue:tries(id)
    local row = insist(self, "XPENDING", self.keys.stream, queue.GROUP, id, id, 1)[1]
    return row and row[4] or 0
end

--- Asks for leave to carry an entry out, by which a write is marked as sent.
---@param id string
---@param token string
---@param kind "read"|"write"
---@param tries integer the most
---@param deadline? number seconds
---@return "go"|"gone"|"sent"|"late"|"poison" verdict
---@return integer? tries
---@return number? waited seconds since it was queued
function Queue:begin(id, token, kind, tries, deadline)
    local keys = self.keys
    local answer = insist(self, "FCALL", "kataven_worker_begin", 3, keys.stream, keys.sent, keys.metrics,
        self.consumer, id, token, kind, tries, deadline and ("%.0f"):format(deadline * 1000) or "")
    return answer[1], answer[2], answer[3] and answer[3] / 1000
end

--- Ends an entry with its reply, all at once.
---@param id string
---@param outcome { ok: boolean, text: string, repeated?: integer, reason?: string } `reason` puts it to the dead letters
---@param expiry integer seconds
---@return boolean done false where it was another's by then
function Queue:finish(id, outcome, expiry)
    local keys = self.keys
    local names = { keys.stream, keys.sent, keys.metrics, keys.reply .. id }
    names[5] = outcome.reason and keys.dead or nil
    local words = { "FCALL", "kataven_worker_finish", #names }
    for _, name in ipairs(names) do
        words[#words + 1] = name
    end
    for _, word in ipairs { self.consumer, id, outcome.ok and "done" or "failed", outcome.text, ("%d"):format(expiry),
        outcome.repeated or 0, outcome.reason or "" } do
        words[#words + 1] = word
    end
    return insist(self, unpack(words)) == 1
end

--- Keeps entries ours, and the metrics fresh. Not insisted on: the next one does
--- as well.
---@param ids string[]
---@return table? numbers queued, in flight, the milliseconds of the oldest, and the ids that are another's by now
---@return kataven.redis.Problem?
function Queue:beat(ids)
    local keys = self.keys
    return self.commands:call("FCALL", "kataven_worker_beat", 2, keys.stream, keys.metrics, self.consumer,
        unpack(ids))
end

--- Takes over entries that nobody has kept for some time.
---@param seconds number
---@param count integer the most
---@return table? entries each of an id and its fields
---@return kataven.redis.Problem?
function Queue:takeOver(seconds, count)
    local answer, problem = self.commands:call("XAUTOCLAIM", self.keys.stream, queue.GROUP, self.consumer,
        ("%.0f"):format(seconds * 1000), self.cursor or "0-0", "COUNT", count)
    if problem then
        return nil, problem
    end
    self.cursor = answer[1]
    local deleted = answer[3] or {}
    if #deleted > 0 then
        self.log("error", ("requests were deleted from %s by somebody, unanswered: %s"):format(
            self.keys.stream, table.concat(deleted, " ")))
        -- Nobody will end them, by which a mark goes.
        problem = select(2, self.commands:call("HDEL", self.keys.sent, unpack(deleted)))
        if problem then
            self.log("warning", ("their marks stay in %s: %s"):format(self.keys.sent, problem.message))
        end
    end
    return answer[2]
end

--- Takes what nobody has had yet; waits for it in Redis.
---@param connection kataven.redis.Connection another one than the commands'
---@param seconds number
---@param count integer the most
---@return table? entries
---@return kataven.redis.Problem?
function Queue:take(connection, seconds, count)
    local answer, problem = connection:callFor(seconds, "XREADGROUP", "GROUP", queue.GROUP, self.consumer,
        "COUNT", count, "BLOCK", ("%.0f"):format(seconds * 1000), "STREAMS", self.keys.stream, ">")
    return not problem and (answer and answer[1][2] or {}) or nil, problem
end

--- Leaves the group, if no entry is ours any more.
function Queue:leave()
    return self.commands:call("FCALL", "kataven_worker_leave", 1, self.keys.stream, self.consumer)
end

return queue
