-- What each command is given: how it writes, asks, shows how far it is, and ends.

local context = require "kataven.cli.context"
local errors = require "kataven.errors"

describe("kataven.cli.context", function()
    -- A context over streams that write what they are given into one list, and that list's text.
    local function made(terminal, given)
        local written = {}
        local function stream(name)
            return {
                write = function(self, text)
                    written[#written + 1] = name .. ":" .. text
                    return self
                end,
                flush = function()
                    return true
                end,
            }
        end
        local self = context.new({
            stdin = { read = function() return "yes" end },
            stdout = stream "out",
            stderr = stream "err",
            getenv = function() end,
            isTerminal = function(name)
                return terminal and terminal[name] or false
            end,
            awaitInput = function() end,
            columns = function(name)
                return name == "stderr" and 20 or nil
            end,
        }, given or {})
        return self, function()
            local text = table.concat(written, "|")
            written = {}
            return text
        end
    end

    local STDERR = { stderr = true }

    it("rewrites a progress line in place on a terminal, and takes it away for all else", function()
        local self, written = made(STDERR)
        self:progress "1 of 2"
        self:progress "2 of 2"
        assert.equal("err:\r\27[K1 of 2|err:\r\27[K2 of 2", written())
        self:say "a message"
        assert.equal("err:\r\27[K|err:a message\n", written())
        self:say "another"
        assert.equal("err:another\n", written())
        self:progress "3"
        self:out "data\n"
        assert.equal("err:\r\27[K3|err:\r\27[K|out:data\n", written())
        self:progress "4"
        self:fail "no luck"
        assert.equal("err:\r\27[K4|err:\r\27[K|err:\27[31mkataven:\27[0m no luck\n", written())
        self:progress "5"
        self:close()
        self:close()
        assert.equal("err:\r\27[K5|err:\r\27[K", written())
    end)

    it("cuts a progress line that would go over the edge", function()
        local self, written = made(STDERR)
        self:progress "12345678901234567890"
        assert.equal("err:\r\27[K123456789012345678…", written())
    end)

    it("writes progress in lines elsewhere", function()
        local self, written = made()
        self:progress "1 of 2"
        self:progress "2 of 2"
        self:progress(nil)
        self:close()
        assert.equal("err:1 of 2\n|err:2 of 2\n", written())
    end)

    it("makes controls visible in what it says, and not in data", function()
        local self, written = made(STDERR)
        self:say "a\27b\nc"
        self:progress "d\r"
        self:out "e\27"
        assert.equal("err:a\\x1Bb\\nc\n|err:\r\27[Kd\\x0D|err:\r\27[K|out:e\27", written())
    end)

    it("asks where stdin and stderr are a terminal, and nowhere else", function()
        local self, written = made { stdin = true, stderr = true }
        assert.is_true(self:ask "Sure?")
        assert.equal("err:Sure? [y/N] ", written())
        for _, terminal in ipairs { {}, { stdin = true, stdout = true }, { stderr = true, stdout = true } } do
            self, written = made(terminal)
            assert.is_nil(self:ask "Sure?")
            assert.equal("", written())
        end
    end)

    it("wants JSON where stdout is no terminal, or where asked", function()
        assert.is_true(made({ stdin = true, stderr = true }).json)
        assert.is_false(made({ stdout = true }).json)
        assert.is_true(made({ stdout = true }, { "widget-keys", "--json" }).json)
        local self = made({ stdout = true }, { "--", "--json" })
        self:settle { command = "create" }
        assert.is_false(self.json)
    end)

    it("gives the exit code of a failure", function()
        local self, written = made()
        assert.equal(1, self:fail { name = "X", message = "m" })
        assert.equal(3, self:fail({ name = "X", message = "m" }, 3))
        assert.equal(2, self:misused "m")
        assert.equal("err:kataven: m\n|err:kataven: m\n|err:kataven: m\n", written())
    end)

    it("shows an error of the client's that no call made", function()
        local self, written = made()
        assert.equal(1, self:fail(errors.new { name = "PlanError", message = "two keys" }))
        assert.equal("err:kataven: PlanError: two keys\n", written())
    end)

    describe("ends", function()
        local function ended(raised, doing)
            local self, written = made()
            self.doing = doing
            return self:ended(context.ending(raised)), written()
        end

        it("with 130 when it was interrupted", function()
            local code, text = ended("kataven/cli.lua:1: interrupted!")
            assert.equal(130, code)
            assert.equal("err:kataven: interrupted\n", text)
            code, text = ended("interrupted!", "create the key")
            assert.equal(130, code)
            assert.equal("err:kataven: interrupted; it may be that it did create the key all the same: look with "
                .. "kataven "
                .. "widget-keys list\n", text)
        end)

        it("with 1 for an error that was raised", function()
            local code, text = ended(errors.new { name = "ServerError", message = "500", method = "GET", path = "/x" })
            assert.equal(1, code)
            assert.equal("err:kataven: ServerError: GET /x: 500\n", text)
        end)

        it("with 1 and a trace, in one line, for a mistake of its own", function()
            local code, text = ended "x.lua:1: attempt to index nil"
            assert.equal(1, code)
            assert.matches("^err:kataven: a mistake in the command itself: x%.lua:1: attempt to index nil | stack "
                .. "traceback:"
                .. " | [^\n]+\n$", text)
        end)
    end)
end)
