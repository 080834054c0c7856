-- A widget key as the command finds and shows it.

local command = require "spec.support.command"
local keys = require "kataven.cli.keys"

describe("kataven.cli.keys", function()
    -- Finds among keys of these ids and names.
    local function find(given, ...)
        local rows = {}
        for index, pair in ipairs { ... } do
            rows[index] = { id = pair[1], name = pair[2], domain_allowlist = {} }
        end
        local key, err = keys.find({ client = { widgetKeys = { list = function()
            return rows
        end } } }, given)
        return key and key.id, err
    end

    describe("find", function()
        it("puts a whole id before all else", function()
            assert.equal("wk_1", find("wk_1", { "wk_12", "a" }, { "wk_1", "b" }, { "x", "wk_1" }))
        end)

        it("takes the beginning of an id, and a name, for alike", function()
            assert.equal("wk_12", find("wk_1", { "wk_12", "a" }, { "wk_2", "b" }))
            assert.equal("x", find("wk_1", { "x", "wk_1" }, { "wk_2", "b" }))
            local id, err = find("wk_1", { "wk_12", "a" }, { "x", "wk_1" })
            assert.is_nil(id)
            assert.equal("AmbiguousError", err.name)
            assert.equal('2 widget keys may be meant by "wk_1", give the id of one: "a" (wk_12); "wk_1" (x)',
                err.message)
        end)

        it("counts a key once whose name its id begins with", function()
            assert.equal("acme-1", find("acme", { "acme-1", "acme" }))
        end)

        it("takes names and ids to the letter", function()
            assert.is_nil((find("ACME", { "wk_1", "acme" })))
            assert.is_nil((find("acm", { "wk_1", "acme" })))
            assert.is_nil((find("wk.1", { "wk_12", "acme" })))
        end)

        it("takes no list whose keys no call can be made for", function()
            local id, err = find("a", { "wk_1", "b" }, { 7, "a" })
            assert.is_nil(id)
            assert.equal("ResponseError", err.name)
            assert.equal("the server's list has a widget key whose id is no string (entry 2: a number (7)), so it "
                .. "cannot be told which is meant; nothing was changed. Check --base-url", err.message)
        end)

        it("gives the list's error", function()
            local failed = { name = "ServerError" }
            local key, err = keys.find({ client = { widgetKeys = { list = function()
                return nil, failed
            end } } }, "x")
            assert.is_nil(key)
            assert.equal(failed, err)
        end)
    end)

    describe("in tables", function()
        local function context(columns)
            return {
                colour = function(_, _, what)
                    return what
                end,
                host = {
                    clock = function()
                        return command.NOW
                    end,
                    columns = function()
                        return columns
                    end,
                },
            }
        end

        local ROWS = {
            { id = "11111111-2222", name = "a", domain_allowlist = { "x" } },
            { id = "11111111-2233", name = "b", domain_allowlist = { "x" } },
            { id = "4444444455555", name = "c", domain_allowlist = { "x" }, disabled_at = true },
        }

        it("stand whole ids where there is room", function()
            assert.matches("\n11111111%-2222 ", keys.table(context(200), ROWS, ROWS))
            assert.matches("\n11111111%-2222 ", keys.table(context(nil), ROWS, ROWS))
        end)

        it("stands else what tells an id from all others", function()
            local text = keys.table(context(20), { ROWS[1], ROWS[3] }, ROWS)
            assert.matches("\n11111111%-222  a ", text)
            assert.matches("\n44444444      c ", text)
        end)

        it("stand short ids in time that grows as their number does", function()
            local rows = {}
            for index = 1, 600 do
                rows[index] = { id = ("%08d-0000"):format(index % 200) .. index, name = "n" .. index }
            end
            local compared, sub, narrow = 0, string.sub, context(20)
            finally(function() string.sub = sub end) -- luacheck: ignore 122
            string.sub = function(...) -- luacheck: ignore 122
                compared = compared + 1
                return sub(...)
            end
            keys.table(narrow, rows, rows)
            assert.is_true(compared < 100 * #rows, compared)
        end)

        it("stands whatever a server sends", function()
            local odd = { { id = 7, name = true, domain_allowlist = { { 1 } }, agent_id = { x = "y" },
                created_at = 5 }, {} }
            local text = keys.table(context(nil), odd, odd)
            assert.matches('\n7 +true +live +5 +{"x":"y"} +%[%[1%]%]\n', text)
            assert.matches("nil +nil +live\n$", text)
        end)
    end)

    it("shows every field of a key, those that are published first", function()
        local context = {
            colour = function(_, _, what)
                return what
            end,
            host = { clock = function()
                return command.NOW
            end },
        }
        assert.equal("id       wk\nname     n\ndomains  a, b\nagent    x\na\\x1B    1\nz        {\"q\":true}\n",
            keys.record(context, { z = { q = true }, ["a\27"] = 1, agent_id = "x", domain_allowlist = { "a",
                "b" }, name = "n",
                id = "wk" }))
    end)
end)
