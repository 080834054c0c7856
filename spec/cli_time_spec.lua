-- Times as people read them.

local command = require "spec.support.command"
local time = require "kataven.cli.time"

local NOW = command.NOW

describe("kataven.cli.time", function()
    describe("reads", function()
        for given, seconds in pairs {
            ["2026-11-24T09:30:00Z"] = NOW,
            ["2026-11-24T09:30:00.123456Z"] = NOW,
            ["2026-11-24t10:30:00+01:00"] = NOW,
            ["2026-11-24 04:00:00-05:30"] = NOW,
            ["1970-01-01T00:00:00Z"] = 0,
            ["2000-02-29T12:00:00Z"] = 951825600,
            ["2100-03-01T00:00:00Z"] = 4107542400,
            ["1969-12-31T23:59:59Z"] = -1,
        } do
            it(given, function()
                assert.equal(seconds, time.read(given))
            end)
        end

        for _, given in ipairs { "", "yesterday", "2026-11-24", "2026-11-24T09:30:00", "2026-11-24T09:30Z",
            1795512600, true } do
            it("nothing in " .. tostring(given), function()
                assert.is_nil(time.read(given))
            end)
        end
    end)

    describe("says", function()
        for seconds, words in pairs {
            [0] = "just now",
            [-59] = "just now", -- two clocks
            [59] = "just now",
            [60] = "1 minute ago",
            [3599] = "59 minutes ago",
            [3600] = "1 hour ago",
            [7200] = "2 hours ago",
            [86400] = "1 day ago",
            [30 * 86400 - 1] = "29 days ago",
        } do
            it(("%q after %d s"):format(words, seconds), function()
                assert.equal(words, time.since("2026-11-24T09:30:00Z", NOW + seconds))
            end)
        end

        it("the day where it is long ago", function()
            assert.matches("^2026%-11%-2[345]$", time.since("2026-11-24T09:30:00Z", NOW + 31 * 86400))
        end)

        it("what it was given where that is no time, or is to come", function()
            assert.equal("soon", time.since("soon", NOW))
            assert.equal("2026-11-24T09:30:00Z", time.since("2026-11-24T09:30:00Z", NOW - 60))
        end)
    end)
end)
