local kataven = require "kataven"
local spy = require "spec.support.spy"

local function replay()
    local cassette = kataven.cassette.open "spec/cassettes/widget_keys.json"
    return spy.client(cassette), cassette
end

-- A client whose every call is answered in this way.
local function answering(body, status, contentType)
    return spy.client(spy.new {
        status = status or 200,
        headers = { ["content-type"] = contentType },
        body = body,
    })
end

local JSON = "application/json"
local mathType = rawget(math, "type") -- Lua 5.3 and later

describe("client.widgetKeys", function()
    it("mints, lists, changes and deletes", function()
        local client, cassette = replay()
        local widgetKeys = client.widgetKeys

        local keys, meta = widgetKeys.list()
        assert.equal(2, #keys)
        assert.same({ "acme.com", "*.acme.com" }, keys[1].domain_allowlist)
        assert.equal("Qx7pR2mN", keys[1].last8)
        assert.is_nil(keys[1].disabled_at)
        assert.equal("2026-11-02T10:00:00Z", keys[2].disabled_at)
        assert.equal("Zürich – „alt“", keys[2].name)
        assert.is_nil(keys[2].agent_id)
        assert.same({}, keys[2].domain_allowlist)
        assert.same({
            status = 200,
            headers = { ["content-type"] = "application/json; charset=utf-8", ["x-request-id"] = "req-1" },
            requestId = "req-1",
            attempts = 1,
            elapsed = 0,
        }, meta)

        local key
        key, meta = widgetKeys.create {
            name = "acme.com",
            domain_allowlist = { "*.acme.com" },
            agent_id = kataven.null,
        }
        assert.equal("wk_3", key.id)
        assert.matches("^pk_live_", key.key)
        assert.same({ 201, 1 }, { meta.status, meta.attempts })
        assert.is_nil(meta.requestId)

        assert.same({
            id = "wk_3",
            name = "acme.com",
            domain_allowlist = {},
            disabled_at = "2026-11-03T11:00:00Z",
        }, (widgetKeys.update(key.id, { domain_allowlist = {}, disabled = true })))

        assert.same({ id = "wk_3", disabled_at = "2026-11-03T11:00:00Z" }, (widgetKeys.delete(key.id)))

        local deleted
        deleted, meta = widgetKeys.delete "wk_4"
        assert.is_true(deleted)
        assert.equal(204, meta.status)

        cassette:assertDone()
    end)

    it("takes a colon as well as a dot", function()
        local client, cassette = replay()
        local widgetKeys = client.widgetKeys

        assert.equal(2, #kataven.assert(widgetKeys:list()))
        assert.equal("wk_3", kataven.assert(widgetKeys:create {
            name = "acme.com",
            domain_allowlist = { "*.acme.com" },
            agent_id = kataven.null,
        }).id)
        assert.equal("wk_3", kataven.assert(widgetKeys:update("wk_3", { domain_allowlist = {}, disabled = true })).id)
        assert.equal("wk_3", kataven.assert(widgetKeys:delete("wk_3")).id)
        assert.is_true(kataven.assert(widgetKeys:delete("wk_4")))
        cassette:assertDone()
    end)

    it("can be taken off its client", function()
        local list = replay().widgetKeys.list

        assert.equal(2, #list())
    end)

    it("has these four methods", function()
        local names = {}
        for name in pairs(replay().widgetKeys) do
            names[#names + 1] = name
        end
        table.sort(names)
        assert.same({ "create", "delete", "list", "update" }, names)
    end)

    describe("list", function()
        it("gives an array, whatever the server calls it", function()
            assert.same({}, (answering("[]", 200, JSON).widgetKeys.list()))
            assert.same({}, (answering("null", 200, JSON).widgetKeys.list()))
            assert.same({}, (answering(" \n[ ] \n").widgetKeys.list()))
            assert.equal("k1", answering('[{"id":"k1"}]', 200, "text/plain").widgetKeys.list()[1].id)
            assert.equal("k1", answering('[{"id":"k1"}]', 203, "application/vnd.x+json").widgetKeys.list()[1].id)
        end)

        it("takes nothing else", function()
            for body, problem in pairs {
                ['{"keys":[]}'] = "an object",
                ["{}"] = "an object",
                ["true"] = "a boolean",
                ["false"] = "a boolean",
                ["5"] = "a number",
                ['"x"'] = "a string",
                [""] = "an empty body",
                ["<p>hello</p>"] = "broken JSON",
                ['[{"id":"k1"}'] = "broken JSON: the text ends too early",
                ["[] x"] = "more text after the value",
            } do
                local keys, err = answering(body, 200, JSON).widgetKeys.list()
                assert.is_nil(keys)
                assert.equal("ResponseError", err.name)
                assert.truthy(err.message:find(problem, 1, true), err.message)
                assert.is_false(err.maybeApplied)
            end
            local _, err = answering("<p>hello</p>", 200, "text/html; charset=x").widgetKeys.list()
            assert.matches("not JSON but text/html", err.message)
            _, err = answering('[{"id":"k1"},"k2"]', 200, JSON).widgetKeys.list()
            assert.matches("item 2 of the array is a string", err.message)
            for body, problem in pairs {
                ["[[1]]"] = "item 1 of the array is an array where an object is promised",
                ['[{"id":"k1"},[{"id":"k2"}]]'] = "item 2 of the array is an array where an object is promised",
                ['[{"id":"k1"},[]]'] = "an item of the array is an empty array where an object is promised",
                ["[null]"] = "item 1 of the array is kataven.null where an object is promised",
            } do
                _, err = answering(body, 200, JSON).widgetKeys.list()
                assert.truthy(err.message:find(problem, 1, true), err.message)
            end
        end)
    end)

    describe("create and update", function()
        it("give an object, whatever the server calls it", function()
            for _, status in ipairs { 200, 201, 202 } do
                assert.equal("k1", answering('{"id":"k1"}', status, JSON).widgetKeys.create({ name = "a" }).id)
                assert.equal("k1", answering('{"id":"k1"}', status, "text/plain").widgetKeys.update("k1", {}).id)
            end
            assert.same({}, (answering("{}").widgetKeys.update("k1", {})))
        end)

        it("take nothing else, and say that it may have happened", function()
            for _, body in ipairs { "", "[]", "null", "true", "false", "5", '"x"', "{", "<p>" } do
                for _, answer in ipairs {
                    { answering(body, 201, JSON).widgetKeys.create { name = "a" } },
                    { answering(body, 200, JSON).widgetKeys.update("k1", {}) },
                } do
                    local value, err = answer[1], answer[2]
                    assert.is_nil(value)
                    assert.equal("ResponseError", err.name)
                    assert.is_true(err.maybeApplied)
                    assert.matches("it may have been carried out all the same", err.message)
                end
            end
        end)
    end)

    describe("delete", function()
        it("is true without an object", function()
            for _, answer in ipairs {
                { "", 204 }, { "", 200, JSON }, { " \r\n", 200, JSON }, { "null", 200, JSON }, { "false", 200, JSON },
                { "true", 200, JSON }, { "deleted", 200, "text/plain" }, { "deleted", 200 },
                { "<p>deleted</p>", 202, "text/html" }, { "deleted", 200, JSON },
            } do
                local value, meta = answering(answer[1], answer[2], answer[3]).widgetKeys.delete "k1"
                assert.is_true(value)
                assert.equal(answer[2], meta.status)
            end
        end)

        it("gives the object that came", function()
            assert.same({ id = "k1" }, (answering('{"id":"k1","x":null}', 200, JSON).widgetKeys.delete "k1"))
            assert.same({}, (answering("{}", 200, JSON).widgetKeys.delete "k1"))
            assert.same({ id = "k1" }, (answering('{"id":"k1"}').widgetKeys.delete "k1"))
            assert.same({ id = "k1" }, (answering('{"id":"k1"}', 200, "text/plain").widgetKeys.delete "k1"))
        end)

        it("takes no other JSON, and says that it may have happened", function()
            for _, body in ipairs { "[]", "5", '"x"', "{", "[null]" } do
                local value, err = answering(body, 200, JSON).widgetKeys.delete "k1"
                assert.is_nil(value)
                assert.equal("ResponseError", err.name)
                assert.is_true(err.maybeApplied)
            end
        end)
    end)
end)

describe("what JSON becomes", function()
    local function field(text)
        return answering(('[{"v":%s}]'):format(text), 200, JSON).widgetKeys.list()[1].v
    end

    local function shown(value)
        return (mathType and mathType(value) or type(value)) .. " " .. ("%.17g"):format(value)
    end

    it("has no field for a null, at any depth", function()
        assert.same({}, field "{\"a\":null,\"b\":null}")
        assert.same({ { c = {} } }, field '[{"a":null,"c":{"d":null}}]')
    end)

    it("keeps a null's place in an array", function()
        assert.same({ kataven.null, 1, { kataven.null } }, field "[null,1,[null]]")
    end)

    it("has whole numbers as integers, where Lua has them", function()
        local integer = mathType and "integer " or "number "

        for text, digits in pairs {
            ["25"] = "25", ["25.0"] = "25", ["-3"] = "-3", ["1e3"] = "1000", ["-0"] = mathType and "0" or "-0",
            ["2.5e1"] = "25", ["9007199254740992"] = "9007199254740992", ["-9007199254740991"] = "-9007199254740991",
        } do
            assert.equal(integer .. digits, shown(field(text)))
        end
    end)

    it("has other numbers as JavaScript would", function()
        local float = mathType and "float " or "number "

        for text, digits in pairs {
            ["0.1"] = "0.10000000000000001", ["9007199254740994"] = "9007199254740994",
            ["9007199254740995"] = "9007199254740996", ["12345678901234567890"] = "1.2345678901234567e+19",
            ["-1e300"] = "-1.0000000000000001e+300",
        } do
            assert.equal(float .. digits, shown(field(text)))
        end
        assert.equal(9007199254740992, field "9007199254740993")
    end)

    it("has strings byte for byte", function()
        assert.equal("é\n\"\\/\0€😀", field [["\u00e9\n\"\\\/\u0000€\ud83d\ude00"]])
        assert.equal("", field '""')
    end)
end)
