-- What each command of `kataven widget-keys` does, against recorded answers: what it writes where, and how it ends.

local command = require "spec.support.command"
local json = require "dkjson"

local CASSETTE = "spec/cassettes/command.json"

describe("kataven widget-keys", function()
    -- Runs a command over the cassette.
    local function run(words, options)
        local given = { "--cassette", CASSETTE, "widget-keys" }
        for word in words:gmatch "%S+" do
            given[#given + 1] = word
        end
        return command.inside(given, options)
    end

    -- The same where it goes well, on a terminal or else in a pipe.
    local function done(words, options)
        local out, err, code = run(words, options)
        assert.equal(0, code, err)
        return out, err
    end

    local function document(words)
        local out, err = done(words)
        assert.equal("", err)
        local value, stop = json.decode(out, 1, json.null)
        assert.equal("\n", out:sub(stop))
        return value, out
    end

    local function onTerminal(words, input)
        return done(words, { terminal = command.TERMINAL, input = input, environment = { NO_COLOR = "1" } })
    end

    local function ids(list)
        local found = {}
        for index, key in ipairs(list) do
            found[index] = key.id
        end
        return found
    end

    describe("list", function()
        it("writes an array, by name and id, whatever the server's order is", function()
            local list, text = document "list"

            assert.same({ "wk_a1c2", "wk_a9d4", "wk_b7f0" }, ids(list))
            assert.equal("mN5bV7cX", list[2].last8)
            assert.truthy(text:find('"domain_allowlist": [],\n', 1, true)) -- and not {}
        end)

        it("writes those that are live, or disabled", function()
            assert.same({ "wk_a9d4", "wk_b7f0" }, ids(document "list --live"))
            assert.same({ "wk_a1c2" }, ids(document "list --disabled"))
        end)

        it("writes a table on a terminal", function()
            local out, err = onTerminal "list"

            assert.equal("", err)
            assert.equal(
                "ID       NAME          STATE                CREATED     AGENT    DOMAINS\n"
                    .. "wk_a1c2  acme.com      disabled 1 hour ago  2026-10-01\n"
                    .. "wk_a9d4  acme.com      blocked              just now\n"
                    .. "wk_b7f0  shop.example  live                 2 days ago  agent_7  shop.example, "
                    .. "*.shop.example\n",
                (out:gsub("2026%-%d%d%-%d%d", "2026-10-01")))
        end)

        it("has no column for agents where there are none", function()
            assert.matches("^ID       NAME      STATE                CREATED     DOMAINS\n",
                (onTerminal "list --disabled"))
        end)

        it("writes JSON on a terminal too, where asked", function()
            local out = onTerminal "list --json"

            assert.equal(3, #json.decode(out))
        end)
    end)

    describe("create", function()
        it("writes the key, its text included", function()
            local key = document "create new.example --domain new.example --domain localhost:* --agent agent_7"

            assert.equal("wk_c3", key.id)
            assert.equal("pk_live_[redacted]", key.secret_text)
        end)

        it("shows it on a terminal, and what goes into a page", function()
            local out, err = onTerminal "create new.example --domain new.example --domain localhost:* --agent agent_7"

            assert.equal("id           wk_c3\n"
                .. "name         new.example\n"
                .. "domains      new.example, localhost:*\n"
                .. "agent        agent_7\n"
                .. "created      2026-11-24 09:30:00 (just now)\n"
                .. "secret_text  pk_live_[redacted]\n", (out:gsub("%d+%-%d+%-%d+ %d+:%d+:%d+", "2026-11-24 09:30:00")))
            assert.equal("This is a replay: [redacted] stands for the key, which no cassette holds. In a page: "
                .. 'data-client-key="pk_live_[redacted]"\n', err)
        end)

        it("says that a key without domains is blocked", function()
            local out, err = onTerminal "create bare"

            assert.matches("domains  none: the key is blocked\n", out)
            assert.equal("No page can load it yet: kataven widget-keys update wk_c4 --domain DOMAIN\n", err)
        end)

        it("says what to do when the answer is lost", function()
            local out, err, code = run "create lost"

            assert.equal(1, code)
            assert.equal("", out)
            assert.matches("^kataven: TimeoutError: POST /api/v1/widget%-keys: .-; it may exist all the same, and "
                .. "its text, "
                .. "shown only once, is lost: look for its name with kataven widget%-keys list, revoke by its id the "
                .. "one that was made just now, if there is one %(another of that name may be in use%), "
                .. "and create it again\n$", err)
        end)

        it("says so as an object, too", function()
            local _, err = run "create lost --json"
            local shown = json.decode(err).error

            assert.equal("TimeoutError", shown.name)
            assert.is_true(shown.maybeApplied)
            assert.matches("revoke by its id the one that was made just now", shown.message)
            assert.is_nil(err:match "\n.")
        end)

        -- What the plaintext is kept for.
        for _, case in ipairs { { "a full disk", "No space left on device", 28 }, { "a closed pipe",
            "Broken pipe", 32 } } do
            local name, message, number = case[1], case[2], case[3]

            it("gives the text on stderr where stdout is " .. name, function()
                local words = "create new.example --domain new.example --domain localhost:* --agent agent_7"
                local out, err, code = run(words, { broken = { message, number } })

                assert.equal("", out)
                assert.equal(1, code)
                assert.equal(("kataven: cannot write the output (%s), but the widget key \"new.example\" (wk_c3) "
                    .. "was created; "
                    .. "its text, shown this once, is pk_live_[redacted]\n"):format(message), err)
                _, err = run(words .. " --json", { broken = { message, number } })
                assert.equal("pk_live_[redacted]", json.decode(err).error.created.secret_text)
            end)
        end
    end)

    describe("update", function()
        it("changes what is named", function()
            assert.equal("shop", document("update wk_b7f0 --name shop --domain shop.example --agent agent_9").name)
        end)

        it("empties the allowlist, and unpins the agent", function()
            local key, text = document "update wk_b7f0 --no-domains --no-agent"

            assert.equal("wk_b7f0", key.id)
            assert.truthy(text:find('"domain_allowlist": []', 1, true))
        end)

        it("shows the key on a terminal", function()
            assert.equal("id       wk_b7f0\nname     shop\ndomains  shop.example\nagent    agent_9\n",
                (onTerminal "update wk_b7f0 --name shop --domain shop.example --agent agent_9"))
        end)

        it("wants something to change", function()
            local out, err, code = run "update wk_b7f0"

            assert.equal(2, code)
            assert.equal("", out)
            assert.equal("kataven: nothing is to be changed: give --name, --domain, --no-domains, --agent or "
                .. "--no-agent; "
                .. "see kataven widget-keys update --help\n", err)
        end)

        it("says in one line what was not recorded", function()
            local _, err, code = run "update wk_b7f0 --name other"

            assert.equal(1, code)
            assert.matches("^kataven: CassetteError: .-answers call 2; PATCH .-; nearest recorded; %[10%] ", err)
            assert.is_nil(err:match "\n.")
        end)

        it("says what to do when the answer is lost", function()
            local _, err, code = run "update wk_b7f0 --name lost"

            assert.equal(1, code)
            assert.matches("ConnectionError: .-; it may be done all the same; the same command may be given "
                .. "again\n$", err)
            assert.is_nil(err:find("list()", 1, true))
        end)
    end)

    describe("revoke", function()
        it("disables the key", function()
            assert.equal("2026-11-24T09:30:00Z", document("revoke shop.example").disabled_at)
        end)
    end)

    describe("delete", function()
        it("says what it deleted, where the server sends nothing", function()
            assert.same({ id = "wk_b7f0", deleted = true }, (document "delete wk_b7f0 --yes"))
            assert.equal('deleted "shop.example" (wk_b7f0)\n', (onTerminal "delete wk_b7f0 --yes"))
        end)

        it("gives what the server sent, where it kept the row", function()
            assert.equal("2026-11-24T09:30:00Z", document("delete wk_a9d4 --yes").disabled_at)
            local out, err = onTerminal "delete wk_a9d4 --yes"
            assert.matches("^id        wk_a9d4\n", out)
            assert.equal("It has been used, so it is disabled and stays in the list.\n", err)
        end)

        it("refuses where it cannot ask, before any call", function()
            local out, err, code = command.inside { "--cassette", "spec/cassettes/none.json", "widget-keys",
                "delete", "x" }

            assert.equal(2, code)
            assert.equal("", out)
            assert.equal("kataven: there is no terminal to ask on: give --yes to delete without being asked\n", err)
        end)

        for _, answer in ipairs { "y\n", "Yes\n", " YES \n" } do
            it(("takes %q for a yes"):format(answer:gsub("\n", "")), function()
                local out, err = onTerminal("delete shop.example", answer)

                assert.equal('deleted "shop.example" (wk_b7f0)\n', out)
                assert.equal('Delete the widget key "shop.example" (wk_b7f0)? [y/N] ', err)
            end)
        end

        for _, answer in ipairs { "\n", "n\n", "yess\n", "" } do
            it(("takes %q for a no"):format(answer:gsub("\n", ".")), function()
                local out, err, code = run("delete shop.example", { terminal = command.TERMINAL, input = answer,
                    environment = { NO_COLOR = "1" } })

                assert.equal(1, code)
                assert.equal("", out)
                assert.matches("%[y/N%] \n?kataven: nothing was deleted\n$", err)
            end)
        end
    end)

    describe("snippet", function()
        local function snippet(key, options)
            return command.inside({ "widget-keys", "snippet", key }, options)
        end

        it("prints the attribute, without an API key", function()
            local out, err, code = snippet "pk_live_acme_0123456789"

            assert.equal(0, code)
            assert.equal('data-client-key="pk_live_acme_0123456789"\n', out)
            assert.equal("It goes into the widget's script tag, whose address (src) is your account's own.\n", err)
        end)

        it("escapes what HTML would obey", function()
            assert.equal('data-client-key="pk_live_a_&quot;&gt;&lt;x&#39;&amp;"\n', (snippet "pk_live_a_\"><x'&"))
        end)

        it("is JSON where asked", function()
            local out = command.inside { "widget-keys", "snippet", "pk_live_acme_01", "--json" }

            assert.same({ key = "pk_live_acme_01", attribute = 'data-client-key="pk_live_acme_01"' },
                (json.decode(out)))
        end)

        it("prints the embed guide's tags, with an agent where there is one to name", function()
            local load = '<script src="https://widget.kataven.ai/v1.js"></script>\n'
            local out, err, code = command.inside { "widget-keys", "snippet", "--init", "pk_live_acme_01" }
            assert.equal(0, code)
            assert.equal(load .. '<script>Kataven.init({ publicKey: "pk_live_acme_01" })</script>\n', out)
            assert.equal("Both tags go into the page. If no agent is pinned to the key, the second needs one: "
                .. "give --agent ID.\n", err)
            out, err = command.inside { "widget-keys", "snippet", "pk_live_acme_01", "--init", "--agent", "agent_7" }
            assert.equal(load .. '<script>Kataven.init({ publicKey: "pk_live_acme_01", agentId: "agent_7" })'
                .. "</script>\n", out)
            assert.equal("Both tags go into the page.\n", err)
            out = command.inside { "widget-keys", "snippet", "pk_live_acme_01", "--init", "--agent", "a", "--json" }
            assert.same({ key = "pk_live_acme_01", agent_id = "a", html = load
                .. '<script>Kataven.init({ publicKey: "pk_live_acme_01", agentId: "a" })</script>' },
                (json.decode(out)))
        end)

        it("escapes what a script element or JavaScript would obey", function()
            local out = command.inside { "widget-keys", "snippet", "--init", "pk_live_a_</script><!--&\"'\\", "--agent",
                "</SCRIPT>\226\128\168\226\128\169\n" }
            assert.equal('<script src="https://widget.kataven.ai/v1.js"></script>\n'
                .. '<script>Kataven.init({ publicKey: "pk_live_a_\\u003C/script\\u003E\\u003C!--\\u0026\\"\'\\\\", '
                .. 'agentId: "\\u003C/SCRIPT\\u003E\\u2028\\u2029\\n" })</script>\n', (out:gsub("\\/", "/")))
            -- Two tags, and no third.
            assert.equal(4, select(2, out:lower():gsub("</?script", "")))
            local _, err, code = command.inside { "widget-keys", "snippet", "--init", "pk_live_a_\255" }
            assert.equal(2, code)
            assert.equal("kataven: the widget key is not UTF-8\n", err)
        end)

        it("takes an agent for the tags only", function()
            local out, err, code = command.inside { "widget-keys", "snippet", "pk_live_acme_01", "--agent", "agent_7" }
            assert.equal(2, code)
            assert.equal("", out)
            assert.equal("kataven: --agent goes with --init: the attribute holds the key alone\n", err)
        end)

        for _, key in ipairs { "acme", "pk_live_", "pk_live_acme", "pk_live_acme_", "pk_live_Acme_1", "pk_live_a_1 2",
            "pk_live_a_1\n" } do
            it(("refuses %q"):format(key:gsub("\n", "\\n")), function()
                local out, err, code = snippet(key)

                assert.equal(2, code)
                assert.equal("", out)
                assert.matches("^kataven: a widget key reads pk_live_<account>_<more>", err)
            end)
        end
    end)

    describe("an ID", function()
        it("may be the beginning of one", function()
            assert.equal("wk_b7f0", document("revoke wk_b").id)
        end)

        it("may be a name", function()
            assert.equal("wk_b7f0", document("revoke shop.example").id)
        end)

        it("that several may be meant by lists them, and does nothing", function()
            for _, given in ipairs { "wk_a", "acme.com" } do
                local out, err, code = run("revoke " .. given)

                assert.equal(1, code)
                assert.equal("", out)
                assert.equal(('kataven: 2 widget keys may be meant by "%s", give the id of one: "acme.com" (wk_a1c2), '
                    .. 'disabled; "acme.com" (wk_a9d4)\n'):format(given), err)
            end
        end)

        it("has the candidates in the object", function()
            local _, err = run "--json revoke wk_a"
            local shown = json.decode(err).error

            assert.equal("AmbiguousError", shown.name)
            assert.same({ "wk_a1c2", "wk_a9d4" }, ids(shown.candidates))
        end)

        it("that no key has is said to be so", function()
            local _, err, code = run "revoke wk_x"

            assert.equal(1, code)
            assert.equal('kataven: no widget key has "wk_x" for an id, the beginning of one, or a name: '
                .. "see kataven widget-keys list\n", err)
        end)

        it("is not a key's text", function()
            local _, err = run "revoke pk_live_acme_1"

            assert.matches("that is the text of a key", err)
        end)
    end)
end)
