-- The changes that `make mutants` makes, and that a seed repeats them. The run itself is not tested here: it takes
-- minutes, and says what it found.

package.path = "./spec/mutants/?.lua;" .. package.path
local operators = require "operators"

-- Every change of a text, as its line would read.
local function changes(language, text)
    local list = {}
    for _, mutant in ipairs(operators.mutants(text, language)) do
        local number = 0
        for line in (operators.apply(text, mutant) .. "\n"):gmatch "(.-)\n" do
            number = number + 1
            list[#list + 1] = number == mutant.line and line:match "^%s*(.-)%s*$" or nil
        end
    end
    table.sort(list)
    return list
end

local function expect(language, text, expected)
    table.sort(expected)
    assert.same(expected, changes(language, text))
end

describe("mutants of Lua", function()
    it("swap comparisons, and drop what is given back", function()
        expect("lua", "return a < b", { "return a <= b", "return nil" })
        expect("lua", "return a == b", { "return a ~= b", "return nil" })
        expect("lua", "return a.friend", { "return nil" })
        expect("lua", "local function f() return side end", { "local function f() return nil end" })
    end)

    it("swap signs that join, and leave those that stand before a number", function()
        expect("lua", "return a + -b", { "return a - -b", "return nil" })
        expect("lua", "return a * b", { "return a / b", "return nil" })
    end)

    it("take conditions apart, and turn them round", function()
        expect("lua", "if a and not b then", { "if a or not b then", "if a and b then", "if not (a and not b) then" })
        expect("lua", "if not a then", { "if a then" })
        expect("lua", "while a do", { "while not (a) do" })
    end)

    it("change numbers and booleans", function()
        expect("lua", "local a, b, c, d = 0, 1, 17, true", { "local a, b, c, d = 1, 1, 17, true",
            "local a, b, c, d = 0, 0, 17, true", "local a, b, c, d = 0, 1, 18, true",
            "local a, b, c, d = 0, 1, 17, false" })
        expect("lua", "local a = 0.5", { "local a = 1.5" })
        expect("lua", "local a = 0x0f", { "local a = 0x10" })
    end)

    it("leave out a statement, and a way out of a loop", function()
        expect("lua", "    self:close()", { "" })
        expect("lua", "    self.name = name", { "" })
        expect("lua", "    log 'text'", {})
        expect("lua", "    break", { "" })
        expect("lua", "local name = other", {})
    end)

    it("leave comments, annotations and strings alone", function()
        expect("lua", "-- a < b\n---@param x true\n--[[ 1\n+ 1 ]]", {})
        expect("lua", [[local a = "1 < 2 -- \" 3" .. '4 "' .. [=[ 5 ]] .. "\n ]] 6 ]=]", {})
    end)

    it("stay in their line", function()
        expect("lua", "local a = {\n    1,\n}", { "0," })
        local text = "local a = 2\nlocal b = 3\n"
        local mutants = operators.mutants(text, "lua")
        assert.equal("local a = 2\nlocal b = 4\n", operators.apply(text, mutants[2]))
        assert.equal(2, mutants[2].line)
    end)
end)

describe("mutants of C", function()
    it("swap, negate and drop as in Lua", function()
        expect("c", "    if (a && !b)", { "if (a || !b)", "if (a && b)", "if (!(a && !b))" })
        expect("c", "    while (p->next != q)", { "while (p->next == q)" })
        expect("c", "    return a <= b;", { "return a < b;", "return 0;" })
        expect("c", "    count++;", { "count--;", ";" })
        expect("c", "    sum += 1;", { "sum -= 1;", "sum += 0;", ";" })
        expect("c", "        break;", { ";" })
        expect("c", "        continue;", { ";" })
    end)

    it("leave out calls and assignments, and neither declarations nor what goes on", function()
        expect("c", "    close(fd);", { ";" })
        expect("c", "    *box = other;", { ";" })
        expect("c", "    char *name = other;", {})
        expect("c", "    name = first ||\n        second(fd);", { "name = first &&" })
        expect("c", "int name(void);", {})
    end)

    it("know a pointer from a product", function()
        expect("c", "    use(a * b, (char *)c, -d);", { "use(a / b, (char *)c, -d);", ";" })
    end)

    it("leave comments, directives, strings, characters and assertions alone", function()
        expect("c", '/* 1\n * + 2 */\n#define A \\\n    1 // 2\nassert(a > 0);\nchar c[] = "1 /* 2 \\" 3"; // 4', {})
        expect("c", "    use('1', '\\'', '0');", { ";" })
    end)
end)

describe("the order of mutants", function()
    local function drawn(seed)
        local list = {}
        for number = 1, 20 do
            list[number] = number
        end
        return operators.shuffle(list, seed)
    end

    it("is the seed's, on every Lua", function()
        assert.same(drawn(1), drawn(1))
        assert.not_same(drawn(1), drawn(2))
        assert.same({ 5, 2, 6, 8, 17, 20, 1, 18, 12, 13, 3, 9, 4, 14, 7, 15, 19, 10, 11, 16 }, drawn(1))
    end)

    it("has each of them once", function()
        local list = drawn(3)
        table.sort(list)
        for number = 1, 20 do
            assert.equal(number, list[number])
        end
    end)
end)
