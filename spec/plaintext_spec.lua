-- The texts of a created key, and of the secret that it may be paired with.

local kataven = require "kataven"
local plaintext = require "kataven.plaintext"

local PUBLIC, SECRET = "pk_live_acme_0123456789", "sk_live_acme_9876543210"

describe("kataven.plaintext", function()
    local function found(key)
        return { kataven.plaintext(key) }
    end

    it("finds the key's text, whatever its field is called", function()
        for _, field in ipairs { "key", "public_key", "publicKey", "plaintext", "x" } do
            assert.same({ PUBLIC }, found { id = "wk_1", name = "acme.com", [field] = PUBLIC })
        end
    end)

    it("finds a paired secret besides", function()
        assert.same({ PUBLIC, SECRET }, found { id = "wk_1", public_key = PUBLIC, secret_key = SECRET })
        assert.same({ PUBLIC, SECRET }, found { id = "wk_1", a = SECRET, z = PUBLIC })
        assert.same({ nil, SECRET }, found { id = "wk_1", secret_key = SECRET })
    end)

    it("looks into objects and lists where the answer itself has none", function()
        assert.same({ PUBLIC, SECRET }, found { widget_key = { inner = { key = PUBLIC } }, pair = { SECRET } })
        assert.same({ PUBLIC }, found { key = PUBLIC, former = { key = "pk_live_acme_other" } })
        local round = { key = PUBLIC }
        round.again = { round }
        assert.same({ PUBLIC }, found(round))
        round = {}
        round.again = round
        assert.same({}, found(round))
    end)

    it("takes nothing that the caller chose, that only begins like a key, or that masks one", function()
        assert.same({}, found { name = PUBLIC, agent_id = SECRET, domain_allowlist = { PUBLIC } })
        assert.same({ PUBLIC }, found { name = "pk_live_other", value = PUBLIC })
        for _, text in ipairs {
            "pk_live_", "my " .. PUBLIC, "PK_LIVE_ACME_1", "pk_live_...6789", "pk_live_********6789",
            "pk_live_\226\128\166" .. "6789", PUBLIC .. "\n", "pk_live_acme 1", "pk_test_acme_1",
        } do
            assert.same({}, found { id = "wk_1", text = text })
            assert.same({ PUBLIC }, found { id = "wk_1", hint = text, text = PUBLIC })
        end
        assert.same({}, found { id = "wk_1", last8 = "23456789", name = "acme.com", disabled_at = kataven.null })
        assert.same({}, found {})
    end)

    it("tells a key from others that look like one, or takes none", function()
        assert.same({ PUBLIC }, found { prefix = "pk_live_acme", [1] = "pk_live_acme_0", deep = { PUBLIC } })
        assert.same({ PUBLIC }, found { key = PUBLIC, other = "pk_live_acme_other" })
        assert.same({ PUBLIC, SECRET }, found { public_key = PUBLIC, key = "pk_live_other", secret_key = SECRET,
            used = "sk_live_acme_other" })
        assert.same({ PUBLIC }, found { text = PUBLIC, other = "pk_live_acme_other", last8 = "23456789" })
        assert.same({}, found { a = "pk_live_a", b = "pk_live_b", last8 = "12345678" })
        assert.same({ PUBLIC }, found { a = PUBLIC, b = PUBLIC })
    end)

    it("does not compare what no create answers with", function()
        local many = {}
        for index = 1, 20000 do
            many[index] = "pk_live_" .. index
        end
        assert.same({}, found(many))
    end)

    it("gives what stands for the key in a replay", function()
        assert.same({ "pk_live_[redacted]", "sk_live_[redacted]" },
            found { public_key = "pk_live_[redacted]", secret_key = "sk_live_[redacted]" })
    end)

    it("raises at the caller's line what it cannot take", function()
        local function problem(...)
            local ok, message = pcall(function(...) return (kataven.plaintext(...)) end, ...)
            assert.is_false(ok)
            assert.matches("^[^:]*plaintext_spec%.lua:%d+: ", message)
            return message
        end
        assert.matches("a table, got nothing", problem(nil))
        assert.matches("a table, got a boolean", problem(true))
        assert.matches("call it with a dot", problem(kataven, {}))
        local secretive = problem(SECRET)
        assert.is_nil(secretive:find("9876543210", 1, true))
        local client = kataven.new { apiKey = "sk_live_a", retry = false, transport = {
            send = function() return { status = 401, headers = {}, body = "invalid token" } end,
        } }
        assert.matches("the call failed: AuthenticationError: .*invalid token",
            problem(client.widgetKeys.create { name = "x" }))
        assert.matches("the call failed: AuthenticationError", problem(select(2, client.widgetKeys.list())))
    end)
end)

describe("an answer without its texts", function()
    local function without(key)
        return plaintext.without(key)
    end

    it("has all the rest", function()
        assert.same({ id = "wk", name = "pk_live_x", prefix = "pk_live_a", inner = { n = 1 } }, without {
            id = "wk", name = "pk_live_x", prefix = "pk_live_a", key = "pk_live_a_1",
            inner = { n = 1, it = "pk_live_a_1" },
        })
        assert.same({ list = { "a", "...", "b" } }, without { list = { "a", "pk_live_a_1", "b" } })
        assert.same({ name = "pk_live_x" }, without { name = "pk_live_x", a = "pk_live_a", b = "pk_live_b" })
    end)

    it("has neither text, wherever and however it stands", function()
        local base64 = require "kataven.base64"
        assert.same({ id = "wk", deep = { list = { "..." } } }, without {
            id = "wk", public_key = PUBLIC, secret_key = SECRET, also = "sk_live_acme_other",
            html = ("<script data-client-key=%q>"):format(PUBLIC), note = "your secret is " .. SECRET .. ", keep it",
            basic = base64.encode(SECRET .. ":"), deep = { again = SECRET, list = { SECRET } },
        })
    end)
end)
