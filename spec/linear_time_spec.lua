-- A server's text, and whatever else is not ours, takes time in proportion to its size, whatever is in it. What is
-- measured are ratios: see spec/support/growth.lua.

local child = require "spec.support.child"
local command = require "spec.support.command"
local core = require "kataven.core"
local files = require "spec.support.files"
local growth = require "spec.support.growth"
local kataven = require "kataven"
local spy = require "spec.support.spy"

local JWT = "eyJhbGciOiJI.c4nAryJw-t_odd.x4yZ9"

-- Calls a function for each hostile shape.
local function each(use, key)
    local shapes, names = growth.shapes(key or spy.TOKEN), {}
    for name in pairs(shapes) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        use(name, shapes[name])
    end
end

-- What a client makes of an answer, or of a failure.
local function call(answer, options)
    options = options or {}
    options.accountId, options.retry = "acme", false
    local client = spy.client(spy.new(answer), options)
    local value, err = client.widgetKeys.list()
    client:close()
    return value, err
end

local function header(name, status)
    return function(text)
        return { status = status or 503, headers = { [name] = text }, body = "" }
    end
end

-- Kinds of text from a server: what an answer with it is.
local KINDS = {
    ["an error's body"] = function(text)
        return { status = 400, headers = { ["content-type"] = "text/plain" }, body = text }
    end,
    ["an error's body that means to be JSON"] = function(text)
        return { status = 500, headers = { ["content-type"] = "application/json" }, body = text }
    end,
    ["a string in an error's JSON"] = function(text)
        return { status = 422, headers = {}, body = core.encode { error = text } or "" }
    end,
    ["JSON where a list is promised"] = function(text)
        return { status = 200, headers = { ["content-type"] = "application/json" }, body = text }
    end,
    ["a string in JSON"] = function(text)
        return { status = 200, headers = {}, body = core.encode { { id = text, [text] = true } } or "" }
    end,
    ["a header's value"] = header "x-any",
    ["a header's name"] = function(text)
        return { status = 404, headers = { [text:lower()] = "x" }, body = "" }
    end,
    ["Retry-After"] = header "retry-after",
    ["Retry-After in digits"] = function(text)
        return { status = 429, headers = { ["retry-after"] = "1" .. text .. "1" }, body = "" }
    end,
    ["Date"] = function(text)
        return { status = 503, headers = { date = text, ["retry-after"] = "Wed, 21 Oct 2026 07:28:30 GMT" }, body = "" }
    end,
    ["Content-Type"] = function(text)
        return { status = 400, headers = { ["content-type"] = text }, body = "{}" }
    end,
    ["the Content-Type of a success"] = header("content-type", 200),
    ["x-request-id"] = header "x-request-id",
    ["Location"] = header("location", 302),
    -- Libcurl's words, which may be a proxy's or a certificate's.
    ["the words of a failure"] = function(text)
        return { kind = "tls", sent = false, message = text }
    end,
}

describe("#speed time grows no faster than the size of", function()
    for kind, answerOf in pairs(KINDS) do
        it(kind, function()
            each(function(name, make)
                growth.assertLinear(name, function(size)
                    return answerOf(make(size))
                end, function(answer)
                    call(answer, { log = function() end })
                end)
            end)
        end)
    end

    it("an error's body, where the client has a JWT", function()
        each(function(name, make)
            growth.assertLinear(name, function(size)
                return spy.text(make(size), 400)
            end, function(answer)
                call(answer, { apiKey = JWT })
            end)
        end, JWT)
    end)

    it("an API key that is none", function()
        each(function(name, make)
            growth.assertLinear(name, make, function(text)
                pcall(kataven.new, { apiKey = text })
                pcall(kataven.new, { apiKey = text .. "!" })
            end)
        end)
    end)

    it("the text of a key that is given to the wrong option", function()
        each(function(name, make)
            growth.assertLinear(name, make, function(text)
                pcall(kataven.new, { apiKey = spy.TOKEN, timeout = text })
                pcall(kataven.new, { apiKey = spy.TOKEN, [text] = 1 })
            end)
        end)
    end)
end)

