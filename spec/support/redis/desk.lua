-- What specs of the worker do again and again, with one Redis and one hub: start workers, queue requests, read replies.
--
--   desks.describe("the worker", function(desk)
--       it("answers", function()
--           desk:start()
--           assert.is_true(desk:await(desk:queue "list").ok)
--       end)
--   end)

local busted = require "busted"
local json = require "dkjson"
local redis = require "spec.support.redis"
local servers = require "spec.support.servers"
local socket = require "socket"

local STREAM = "{kataven}"
local PATIENCE = 30

local desk = {}
desk.__index = desk

local desks = {}

--- Describes something with a Redis and a hub, `desk.server` and `desk.hub`, which every test finds empty; pending
--- where there can be no Redis. With `pairs` the hub answers a create with a pair.
function desks.describe(title, tests, pairs)
    local missing = redis.missing()
    busted.describe(title, function()
        if missing then
            busted.pending("works: " .. missing)
            return
        end
        local self = setmetatable({ workers = {} }, desk)

        busted.lazy_setup(function()
            self.server = redis.start { appendonly = "yes", unixsocket = true }
            self.hub = servers.hub { limits = { inFlight = 0 }, pairs = pairs }
        end)

        busted.lazy_teardown(function()
            self.server:stop()
            self.hub:stop()
            redis.forget()
        end)

        busted.before_each(function()
            self.server:call "FLUSHALL"
            self.server:call("FUNCTION", "FLUSH")
            self.hub:reset { limits = { inFlight = 0 } }
        end)

        busted.after_each(function()
            for _, worker in ipairs(self.workers) do
                worker:stop()
            end
            self.workers = {}
        end)

        tests(self)
    end)
end

--- Has a worker killed at the end, if it lives then.
function desk:keep(worker)
    self.workers[#self.workers + 1] = worker
end

--- Starts a worker, as redis.worker does.
function desk:start(options)
    local worker = redis.worker(self.server, self.hub, options)
    self:keep(worker)
    return worker
end

--- Ends one with SIGTERM, which is to give this exit status, 0 unless told; gives its log.
function desk.finish(_, worker, wanted)
    worker:signal "TERM"
    local _, errors, status = worker:wait()
    assert(status == (wanted or 0), ("it ended with %d: %s"):format(status, errors))
    return errors
end

--- Queues a request by a function; gives its id.
function desk:queue(name, ...)
    local id, why = self.server:call("FCALL", "kataven_" .. name, 1, STREAM, ...)
    return assert(id, why)
end

--- The reply, and its text.
function desk:await(id)
    local answer = self.server:call("BLPOP", STREAM .. ":reply:" .. id, PATIENCE)
    assert(answer, "no reply to " .. id)
    return json.decode(answer[2]), answer[2]
end

--- Asks again and again until the answer is yes.
function desk.untilTrue(what, ask)
    local deadline = socket.gettime() + PATIENCE
    repeat
        if ask() then
            return
        end
        socket.sleep(0.01)
    until socket.gettime() > deadline
    error("waited in vain for " .. what, 2)
end

function desk:metrics()
    local raw, found = self.server:call("HGETALL", STREAM .. ":metrics"), {}
    for index = 1, #raw, 2 do
        found[raw[index]] = tonumber(raw[index + 1])
    end
    return found
end

--- What a worker would have made, where there is none yet.
function desk:prepare()
    assert(self.server:call("FUNCTION", "LOAD", require "kataven.redis.functions".library()))
    assert(self.server:call("XGROUP", "CREATE", STREAM, "kataven", "0", "MKSTREAM"))
end

--- Takes so many entries as a worker would, that then does nothing with them.
function desk:take(consumer, ids)
    local taken = self.server:call("XREADGROUP", "GROUP", "kataven", consumer, "COUNT", #ids, "STREAMS", STREAM, ">")
    assert(#taken[1][2] == #ids)
end

return desks
