-- The helper for specs, as busted itself reports it: each spec here runs in a busted of its own.

local child = require "spec.support.child"
local servers = require "spec.support.servers"

local FILE = [[{"version":1,"interactions":[
    {"request":{"method":"POST","path":"/api/v1/widget-keys","json":{"name":"a"}},
     "response":{"status":201,"json":{"id":"k1","name":"a"}}},
    {"request":{"method":"GET","path":"/api/v1/widget-keys"},"response":{"status":200,"json":[]}}]}]]

describe("kataven.busted", function()
    local path, specs

    before_each(function()
        path = os.tmpname()
        specs = path .. ".lua" -- busted reads no others
    end)

    after_each(function()
        os.remove(path)
        os.remove(specs)
    end)

    local function write(name, text)
        local handle = assert(io.open(name, "wb"))
        handle:write(text)
        handle:close()
    end

    -- Runs a spec, in which FILE is the cassette's name; gives what busted says.
    local function run(spec, environment)
        write(specs, (spec:gsub("FILE", ("%q"):format(path))))
        local runner = [[arg = { [0] = "busted", "-o", "TAP", %q }
            require "busted.runner" { standalone = false }]]
        return child.run(runner:format(specs), environment)
    end

    it("takes one line, and plays the file to every test from its beginning", function()
        write(path, FILE)
        local output = run [[
            describe("keys", function()
                local cassette = require("kataven.busted").cassette(FILE)
                for i = 1, 2 do
                    it("plays " .. i, function()
                        local client = cassette.client { timeout = 5 }
                        assert.equal("k1", client.widgetKeys.create({ name = "a" }).id)
                        assert.equal(1, cassette.current():remaining())
                        assert.same({}, (client.widgetKeys.list()))
                    end)
                end
            end)
            it("is not in force outside", function()
                assert.error_matches(function() require("kataven").new {} end, "apiKey is missing")
            end)
        ]]
        assert.matches("ok 1 %- keys plays 1\nok 2 %- keys plays 2\nok 3 ", output)
        assert.is_nil(output:find("not ok", 1, true))
    end)

    it("is used by a script that makes its client itself", function()
        write(path, FILE)
        local output = run [[
            require("kataven.busted").cassette(FILE)
            it("plays", function()
                local client = require("kataven").new {}
                client.widgetKeys.create { name = "a" }
                client.widgetKeys.list()
            end)
        ]]
        assert.matches("ok 1 %- plays", output)
        assert.is_nil(output:find("not ok", 1, true))
    end)

    it("fails a test by what it left unplayed", function()
        write(path, FILE)
        local output = run [[
            local cassette = require("kataven.busted").cassette(FILE)
            it("leaves one", function()
                cassette.client().widgetKeys.create { name = "a" }
            end)
        ]]
        assert.matches("not ok 1 %- leaves one", output)
        assert.truthy(output:find(specs .. ":2: " .. path .. ": 1 of 2", 1, true))
        assert.matches("1 of 2 interactions were never played:\n# +%[2%] GET /api/v1/widget%-keys", output)
    end)

    it("leaves nothing for the program's end to tell, in the strict mode", function()
        write(path, FILE)
        local output, errors = run([[
            local cassette = require("kataven.busted").cassette(FILE)
            it("leaves one", function()
                cassette.client().widgetKeys.create { name = "a" }
            end)
            it("plays all", function()
                cassette.client().widgetKeys.create { name = "a" }
                cassette.client().widgetKeys.list()
            end)
        ]], { KATAVEN_CASSETTE_STRICT = "1" })
        assert.matches("not ok 1 %- leaves one", output)
        assert.matches("ok 2 %- plays all", output)
        assert.is_nil(errors:find("never played", 1, true))
    end)

    it("lets the test's own failure speak, and it alone", function()
        write(path, FILE)
        local output = run [[
            local cassette = require("kataven.busted").cassette(FILE)
            it("fails", function()
                assert.equal("k2", cassette.client().widgetKeys.create({ name = "a" }).id)
            end)
            it("raises", function()
                cassette.client()
                error "its own"
            end)
            it("waits", function()
                pending "later"
            end)
        ]]
        assert.matches("not ok 1 %- fails", output)
        assert.truthy(output:find("Expected objects to be equal", 1, true))
        assert.matches("not ok 2 %- raises", output)
        assert.truthy(output:find("its own", 1, true))
        assert.is_nil(output:find("never played", 1, true))
        assert.is_nil(output:find("not ok 3", 1, true))
    end)

    it("closes its clients, and serves only while a test runs", function()
        write(path, '{"version":1,"interactions":[]}')
        local output = run [[
            local client
            describe("keys", function()
                local cassette = require("kataven.busted").cassette(FILE)
                assert.error_matches(function() cassette.client() end, "only while a test runs")
                before_each(function() client = cassette.client {} end)
                it("makes one", function()
                    assert.error_matches(function() cassette.client { timeOut = 1 } end, 'did you mean "timeout"')
                    assert.truthy(client)
                end)
            end)
            it("finds it closed", function()
                assert.equal("ClosedError", select(2, client.widgetKeys.list()).name)
            end)
        ]]
        assert.is_nil(output:find("not ok", 1, true), output)
        assert.matches("ok 2 ", output)
    end)

    it("lays an inner block's cassette over the outer one's", function()
        write(path, FILE)
        local output = run [[
            local empty = os.tmpname()
            local handle = io.open(empty, "w")
            handle:write '{"version":1,"interactions":[]}'
            handle:close()
            local kataven = require "kataven"
            describe("outer", function()
                require("kataven.busted").cassette(empty)
                describe("inner", function()
                    require("kataven.busted").cassette(FILE)
                    it("plays", function()
                        kataven.new({}).widgetKeys.create { name = "a" }
                        kataven.new({}).widgetKeys.list()
                    end)
                end)
                it("plays none", function()
                    assert.equal("CassetteError", select(2, kataven.new({}).widgetKeys.list()).name)
                end)
            end)
            teardown(function() os.remove(empty) end)
        ]]
        assert.is_nil(output:find("not ok", 1, true), output)
        assert.matches("ok 2 ", output)
    end)

    it("says what is wrong with the file, once for each test", function()
        os.remove(path)
        local output = run [[
            require("kataven.busted").cassette(FILE)
            it("plays", function() end)
        ]]
        assert.truthy(output:find("there is no cassette", 1, true))
        assert.is_nil(output:find("\nok ", 1, true))
    end)

    it("records when told to, and does not let a second test record over the first", function()
        os.remove(path)
        local hub = servers.hub {}
        local environment = { KATAVEN_CASSETTE_MODE = "record", KATAVEN_BASE_URL = hub.url,
            KATAVEN_API_KEY = hub.apiKey }
        local spec = [[
            local cassette = require("kataven.busted").cassette(FILE)
            it("lists", function()
                assert.same({}, (cassette.client().widgetKeys.list()))
            end)
        ]]
        local output = run(spec .. [[it("lists again", function() end)]], environment)
        hub:stop()
        assert.matches("ok 1 %- lists", output)
        assert.truthy(output:find("was recorded by another test of this run", 1, true))
        assert.matches("ok 1 %- lists", run(spec))
    end)

    it("does not let a second spec file record over the first, however it writes the path", function()
        os.remove(path)
        local hub = servers.hub {}
        local other = os.tmpname()
        local spec = [[
            local cassette = require("kataven.busted").cassette(%q)
            it("lists", function()
                assert.same({}, (cassette.client().widgetKeys.list()))
            end)
        ]]
        write(specs, spec:format(path))
        write(other .. ".lua", spec:format((path:gsub("/([^/]*)$", "/./%1"))))
        local runner = [[arg = { [0] = "busted", "-o", "TAP", %q, %q }
            require "busted.runner" { standalone = false }]]
        local output = child.run(runner:format(specs, other .. ".lua"), { KATAVEN_CASSETTE_MODE = "record",
            KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey })
        hub:stop()
        os.remove(other)
        os.remove(other .. ".lua")
        assert.matches("\nok 1 %- lists", "\n" .. output)
        assert.matches("\nnot ok 2 %- ", output)
        assert.truthy(output:find("was recorded by another test of this run", 1, true))
    end)

    it("lets the spec files of one run share the cassette that KATAVEN_CASSETTE names", function()
        os.remove(path)
        local hub = servers.hub {}
        local other = os.tmpname()
        local spec = [[
            it("lists", function()
                assert.same({}, (require("kataven").new({}).widgetKeys.list()))
            end)
        ]]
        write(specs, spec)
        write(other .. ".lua", spec)
        local runner = [[arg = { [0] = "busted", "-o", "TAP", %q, %q }
            require "busted.runner" { standalone = false }]]
        local environment = { KATAVEN_CASSETTE_MODE = "record", KATAVEN_CASSETTE = path,
            KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey }
        child.run(runner:format(specs, other .. ".lua"), environment)
        hub:stop()
        os.remove(other)
        os.remove(other .. ".lua")
        assert.equal(2, require("kataven.cassette").open(path):remaining())
    end)
end)
