local check = require "kataven.check"
local kataven = require "kataven"

describe("kataven.check", function()
    it("names a value's type, and never the value", function()
        for _, case in ipairs {
            { "a string", "secret" }, { "a number", 5 }, { "a boolean", true }, { "a table", {} },
            { "a function", print }, { "a thread", coroutine.create(function() end) }, { "a userdata", io.stdout },
            { "kataven.null", kataven.null },
        } do
            assert.equal(case[1], check.kind(case[2]))
        end
        assert.equal("nothing", check.kind(nil))
    end)

    it("describes a value where it is short", function()
        assert.equal("a number (2.5)", check.describe(2.5))
        assert.equal("a boolean (false)", check.describe(false))
        assert.equal('a string ("")', check.describe "")
        assert.equal([[a string ("a\"b\\")]], check.describe [[a"b\]])
        assert.equal(('a string ("%s")'):format(("x"):rep(40)), check.describe(("x"):rep(40)))
        assert.equal(('a string ("%s...")'):format(("x"):rep(40)), check.describe(("x"):rep(41)))
        assert.equal("nothing", check.describe(nil))
        assert.equal("a table", check.describe {})
        assert.equal("kataven.null", check.describe(kataven.null))
    end)

    it("describes no credential", function()
        for _, secret in ipairs { "sk_live_a_1", "Bearer sk_live_a_1", "pk_live_a_1", "eyJhbGciOiJIUzI1NiJ9.e30.x",
            " eyJhbGciOiJIUzI1NiJ9" } do
            assert.equal("a string", check.describe(secret))
        end
        assert.equal('a string ("greyJoy")', check.describe "greyJoy")
    end)

    it("finds the name that was meant", function()
        local known = { "timeout", "connectTimeout", "max", "baseUrl", "domain_allowlist" }

        for given, meant in pairs {
            timeout = "timeout", TimeOut = "timeout", timeot = "timeout", tiemout = "timeout", base_url = "baseUrl",
            BASEURL = "baseUrl", domainAllowList = "domain_allowlist", domain_allow_list = "domain_allowlist",
            mix = "max", connect_timeout = "connectTimeout", ["base-url"] = "baseUrl",
            -- What begins alike, where nothing is nearer.
            domain = "domain_allowlist", domains = "domain_allowlist", connections = "connectTimeout",
            timer = "timeout",
        } do
            assert.equal(meant, check.nearest(given, known))
        end
        for _, given in ipairs { "x", "colour", "dom", "min2", "", 5, true } do
            assert.is_nil(check.nearest(given, known))
        end
    end)

    it("takes two letters in the wrong order for a slip", function()
        assert.equal("name", check.nearest("nmae", { "name", "agent_id" }))
        assert.equal("query", check.nearest("qeury", { "path", "query" }))
        assert.is_nil(check.nearest(("x"):rep(1000), { "name" }))
    end)

    it("shows no name that is a credential", function()
        assert.equal("(a credential, not shown)", check.name "sk_live_acme_x")
        assert.equal('"abc"', check.name "abc")
        assert.is_nil(check.unknown({ sk_live_acme_x = 1 }, { "name" }, "field"):find("acme", 1, true))
    end)

    it("finds the key that is not known", function()
        assert.is_nil(check.unknown({ a = 1, b = false }, { "a", "b" }, "field"))
        assert.is_nil(check.unknown({}, {}, "field"))
        assert.equal('unknown field "ab"; did you mean "a"?', check.unknown({ ab = 1 }, { "a", "c" }, "field"))
        assert.equal('unknown field "wholly"; known are a, c', check.unknown({ wholly = 1 }, { "a", "c" }, "field"))
        assert.equal("unknown field: the key a number (1); known are a", check.unknown({ "x" }, { "a" }, "field"))
        assert.equal("unknown field: the key a table; known are a", check.unknown({ [{}] = 1 }, { "a" }, "field"))
    end)

    it("checks a type", function()
        assert.is_nil(check.type("x", nil, "string"))
        assert.is_nil(check.type("x", "a", "string"))
        assert.equal("x must be a string, got a number (5)", check.type("x", 5, "string"))
    end)

    it("checks a number", function()
        for _, fine in ipairs { 1, 0.001, 1e300 } do
            assert.is_nil(check.number("x", fine, 0))
        end
        assert.is_nil(check.number("x", nil, 0))
        assert.is_nil(check.number("x", 0, 0, true))
        for _, wrong in ipairs { 0, -1, math.huge, -math.huge, 0 / 0, "1", true } do
            assert.matches("^x must be a finite number greater than 0, got ", check.number("x", wrong, 0))
        end
        assert.matches("^x must be a finite number of at least 1, got a number %(0%)", check.number("x", 0, 1, true))
    end)

    it("knows control characters", function()
        for _, text in ipairs { "\0", "a\n", "\31b", "a\127", "\t" } do
            assert.is_true(check.hasControl(text))
        end
        for _, text in ipairs { "", " ", "é€", "a~" } do
            assert.is_false(check.hasControl(text))
        end
    end)

    it("knows what can be called", function()
        assert.is_true(check.callable(print))
        assert.is_true(check.callable(setmetatable({}, { __call = print })))
        assert.is_true(check.callable(setmetatable({}, { __call = print, __metatable = "hidden" })))
        for _, value in ipairs { {}, "x", 5, true, io.stdout } do
            assert.is_false(check.callable(value))
        end
        assert.is_false(check.callable(nil))
    end)
end)
