-- A host's own code, called at every moment of a call, does everything that it should not. Whatever it does, the calls
-- end as they are to, nobody's turn is lost, and the client can be used afterwards (or is closed, where it was closed).
--
-- Two calls share a client. /a goes first: its first attempt is lost, and it is tried again after a back-off. /b waits
-- for its turn meanwhile, where there is only one. At one moment of theirs, one thing is done, once.

local files = require "spec.support.files"
local kataven = require "kataven"
local scheduler = require "spec.support.scheduler"
local servers = require "spec.support.servers"
local spy = require "spec.support.spy"

local HOSTILE = {} -- what is raised
local PUC51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit") -- it cannot yield across the pcall that log runs under

-- Whose call it is, in which of its callbacks, and after which of its log's events (a log's own event included).
local MOMENTS = {
    { name = "wait, in the queue,", callback = "wait", call = "/b", turns = 1 },
    { name = "wait, in flight,", callback = "wait", call = "/a", event = "request" },
    { name = "wait, in a back-off,", callback = "wait", call = "/a", event = "retry" },
    { name = "log, of a request,", callback = "log", call = "/a", event = "request" },
    { name = "log, of an error,", callback = "log", call = "/a", event = "error" },
    { name = "log, of a retry,", callback = "log", call = "/a", event = "retry" },
    { name = "log, of an answer,", callback = "log", call = "/a", event = "response", answered = true },
    { name = "send", callback = "send", call = "/a", event = "request" },
}

-- `own`, `other` and `later` say how calls end that would be answered otherwise.
local ACTIONS = {
    {
        name = "raises",
        act = function() error(HOSTILE, 0) end,
        own = "raised",
    },
    {
        name = "yields",
        act = function() coroutine.yield() end,
    },
    {
        name = "collects garbage",
        act = function()
            collectgarbage()
            collectgarbage()
        end,
    },
    {
        name = "starts a call",
        act = function(case)
            case.garbage = true -- until it comes back
            local value, err = case.client:request { path = "/nested", deadline = case.turns == 1 and 1 or 20 }
            case.garbage = false
            case.results["/nested"] = { value = value, err = err }
        end,
        nested = true,
    },
    {
        name = "cancels its own call",
        act = function(case) case.cancellers[case.moment.call]:cancel() end,
        own = "CancelledError",
    },
    {
        name = "cancels another call",
        act = function(case) case.cancellers[case.other]:cancel() end,
        other = "CancelledError",
    },
    {
        name = "closes the client",
        act = function(case) case.client:close() end,
        own = "ClosedError", other = "ClosedError", later = "ClosedError",
    },
}

-- Where the calls go to. `start` gives options for the client, and its clock if it has one; `lose` lets the first
-- attempt be lost, and `answer` all others be answered, so that none of them ends before its moment.
local CONVERSATIONS = {}

local function overSockets()
    local server = servers.tcp()
    local answer = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }
    return {
        start = function()
            server:script {
                { { read = "request" }, { wait = "lose" }, { reset = true } },
                default = { { ["repeat"] = true, steps = {
                    { read = "request" }, { wait = "go" }, { send = answer },
                } } },
            }
            return { baseUrl = server.url }
        end,
        lose = function() server:signal "lose" end,
        answer = function() server:signal "go" end,
        stop = function() server:stop() end,
    }
end

CONVERSATIONS[1] = { name = "libcurl", wait = true, open = overSockets }
CONVERSATIONS[2] = { name = "libcurl in a host that blocks", open = overSockets }

CONVERSATIONS[3] = { name = "a transport of one's own", wait = true, send = true, open = function()
    return {
        start = function(case)
            local lost = false
            local transport = spy.new(function(request, wait)
                case:reach("send", request.path)
                if wait(0.2) then
                    return nil, { kind = "cancelled", sent = true, message = "over" }
                elseif request.path == "/a" and not lost then
                    lost = true
                    return nil, { kind = "connection", sent = true, message = "lost" }
                end
                return spy.json "[]"
            end)
            return { transport = transport }, transport:clock()
        end,
        lose = function() end,
        answer = function() end,
        stop = function() end,
    }
end }

CONVERSATIONS[4] = { name = "a cassette", wait = true, open = function()
    local path = os.tmpname()
    local interactions = { [[{ "request": { "method": "GET", "path": "/a" },
        "error": { "kind": "connection", "sent": true, "delay": 0.2 } }]] }
    for _, name in ipairs { "/a", "/b", "/nested", "/later" } do
        interactions[#interactions + 1] = ([[{ "request": { "method": "GET", "path": "%s" },
            "response": { "status": 200, "json": [], "delay": 0.2 } }]]):format(name)
    end
    files.write(path, ('{ "version": 1, "interactions": [%s] }'):format(table.concat(interactions, ",\n")))
    return {
        start = function()
            local cassette = kataven.cassette.open(path)
            return { transport = cassette }, cassette:clock()
        end,
        lose = function() end,
        answer = function() end,
        stop = function() os.remove(path) end,
    }