describe("#speed the command's time grows no faster than the size of", function()
    local diff, json, keys, text

    setup(function()
        diff, json = require "kataven.cli.apply.diff", require "kataven.cli.json"
        keys, text = require "kataven.cli.keys", require "kataven.cli.text"
    end)

    local CONTEXT = {
        host = { clock = function() return command.NOW end, columns = function() return 80 end },
        colour = function(_, _, what) return what end,
    }

    it("a text in a list, in a key, in JSON and in a plan", function()
        each(function(name, make)
            growth.assertLinear(name, function(size)
                local one = make(size / 4)
                return { id = one, name = one, domain_allowlist = { one }, created_at = one, [one] = one }
            end, function(key)
                keys.table(CONTEXT, { key, key }, { key, key })
                keys.record(CONTEXT, key)
                json.document(key)
                require("kataven").plaintext(key)
                diff.lines { unchanged = {}, unlisted = { key }, changes = {
                    { action = "revoke", name = key.name, id = key.id },
                } }
            end)
        end)
    end)

    it("an error's message", function()
        local advice, context = require "kataven.cli.advice", require "kataven.cli.context"
        local errors = require "kataven.errors"
        each(function(name, make)
            growth.assertLinear(name, make, function(message)
                advice.line(errors.new { name = "CassetteError", message = message, attempts = 1, elapsed = 0 }, "list")
                context.ending(message)
                text.cut(text.plain(message), 79)
            end)
        end)
        growth.assertLinear("words that are put in the command's terms", function(size)
            return ("baseUrl "):rep(math.floor(size / 8))
        end, function(message)
            advice.message(errors.new { name = "TLSError", message = message, attempts = 1, elapsed = 0 }, "list")
        end)
    end)

    -- Rows of an account, each of some hundred bytes.
    local function rows(size, each_)
        local all = {}
        for index = 1, math.ceil(size / 100) do
            all[index] = { id = ("wk_%08d"):format(index), name = "name " .. index, domain_allowlist = { "a.example" } }
            if each_ then
                each_(all[index], index)
            end
        end
        return all
    end

    it("a list, and what is planned for it", function()
        growth.assertLinear("the table", rows, function(list)
            keys.table(CONTEXT, list, list)
            json.document(core.array(list))
        end)
        growth.assertLinear("a plan", function(size)
            return { wanted = rows(size / 2, function(row, index)
                row.id, row.domain_allowlist = nil, { index % 2 == 0 and "a.example" or "b.example" }
            end), account = rows(size / 2, function(row, index)
                row.name = index % 3 == 0 and row.name or "other " .. index
            end) }
        end, function(given)
            local plan = kataven.plan(given.wanted, given.account, { prune = true })
            diff.lines(plan)
        end)
        growth.assertLinear("names that stand twice", function(size)
            return { { { name = "a" } }, rows(size, function(row) row.name = "a" end) }
        end, function(given)
            local plan, err = kataven.plan(given[1], given[2])
            assert(not plan and err.name == "PlanError")
        end)
    end)

    it("an allowlist that differs", function()
        growth.assertLinear("the lines of a plan", function(size)
            local before, after = {}, {}
            for index = 1, size / 32 do
                before[index], after[index] = "a" .. index .. ".example", "b" .. index .. ".example"
            end
            return kataven.plan({ { name = "a", domain_allowlist = after } },
                { { id = "1", name = "a", domain_allowlist = before } })
        end, diff.lines)
    end)

    -- Not a matter of time alone: each line was as wide as the widest text, so the output grew with the square.
    it("one wide text among many", function()
        for _, most in ipairs { 80, false } do
            CONTEXT.host.columns = function() return most or nil end
            growth.assertLinear("the table", function(size)
                local wide = ("a"):rep(math.floor(size / 2))
                return rows(size / 2, function(row, index)
                    row.id = index < 3 and wide .. index or row.id
                    row.agent_id = index == 3 and wide or nil
                end)
            end, function(list)
                keys.table(CONTEXT, list, list)
            end)
        end
        growth.assertLinear("a key", function(size)
            local key = { id = "1", [("a"):rep(math.floor(size / 2))] = 1 }
            for index = 1, size / 32 do
                key["field" .. index] = index
            end
            return key
        end, function(key)
            keys.record(CONTEXT, key)
        end)
    end)
end)

