local kataven = require "kataven"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

describe("misuse of client.widgetKeys", function()
    local transport, client, widgetKeys

    before_each(function()
        transport = spy.new(spy.json "{}")
        client = spy.client(transport)
        widgetKeys = client.widgetKeys
    end)

    after_each(function()
        assert.equal(0, #transport.requests)
    end)

    local function create(input)
        local message = misuse(function()
            widgetKeys.create(input)
        end)
        assert.equal(message, misuse(function() widgetKeys:create(input) end))
        return message
    end

    local function update(patch)
        local message = misuse(function()
            widgetKeys.update("k1", patch)
        end)
        assert.equal(message, misuse(function() widgetKeys:update("k1", patch) end))
        return message
    end

    it("raises where there is no table of fields", function()
        local wanted = "widgetKeys.create takes a table of fields (name, domain_allowlist, agent_id), got "

        assert.equal(wanted .. "nothing", create(nil))
        assert.equal(wanted .. 'a string ("acme.com")', create "acme.com")
        assert.equal("widgetKeys.update takes a table of fields (name, domain_allowlist, agent_id, disabled), "
            .. "got a boolean (true)", update(true))
        assert.matches("takes a table of fields .-, got nothing", update(nil))
    end)

    it("raises where the name is missing", function()
        assert.equal('name is missing: widgetKeys.create needs { name = "..." }', create {})
        assert.matches("^name is missing", create { domain_allowlist = {} })
    end)

    it("raises on a field of a wrong type", function()
        for _, f in ipairs { create, update } do
            assert.equal("name must be a string, got a number (5)", f { name = 5 })
            assert.equal("name must be a string, got kataven.null", f { name = kataven.null })
            assert.equal("name must be a string, got a boolean (false)", f { name = false })
            assert.equal("agent_id must be a string or kataven.null, got a boolean (false)",
                f { name = "a", agent_id = false })
            assert.matches("^agent_id must be .-, got a table$", f { name = "a", agent_id = {} })
            assert.matches("^agent_id must be .-, got a userdata$", f { name = "a", agent_id = io.stdout })
        end
        assert.equal('disabled must be a boolean, got a string ("yes")', update { disabled = "yes" })
        assert.equal("disabled must be a boolean, got a number (1)", update { disabled = 1 })
        assert.equal("disabled must be a boolean, got kataven.null", update { disabled = kataven.null })
    end)

    it("raises on a field that there is not", function()
        assert.equal('unknown field "colour"; known are name, domain_allowlist, agent_id',
            create { name = "a", colour = "red" })
        assert.equal('unknown field "domains"; did you mean "domain_allowlist"?', create { name = "a", domains = {} })
        assert.equal('unknown field "domainAllowlist"; did you mean "domain_allowlist"?',
            create { name = "a", domainAllowlist = {} })
        assert.equal('unknown field "agentId"; did you mean "agent_id"?', update { agentId = "x" })
        assert.equal('unknown field "disable"; did you mean "disabled"?', update { disable = true })
        assert.equal('unknown field "disabled": a key is born live; widgetKeys.update can revoke it',
            create { name = "a", disabled = true })
        assert.matches("unknown field: the key a number %(1%)", create { "acme.com" })
    end)

    it("raises on options among the fields, and says where they go", function()
        for _, name in ipairs { "timeout", "deadline", "retry", "headers", "cancel" } do
            assert.equal(('unknown field "%s": the options of a call go into a table of their own, the last argument')
                :format(name), create { name = "a", [name] = 5 })
        end
    end)

    it("raises on an allowlist that is not an array of strings", function()
        local function wrong(list)
            local message = create { name = "a", domain_allowlist = list }
            assert.equal(message, update { domain_allowlist = list })
            return message
        end

        assert.equal('domain_allowlist must be an array of strings, got a string ("a.com"): write a table, { "..." }',
            wrong "a.com")
        assert.equal("domain_allowlist must be an array of strings, got kataven.null", wrong(kataven.null))
        assert.equal("domain_allowlist must be an array of strings, got a boolean (false)", wrong(false))
        assert.equal("domain_allowlist[2] must be a string, got a number (5)", wrong { "a", 5 })
        assert.equal("domain_allowlist[1] must be a string, got kataven.null", wrong { kataven.null })
        assert.equal("domain_allowlist[1] must be a string, got a table", wrong { { "a" } })
        assert.equal('domain_allowlist must be an array of strings, got the key a string ("a")', wrong { a = "b" })
        assert.equal("domain_allowlist must be an array of strings, but entry 2 is missing",
            wrong { [1] = "a", [3] = "b" })
        assert.matches("got the key a number %(0%)", wrong { [0] = "a" })
        assert.matches("got the key a number %(1%.5%)", wrong { [1.5] = "a" })
    end)

    it("raises on text that is not UTF-8", function()
        assert.equal("name is not UTF-8", create { name = "\255" })
        assert.equal("name is not UTF-8", create { name = "M\252ller" })
        assert.equal("agent_id is not UTF-8", update { agent_id = "\237\160\128" })
        assert.equal("domain_allowlist[2] is not UTF-8", update { domain_allowlist = { "a", "\192\128" } })
    end)

    it("raises on an id that is none", function()
        local function wrong(id)
            local message = misuse(function()
                widgetKeys.delete(id)
            end)
            assert.equal(message, misuse(function() widgetKeys:delete(id) end))
            local updating = message:gsub("widgetKeys.delete", "widgetKeys.update")
            assert.equal(updating, misuse(function() widgetKeys.update(id, {}) end))
            assert.equal(updating, misuse(function() widgetKeys:update(id, {}) end))
            return message
        end

        assert.equal("widgetKeys.delete takes a key's id as its first argument, a string, got nothing", wrong(nil))
        assert.matches("a string, got a number %(5%)$", wrong(5))
        assert.matches("a string, got a table$", wrong({}))
        assert.matches("a string, got kataven.null$", wrong(kataven.null))
        assert.equal("id is empty: it must be the id of a key, as list gives it", wrong "")
        assert.equal('id must not be ".", which a server may read as another path', wrong ".")
        assert.equal('id must not be "..", which a server may read as another path', wrong "..")
        for _, id in ipairs { "a\n", "\0", "k1\r\n", "\127", "a\tb" } do
            assert.equal("id holds a control character: it must be the id of a key, as list gives it", wrong(id))
        end
    end)

    it("raises on options that are none", function()
        local function each(options)
            local message = misuse(function() widgetKeys.list(options) end)
            assert.equal(message, misuse(function() widgetKeys:list(options) end))
            assert.equal(message, misuse(function() widgetKeys.create({ name = "a" }, options) end))
            assert.equal(message, misuse(function() widgetKeys:create({ name = "a" }, options) end))
            assert.equal(message, misuse(function() widgetKeys.update("k1", {}, options) end))
            assert.equal(message, misuse(function() widgetKeys:update("k1", {}, options) end))
            assert.equal(message, misuse(function() widgetKeys.delete("k1", options) end))
            assert.equal(message, misuse(function() widgetKeys:delete("k1", options) end))
            return message
        end

        assert.equal("the options of a call must be a table, got a number (5)", each(5))
        assert.equal('unknown option "timeOut"; did you mean "timeout"?', each { timeOut = 5 })
        assert.equal('unknown option "apiKey"; known are timeout, deadline, retry, headers, cancel',
            each { apiKey = "x" })
        assert.matches("^timeout must be a finite number greater than 0, got a number %(0%)", each { timeout = 0 })
        assert.matches("^deadline must be a finite number", each { deadline = "1" })
        assert.matches("^retry must be true, false or a table", each { retry = 3 })
        assert.matches("^unknown option of retry", each { retry = { attempts = 3 } })
        assert.matches("^headers may not set Host", each { headers = { Host = "x" } })
        assert.matches("^cancel must be a kataven.canceller%(%), got a table$", each { cancel = {} })
        assert.matches("^cancel must be .-, got a boolean", each { cancel = true })
    end)

    it("shows no credential that was given in a wrong place", function()
        for _, message in ipairs {
            create { name = "a", domain_allowlist = spy.TOKEN },
            create(spy.TOKEN),
            misuse(function() widgetKeys.list(spy.TOKEN) end),
            misuse(function() widgetKeys.list { timeout = spy.TOKEN } end),
            misuse(function() widgetKeys.list { headers = { ["X-A\n"] = spy.TOKEN } } end),
        } do
            assert.falsy(message:find("4fA9xQ2", 1, true), message)
        end
    end)

    it("raises on a closed client as on an open one", function()
        client:close()
        assert.matches("name is missing", create {})
    end)
end)
