-- kataven.plan: what is wrong in a list of wanted keys. What comes of one that is right is in plan_spec.lua.

local kataven = require "kataven"
local misuse = require "spec.support.misuse"

local null = kataven.null

describe("a list of wanted keys has kataven.plan raise at its caller's line", function()
    for _, case in ipairs {
        { "of a list that is none", "a", "the wanted keys must be an array, got a string (\"a\")" },
        { "of one entry in place of a list", { name = "a" },
            'the wanted keys must be an array, got a table' },
        { "of a list with names in it", { { name = "a" }, extra = 1 },
            'the wanted keys must be an array, got the key a string ("extra")' },
        { "of an entry that is no table", { "a" },
            'entry 1: must be a table with a name, got a string ("a")' },
        { "without a name", { { name = "a" }, {} }, "entry 2: name is missing; it is what an entry is matched by" },
        { "of an empty name", { { name = " " } }, 'entry 1 (" "): name is empty' },
        { "of a name that is no string", { { name = null } }, "entry 1: name must be a string, got kataven.null" },
        { "of an unknown field", { { name = "a", domains = {} } },
            'entry 1 ("a"): unknown field "domains"; did you mean "domain_allowlist"?' },
        { "of a field that is nearly right", { { name = "a", agentId = "x" } },
            'entry 1 ("a"): unknown field "agentId"; did you mean "agent_id"?' },
        { "of an allowlist that is text", { { name = "a", domain_allowlist = "x" } },
            'entry 1 ("a"): domain_allowlist must be an array of strings, got a string ("x") (an empty array '
            .. "blocks the key; leave the field out to leave the key's list alone)" },
        { "of an allowlist with a hole", { { name = "a", domain_allowlist = { "x", nil, "z" } } },
            'entry 1 ("a"): domain_allowlist[2] must be a string, got nothing' },
        { "of numbers in an allowlist", { { name = "a", domain_allowlist = { 1 } } },
            'entry 1 ("a"): domain_allowlist[1] must be a string, got a number (1)' },
        { "of a flag that is text", { { name = "a", disabled = "no" } },
            'entry 1 ("a"): disabled must be true or false, got a string ("no")' },
        { "of an agent that is a number", { { name = "a", agent_id = 7 } },
            'entry 1 ("a"): agent_id must be a string, or kataven.null to unpin the agent, got a number (7)' },
        { "of a name that stands twice", { { name = "a" }, { name = "b" }, { name = "a" }, { name = "a" } },
            'entries 1, 3 and 4 have the same name, "a"; a name may stand once only' },
    } do
        it(case[1], function()
            assert.equal("kataven.plan: " .. case[3], misuse(function()
                kataven.plan(case[2], {})
            end))
        end)
    end

    it("of all that is wrong at once", function()
        local text = misuse(function()
            kataven.plan({ { nmae = "a", disabled = 1 }, { name = "b" }, { name = "b" } }, {})
        end)
        local _, count = text:gsub("\n", "")
        assert.equal(3, count, text)
    end)

    it("and shows no credential", function()
        local text = misuse(function()
            kataven.plan({ { name = "sk_live_acme_1", agent_id = { "sk_live_acme_1" } } }, {})
        end)
        assert.is_nil(text:find("sk_live", 1, true))
    end)
end)
