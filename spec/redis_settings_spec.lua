-- The options of the worker beside Redis.

local settings = require "kataven.redis.settings"

describe("kataven.redis.settings", function()
    it("says what is wrong with an option", function()
        for _, case in ipairs {
            { { steam = "x" }, 'unknown option "steam"; did you mean "stream"?' },
            { { stream = "" }, "stream is empty" },
            { { concurrency = 0 }, "concurrency must be a finite number of at least 1, got a number (0)" },
            { { concurrency = 501 }, "concurrency must be at most 500, got a number (501)" },
            { { replyExpiry = 1e15 },
                "replyExpiry must be at most 315360000 (seconds), got a number (1e+15)" },
            { { report = 0 }, "report must be a finite number greater than 0, got a number (0)" },
            { { tries = 1.5 }, "tries must be a whole number, got a number (1.5)" },
            { { lease = "1" }, 'lease must be a finite number greater than 0, got a string ("1")' },
            { { grace = -1 }, "grace must be a finite number of at least 0, got a number (-1)" },
            { { seal = "rot13" }, 'seal must be a function, got a string ("rot13")' },
            { { client = { wait = print } }, "client.wait is the worker's own" },
            { { url = "redis://:secret@x:y" }, "url cannot be read: its port must be a number from 1 to 65535" },
            { 7, "a worker takes a table of options, got a number" },
        } do
            local resolved, problem = settings.read(case[1])
            assert.is_nil(resolved)
            assert.equal(case[2], problem)
        end
    end)

    it("has the defaults that are documented", function()
        local o = settings.read { url = "redis://x" }
        assert.same({ "{kataven}", 20, 30, 5, 300, 10000, 60, 60 },
            { o.stream, o.concurrency, o.lease, o.tries, o.replyExpiry, o.max, o.grace, o.report })
    end)
end)
