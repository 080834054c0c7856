-- The worker beside Redis, where a create answers with a pair.

local desks = require "spec.support.redis.desk"
local kataven = require "kataven"

desks.describe("a pair beside Redis", function(desk)
    -- All that Redis holds, but for the reply with this id.
    local function elsewhere(id)
        local all = {}
        for _, key in ipairs(desk.server:call("KEYS", "*")) do
            if not key:find(id, 1, true) then
                all[#all + 1] = desk.server:call("DUMP", key)
            end
        end
        return table.concat(all)
    end

    it("is in its reply, and in no log, metric, dead letter or SLOWLOG", function()
        desk.server:call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        local worker = desk:start()
        local bad = desk:queue("update", "wk_1", '{"name":"x"}')
        local id = desk:queue("create", '{"name":"a"}')
        desk.untilTrue("the reply", function()
            return desk.server:call("EXISTS", "{kataven}:reply:" .. id) == 1
        end)
        local around = elsewhere(id)
        local slow = {}
        for _, entry in ipairs(desk.server:call("SLOWLOG", "GET", "1000")) do
            slow[#slow + 1] = table.concat(entry[4], " ")
        end
        local created = desk:await(id)
        local public, secret = kataven.plaintext(created.value)
        assert.matches("^pk_live_local_%x+$", public)
        assert.matches("^sk_live_local_%x+$", secret)
        assert.is_false(desk:await(bad).ok)
        local log = desk:finish(worker)
        for _, text in ipairs { around, table.concat(slow, "\n"), log } do
            assert.is_nil(text:find(public:sub(-16), 1, true))
            assert.is_nil(text:find(secret:sub(-16), 1, true))
        end
    end)

    it("is not in the log of a seal that quotes it", function()
        local worker = desk:start { options = 'seal = function(text) error("cannot seal " .. text) end,' }
        local reply = desk:await(desk:queue("create", '{"name":"a"}'))
        assert.equal("WorkerError", reply.error.name)
        local log = desk:finish(worker)
        assert.truthy(log:find("cannot seal", 1, true), log)
        assert.is_nil(log:find "[sp]k_live_%w")
    end)
end, true)
