local core = require "kataven.core"
local json = require "kataven.cassette.json"

describe("kataven.cassette.json", function()
    describe("decodeExact", function()
        it("tells an empty array from an empty object", function()
            local value = json.decodeExact '{"a":[],"b":{},"c":[[ ],{"d":[\r\n\t]}]}'

            assert.is_true(core.isArray(value.a))
            assert.is_nil(next(value.a))
            assert.is_false(core.isArray(value.b))
            assert.is_true(core.isArray(value.c[1]))
            assert.is_true(core.isArray(value.c[2].d))
            assert.is_true(core.isArray((json.decodeExact "[]")))
            assert.is_false(core.isArray((json.decodeExact "{}")))
        end)

        it("keeps nulls, in objects and arrays and alone", function()
            assert.same({ a = core.null, b = { core.null, 1 } }, (json.decodeExact '{"a":null,"b":[null,1]}'))
            assert.equal(core.null, (json.decodeExact "null"))
            assert.is_false((json.decodeExact "false"))
        end)

        it("leaves brackets in strings and names alone", function()
            for _, text in ipairs {
                [==[{"[]":"[]","a":[]}]==],
                [==[["\"[]","\\",[],"[ ]\\\"[]"]]==],
                [==[["\\\\",[],"\\\""]]==],
            } do
                assert.equal(text, core.encode(json.decodeExact(text)))
            end
        end)

        it("is not misled by strings that hold its own filler", function()
            local text = [==[[[],["\u0001"],["\u0001\u0001"],"\\u0001"]]==]
            assert.equal(text, core.encode(json.decodeExact(text)))
        end)

        it("says what is wrong", function()
            for _, text in ipairs { "", "[", "[1,]", "{'a':1}", "NaN", "[01]", "[]\0", '"\255"', '"\1"', "[] []" } do
                local value, message = json.decodeExact(text)
                assert.is_nil(value)
                assert.matches("at byte %d+$", message)
            end
            assert.equal(1, select("#", json.decodeExact "[]"))
            assert.equal(1, select("#", json.decodeExact "5"))
        end)
    end)

    describe("canonical", function()
        it("is the same for every writing of a value, and itself", function()
            local canonical = '{"a":[],"b":{"c":null,"d":[1,{}]},"e":"é"}'

            assert.equal(canonical, json.canonical('{ "e": "\\u00e9", "b": {"d":[1,{ }],"c":null}, "a": [ ] }\n'))
            assert.equal(canonical, json.canonical(canonical))
        end)

        it("is nil for what is not JSON", function()
            assert.is_nil(json.canonical "name=acme")
        end)
    end)

    describe("pretty", function()
        it("writes sorted names, two spaces and a newline", function()
            local value = json.decodeExact '{"b":[1,"x",[],{}],"a":{"d":null,"c":false},"e":[[true]]}'

            assert.equal([[
{
  "a": {
    "c": false,
    "d": null
  },
  "b": [
    1,
    "x",
    [],
    {}
  ],
  "e": [
    [
      true
    ]
  ]
}
]], json.pretty(value))
        end)

        it("writes scalars and empty values", function()
            assert.equal('"a\\"b"\n', json.pretty 'a"b')
            assert.equal("{}\n", json.pretty {})
            assert.equal("[]\n", json.pretty(core.array {}))
        end)

        it("comes back the same", function()
            local text = json.pretty(json.decodeExact '{"a":[{"b":[]},"[]"],"\\"":1.5}')
            assert.equal(text, json.pretty(json.decodeExact(text)))
        end)

        it("says so when a value has no JSON form", function()
            for _, bad in ipairs { print, { a = { print } }, { a = "\255" }, { ["\255"] = 1 }, { a = 1, [2.5] = 1 } } do
                assert.is_nil((json.pretty(bad)))
            end
            assert.matches("^a%[1%] is a function", select(2, json.pretty { a = { print } }))
            assert.matches("^the value is a function", select(2, json.pretty(print)))
        end)
    end)
end)
