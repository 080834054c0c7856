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
            [ [["\ud83d\u"]] ] = "\\u without four hexadecimal digits, at byte 10",
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

    it("makes numbers what JavaScript makes of them", function()
        for text, number in pairs {
            ["25.0"] = 25, ["1e2"] = 100, ["1E+2"] = 100, ["-7"] = -7, ["0.5"] = 0.5, ["1e-400"] = 0,
            ["1e400"] = math.huge, ["-1e400"] = -math.huge, ["9007199254740991"] = 2 ^ 53 - 1,
            ["9007199254740993"] = 2 ^ 53,
            ["9007199254740995"] = 2 ^ 53 + 4, ["9223372036854775807"] = 2 ^ 63, ["-9223372036854775809"] = -2 ^ 63,
            ["12345678901234567890"] = 12345678901234567890.0, ["-98765432109876543210"] = -98765432109876543210.0,
            ["100000000000000000000000000000"] = 1e29,
        } do
            local whole = number % 1 == 0 and math.abs(number) <= 2 ^ 53
            for _, value in ipairs { (core.decode(text)), (core.decode("[" .. text .. "]"))[1],
                core.decode('{"n":' .. text .. "}").n, core.decode('[{"n":' .. text .. ',"m":null}]')[1].n,
                core.decode('{"n":' .. text .. "}", true).n } do
                assert.equal(number, value, text)
                assert.equal(mathType and (whole and "integer" or "float"), mathType and mathType(value), text)
            end
        end
        -- An integer knows no sign of zero.
        assert.equal(mathType and math.huge or -math.huge, 1 / core.decode "-0")
        assert.equal(mathType and math.huge or -math.huge, 1 / core.decode '{"n":-0}'.n)
    end)

    it("makes U+FFFD of half a surrogate pair", function()
        local half = "\239\191\189"
        for text, value in pairs {
            [ [["\ud83d"]] ] = half, [ [["\ude00"]] ] = half, [ [["\uD83D\uDE00"]] ] = "\240\159\152\128",
            [ [["cut \ud83d"]] ] = "cut " .. half, [ [["\uDE00 cut"]] ] = half .. " cut",
            [ [["\ud83d\ud83d\ude00"]] ] = half .. "\240\159\152\128", [ [["\ude00\ud83d"]] ] = half .. half,
            [ [["\ud83d\n\ude00"]] ] = half .. "\n" .. half, [ [["\ud83d\\ude00"]] ] = half .. "\\ude00",
            [ [["\ud83d\u0041\u00e9"]] ] = half .. "A\195\169", [ [["\\ud83d"]] ] = "\\ud83d",
        } do
            assert.equal(value, (core.decode(text)), text)
            assert.equal(value, (core.decode(text, true)), text)
            assert.same({ [value] = value }, (core.decode("{" .. text .. ":" .. text .. "}")), text)
            assert.same({ [value] = kataven.null, a = { value } },
                (core.decode("{" .. text .. ':null,"a":[' .. text .. "]}", true)), text)
            assert.same({ a = { value } }, (core.decode("{" .. text .. ':null,"a":[' .. text .. "]}")), text)
        end
    end)

    it("has the last of a name count, null included", function()
        local many = {}
        for index = 1, 100 do
            many[index] = ('"n%d":%d'):format(index, index)
        end
        for text, value in pairs {
            ['{"a":1,"a":null}'] = {}, ['{"a":null,"a":1}'] = { a = 1 }, ['{"a":1,"a":null,"a":2}'] = { a = 2 },
            ['{"a":null,"a":2,"a":null}'] = {}, ['{"a":null,"a":null}'] = {},
            ['{"a":{"b":1},"a":null,"c":2}'] = { c = 2 },
            ['{"a":1,"b":null,"c":null,"a":null}'] = {}, ['{"":1,"":null}'] = {}, ['{"a":false,"a":null}'] = {},
            ['{"a":1,"b":{"a":null}}'] = { a = 1, b = {} }, ['{"b":{"a":1},"a":null}'] = { b = { a = 1 } },
            ['{"a":1,"b":{"a":2,"a":null,"c":3},"a":null}'] = { b = { c = 3 } },
            ['[{"a":1,"a":null},{"a":1}]'] = { {}, { a = 1 } }, ['[{"a":1},{"a":null}]'] = { { a = 1 }, {} },
            [ [[{"\u0061":1,"a":null}]] ] = {}, [ [[{"a":1,"\u0061":null}]] ] = {},
            [ [[{"\u0061":null,"a":1}]] ] = { a = 1 },
            [ [[{"a\/b":1,"a/b":null,"a":2}]] ] = { a = 2 }, [ [[{"\ud800":1,"\udc00":null}]] ] = {},
            ['{"a":[null,{"b":1,"b":null},null],"c":null}'] = { a = { kataven.null, {}, kataven.null } },
            ['{"a":1,"a":null,"n":[2.0,null]}'] = { n = { 2, kataven.null } },
        } do
            assert.same(value, (core.decode(text)), text)
        end
        local value = core.decode("{" .. table.concat(many, ",") .. ',"n1":null,"n50":null,"n100":null,"n2":[null]}')
        assert.same({ nil, nil, nil, 3, { kataven.null } }, { value.n1, value.n50, value.n100, value.n3, value.n2 })
        assert.same({ a = kataven.null, b = kataven.null }, (core.decode('{"a":1,"b":null,"a":null}', true)))
    end)

    it("takes time in proportion to the text, however many nulls and names there are", function()
        local function seconds(count, member)
            local parts = {}
            for index = 1, count do
                parts[index] = member:format(index, index)
            end
            local text = "{" .. table.concat(parts, ",") .. "}"
            local began, rounds = os.clock(), 0
            repeat
                core.decode(text)
                rounds = rounds + 1
            until os.clock() - began > 0.05
            return (os.clock() - began) / rounds
        end

        for _, member in ipairs { '"n%d":null', '"n":null', '"n":1,"n":null', '"%d":1,"n%d":null',
            [["\u0061":null]] } do
            local ratio = seconds(20000, member) / seconds(2000, member)
            assert.is_true(ratio < 60, ("%s: %.0f times as long for 10 times as many"):format(member, ratio))
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

    -- A finaliser, on each Lua.
    local function onCollect(run)
        local new = rawget(_G, "newproxy")
        if new then
            local proxy = new(true)
            getmetatable(proxy).__gc = run
            return
        end
        setmetatable({}, { __gc = run })
    end

    -- Encodes tables while the collector is at work, which calls `change` with the table. When it comes by is its own
    -- affair: goes on until it has.
    local function encodeWhile(change, make)
        local pause, multiplier = collectgarbage("setpause", 0), collectgarbage("setstepmul", 10000)
        local texts, value, round, calls = {}, nil, 0, 0
        repeat
            round = round + 1
            local given = make(round)
            for _ = 1, 3 do
                onCollect(function()
                    if value then
                        calls = calls + 1
                        change(value)
                        collectgarbage()
                    end
                end)
            end
            value = given
            local text, place, problem = core.encode(given)
            value = nil
            texts[round] = text or { place, problem }
        until round >= 12 and calls > 0 or round == 300
        collectgarbage("setpause", pause)
        collectgarbage("setstepmul", multiplier)
        return texts
    end

    it("may lose its table to a finaliser meanwhile", function()
        -- Long names have no second owner, on any Lua; "a" is first, and long enough for the collector to come by.
        local function make(round)
            local value = { a = {} }
            for index = 1, 50 do
                value[("name%d %s %d"):format(index, ("x"):rep(60), round)] = index
            end
            for index = 1, 1000 do
                value.a[("inner%d %s %d"):format(index, ("x"):rep(60), round)] = {}
            end
            return value
        end

        local changed = 0
        local function change(value)
            changed = changed + 1
            for _, members in ipairs { value.a or {}, value } do
                for name in pairs(members) do
                    if name ~= "a" then
                        members[name] = nil
                    end
                end
                for index = 1, 60 do
                    members[("new%d %s"):format(index, ("y"):rep(60))] = true
                end
            end
        end

        for round, text in ipairs(encodeWhile(change, make)) do
            assert.is_string(text, type(text) == "table" and table.concat(text, " "))
            for _, members in ipairs { core.decode(text), core.decode(text).a } do
                for name in pairs(members) do
                    assert.is_true(name == "a" or name:find("^new%d+ y+$") ~= nil
                        or name:find("^%l+%d+ x+ " .. round .. "$") ~= nil, name)
                end
            end
        end
        assert.is_true(changed > 0)
    end)

    it("names the place though a finaliser has taken it away", function()
        local inner = ("inner "):rep(20)

        local texts = encodeWhile(function(value)
            value[inner] = nil
        end, function()
            local value = { a = {}, [inner] = { { [inner] = print } } }
            for index = 1, 500 do
                value[inner][1][("a%d"):format(index)] = {}
            end
            return value
        end)

        for _, text in ipairs(texts) do
            if type(text) == "table" then
                assert.same({ inner .. "[1]." .. inner, "is a function, which JSON has no form for" }, text)
            end
        end
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
        "-0", "[-0,-0.0,-0e0,0,-1]", '{"n":-0}', '[{"n":-0,"m":null}]', "123456789012345", "1234567890123456",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
        "12345678901234567890", "-12345678901234567890", '[{"id":18446744073709551616}]', ("9"):rep(400),
        "12345678901234567890.5", "12345678901234567890e-5", "1e400", "-1e400", "1e-400", "1E2", "[5e-324]",
        [["\ud83d"]], [["\ude00"]], [["\uD83Dx\uDE00\n"]], [["\ud83d\ud83d\ude00"]], [["\ude00\ud83d"]],
        [[{"\ud83d":"\udc00","n":null}]], [[{"\ud83d":null,"n":1}]],
        '{"a":1,"a":null}', '{"a":null,"a":1}', '{"a":1,"a":null,"a":2}', [[{"\u0061":1,"a":null,"b":[null]}]],
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

    it("gives the same values", function()
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