describe("#speed a cassette's time grows no faster than the size of", function()
    local path

    before_each(function()
        path = os.tmpname()
    end)

    after_each(function()
        os.remove(path)
    end)

    it("a file that somebody else wrote, whole or damaged", function()
        local cassetteFile = require "kataven.cassette.file"
        each(function(name, make)
            growth.assertLinear(name, make, function(text)
                local quoted = core.encode(text) or '""'
                for _, file in ipairs {
                    text,
                    text .. "\n" .. text,
                    '{"version":1,"interactions":[{"request":{"method":"GET","path":"/x"},"response":{"status":200,'
                        .. '"headers":{"x":' .. quoted .. '},"body":' .. quoted .. ',"bodyBase64":' .. quoted .. "}}]}",
                    '{"version":1,"interactions":[{"request":{"method":"GET","path":' .. quoted .. "}}]}",
                } do
                    cassetteFile.parse(file)
                end
            end)
        end)
    end)

    it("empty arrays beside strings that none of them may be taken for", function()
        local json = require "kataven.cassette.json"
        growth.assertLinear("a run", function(size)
            return '["' .. ("\\u0001"):rep(math.floor(size / 12)) .. '"' .. (",[]"):rep(math.floor(size / 6)) .. "]"
        end, function(text)
            json.decodeExact(text)
        end)
        growth.assertLinear("all short ones", function(size)
            local list = {}
            for index = 1, size / 40 do
                list[index] = ('"%s",[]'):format((("%012d"):format(index):gsub("%d", function(digit)
                    return digit % 2 == 0 and "\\u0001" or "\\u0002"
                end)))
            end
            return "[" .. table.concat(list, ",") .. "]"
        end, function(text)
            json.decodeExact(text)
        end)
    end)

    it("an answer that is recorded", function()
        each(function(name, make)
            growth.assertLinear(name, function(size)
                return make(size / 4)
            end, function(text)
                local cassette = kataven.cassette.open(path, { mode = "record" })
                for _, answer in ipairs {
                    spy.text(text, 400, { ["x-any"] = text }),
                    spy.json(core.encode { text, [text] = text } or text),
                    spy.json(core.encode { [text] = text } or text),
                } do
                    call(answer, { transport = cassette:over(spy.new(answer)) })
                end
            end)
        end)
    end)

    it("an answer of very many keys, as values and as names", function()
        growth.assertLinear("keys", function(size)
            local all = {}
            for index = 1, size / 60 do
                all["pk_live_acme_" .. index] = "pk_live_other_" .. index
            end
            return spy.json("[" .. core.encode(all) .. "]")
        end, function(answer)
            local cassette = kataven.cassette.open(path, { mode = "record" })
            call(answer, { transport = cassette:over(spy.new(answer)) })
            cassette:assertDone()
        end)
    end)

    it("what a request is told that matches nothing", function()
        each(function(name, make)
            growth.assertLinear(name, function(size)
                local text = make(size / 4)
                files.write(path, '{"version":1,"interactions":[{"request":{"method":"PATCH","path":'
                    .. '"/api/v1/widget-keys/a","body":' .. (core.encode(text) or '""')
                    .. '},"response":{"status":200}}]}')
                return text
            end, function(text)
                local cassette = kataven.cassette.open(path)
                local client = spy.client(cassette, { retry = false })
                client:request { method = "PATCH", path = "/api/v1/widget-keys/a", query = { a = text }, body = text }
                client:close()
            end)
        end)
    end)
end)

