-- `kataven widget-keys apply` as people see it: what it writes on a terminal, and what it asks there.

local apply = require "spec.support.apply"
local command = require "spec.support.command"
local files = require "spec.support.files"
local json = require "dkjson"
local report = require "kataven.cli.apply.report"
local servers = require "spec.support.servers"
local said = require "kataven.cli.apply.words"

local CASSETTE = "spec/cassettes/apply.json"
local ACME, SHOP, FORMER, SAME = {
    name = "acme.com", domain_allowlist = { "acme.com", "*.acme.com" }, agent_id = "agent_2",
}, {
    name = "shop.example", domain_allowlist = { "shop.example", "new.example" }, agent_id = json.null,
}, { name = "former", disabled = true }, { name = "same" }

local PLAN = [[
+ create acme.com
    domain_allowlist: acme.com, *.acme.com
    agent_id: agent_2
    only disabled keys have this name (wk_3); they stay disabled, and a new key is made
~ update shop.example (wk_1)
    domain_allowlist:
-     old.example
+     new.example
    agent_id: agent_1 -> (none)
- revoke former (wk_2)
]]

describe("what apply says of", function()
    -- What a terminal shows of a key that was made, with a file of created keys or none.
    local function shown(row, keysOut, texts)
        local written = ""
        local printed = report.new { json = false, keysOut = keysOut, write = function(text)
            written = written .. text
            return true
        end }
        printed:done({ action = "create", name = "x" }, row, texts)
        return written
    end

    it("a key whose answer held no text of it: all of the answer, unless it is kept", function()
        local row = { id = "1", name = "x", secret = "lk_1\255" }
        local all = "created x (1), whose text is not in the answer:\n"
            .. '{"id":"1","name":"x","secret":"lk_1\239\191\189"}\n'
        assert.equal(all, shown(row, nil, {}))
        assert.equal(all, shown(row, "minted.jsonl", {}))
        assert.equal("created x (1), its key is in minted.jsonl\n", shown(row, "minted.jsonl"))
        assert.equal("created x (7)\n", shown({ id = 7, key = "pk_live_x_1" }))
    end)

    it("a key that is paired with a secret: both, unless they are kept", function()
        local row = { id = "1", public_key = "pk_live_a_1", secret_key = "sk_live_a_2" }
        local texts = { key = "pk_live_a_1", secret = "sk_live_a_2" }
        local secret = "    its secret key, for your backend only, shown this once: sk_live_a_2\n"
        assert.equal("created x (1)  pk_live_a_1\n" .. secret, shown(row, nil, texts))
        assert.equal("created x (1), its key is in minted.jsonl\n", shown(row, "minted.jsonl"))
        assert.equal("created x (2), whose text is not in the answer:\n"
            .. '{"id":"2","secret_key":"sk_live_a_2"}\n' .. secret,
            shown({ id = "2", secret_key = "sk_live_a_2" }, nil, { secret = "sk_live_a_2" }))
    end)

    it("a create whose answer was lost, where several keys have its name", function()
        local err = { name = "ServerError", message = "502", maybeApplied = true, is = function() return false end }
        local function advised(there)
            return said.troubles({
                failed = { { change = { action = "create", name = "x" }, err = err, there = there } }, remaining = {},
            })[2]
        end
        assert.equal("  There is one of that name now: wk_1. Unless somebody else has made it meanwhile, its text "
            .. "cannot be had any more: revoke it (kataven widget-keys revoke wk_1), and apply again",
            advised { { id = "wk_1", created_at = "2026-11-24" } })
        assert.equal("  There are 2 of that name now: wk_1 (created 2026-11-24), wk_2. At most one of them is this "
            .. "run's: find out by when it was created, and revoke it (kataven widget-keys revoke ID), and apply "
            .. "again. Its text cannot be had any more", advised { { id = "wk_1", created_at = "2026-11-24" },
            { id = "wk_2" } })
    end)
end)

