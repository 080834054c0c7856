-- Replaying a cassette: how it is opened, and which interaction answers which request.

local cassette = require "kataven.cassette"
local play = require "spec.support.play"

local KEYS = play.KEYS
local ask, fileOf, interaction, noWait = play.ask, play.fileOf, play.interaction, play.noWait
local open, request = play.open, play.request
local raised = require "spec.support.misuse"

local function withQuery(query)
    return { url = "http://127.0.0.1:8080" .. KEYS .. "?" .. query }
end

describe("kataven.cassette", function()
    local environment, getenv

    before_each(function()
        environment = {}
        getenv = stub(os, "getenv").invokes(function(name)
            return environment[name]
        end)
    end)

    after_each(function()
        getenv:revert()
        play.removeFiles()
    end)

    describe("open", function()
        it("names the unknown option, and the one that was meant", function()
            local path = fileOf()

            assert.matches('unknown option "matchheaders"; did you mean "matchHeaders"%?',
                raised(function() cassette.open(path, { matchheaders = {} }) end))
            assert.matches('unknown option "redac"; did you mean "redact"%?',
                raised(function() cassette.open(path, { redac = print }) end))
            assert.matches('key a number %(1%); known are allowRepeats, match, matchHeaders, mode, redact$',
                raised(function() cassette.open(path, { "replay" }) end))
        end)

        it("says what an option or the path should be", function()
            local path = fileOf()
            local function problem(options)
                return raised(function() cassette.open(path, options) end)
            end

            assert.matches("options must be a table, got a string", problem "replay")
            assert.matches("matchHeaders must be a list of header names, got a string", problem { matchHeaders = "X" })
            assert.matches("matchHeaders must be a list of header names, got a b", problem { matchHeaders = false })
            assert.matches("matchHeaders must be a list", problem { matchHeaders = { X = true } })
            assert.matches("matchHeaders%[2%] must be a header's name, got a", problem { matchHeaders = { "X", 5 } })
            assert.matches("matchHeaders%[1%] must be a header's name", problem { matchHeaders = { "X: y" } })
            assert.matches("match must be a function %(request, recorded%), got a table", problem { match = {} })
            assert.matches("redact must be a function %(interaction%), got a b", problem { redact = true })
            assert.matches("allowRepeats must be a boolean, got a number", problem { allowRepeats = 1 })
            assert.matches("path must be the name of a cassette file, got nothing",
                raised(function() cassette.open() end))
            assert.matches("path must be", raised(function() cassette.open("") end))
            assert.matches("call it with a dot", raised(function() cassette:open(path) end))
        end)

        it("takes its mode from the option, and that from the environment", function()
            local path = fileOf()
            local function openIt(mode)
                return cassette.open(path, { mode = mode })
            end

            assert.equal("replay", openIt().mode)
            assert.equal("replay", openIt("replay").mode)
            assert.equal("record", openIt("record").mode)
            assert.equal("append", openIt("append").mode)
            assert.equal("replay", openIt("once").mode)
            local WANTED = 'mode must be "replay", "record", "append" or "once", got '
            assert.truthy(raised(function() cassette.open(path, { mode = "rewind" }) end)
                :find(WANTED .. 'a string ("rewind")', 1, true))
            assert.truthy(raised(function() cassette.open(path, { mode = 1 }) end)
                :find(WANTED .. "a number (1)", 1, true))

            environment.KATAVEN_CASSETTE_MODE = "replay"
            assert.equal("replay", openIt("record").mode)
            environment.KATAVEN_CASSETTE_MODE = "record"
            assert.equal("record", openIt("replay").mode)
            environment.KATAVEN_CASSETTE_MODE = ""
            assert.equal("replay", openIt().mode)
            environment.KATAVEN_CASSETTE_MODE = "rewind"
            assert.matches('variable KATAVEN_CASSETTE_MODE must be "replay", .-, got "rewind"',
                raised(function() cassette.open(path, {}) end))
        end)

        it("only replays where CI is true", function()
            local path = fileOf()

            environment.CI = "true"
            for _, mode in ipairs { "record", "append", "once" } do
                environment.KATAVEN_CASSETTE_MODE = mode
                assert.equal("replay", cassette.open(path, { mode = mode }).mode)
            end
            assert.matches("with CI=true nothing is recorded",
                raised(function() cassette.open("/nonexistent/x.json", { mode = "record" }) end))
        end)

        it("says that there is no file, and what to do", function()
            local message = raised(function() cassette.open("/nonexistent/x.json") end)
            assert.matches('there is no cassette "/nonexistent/x%.json"%. A replay never goes to the network', message)
            assert.truthy(message:find("KATAVEN_CASSETTE_MODE=record", 1, true))
            assert.truthy(message:find("docs/testing-your-scripts.md", 1, true))
            assert.is_nil(message:find("cassette/file.lua", 1, true))
            assert.matches("cannot read the cassette: ", raised(function() cassette.open("/") end))
        end)

        it("says why a folder cannot be made", function()
            local path = fileOf() .. "/folder/x.json" -- within a file
            for _, mode in ipairs { "record", "append", "once" } do
                local message = raised(function() cassette.open(path, { mode = mode }) end)
                assert.matches('cannot .-/folder/x%.json"?: .*Not a directory', message)
            end
        end)

        it("names the file and the place of what is wrong in it", function()
            local path = fileOf(interaction("GET", "/a", ""), '{"request":{"method":"GET","path":"/a"},"response":{}}')
            local message = raised(function() cassette.open(path) end)

            assert.truthy(message:find(path .. ": interactions[2].response.status: expected an HTTP status", 1, true))
        end)
    end)

    describe("its methods", function()
        it("say so when they are called with a dot", function()
            local c = open(nil)

            assert.matches("colon: cassette:send", raised(function() c.send(request("GET", KEYS), noWait) end))
            assert.matches("colon: cassette:assertDone", raised(function() c.assertDone() end))
            assert.matches("colon: cassette:remaining", raised(function() c.remaining() end))
            assert.matches("colon: cassette:clock", raised(function() c.clock() end))
        end)

        it("say what send wants", function()
            local c = open(nil)

            assert.matches("request must be a table with method and path, got nothing",
                raised(function() c:send(nil, noWait) end))
            assert.matches("wait must be callable", raised(function() c:send(request("GET", KEYS)) end))
        end)

        it("print what the cassette is", function()
            local c = open(nil, interaction("GET", KEYS, "a"))

            assert.equal("kataven.cassette (replay, " .. c.path .. ", 1 of 1 to play)", tostring(c))
        end)
    end)

    describe("send", function()
        it("gives status, headers and body, each time anew", function()
            local c = open({ allowRepeats = true },
                [[{"request":{"method":"GET","path":"/p"},"response":{"status":201,"headers":{"X-A":"1"},"json":[]}}]])
            local first = c:send(request("GET", "/p"), noWait)

            assert.same({ ["x-a"] = "1", ["content-type"] = "application/json" }, first.headers)
            assert.same({ 201, "[]" }, { first.status, first.body })
            first.headers["x-a"] = "changed"
            assert.equal("1", c:send(request("GET", "/p"), noWait).headers["x-a"])
        end)

        it("plays in recorded order, each once", function()
            local c = open(nil, interaction("GET", KEYS, "1"), interaction("GET", "/other", "x"),
                interaction("GET", KEYS, "2"))

            assert.equal(3, c:remaining())
            assert.equal("1", ask(c, "GET", KEYS))
            assert.equal("2", ask(c, "GET", KEYS))
            assert.equal("x", ask(c, "GET", "/other"))
            assert.equal(0, c:remaining())
            local answer, failure = ask(c, "GET", KEYS)
            assert.is_nil(answer)
            assert.equal("cassette", failure.kind)
            assert.is_false(failure.sent)
        end)

        it("repeats the last when asked to", function()
            local c = open({ allowRepeats = true }, interaction("GET", KEYS, "1"), interaction("GET", KEYS, "2"))

            for _, expected in ipairs { "1", "2", "2", "2" } do
                assert.equal(expected, ask(c, "GET", KEYS))
            end
        end)

        it("tells methods and paths apart", function()
            local c = open(nil, interaction("GET", KEYS, "1"), interaction("DELETE", KEYS .. "/k1", "2"))

            assert.is_nil((ask(c, "DELETE", KEYS)))
            assert.is_nil((ask(c, "GET", KEYS .. "/k1")))
            assert.is_nil((ask(c, "delete", KEYS .. "/k1")))
            assert.equal("2", ask(c, "DELETE", KEYS .. "/k1"))
        end)

        it("takes percent-encodings of the same path for the same", function()
            local c = open({ allowRepeats = true }, interaction("GET", KEYS .. "/a%2fb~", "1"))

            assert.equal("1", ask(c, "GET", KEYS .. "/a%2Fb~"))
            assert.equal("1", ask(c, "GET", KEYS .. "/%61%2Fb%7e"))
            assert.is_nil((ask(c, "GET", KEYS .. "/a/b~")))
        end)

        it("compares queries in any order", function()
            local c = open({ allowRepeats = true }, interaction("GET", KEYS, "1", ',"query":"b=2&a=%7e1&a=0"'))

            assert.equal("1", ask(c, "GET", KEYS, withQuery "a=0&a=~1&b=2"))
            assert.equal("1", ask(c, "GET", KEYS, withQuery "b=2&a=~1&&a=0#part"))
            assert.is_nil((ask(c, "GET", KEYS, withQuery "a=0&b=2")))
            assert.is_nil((ask(c, "GET", KEYS)))
        end)

        it("compares bodies as JSON values", function()
            local c = open({ allowRepeats = true },
                interaction("POST", KEYS, "1", [[,"json":{"name":"a","domain_allowlist":[],"agent_id":null}]]),
                interaction("POST", KEYS, "2", [[,"json":{"name":"a","domain_allowlist":{},"agent_id":null}]]),
                interaction("POST", KEYS, "3", [[,"json":{"name":"a","domain_allowlist":[]}]]),
                interaction("POST", KEYS, "4", [[,"body":"{ \"b\": 25.0, \"a\": \"\\u00e9\" }"]]))

            assert.equal("1", ask(c, "POST", KEYS, { body = '{"agent_id":null,"domain_allowlist":[],"name":"a"}' }))
            assert.equal("1", ask(c, "POST", KEYS, { body = '{"name":"a", "domain_allowlist":[ ],"agent_id":null}' }))
            assert.equal("2", ask(c, "POST", KEYS, { body = '{"name":"a", "domain_allowlist":{},"agent_id":null}' }))
            assert.equal("3", ask(c, "POST", KEYS, { body = '{"name":"a", "domain_allowlist":[]}' }))
            assert.equal("4", ask(c, "POST", KEYS, { body = '{"a":"é","b":25}' }))
            assert.is_nil((ask(c, "POST", KEYS, { body = '{"name":"b","domain_allowlist":[]}' })))
            assert.is_nil((ask(c, "POST", KEYS)))
        end)

        it("compares other bodies byte by byte", function()
            local c = open({ allowRepeats = true },
                interaction("POST", "/p", "1", [[,"body":"a=1"]]),
                interaction("POST", "/p", "2", [[,"bodyBase64":"/wA="]]),
                interaction("POST", "/p", "3"))

            assert.equal("1", ask(c, "POST", "/p", { body = "a=1" }))
            assert.equal("2", ask(c, "POST", "/p", { body = "\255\0" }))
            assert.equal("3", ask(c, "POST", "/p"))
            assert.equal("3", ask(c, "POST", "/p", { body = "" }))
            assert.is_nil((ask(c, "POST", "/p", { body = "a=1 " })))
            assert.is_nil((ask(c, "POST", "/p", { body = "[1e999]" })))
        end)

        it("compares keys and the client's own token as redacted", function()
            local c = open({ allowRepeats = true },
                interaction("POST", "/p", "1", [[,"json":{"key":"pk_live_[redacted]","t":"[redacted]"}]]),
                interaction("POST", "/p", "2", [[,"json":{"key":"sk_live_acme_1"}]]),
                interaction("GET", "/k/pk_live_[redacted]", "3", [[,"query":"t=[redacted]"]]))
            local jwt = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"
            local headers = { authorization = "Bearer " .. jwt }

            assert.equal("1", ask(c, "POST", "/p",
                { headers = headers, body = ('{"key":"pk_live_acme_9","t":"%s"}'):format(jwt) }))
            assert.equal("2", ask(c, "POST", "/p", { body = '{"key":"s\\u006b_live_other"}' }))
            assert.equal("3", ask(c, "GET", "/k/pk_live_acme_1",
                { headers = headers, url = "http://127.0.0.1/k/pk_live_acme_1?t=" .. jwt }))
        end)

        it("compares headers only when asked, whatever the case of their names", function()
            local recorded = {
                interaction("GET", "/p", "1", [[,"headers":{"x-trace":"t1","Authorization":"Bearer x"}]]),
                interaction("GET", "/p", "2", [[,"headers":{"X-TRACE":"t2"}]]),
                interaction("GET", "/p", "3"),
            }
            local function headers(trace)
                return { headers = { ["X-Trace"] = trace } }
            end

            assert.equal("1", ask(open(nil, recorded[1]), "GET", "/p", headers "t9"))

            local c = open({ matchHeaders = { "X-Trace" }, allowRepeats = true }, recorded[1], recorded[2], recorded[3])
            assert.equal("2", ask(c, "GET", "/p", headers "t2"))
            assert.equal("3", ask(c, "GET", "/p", headers(nil)))
            assert.equal("1", ask(c, "GET", "/p", headers "t1"))
            assert.is_nil((ask(c, "GET", "/p", headers "T1")))
            assert.is_nil((ask(c, "GET", "/p", headers "")))

            -- Of a secret one it counts that it is there.
            c = open({ matchHeaders = { "authorization" } }, recorded[1], recorded[3])
            assert.equal("1", ask(c, "GET", "/p"))
            assert.equal("3", ask(c, "GET", "/p", { headers = {} }))
        end)
    end)

    describe("assertDone", function()
        it("is silent when all was played", function()
            local c = open(nil, interaction("GET", KEYS, "1"))
            ask(c, "GET", KEYS)
            c:assertDone()
            open(nil):assertDone()
        end)

        it("names every interaction that was not", function()
            local c = open(nil, interaction("GET", KEYS, "1"), interaction("POST", KEYS, "2"),
                interaction("DELETE", KEYS .. "/k1", "3", [[,"query":"a=1"]]))
            ask(c, "POST", KEYS)

            assert.equal(c.path .. ": 2 of 3 interactions were never played:\n"
                .. "  [1] GET /api/v1/widget-keys\n  [3] DELETE /api/v1/widget-keys/k1?a=1",
                raised(function() c:assertDone() end))
        end)
    end)

    it("answers fast in a long file #speed", function()
        local list = {}
        for i = 1, 3000 do
            list[i] = interaction("PATCH", KEYS .. "/k", tostring(i), ([[,"json":{"name":"n%d"}]]):format(i))
        end
        local c = open(nil, table.concat(list, ","))
        local before = os.clock()
        for i = 3000, 1, -1 do
            local answer = ask(c, "PATCH", KEYS .. "/k", { body = ('{"name":"n%d"}'):format(i) })
            assert.equal(tostring(i), answer)
        end
        -- A scan would make some nine million comparisons here.
        assert.is_true(os.clock() - before < 1)
    end)
end)
