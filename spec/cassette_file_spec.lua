local core = require "kataven.core"
local file = require "kataven.cassette.file"

-- The text of a file with one interaction, of which single parts are replaced.
local function document(parts)
    return ([[{"version":%s,"interactions":[{"request":%s,"%s":%s}]}]]):format(
        parts.version or "1",
        parts.request or '{"method":"GET","path":"/p"}',
        parts.error and "error" or "response",
        parts.error or parts.response or '{"status":200}'
    )
end

local function problem(text)
    local interactions, message = file.parse(text)

    assert.is_nil(interactions)
    return message
end

describe("kataven.cassette.file", function()
    describe("parse", function()
        it("fills in what may be left out", function()
            assert.same({
                {
                    index = 1,
                    request = { method = "GET", path = "/p", query = "", headers = {} },
                    response = { status = 200, headers = {}, body = "", truncated = false, delay = 0 },
                },
            }, (file.parse(document {})))
            assert.same({}, (file.parse '{"version":1,"interactions":[]}'))
        end)

        it("reads every field", function()
            local interaction = file.parse(document {
                request = [[{"method":"POST","path":"/p","query":"?b=1&a=2","headers":{"X-A":"1"},"body":"x"}]],
                response = [[{"status":201,"headers":{"X-Request-Id":"r"},"body":"b","truncated":true,"delay":1.5}]],
            })[1]

            assert.same({ method = "POST", path = "/p", query = "b=1&a=2", headers = { ["x-a"] = "1" }, body = "x" },
                interaction.request)
            assert.same(
                { status = 201, headers = { ["x-request-id"] = "r" }, body = "b", truncated = true, delay = 1.5 },
                interaction.response)
        end)

        it("reads bodies as text, Base64 and JSON", function()
            local function bodyOf(field)
                return file.parse(document { response = '{"status":200,' .. field .. "}" })[1].response.body
            end

            assert.equal('{"b": 1}', bodyOf [["body":"{\"b\": 1}"]])
            assert.equal("\255\0", bodyOf [["bodyBase64":"/wA="]])
            assert.equal('{"a":[],"b":{"c":null}}', bodyOf [["json":{"b":{"c":null},"a":[]}]])
            assert.equal("null", bodyOf [["json":null]])
            assert.equal("false", bodyOf [["json":false]])
        end)

        it("gives a JSON response its content type", function()
            local function typeOf(response)
                return file.parse(document { response = response })[1].response.headers["content-type"]
            end

            assert.equal("application/json", typeOf [[{"status":200,"json":[]}]])
            assert.equal("text/x", typeOf [[{"status":200,"json":[],"headers":{"Content-Type":"text/x"}}]])
            assert.is_nil(typeOf [[{"status":200,"body":"[]"}]])
        end)

        it("reads failures, and knows which had been sent", function()
            local function errorOf(text)
                return file.parse(document { error = text })[1].error
            end

            assert.same({ kind = "timeout", sent = true, delay = 0 }, errorOf [[{"kind":"timeout","sent":true}]])
            assert.same({ kind = "connect", sent = false, delay = 0 }, errorOf [[{"kind":"connect"}]])
            assert.same({ kind = "tls", sent = false, delay = 2, message = "m" },
                errorOf [[{"kind":"tls","delay":2,"message":"m"}]])
            assert.is_true(errorOf([[{"kind":"tooLarge"}]]).sent)
        end)

        it("reads headers of any bytes, in requests and in responses", function()
            local function read(headers)
                local text = [[{"version":1,"interactions":[{
                    "request":{"method":"GET","path":"/a",%s},"response":{"status":200,%s}}]}]]

                return file.parse(text:format(headers, headers))
            end
            local interaction = assert(read '"headers":{"A":"x"},"headersBase64":{"X-B":"Y2Fm6Q==","c":""}')[1]
            assert.same({ a = "x", ["x-b"] = "caf\233", c = "" }, interaction.request.headers)
            assert.same(interaction.request.headers, interaction.response.headers)
            for headers, expected in pairs {
                ['"headers":{"A":"x"},"headersBase64":{"a":"eA=="}'] = "headersBase64%.a: the header is there twice",
                ['"headersBase64":{"a":"x"}'] = "headersBase64%.a: is not Base64",
                ['"headersBase64":{"a":1}'] = "headersBase64%.a: expected a string, got",
                ['"headersBase64":["a"]'] = "headersBase64: expected an object, got an array",
            } do
                local found, message = read(headers)
                assert.is_nil(found)
                assert.matches("^interactions%[1%]%.request%." .. expected, message)
            end
        end)

        it("says what a text is that is no JSON in UTF-8", function()
            local good = '{"version":1,"interactions":[]}'
            local function utf16(order)
                return (good:gsub(".", function(char) return order == "le" and char .. "\0" or "\0" .. char end))
            end
            for text, expected in pairs {
                ["\239\187\191" .. good] = "byte order mark %(BOM%): save it as UTF%-8 without one",
                ["\255\254" .. utf16 "le"] = "UTF%-16: save it as UTF%-8, without a byte order mark %(BOM%)",
                ["\254\255" .. utf16 "be"] = "UTF%-16: save it as UTF%-8, without a byte order mark %(BOM%)",
                ["\255\254\0\0{\0\0\0"] = "UTF%-32",
                [utf16 "le"] = "UTF%-16: save it as UTF%-8$",
                [utf16 "be"] = "UTF%-16: save it as UTF%-8$",
                ["\31\139\8\0"] = "compressed %(gzip%)",
                [""] = "^it is empty$",
                [" \n"] = "^it is empty$",
                ["<<<<<<< HEAD\n" .. good] = "merge conflict",
                ['{\n<<<<<<< HEAD\n"version":1,\n=======\n'] = "^line 2: .*merge conflict",
            } do
                assert.matches(expected, problem(text))
            end
            -- CRLF is as good as any other blank.
            assert.same({}, file.parse '{\r\n"version": 1,\r\n"interactions": []\r\n}\r\n')
        end)

        it("names line and column of damaged JSON", function()
            assert.matches("^line 1, column 1: damaged JSON: ", problem "nonsense")
            assert.matches("^line 3, column 12: damaged JSON: an [^%d]+$", problem '{\n  "a": 1,\n  "é": "", x\n}')
            assert.matches("^line 2, column 17: ", problem '{"version":1,\n"interactions":[')
        end)

        local REFUSED = {
            { "[]", "^the file: expected an object, got an array" },
            { "5", "^the file: expected an object, got a number" },
            { "null", "^the file: expected an object, got null" },
            { '{"interactions":[]}', "^version: expected 1, got nothing" },
            { document { version = "2" }, "^version: expected 1, the version that this .-, got a number %(2%)" },
            { document { version = '"1"' }, "^version: expected 1" },
            { '{"version":1}', "^interactions: expected an array, got nothing" },
            { '{"version":1,"interactions":{}}', "^interactions: expected an array, got an object" },
            { '{"version":1,"interactions":[],"interaction":1}', '^unknown field "interaction"; did you mean "int' },
            { '{"version":1,"interactions":[{"request":{}},5]}', "^interactions%[1%]: expected .-, got neither" },
            { '{"version":1,"interactions":[5]}', "^interactions%[1%]: expected an object, got a number" },
            {
                [[{"version":1,"interactions":[{"request":{},"response":{},"error":{}}]}]],
                "^interactions%[1%]: expected .-, got both",
            },
            { document { request = "null" }, "^interactions%[1%]%.request: expected an object, got null" },
            { document { request = "{}" }, "^interactions%[1%]%.request%.method: expected a string, got nothing" },
            { document { request = '{"method":"G T","path":"/"}' }, "%.method: expected an HTTP method" },
            { document { request = '{"method":"GET"}' }, "%.request%.path: expected a string" },
            { document { request = '{"method":"GET","path":"p"}' }, "%.path: expected a path that begins with /" },
            { document { request = '{"method":"GET","path":"/p?q=1"}' }, "%.path: expected .- no query" },
            { document { request = '{"method":"GET","path":"/p","query":{}}' }, "%.query: expected a string such" },
            { document { request = '{"method":"GET","path":"/p","query":"#"}' }, "%.query: expected a query without" },
            { document { request = '{"method":"GET","path":"/p","headers":["a"]}' }, "%.headers: expected an object" },
            { document { request = '{"method":"GET","path":"/p","body":{}}' }, '%.body: expected .- "json"' },
            { document { request = '{"method":"GET","path":"/p","url":"x"}' }, '%.request: unknown field "url"' },
            { document { response = "{}" }, "^interactions%[1%]%.response%.status: expected an HTTP status .-nothing" },
            { document { response = '{"status":200.5}' }, "%.status: expected an HTTP status" },
            { document { response = '{"status":99}' }, "%.status: expected an HTTP status" },
            { document { response = '{"status":"200"}' }, "%.status: expected .-, got a string" },
            { document { response = '{"status":200,"headers":{"A":1}}' }, "%.headers%.A: expected a string, got" },
            { document { response = '{"status":200,"headers":{"A":"1","a":"2"}}' }, "%.headers%.a: .- twice" },
            { document { response = '{"status":200,"body":"","json":1}' }, "%.response: has both body and json" },
            { document { response = '{"status":200,"json":[1e999]}' }, "%.json: some value in it is not a" },
            { document { response = '{"status":200,"bodyBase64":"-"}' }, "%.bodyBase64: is not Base64" },
            { document { response = '{"status":200,"bodyBase64":1}' }, "%.bodyBase64: expected a string" },
            { document { response = '{"status":200,"truncated":1}' }, "%.truncated: expected true or false" },
            { document { response = '{"status":200,"delay":-1}' }, "%.delay: expected 0 seconds or more" },
            { document { response = '{"status":200,"delay":"1"}' }, "%.delay: expected a number of seconds" },
            { document { response = '{"status":200,"dely":1}' }, '%.response: unknown field "dely"; did you mean "d' },
            { document { error = '{"sent":true}' }, "%.error%.kind: expected connect, .-, got nothing" },
            { document { error = '{"kind":"cassette","sent":true}' }, "%.kind: expected connect" },
            { document { error = '{"kind":"timeout"}' }, "%.error%.sent: expected true or false" },
            { document { error = '{"kind":"connection"}' }, "%.error%.sent: expected true or false" },
            { document { error = '{"kind":"tls","status":"200"}' }, "%.error%.status: expected an HTTP status" },
            { document { error = '{"kind":"tls","message":1}' }, "%.message: expected a string" },
        }

        it("refuses what is wrong, and says where and what it wants", function()
            for _, case in ipairs(REFUSED) do
                assert.matches(case[2], problem(case[1]))
            end
        end)

        it("never takes a file for a program", function()
            assert.matches("damaged JSON", problem 'os.exit(1)')
            assert.matches("damaged JSON", problem "return { version = 1, interactions = {} }")
        end)
    end)

    describe("read", function()
        it("gives the bytes of a file", function()
            local path = os.tmpname()
            local handle = assert(io.open(path, "wb"))
            handle:write("a\0\r\n")
            handle:close()
            finally(function()
                os.remove(path)
            end)

            assert.equal("a\0\r\n", file.read(path))
        end)

        it("tells an absent file from one that cannot be read", function()
            local text, message, absent = file.read "/nonexistent/x.json"
            assert.is_nil(text)
            assert.is_string(message)
            assert.is_true(absent)

            text, message, absent = file.read "/"
            assert.is_nil(text)
            assert.matches("/", message)
            assert.is_falsy(absent)
        end)
    end)

    it("keeps the core's null apart from an absent body", function()
        local interaction = file.parse(document { request = '{"method":"PUT","path":"/p","json":null}' })[1]
        assert.equal("null", interaction.request.body)
        assert.equal("null", core.encode(core.null))
    end)
end)
