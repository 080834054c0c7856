local child = require "spec.support.child"
local core = require "kataven.core"
local kataven = require "kataven"
local spy = require "spec.support.spy"

local mathType = rawget(math, "type") -- Lua 5.3 and later

local function nested(depth)
    return ("["):rep(depth) .. ("]"):rep(depth)
end

describe("decoding", function()
    it("gives a value and the byte that it begins with", function()
        for text, top in pairs {
            ["{}"] = "{", ["[]"] = "[", [' \n"x"'] = '"', ["-5"] = "-", ["true"] = "t", ["\tnull "] = "n",
        } do
            local value, kind = core.decode(text)
            assert.is_not_nil(value)
            assert.equal(top, kind)
        end
        assert.equal(kataven.null, (core.decode "null"))
        assert.is_false((core.decode "false"))
        assert.same({ a = { { b = "c" } } }, (core.decode ' { "a" : [ { "b" : "c" } ] } '))
    end)

    it("keeps the nulls of objects when asked to", function()
        assert.same({ a = kataven.null, b = { c = kataven.null } }, (core.decode('{"a":null,"b":{"c":null}}', true)))
        assert.same({ b = {} }, (core.decode '{"a":null,"b":{"c":null}}'))
        assert.same({ kataven.null }, (core.decode "[null]"))
    end)

    it("refuses what is not JSON, and says where", function()
        for text, problem in pairs {
            [""] = "the text ends too early, at byte 1",
            ["  "] = "the text ends too early, at byte 3",
            ["[]\0"] = "more text after the value, at byte 3",
            ["[]\0[]"] = "more text after the value, at byte 3",
            ["\0"] = "not a JSON value, at byte 1",
            ['"a\0b"'] = "a control character in a string, at byte 3",
            ['"a\nb"'] = "a control character in a string, at byte 3",
            ["NaN"] = "not a JSON value, at byte 1",
            ["[nan]"] = "not a JSON value, at byte 2",
            ["Infinity"] = "not a JSON value, at byte 1",
            ["-inf"] = "not a JSON number, at byte 2",
            ["-Infinity"] = "not a JSON number, at byte 2",
            ["0x10"] = "more text after the value, at byte 2",
            ["[0x10]"] = "a comma or a closing bracket is missing, at byte 3",
            ["01"] = "a number with a leading zero, at byte 2",
            ["1."] = "a number without digits after its point, at byte 3",
            [".5"] = "not a JSON value, at byte 1",
            ["+1"] = "not a JSON value, at byte 1",
            ["1e"] = "a number without digits in its exponent, at byte 3",
            ["nul"] = "not a JSON value, at byte 1",
            ["nulls"] = "more text after the value, at byte 5",
            ["[1,]"] = "not a JSON value, at byte 4",
            ["[1 2]"] = "a comma or a closing bracket is missing, at byte 4",
            ["[1}"] = "a comma or a closing bracket is missing, at byte 3",
            ['{"a":1,}'] = "an object wants a name in double quotes here, at byte 8",
            ["{a:1}"] = "an object wants a name in double quotes here, at byte 2",
            ['{"a" 1}'] = "a colon is missing after a name, at byte 6",
            ["['a']"] = "not a JSON value, at byte 2",
            ['"a'] = "a string without its end, at byte 3",
            [ [["\x"]] ] = "an unknown escape, at byte 3",
            [ [["\u12g4"]] ] = "\\u without four hexadecimal digits, at byte 4",
            [ [["\ud83d"]] ] = "half of a surrogate pair, at byte 8",
            [ [["\ude00"]] ] = "half of a surrogate pair, at byte 8",
            ["// no"] = "not a JSON value, at byte 1",
            ["\239\187\191{}"] = "not a JSON value, at byte 1",
            ['"\255"'] = "bytes that are not UTF-8, at byte 2",
            ['"\237\160\128"'] = "bytes that are not UTF-8, at byte 2",
            ['"\192\128"'] = "bytes that are not UTF-8, at byte 2",
        } do
            local value, message = core.decode(text)
            assert.is_nil(value)
            assert.equal(problem, message)
        end
    end)

    it("takes 128 levels, and no more", function()
        assert.is_table((core.decode(nested(128))))
        assert.is_table((core.decode(('{"a":'):rep(127) .. "{}" .. ("}"):rep(127))))
        for _, text in ipairs { nested(129), ('{"a":'):rep(129) .. "1" .. ("}"):rep(129), ("["):rep(1e6) } do
            local value, message = core.decode(text)
            assert.is_nil(value)
            assert.matches("^nested more than 128 deep, at byte %d+$", message)
        end
    end)

    it("is the same through a client", function()
        for text, problem in pairs {
            ["[]\0"] = "more text after the value", ["[NaN]"] = "not a JSON value", ["[0x10]"] = "bracket is missing",
            [nested(129)] = "nested more than 128 deep",
        } do
            local keys, err = spy.client(spy.new(spy.json(text))).widgetKeys.list()
            assert.is_nil(keys)
            assert.equal("ResponseError", err.name)
            assert.truthy(err.message:find("broken JSON: " .. problem, 1, true)
                or err.message:find(problem, 1, true), err.message)
        end
    end)
end)