end }

local case = {}
case.__index = case

-- Every callback comes here.
function case:reach(callback, path)
    local moment = self.moment
    if not self.reached and callback == moment.callback and path == moment.call
        and self.events[path] == moment.event then
        self.reached = true
        self.otherWasOver = self.results[self.other] ~= nil
        self.conversation.lose()
        self.action.act(self)
        -- What another call is to end of must come before its answer can.
        if not self.action.other or not self.host or self.results[self.other] then
            self.conversation.answer()
        end
    end
end

-- Makes a call: in a coroutine of its own, where the host does not block.
function case:call(path, deadline)
    local function run()
        local value, err = self.client:request { path = path, cancel = self.cancellers[path], deadline = deadline }
        self.results[path] = { value = value, err = err }
        if self.reached and path == self.other then
            self.conversation.answer()
        end
    end
    if self.host then
        self.paths[self.host.spawn(run)] = path
    else
        run()
    end
end

-- What raised, or was raised through, is out of sight, but holds its turn until it is collected.
function case:run()
    if self.host then
        self.host.run(function()
            if self.garbage then
                collectgarbage()
                collectgarbage()
            end
        end)
    end
    if self.garbage then
        collectgarbage()
        collectgarbage()
    end
end

local function play(conversation, waits, moment, action, turns)
    local self = setmetatable({
        conversation = conversation, moment = moment, action = action, turns = turns,
        other = moment.call == "/a" and "/b" or "/a",
        events = {}, results = {}, paths = setmetatable({}, { __mode = "k" }),
        cancellers = { ["/a"] = kataven.canceller(), ["/b"] = kataven.canceller() },
    }, case)
    local options, clock = conversation.start(self)
    options.apiKey, options.maxConcurrent = "sk_live_spec_x", turns
    options.retry = { baseDelay = moment.event == "retry" and 0.2 or 0.01 }
    options.log = function(event)
        self.events[event.path] = event.event
        self:reach("log", event.path)
    end
    if waits then
        self.host = scheduler.new(clock)
        function self.host.failed(thread, problem)
            self.results[self.paths[thread]] = { raised = problem }
            self.garbage = true
        end
        options.wait = function(seconds, fd)
            self:reach("wait", self.paths[coroutine.running()])
            self.host.wait(seconds, fd)
        end
    end
    self.client = kataven.new(options)
    if moment.callback ~= "wait" or moment.event == "retry" then
        conversation.lose()
    end
    if not action.other or moment.answered then
        conversation.answer()
    end
    self:call "/a"
    self:call "/b"
    self:run()
    self:call("/later", 20)
    self:run()
    self.client:close()
    return self
end

-- How a call ended, in a word.
local function ending(result)
    if not result then
        return "never"
    elseif result.raised ~= nil then
        return result.raised == HOSTILE and "raised" or tostring(result.raised)
    end
    return result.value and "answered" or result.err.name
end

local function check(self, name)
    local moment, action, results = self.moment, self.action, self.results
    local silent = moment.answered or moment.callback == "log" and action.own == "raised"
    -- Where one was answered the other may have been too, in the same step: what came whole is given to its caller.
    local over = self.otherWasOver or moment.answered and ending(results[self.other]) == "answered"
    assert.is_true(self.reached, name)
    assert.same({
        own = not silent and action.own or "answered",
        other = not over and action.other or "answered",
        later = action.later or "answered",
    }, {
        own = ending(results[moment.call]),
        other = ending(results[self.other]),
        later = ending(results["/later"]),
    })
    if action.nested then
        local nested = ending(results["/nested"])
        if nested == "never" then -- its wait could not yield
            assert.is_true(PUC51 and moment.callback == "log" and self.host ~= nil)
        elseif self.turns > 1 or nested ~= "TimeoutError" then
            assert.equal("answered", nested)
        else -- it waited for a turn that its own caller held
            assert.matches("passed before it could be sent", results["/nested"].err.message)
        end
    end
end

for _, kind in ipairs(CONVERSATIONS) do
    describe("a hostile host, with " .. kind.name .. ",", function()
        local conversation

        lazy_setup(function()
            conversation = kind.open()
        end)

        lazy_teardown(function()
            conversation.stop()
        end)

        for _, moment in ipairs(MOMENTS) do
            if moment.callback == "log" or kind[moment.callback] then
                for _, action in ipairs(ACTIONS) do
                    it(("may have a %s that %s"):format(moment.name, action.name), function()
                        for _, turns in ipairs(moment.turns and { moment.turns } or { 1, 3 }) do
                            check(play(conversation, kind.wait, moment, action, turns), turns)
                        end
                    end)
                end
            end
        end
    end)
end