describe("#speed Redis's time grows no faster than the size of", function()
    it("a reply, in pieces as they come", function()
        local inputs = require "kataven.redis.input"
        each(function(name, make)
            growth.assertLinear(name, make, function(text)
                local input = inputs.new()
                local ok = pcall(function()
                    for at = 1, #text, 512 do
                        input:add(text:sub(at, at + 511))
                        while input:line() do
                            assert(true)
                        end
                    end
                end)
                -- A line that long is no answer of Redis's, and ends the connection.
                assert(ok or #text > 64 * 1024)
            end)
        end)
    end)

    it("what goes back to who asked", function()
        local reply = require "kataven.redis.reply"
        each(function(name, make)
            growth.assertLinear(name, make, function(text)
                local _, err = call({ status = 400, headers = { ["x-any"] = text }, body = text })
                reply.error(err)
            end)
        end)
    end)
end)

describe("#speed over a wire,", function()
    -- What took ten seconds, and minutes.
    it("blanks in Retry-After, and a body of backslashes that gives the key back, take no time", function()
        local servers = require "spec.support.servers"
        local tcp = servers.tcp {}
        for _, answer in ipairs {
            servers.answer { status = 429, headers = { ["Retry-After"] = "1" .. (" "):rep(40000) .. "1" } },
            servers.answer { status = 500, body = ("\\"):rep(1024 * 1024) .. spy.TOKEN },
            servers.answer { status = 400, reason = ("%"):rep(60000) .. spy.TOKEN, headers = {
                ["X-A"] = ("%25"):rep(20000) .. spy.TOKEN } },
        } do
            tcp:script { default = { { read = "request" }, { send = answer } } }
            local output, errors = child.run([[
                local kataven = require "kataven"
                local client = kataven.new { retry = false, timeout = 20 }
                local began = os.clock()
                local _, err = client.widgetKeys.list()
                io.write(err:is "APIError" and os.clock() - began < 2 and "well" or tostring(err))
                assert(not (err.body .. tostring(err)):find(os.getenv "KATAVEN_API_KEY", 1, true))
            ]], { KATAVEN_API_KEY = spy.TOKEN, KATAVEN_BASE_URL = tcp.url })
            assert.same({ "well", "" }, { output, errors })
        end
        tcp:stop()
    end)
end)

describe("to keep time to the size, nothing is lost:", function()
    it("a column is filled up no further than anybody can see, and all is shown", function()
        local wide = ("w"):rep(1000)
        local shown = require("kataven.cli.columns").table({
            { title = "A", cell = function(row) return row[1] end },
            { title = "B", cell = function(row) return row[2] end },
        }, { { wide, "x" }, { "y", "z  " } }, function(_, what) return what end, nil)
        local lines = {}
        for line in shown:gmatch "[^\n]+" do
            lines[#lines + 1] = line
        end
        assert.same({ "A" .. (" "):rep(199) .. "  B", wide .. "  x", "y" .. (" "):rep(199) .. "  z" }, lines)
    end)

    it("a line of Redis's may be long, and no length is below nothing", function()
        local input = require("kataven.redis.input").new()
        input:add("+" .. ("a"):rep(60000))
        assert.is_nil(input:line())
        input:add "\r\n"
        assert.equal(60001, #input:line())
        input:add(("a"):rep(70000))
        assert.has_error(function() input:line() end, "a line of more than 65536 bytes")
        input = require("kataven.redis.input").new()
        input:add "$-5\r\n"
        assert.equal("$-5", input:line())
        assert.has_error(function() input:take(-3) end, "a length of -3")
    end)

    it("lines are put together without the blanks around them", function()
        local joined = require("kataven.cli.text").joined
        assert.equal("a; b: c; d", joined("a:  \n\n \t b: c\n  d  ", ":", "; "))
        assert.equal("a: | b:", joined(" a:\nb:\n", "", " | "))
        assert.equal("b:", joined("b:", ":", "; "))
        assert.equal("", joined(" \n ", ":", "; "))
    end)

    it("a JWT is known for one wherever it stands", function()
        local looksSecret = require("kataven.check").looksSecret
        for text, secret in pairs {
            ["eyJhbGciOi"] = true, [" eyJ"] = true, ["x eyJhbGciOi.J9"] = true, ["-eyJ-eyJa."] = true,
            ["Bearer=eyJh-_.x"] = true, ["xeyJhbGciOi.J9"] = false, ["x eyJ."] = false, ["x eyJabc"] = false,
            ["a.b eyJ c."] = false, ["pk_live_x"] = true,
        } do
            assert.equal(secret, looksSecret(text), text)
        end
    end)

    it("names that read alike keep an order", function()
        local redact = require "kataven.redact"
        assert.same({ ["pk_live_[redacted]"] = 1, ["pk_live_[redacted] 2"] = 2, ["pk_live_[redacted] 3"] = 3 },
            redact.value({ pk_live_a = 1, pk_live_b = 2, pk_live_c = 3 }, redact.keys))
    end)

    it("a place in a damaged file is told as before", function()
        local inLines = require("kataven.cassette.json").inLines
        assert.equal("line 1, column 1: damaged JSON: x", inLines("a", "x, at byte 1"))
        assert.equal("line 1, column 3: damaged JSON: x", inLines("éa", "x, at byte 4"))
        assert.equal("line 3, column 2: damaged JSON: x", inLines("a\n\nab", "x, at byte 5"))
        assert.equal("line 2, column 1: damaged JSON: x", inLines("a\n", "x, at byte 3"))
    end)
end)
