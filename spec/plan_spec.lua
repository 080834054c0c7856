-- kataven.plan: what has to be done, by a function that makes no calls.

local core = require "kataven.core"
local kataven = require "kataven"
local misuse = require "spec.support.misuse"

local null = kataven.null

-- A row as widgetKeys.list gives it.
local function row(id, name, more)
    local made = { id = id, name = name, domain_allowlist = {}, created_at = "2026-01-01T00:00:00Z" }
    for field, value in pairs(more or {}) do
        made[field] = value
    end
    return made
end

-- The plan as short lines: "update acme (wk_1)".
local function lines(plan)
    local out = {}
    for index, change in ipairs(plan.changes) do
        out[index] = change.action .. " " .. tostring(change.name) .. (change.id and (" (%s)"):format(change.id) or "")
            .. (change.pruned and " pruned" or "")
    end
    return out
end

local function planOf(wanted, current, options)
    return kataven.assert(kataven.plan(wanted, current, options))
end

describe("kataven.plan", function()
    it("creates what is not there, in the order of the list", function()
        local plan = planOf({
            { name = "b", domain_allowlist = { "b.example" }, agent_id = "agent_1" },
            { name = "a" },
        }, {})
        assert.same({ "create b", "create a" }, lines(plan))
        assert.same({ name = "b", domain_allowlist = { "b.example" }, agent_id = "agent_1" }, plan.changes[1].input)
        assert.same({ name = "a" }, plan.changes[2].input)
        assert.is_nil(plan.changes[1].id)
        assert.same({}, plan.unchanged)
    end)

    it("gives inputs and patches as create and update take them, an empty allowlist as an array", function()
        local plan = planOf({ { name = "new", domain_allowlist = {} }, { name = "old", domain_allowlist = {} } },
            { row("wk_1", "old", { domain_allowlist = { "x" } }) })
        assert.equal('{"domain_allowlist":[],"name":"new"}', core.encode(plan.changes[1].input))
        assert.equal('{"domain_allowlist":[]}', core.encode(plan.changes[2].patch))
    end)

    it("has nothing to unpin from a new key", function()
        assert.same({ name = "a" }, planOf({ { name = "a", agent_id = null } }, {}).changes[1].input)
    end)

    it("updates the fields that differ, and says how it was before", function()
        local before = row("wk_1", "a", { domain_allowlist = { "a.example" }, agent_id = "agent_1" })
        local plan = planOf({ { name = "a", domain_allowlist = { "a.example" }, agent_id = "agent_2" } }, { before })
        assert.same({ "update a (wk_1)" }, lines(plan))
        assert.same({ agent_id = "agent_2" }, plan.changes[1].patch)
        assert.equal(before, plan.changes[1].before)
    end)

    it("leaves fields alone that are absent", function()
        local plan = planOf({ { name = "a" } },
            { row("wk_1", "a", { domain_allowlist = { "a.example" }, agent_id = "agent_1" }) })
        assert.same({}, plan.changes)
        assert.same({ { name = "a", id = "wk_1" } }, plan.unchanged)
    end)

    it("unpins an agent with null, and finds nothing to do where there is none", function()
        local wanted = { { name = "a", agent_id = null } }
        assert.same({ agent_id = null }, planOf(wanted, { row("wk_1", "a", { agent_id = "x" }) }).changes[1].patch)
        assert.same({}, planOf(wanted, { row("wk_1", "a") }).changes)
        assert.same({}, planOf(wanted, { row("wk_1", "a", { agent_id = null }) }).changes)
    end)

    it("compares an allowlist as a set", function()
        local current = { row("wk_1", "a", { domain_allowlist = { "x", "y" } }) }
        local function changes(...)
            return planOf({ { name = "a", domain_allowlist = { ... } } }, current).changes
        end
        assert.same({}, changes("y", "x"))
        assert.same({}, changes("x", "y", "x"))
        assert.same({ "x" }, changes("x")[1].patch.domain_allowlist)
        assert.same({ "x", "y", "z" }, changes("x", "y", "z")[1].patch.domain_allowlist)
        assert.same({}, changes()[1].patch.domain_allowlist)
    end)

    it("sends an allowlist where the account does not tell of one", function()
        local key = row("wk_1", "a")
        key.domain_allowlist = nil
        assert.same({ "update a (wk_1)" }, lines(planOf({ { name = "a", domain_allowlist = {} } }, { key })))
    end)

    it("revokes a key that is wanted as disabled, and nothing else of it", function()
        local plan = planOf({ { name = "a", disabled = true, domain_allowlist = { "new" } } }, { row("wk_1", "a") })
        assert.same({ "revoke a (wk_1)" }, lines(plan))
        assert.same({ disabled = true }, plan.changes[1].patch)
    end)

    it("finds nothing to do where no live key has the name of a disabled one", function()
        local wanted = { { name = "a", disabled = true } }
        assert.same({ changes = {}, unchanged = { { name = "a" } }, unlisted = {} }, planOf(wanted, {}))
        assert.same({}, planOf(wanted, { row("wk_1", "a", { disabled_at = "2026-01-02" }) }).changes)
    end)

    it("makes a new key where only disabled ones have the name, and says which", function()
        local old = row("wk_1", "a", { disabled_at = "2026-01-02T00:00:00Z" })
        local plan = planOf({ { name = "a", disabled = false } }, { old })
        assert.same({ "create a" }, lines(plan))
        assert.same({ old }, plan.changes[1].disabled)
    end)

    it("takes the live key where disabled ones have the same name", function()
        local plan = planOf({ { name = "a", agent_id = "x" } },
            { row("wk_1", "a", { disabled_at = "2026-01-02" }), row("wk_2", "a") })
        assert.same({ "update a (wk_2)" }, lines(plan))
    end)

    it("matches names to the byte", function()
        local plan = planOf({ { name = "A" } }, { row("wk_1", "a"), row("wk_2", "A ") })
        assert.same({ "create A" }, lines(plan))
    end)

    it("leaves live keys alone that are not wanted, and names them", function()
        local other = row("wk_1", "other")
        local plan = planOf({}, { other, row("wk_2", "gone", { disabled_at = "2026-01-02" }) })
        assert.same({ changes = {}, unchanged = {}, unlisted = { other } }, plan)
    end)

    it("revokes them with prune, after all else", function()
        local plan = planOf({ { name = "off", disabled = true }, { name = "new" }, { name = "old", agent_id = "x" } }, {
            row("wk_1", "other"), row("wk_2", "old"), row("wk_3", "off"), row("wk_4", "other"),
            row("wk_5", "gone", { disabled_at = "2026-01-02" }),
        }, { prune = true })
        assert.same({ "create new", "update old (wk_2)", "revoke off (wk_3)", "revoke other (wk_1) pruned",
            "revoke other (wk_4) pruned" }, lines(plan))
        assert.same({}, plan.unlisted)
    end)

    it("prunes a key that has no name", function()
        local plan = planOf({}, { { id = "wk_1" } }, { prune = true })
        assert.same({ "revoke nil (wk_1) pruned" }, lines(plan))
    end)

    it("takes all that list gives", function()
        local spy = require "spec.support.spy"
        local client = spy.client(spy.new(spy.json '[{"id":"wk_1","name":"a"}]', spy.json "[]", spy.text("no", 401)))
        assert.equal("wk_1", kataven.plan({ { name = "a" } }, client.widgetKeys.list()).unchanged[1].id)
        assert.same({ "create a" },
            lines(kataven.plan({ { name = "a" } }, kataven.assert(client.widgetKeys.list()))))
        local plan, err = kataven.plan({ { name = "a" } }, client.widgetKeys.list())
        assert.is_nil(plan)
        assert.equal("AuthenticationError", err.name)
    end)

    it("changes nothing that it is given", function()
        local wanted = { { name = "a", domain_allowlist = { "x" } } }
        local current = { row("wk_1", "a"), row("wk_2", "b") }
        local plan = planOf(wanted, current, { prune = true })
        table.insert(plan.changes[1].patch.domain_allowlist, "y")
        assert.same({ { name = "a", domain_allowlist = { "x" } } }, wanted)
        assert.same({ row("wk_1", "a"), row("wk_2", "b") }, current)
    end)

    describe("where two live keys have a name that is wanted", function()
        local current = { row("wk_1", "a"), row("wk_2", "a"), row("wk_3", "b"), row("wk_4", "b"),
            row("wk_5", "a", { disabled_at = "2026-01-02" }), row("wk_6", "c"), row("wk_7", "c") }

        it("gives an error with all candidates", function()
            local plan, err = kataven.plan({ { name = "a" }, { name = "b", disabled = true } }, current)
            assert.is_nil(plan)
            assert.is_true(err:is "PlanError" and err:is "KatavenError")
            assert.equal('PlanError: 2 live keys have the name "a": wk_1, wk_2; 2 live keys have the name "b": wk_3, '
                .. "wk_4. Rename or revoke all but one of each, so that the name says which is meant", tostring(err))
            assert.same({
                { name = "a", keys = { current[1], current[2] } },
                { name = "b", keys = { current[3], current[4] } },
            }, err.conflicts)
            assert.same({ false, 0, 0 }, { err.maybeApplied, err.attempts, err.elapsed })
        end)

        it("does not mind those that are not wanted", function()
            assert.same({ "revoke c (wk_6) pruned", "revoke c (wk_7) pruned" },
                lines(planOf({}, { current[6], current[7] }, { prune = true })))
        end)
    end)

    describe("raises at its caller's line", function()
        it("of an account that is no list of rows", function()
            assert.equal("kataven.plan takes the account's keys as its second argument, what widgetKeys.list gives, "
                .. "got nothing", misuse(function() kataven.plan({}) end))
            assert.equal("key 1 of the account must be a table with an id, as widgetKeys.list gives it, "
                .. "got one whose id is nothing", misuse(function() kataven.plan({}, { {} }) end))
            assert.equal("key 1 of the account must be a table with an id, as widgetKeys.list gives it, got nothing",
                misuse(function() kataven.plan({}, { id = "wk_1" }) end))
        end)

        it("of options that are wrong", function()
            assert.equal('unknown option "purne"; did you mean "prune"?',
                misuse(function() kataven.plan({}, {}, { purne = true }) end))
            assert.equal('prune must be a boolean, got a string ("yes")',
                misuse(function() kataven.plan({}, {}, { prune = "yes" }) end))
            assert.equal("the options of kataven.plan must be a table, got a boolean (true)",
                misuse(function() kataven.plan({}, {}, true) end))
        end)
    end)

    -- A model of an account, and lists that were made by chance: what follows has to hold for all of them.
    describe("of a random account", function()
        local seed

        -- The same numbers on every Lua.
        local function random(most)
            seed = (seed * 16807) % 2147483647
            return seed % most + 1
        end

        local NAMES = { "a", "b", "c", "d", "e", "f", "g" }
        local ORIGINS = { "x.example", "*.x.example", "localhost:*", "y.example" }

        local function randomOrigins()
            local list = {}
            for _ = 2, random(4) do
                list[#list + 1] = ORIGINS[random(#ORIGINS)]
            end
            return list
        end

        local function randomAccount()
            local rows = {}
            for index = 1, random(12) - 1 do
                rows[index] = row("wk_" .. index, NAMES[random(#NAMES)], {
                    domain_allowlist = randomOrigins(),
                    agent_id = random(2) == 1 and "agent_" .. random(2) or nil,
                    disabled_at = random(3) == 1 and "2026-01-02" or nil,
                })
            end
            return rows
        end

        local function randomWanted()
            local list = {}
            for _, name in ipairs(NAMES) do
                if random(3) > 1 then
                    table.insert(list, random(#list + 1), {
                        name = name,
                        domain_allowlist = random(2) == 1 and randomOrigins() or nil,
                        agent_id = ({ null, "agent_1", "agent_2" })[random(5)],
                        disabled = ({ true, false })[random(4)],
                    })
                end
            end
            return list
        end

        -- What the API would make of a plan, as far as it is published.
        local function carryOut(rows, plan)
            local byId = {}
            for _, one in ipairs(rows) do
                byId[one.id] = one
            end
            for index, change in ipairs(plan.changes) do
                if change.action == "create" then
                    rows[#rows + 1] = row("new_" .. index, change.input.name, change.input)
                else
                    local one = assert(byId[change.id])
                    one.domain_allowlist = change.patch.domain_allowlist or one.domain_allowlist
                    if change.patch.agent_id ~= nil then
                        one.agent_id = change.patch.agent_id ~= null and change.patch.agent_id or nil
                    end
                    one.disabled_at = change.patch.disabled and "2026-01-03" or one.disabled_at
                end
            end
        end

        local function liveNames(rows)
            local count = {}
            for _, one in ipairs(rows) do
                if not one.disabled_at then
                    count[one.name] = (count[one.name] or 0) + 1
                end
            end
            return count
        end

        it("has nothing left to do once it was carried out", function()
            local planned, refused = 0, 0
            seed = 20261124
            for _ = 1, 3000 do
                local rows, wanted, prune = randomAccount(), randomWanted(), random(2) == 1
                local before = liveNames(rows)
                local plan, err = kataven.plan(wanted, rows, { prune = prune })
                if plan then
                    planned = planned + 1
                    carryOut(rows, plan)
                    local again = planOf(wanted, rows, { prune = prune })
                    assert.same({}, again.changes)
                    assert.equal(#wanted, #again.unchanged)
                    local after, listed = liveNames(rows), {}
                    for _, entry in ipairs(wanted) do
                        listed[entry.name] = true
                        assert.equal(entry.disabled and 0 or 1, after[entry.name] or 0)
                    end
                    for name, count in pairs(before) do
                        if not listed[name] then
                            assert.equal(prune and 0 or count, after[name] or 0)
                        end
                    end
                else
                    refused = refused + 1
                    assert.equal("PlanError", err.name)
                    for _, conflict in ipairs(err.conflicts) do
                        assert.equal(before[conflict.name], #conflict.keys)
                        assert.is_true(before[conflict.name] > 1)
                    end
                end
            end
            assert.is_true(planned > 1000 and refused > 300, ("%d planned, %d refused"):format(planned, refused))
        end)
    end)
end)
