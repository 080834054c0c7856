-- The worker's steps when Redis does not answer; and what has come from it and was not read yet.

local inputs = require "kataven.redis.input"
local queues = require "kataven.redis.queue"

describe("kataven.redis.queue", function()
    -- A queue whose Redis answers with these problems in turn, and then with 1; and the pauses that it made.
    local function failing(problems)
        local pauses, logged, asked = {}, {}, 0
        local commands = {
            call = function()
                asked = asked + 1
                if problems[asked] then
                    return nil, problems[asked]
                end
                return 1
            end,
            await = function() return true end,
            renew = function() end,
        }
        local loop = {
            sleep = function(_, seconds)
                pauses[#pauses + 1] = seconds
            end,
        }
        local queue = queues.new(loop, commands, { stream = "s", consumer = "c", max = 1, reader = commands,
            log = function(level, message)
                logged[#logged + 1] = level .. " " .. message
            end })
        return queue, pauses, logged
    end

    local function finish(queue)
        return queue:finish("1-1", { ok = true, text = "{}" }, 60)
    end

    it("pauses longer and longer between commands of which each costs the connection", function()
        local problems = {}
        for index = 1, 8 do
            problems[index] = { code = "LOST", message = "Redis closed the connection" }
        end
        local queue, pauses, logged = failing(problems)
        assert.is_true(finish(queue))
        assert.same({ 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2, 2 }, pauses)
        assert.same({}, logged) -- the connection tells
    end)

    it("tells once what Redis refuses, and asks again until it does not", function()
        local oom = { code = "OOM", message = "OOM command not allowed" }
        local queue, pauses, logged = failing { oom, oom, { code = "BUSY", message = "BUSY Redis is busy" }, oom }
        assert.is_true(finish(queue))
        assert.equal(4, #pauses)
        assert.same({ "error Redis refuses: OOM command not allowed", "error Redis refuses: BUSY Redis is busy",
            "error Redis refuses: OOM command not allowed" }, logged)
    end)
end)

describe("kataven.redis.input", function()
    it("gives lines and lengths, wherever the pieces end", function()
        local text = "+OK\r\n$7\r\na\r\nb\r\nc\r\n:5\r\n\r\n"
        for size = 1, #text do
            local input, got = inputs.new(), {}
            local steps = { "line", "line", 7, 2, "line", "line" }
            for from = 1, #text, size do
                input:add(text:sub(from, from + size - 1))
                while #got < #steps do
                    local step = steps[#got + 1]
                    local bytes
                    if step == "line" then
                        bytes = input:line()
                    else
                        bytes = input:take(step)
                    end
                    if not bytes then
                        break
                    end
                    got[#got + 1] = bytes
                end
            end
            assert.same({ "+OK", "$7", "a\r\nb\r\nc", "\r\n", ":5", "" }, got)
            assert.is_true(input:isEmpty())
        end
    end)

    it("has nothing to give before all of it is there", function()
        local input = inputs.new()
        assert.is_nil(input:line())
        assert.is_nil(input:take(1))
        assert.equal("", input:take(0))
        input:add "ab\r"
        assert.is_nil(input:line())
        assert.is_nil(input:take(4))
        assert.is_false(input:isEmpty())
        input:add "\n"
        assert.equal("ab", input:line())
        assert.is_true(input:isEmpty())
    end)
end)
