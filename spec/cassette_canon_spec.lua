local canon = require "kataven.cassette.canon"
local redact = require "kataven.redact"

describe("kataven.cassette.canon", function()
    it("finds the query of a URL", function()
        assert.equal("a=1&b=?", canon.queryOf "http://h/p?a=1&b=?#c")
        assert.equal("", canon.queryOf "http://h/p")
        assert.equal("", canon.queryOf "http://h/p?")
        assert.equal("", canon.queryOf(nil))
    end)

    it("sorts a query, normalises its encodings and hides its secrets", function()
        assert.equal("%C3%A9=1&a=%2B+~&a=b&z", canon.query("z&a=b&&a=%2b+%7E&%c3%a9=1", redact.keys))
        assert.equal("k=pk_live_[redacted]", canon.query("k=pk%5Flive_x", redact.keys))
    end)

    it("is its own canonical form", function()
        local function of(path, query, body)
            return canon.of({ method = "PUT", path = path, body = body }, query, {}, redact.keys)
        end
        local once = of("/a%2f%7e/pk_live_x", "b=%2f&a=sk_live_y", '{"pk_live_z":[ ],"a":{"c":null,"b":1.0}}')

        assert.same(once, of(once.path, once.query, once.body))
        assert.equal("/a%2F~/pk_live_[redacted]", once.path)
        assert.equal('{"a":{"b":1,"c":null},"pk_live_[redacted]":[]}', once.body)
    end)

    it("sorts names as they are once hidden", function()
        local function body(text)
            return canon.of({ method = "PUT", path = "/", body = text }, "", {}, redact.keys).body
        end

        -- A colon sorts behind "1" and before "[".
        assert.equal('{"pk_live_:":1,"pk_live_[redacted]":2}', body '{"pk_live_1":2,"pk_live_:":1}')
    end)

    it("takes headers as a file can hold them", function()
        local headers = canon.headers({ ["X-A"] = "caf\233", ["X-B"] = "café" }, { "x-a", "x-b" }, redact.keys)

        assert.same({ ["x-a"] = "caf?", ["x-b"] = "café" }, headers)
        assert.same(headers, canon.headers(headers, { "x-a", "x-b" }, redact.keys))
    end)

    it("puts everything but the body into the head", function()
        local names = { "a", "b" }
        local heads, seen = {
            canon.head("GET", "/p", "", {}, names),
            canon.head("GET", "/p", "q", {}, names),
            canon.head("GET", "/p", "", { a = "" }, names),
            canon.head("GET", "/p", "", { a = "1" }, names),
            canon.head("GET", "/p", "", { b = "1" }, names),
            canon.head("PUT", "/p", "", { b = "1" }, names),
        }, {}

        for _, head in ipairs(heads) do
            assert.is_nil(seen[head])
            seen[head] = true
        end
        assert.equal("GET /p", canon.head("GET", "/p", "", nil, {}))
    end)

    it("takes the token from the Authorization header, whatever its case", function()
        local scrubFor = canon.scrubber()

        assert.equal("<[redacted]>", scrubFor { AUTHORIZATION = "Bearer a.b.c" } "<a.b.c>")
        assert.equal("<[redacted]>", scrubFor { authorization = "abcdef" } "<abcdef>")
        assert.equal("<a.b.c>", scrubFor {} "<a.b.c>")
        assert.equal("sk_live_[redacted]", scrubFor(nil) "sk_live_a")
    end)
end)