describe("apply on recorded answers", function()
    local file

    before_each(function()
        file = apply.file { ACME, SHOP, FORMER, SAME }
    end)

    after_each(function()
        os.remove(file)
    end)

    local function run(words, options)
        local given = { "--cassette", CASSETTE, "widget-keys", "apply", file }
        for word in words:gmatch "%S+" do
            given[#given + 1] = word
        end
        return command.inside(given, options)
    end

    local function onTerminal(words, input, environment)
        environment = environment or { NO_COLOR = "1" }
        return run(words, { terminal = command.TERMINAL, input = input, environment = environment })
    end

    it("shows the plan as a diff", function()
        local out, err, code = onTerminal "--dry-run"
        assert.same({ "", 3 }, { err, code })
        assert.equal(PLAN .. "1 to create, 1 to update, 1 to revoke; 1 as wanted.\n"
            .. "Live, but not in the file, and left alone without --prune: forgotten.\n", out)
    end)

    it("shows it in colours, where they are wanted", function()
        local out = onTerminal("--dry-run", nil, {})
        assert.truthy(out:find("\27[32m+ create acme.com\27[0m\n", 1, true))
        assert.truthy(out:find("\27[33m~ update shop.example (wk_1)\27[0m\n", 1, true))
        assert.truthy(out:find("\27[31m-     old.example\27[0m\n\27[32m+     new.example\27[0m\n", 1, true))
        assert.truthy(out:find("\27[31m- revoke former (wk_2)\27[0m\n", 1, true))
    end)

    it("carries it out with a line of progress, and shows what was done", function()
        local out, err, code = onTerminal "--prune --yes"
        assert.equal(0, code, err)
        assert.equal(PLAN .. [[
- revoke forgotten (wk_4): not in the file
1 to create, 1 to update, 2 to revoke; 1 as wanted.
created acme.com (wk_6)  pk_live_acme_0123456789abcdef
updated shop.example (wk_1)
revoked former (wk_2)
revoked forgotten (wk_4)
]], out)
        assert.equal('\r\27[K1 of 4: creating "acme.com"\r\27[K\r\27[K2 of 4 done\r\27[K3 of 4 done'
            .. "\r\27[K4 of 4 done\r\27[K", err)
    end)

    it("says where the keys are that it does not show", function()
        local keys = apply.nowhere()
        finally(function() os.remove(keys) end)
        local out = onTerminal("--keys-out " .. keys)
        assert.truthy(out:find("created acme.com (wk_6), its key is in " .. keys .. "\n", 1, true))
        assert.is_nil(out:find("pk_live_", 1, true))
        assert.same({ wk_6 = "pk_live_acme_0123456789abcdef" }, apply.kept(keys))
    end)

    it("writes one document where there is no terminal", function()
        local out, err, code = run "--prune --yes"
        assert.equal(0, code, err)
        local document, stop = json.decode(out)
        assert.equal("\n", out:sub(stop))
        assert.equal(4, #document.done)
        assert.same({ "shop.example", "old.example" }, document.changes[2].before.domain_allowlist)
        assert.equal("pk_live_acme_0123456789abcdef", document.done[1].key)
        assert.truthy(out:find('"patch":{"agent_id":null,"domain_allowlist":["shop.example","new.example"]}', 1, true))
    end)

    describe("asks before it prunes,", function()
        local QUESTION = "Revoke 1 live widget key that the file does not name? [y/N] "

        it("and does it when told to", function()
            local out, err, code = onTerminal("--prune", "y\n")
            assert.equal(0, code, err)
            assert.equal(QUESTION, err:sub(1, #QUESTION))
            assert.truthy(out:find("revoked forgotten (wk_4)\n", 1, true))
        end)

        for name, answer in pairs { ["told not to"] = "n\n", ["not answered"] = "", ["not understood"] = "maybe\n" } do
            it("and changes nothing when " .. name, function()
                local out, err, code = onTerminal("--prune", answer)
                assert.equal(1, code)
                assert.equal(QUESTION, err:sub(1, #QUESTION))
                assert.truthy(err:find "kataven: nothing was changed\n$")
                assert.is_nil(out:find("created", 1, true))
            end)
        end

        it("with the plan before the question where the output is JSON", function()
            local out, err, code = onTerminal("--prune --json", "n\n")
            assert.same({ "", 1 }, { out, code })
            assert.equal(PLAN, err:sub(1, #PLAN))
            assert.truthy(err:find(QUESTION, 1, true))
        end)
    end)

    it("does not ask where there is nothing to prune", function()
        os.remove(file)
        file = apply.file { ACME, SHOP, FORMER, SAME, { name = "forgotten" } }
        local _, err, code = onTerminal "--prune"
        assert.equal(0, code, err)
        assert.is_nil(err:find("[y/N]", 1, true))
    end)

    it("says where the recording has no answer", function()
        os.remove(file)
        file = apply.file { { name = "unknown" } }
        local out, err, code = onTerminal ""
        assert.equal(1, code)
        assert.truthy(err:find('create "unknown": CassetteError', 1, true))
        assert.truthy(err:find("kataven: 0 of 1 change was made; apply again: it goes on from there\n", 1, true))
        assert.is_nil(out:find("created", 1, true))
    end)

    it("names twenty of many keys that are not in the file", function()
        local rows = {}
        for index = 1, 23 do
            rows[index] = { id = "wk_" .. index, name = "key " .. index }
        end
        local plan = require("kataven").plan({}, rows)
        local lines = require("kataven.cli.apply.diff").lines(plan)
        assert.equal("Nothing to change; 0 as wanted.", lines[1].text)
        assert.matches("without %-%-prune: key 1, key 2, .*, key 20 and 3 more%.$", lines[2].text)
    end)

    it("shows nothing that a terminal would obey", function()
        os.remove(file)
        file = apply.file { { name = "a\27[2J", domain_allowlist = { "x\r\n" } } }
        local out = onTerminal "--dry-run"
        assert.truthy(out:find("+ create a\\x1B[2J\n    domain_allowlist: x\\x0D\\n\n", 1, true))
    end)
end)

describe("apply on a pseudo-terminal", function()
    local hub, file, environment

    lazy_setup(function()
        hub = servers.hub {}
        environment = { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey, NO_COLOR = "1" }
    end)

    lazy_teardown(function()
        hub:stop()
    end)

    before_each(function()
        hub:reset()
        file = apply.file { { name = "a" }, { name = "b" } }
    end)

    after_each(function()
        os.remove(file)
    end)

    it("shows each key once, and keeps the progress line out of what stays", function()
        local output, code = command.onTerminal({ "widget-keys", "apply", file }, { environment = environment })
        assert.equal(0, code, output)
        for _, name in ipairs { "a", "b" } do
            local row = apply.live(hub)[name][1]
            local id, shown = output:match(("created %s %%((.-)%%)  (pk_live_%%w+_%%x+)\n"):format(name))
            assert.same({ row.id, row.last8 }, { id, shown:sub(-8) })
        end
        assert.truthy(output:find('\r\27[K1 of 2: creating "a"\r\27[Kcreated a ', 1, true), output)
    end)

    it("revokes what it may, when it is told so", function()
        apply.mint(hub, { name = "other" })
        local output, code = command.onTerminal({ "widget-keys", "apply", file, "--prune" },
            { environment = environment, at = "[y/N] ", type = "y\\r" })
        assert.equal(0, code, output)
        assert.is_nil(apply.live(hub).other)
    end)

    it("changes nothing when the question is interrupted", function()
        apply.mint(hub, { name = "other" })
        local before = hub:stats().effects
        local output, code = command.onTerminal({ "widget-keys", "apply", file, "--prune" },
            { environment = environment, at = "[y/N] ", type = "\\003" })
        assert.equal(130, code, output)
        assert.equal(before, hub:stats().effects)
    end)

    it("says after Ctrl-C what was done, and what may have been", function()
        hub:next { { n = 2 }, { delay = 60 } }
        local keys = apply.nowhere()
        finally(function() os.remove(keys) end)
        local output, code = command.onTerminal({ "widget-keys", "apply", file, "--keys-out", keys },
            { environment = environment, at = '2 of 2: creating "b"', type = "\\003" })
        assert.equal(130, code, output)
        assert.truthy(output:find('create "b": ', 1, true), output)
        assert.truthy(output:find("kataven: interrupted: 1 of 2 changes were made; ", 1, true), output)
        -- Not the hub's list: the delay may not have been taken yet.
        assert.matches('^{"creating":"a",[^\n]*\n{"created":"a",[^\n]*"key":"pk_live_%w+_%x+"[^\n]*\n'
            .. '{"creating":"b",', files.read(keys))
    end)
end)