describe("encoding", function()
    it("writes numbers so that they come back as they were", function()
        for number, text in pairs {
            [0] = "0", [-1] = "-1", [0.1] = "0.1", [2 ^ 53 - 1] = "9007199254740991", [1e15] = "1000000000000000",
            [1e300] = "1e+300", [123456.789] = "123456.789", [2 ^ 53 + 2] = "9007199254740994",
        } do
            assert.equal(text, core.encode(number))
        end
        for _, number in ipairs { 1 / 3, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, -1e-7, 123456789.12345678 } do
            assert.equal(number, tonumber(core.encode(number)))
        end
        assert.equal("0", core.encode(-0.0))
        assert.equal("25", core.encode(25.0))
        if mathType then
            assert.equal("9223372036854775807", core.encode(math.maxinteger)) -- luacheck: ignore 143
        end
    end)

    it("takes 128 levels, and no more", function()
        local function deep(levels)
            local value = {}
            for _ = 2, levels do
                value = { value }
            end
            return value
        end

        assert.equal(("["):rep(127) .. "{}" .. ("]"):rep(127), core.encode(deep(128)))
        local text, place, problem = core.encode(deep(129))
        assert.is_nil(text)
        assert.equal(("[1]"):rep(128), place)
        assert.equal("is nested more than 128 deep (or holds itself)", problem)
    end)

    it("asks no metamethods", function()
        local odd = setmetatable({ a = 1 }, { __index = error, __pairs = error, __len = error })
        assert.equal('{"a":1}', core.encode(odd))
    end)
end)

describe("with another cjson than Debian's", function()
    local texts = {
        "[]", "{}", "[[],{}]", '{"a":[],"b":{"c":[null]},"d":null}', "null", "true", '"x"', "5", "25.0", "-0.5", "1e3",
        "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740995", "-9007199254740993",
        "[9223372036854775807,-9223372036854775808,12345678901234567890]", "[1,2.0,3.5]", '{"n":{"m":[1e2,7]}}',
        [["\u00e9\n\"\\\/\ud83d\ude00"]], '[{"id":"k1","n":3,"f":0.1,"disabled_at":null}]',
    }

    local script = [[
        PREPARE
        local core = require "kataven.core"
        local texts = { TEXTS }
        local function show(value)
            if value == core.null then
                return "null"
            elseif type(value) == "number" then
                return (math.type and math.type(value) or "number") .. ("%.17g"):format(value)
            elseif type(value) ~= "table" then
                return type(value) .. tostring(value):gsub("\n", "|")
            end
            local names, parts = {}, {}
            for name in pairs(value) do names[#names + 1] = name end
            table.sort(names)
            for _, name in ipairs(names) do
                parts[#parts + 1] = type(name) .. name .. "=" .. show(value[name])
            end
            return (getmetatable(value) and "marked" or "") .. "{" .. table.concat(parts, ",") .. "}"
        end
        for _, text in ipairs(texts) do
            for _, keep in ipairs { false, true } do
                print(text, show((core.decode(text, keep))), (core.encode((core.decode(text, true)))))
            end
        end
        print(require("kataven").assert(require("kataven").new {
            apiKey = "sk_live_x",
            transport = { send = function() return { status = 200, body = '[{"id":"k1","n":null,"d":[]}]' } end },
        }.widgetKeys.list())[1].id)
    ]]

    local function run(prepare)
        local quoted = {}
        for index, text in ipairs(texts) do
            quoted[index] = ("%q"):format(text)
        end
        return child.run((script:gsub("%u%u%u%u%u+", {
            PREPARE = prepare,
            TEXTS = table.concat(quoted, ", "),
        })))
    end

    it("everything is the same", function()
        local output, errors = run ""
        local other, otherErrors = run [[
            local real = require "cjson"
            package.loaded.cjson = require("spec.support.forked_cjson").over(real)
        ]]

        assert.same({ "", "" }, { errors, otherErrors })
        assert.equal(output, other)
        local _, lines = output:gsub("\n", "")
        assert.equal(2 * #texts + 1, lines)
    end)

    it("the host's settings and ours do not meet", function()
        local output, errors = child.run [==[
            local cjson = require "cjson"
            cjson.decode_max_depth(3)
            cjson.decode_invalid_numbers(true)
            local core = require "kataven.core"
            print(type((core.decode("[[[[[1]]]]]"))))
            print(cjson.decode_max_depth(), (pcall(cjson.decode, "[[[[[1]]]]]")), (pcall(cjson.decode, "[NaN]")))
        ]==]

        assert.same({ "table\n3\tfalse\ttrue\n", "" }, { output, errors })
    end)

    it("says what is missing where there is none, or an old one", function()
        local try = [[
            package.preload.cjson = function() %s end
            package.loaded.cjson = nil
            local ok, message = pcall(require, "kataven")
            print(ok, message)
        ]]

        assert.matches("^false\t.-kataven needs the module 'cjson' for this Lua %(lua%-cjson: apt%-get install ",
            (child.run(try:format "error 'none'")))
        assert.matches("^false\t.-kataven needs lua%-cjson 2%.1%.0 or later: this cjson has no 'new'",
            (child.run(try:format "return {}")))
    end)
end)
