-- Tables for a terminal.

local columns = require "kataven.cli.columns"

local GIVEN = {
    { title = "ID", cell = function(row) return row.id end, short = function(row) return row.id:sub(1, 4) end },
    { title = "NAME", least = 6, cell = function(row) return row.name, row.colour end },
    { title = "DOMAINS", least = 8, cell = function(row) return row.domains end },
}
local ROWS = {
    { id = "11112222", name = "東京", domains = "tokyo.example, www.tokyo.example" },
    { id = "33334444", name = "acme\27[2J", domains = "" },
}

local function plain(_, what)
    return what
end

describe("kataven.cli.columns", function()
    it("aligns by what is seen, with nothing at the ends of lines", function()
        assert.equal(
            "ID        NAME         DOMAINS\n"
                .. "11112222  東京         tokyo.example, www.tokyo.example\n"
                .. "33334444  acme\\x1B[2J\n",
            columns.table(GIVEN, ROWS, plain, nil))
    end)

    it("aligns the same in colour", function()
        local rows = { { id = "1", name = "a", domains = "x", colour = "green" }, { id = "2", name = "bcd",
            domains = "y" } }
        local painted = columns.table(GIVEN, rows, function(colour, what)
            return ("<%s>%s</>"):format(colour, what)
        end, nil)
        assert.equal("<bold>ID</>  <bold>NAME</>  <bold>DOMAINS</>\n1   <green>a</>     x\n2   bcd   y\n", painted)
    end)

    it("measures each cell a few times, however many there are", function()
        local text = require "kataven.cli.text"
        local rows, measured, width = {}, 0, text.width
        for index = 1, 300 do
            rows[index] = { id = "1", name = "a", domains = "x" }
        end
        finally(function() text.width = width end)
        text.width = function(what)
            measured = measured + 1
            return width(what)
        end
        columns.table(GIVEN, rows, plain, nil)
        assert.is_true(measured <= 4 * 3 * 301, measured)
    end)

    it("cuts the last column first", function()
        assert.equal(
            "ID    NAME         DOMAINS\n"
                .. "1111  東京         tokyo.example, www…\n"
                .. "3333  acme\\x1B[2J\n",
            columns.table(GIVEN, ROWS, plain, 38))
    end)

    it("cuts no further than can be read", function()
        assert.equal(
            "ID    NAME    DOMAINS\n"
                .. "1111  東京    tokyo.e…\n"
                .. "3333  acme\\…\n",
            columns.table(GIVEN, ROWS, plain, 10))
    end)
end)
