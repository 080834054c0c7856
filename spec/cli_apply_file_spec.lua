-- The file of `kataven widget-keys apply`: what it may hold, and how it is told what is wrong with it.

local core = require "kataven.core"
local file = require "kataven.cli.apply.file"
local files = require "spec.support.files"

describe("the file of apply", function()
    it("is an object with a list of keys", function()
        assert.same({
            { name = "a", domain_allowlist = { "x" }, agent_id = "agent_1", disabled = false },
            { name = "b" },
        }, file.parse [[
            { "widget_keys": [
                { "name": "a", "domain_allowlist": ["x"], "agent_id": "agent_1", "disabled": false },
                { "name": "b" }
            ] }
        ]])
        assert.same({}, file.parse '{"widget_keys":[]}')
    end)

    it("is told of a hundred of its problems, and of how many more there are", function()
        local fields = {}
        for index = 1, 20000 do
            fields[index] = '"a":1'
        end
        local path = os.tmpname()
        finally(function() os.remove(path) end)
        files.write(path, '{"widget_keys":[{"name":"a",\n' .. table.concat(fields, ",\n") .. "}]}")
        local list, problem, details = file.read(path)
        assert.is_nil(list)
        assert.equal(path .. ": 20000 problems; nothing was sent, so mend them and apply again", problem)
        assert.equal('line 3: the field "a" stands twice in one object', details[2])
        assert.equal('line 100: the field "a" stands twice in one object', details[99])
        assert.same({ 101, "and 19900 more" }, { #details, details[101] })
    end)

    it("tells null from what is absent, and an empty list", function()
        local list = file.parse '{"widget_keys":[{"name":"a","agent_id":null,"domain_allowlist":[]},{"name":"b"}]}'
        assert.equal(core.null, list[1].agent_id)
        assert.equal("[]", core.encode(list[1].domain_allowlist))
        assert.is_nil(list[2].agent_id)
        assert.is_nil(list[2].domain_allowlist)
    end)

    -- Text and what is wrong with it.
    for name, case in pairs {
        ["broken JSON"] = { '{"widget_keys":\n  [,]}', { "line 2, column 4: damaged JSON: not a JSON value" } },
        ["a comment"] = { "// keys\n{}", { "line 1, column 1: damaged JSON: not a JSON value" } },
        ["two documents"] = { '{"widget_keys":[]}{}',
            { "line 1, column 19: damaged JSON: more text after the value" } },
        ["a plain list"] = { '[{"name":"a"}]',
            { 'expected an object, { "widget_keys": [ { "name": "acme.com", ... } ] }, got an array' } },
        ["null"] = { "null", { 'expected an object, { "widget_keys": [ { "name": "acme.com", ... } ] }, got null' } },
        ["an empty object"] = { "{}",
            { '"widget_keys" is missing: expected { "widget_keys": [ { "name": "acme.com", ... } ] }' } },
        ["another name for the list"] = { '{"widgetKeys":[]}', {
            'unknown field "widgetKeys" beside "widget_keys"; did you mean "widget_keys"?',
            '"widget_keys" is missing: expected { "widget_keys": [ { "name": "acme.com", ... } ] }',
        } },
        ["something beside the list"] = { '{"owner":"me","widget_keys":[]}',
            { 'unknown field "owner" beside "widget_keys"; a file has no other' } },
        ["an object for the list"] = { '{"widget_keys":{}}', { '"widget_keys" must be an array, got an object' } },
        ["one key for the list"] = { '{"widget_keys":{"name":"a"}}',
            { '"widget_keys" must be an array, got an object' } },
        ["entries that are none"] = { '{"widget_keys":["a",null,[],7]}', {
            'entry 1: must be an object with a name, got a string ("a")',
            "entry 2: must be an object with a name, got null",
            "entry 3: must be an object with a name, got an array",
            "entry 4: must be an object with a name, got a number (7)",
        } },
        ["wrong types"] = { [[{"widget_keys":[
            {"name":"a","domain_allowlist":{},"disabled":null},
            {"name":"b","domain_allowlist":"b","agent_id":[]},
            {"name":"c","domain_allowlist":["x",null,1]},
            {"name":null}
        ]}]], {
            'entry 1 ("a"): domain_allowlist must be an array of strings, got an object (an empty array blocks the '
                .. "key; leave the field out to leave the key's list alone)",
            'entry 1 ("a"): disabled must be true or false, got null',
            'entry 2 ("b"): domain_allowlist must be an array of strings, got a string ("b") (an empty array blocks '
                .. "the key; leave the field out to leave the key's list alone)",
            'entry 2 ("b"): agent_id must be a string, or null to unpin the agent, got an array',
            'entry 3 ("c"): domain_allowlist[2] must be a string, got null',
            'entry 3 ("c"): domain_allowlist[3] must be a string, got a number (1)',
            "entry 4: name must be a string, got null",
        } },
        ["unknown fields"] = { '{"widget_keys":[{"name":"a","domains":[],"agent":"x","id":"wk_1"}]}', {
            'entry 1 ("a"): unknown field "agent"; did you mean "agent_id"?',
            'entry 1 ("a"): unknown field "domains"; did you mean "domain_allowlist"?',
            'entry 1 ("a"): unknown field "id"; known are name, domain_allowlist, agent_id, disabled',
        } },
        ["a name that stands twice"] = { '{"widget_keys":[{"name":"a"},{"name":"\\u0061"}]}',
            { 'entries 1 and 2 have the same name, "a"; a name may stand once only' } },
        ["a field that stands twice"] = { [[{"widget_keys":[
            {"name":"a","agent_id":"x",
             "agent_\u0069d":"y"},
            {"name":"b"}
        ],
        "widget_keys": [] }]], {
            'line 3: the field "agent_id" stands twice in one object',
            'line 6: the field "widget_keys" stands twice in one object',
        } },
    } do
        it("is refused with " .. name, function()
            local list, problems = file.parse(case[1])
            assert.is_nil(list)
            assert.same(case[2], problems)
        end)
    end

    it("may have brackets and quotes in its texts", function()
        assert.equal('{"a":1,"a":2}[,\\', file.parse '{"widget_keys":[{"name":"{\\"a\\":1,\\"a\\":2}[,\\\\"}]}'[1].name)
    end)

    it("may have escapes in its texts, one after the other and at their ends", function()
        for text, name in pairs {
            ['\\"'] = '"', ['\\"\\"'] = '""', ['a\\"b'] = 'a"b', ["\\\\"] = "\\",
            ['\\\\\\"'] = '\\"', ["\\\\\\\\"] = "\\\\",
            ['\\u0022'] = '"', ['\\"a\\\\'] = '"a\\', ["\\n\\\"\\n"] = '\n"\n',
        } do
            local list, problems = file.parse('{"widget_keys":[{"name":"' .. text .. '","agent_id":"' .. text .. '"}]}')
            assert.is_nil(problems, text)
            assert.same({ { name = name, agent_id = name } }, list)
            -- And as a name that stands twice.
            list, problems = file.parse(('{"widget_keys":[],"%s":1,\n"%s":1}'):format(text, text))
            assert.is_nil(list)
            assert.matches("line 2: the field .- stands twice in one object", table.concat(problems, "\n"))
        end
    end)

    it("shows no credential that slipped into it", function()
        local _, problems = file.parse '{"widget_keys":[{"name":"a","sk_live_acme_1":1,"agent_id":{"x":1}}]}'
        assert.is_nil(table.concat(problems):find("sk_live", 1, true))
    end)

    describe("on a disk", function()
        local path

        before_each(function()
            path = os.tmpname()
        end)

        after_each(function()
            os.remove(path)
        end)

        it("is read", function()
            files.write(path, '{"widget_keys":[{"name":"a"}]}')
            assert.same({ { name = "a" } }, file.read(path))
        end)

        it("is named in what is wrong with it", function()
            files.write(path, "{}")
            assert.same({ nil, path .. ': "widget_keys" is missing: expected '
                .. '{ "widget_keys": [ { "name": "acme.com", ... } ] }' }, { file.read(path) })
            files.write(path, '{"widget_keys":[{}, {}]}')
            local missing = "name is missing; it is what an entry is matched by"
            assert.same({ nil, path .. ": 2 problems; nothing was sent, so mend them and apply again",
                { "entry 1: " .. missing, "entry 2: " .. missing } }, { file.read(path) })
        end)

        it("has to be there, and to be one", function()
            local _, problem = file.read(path .. "-none")
            assert.equal(path .. "-none: No such file or directory", problem)
            _, problem = file.read "/"
            assert.equal("/: Is a directory", problem)
            _, problem = file.read(path)
            assert.equal(path .. ' is empty; it is to hold { "widget_keys": [ { "name": "acme.com", ... } ] }', problem)
        end)

        it("has a limit", function()
            local handle = io.open(path, "wb")
            handle:write '{"widget_keys":[]}'
            for _ = 1, 16 do
                handle:write((" "):rep(1024 * 1024))
            end
            handle:close()
            local _, problem = file.read(path)
            assert.equal(path .. " is larger than 16 MiB, the most that is read", problem)
        end)
    end)
end)
