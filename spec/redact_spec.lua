local base64 = require "kataven.base64"
local core = require "kataven.core"
local redact = require "kataven.redact"

local TOKEN = "eyJhbGciOi.J9+acme/secret=x"

describe("kataven.redact", function()
    describe("secrets", function()
        local redactor = redact.secrets(TOKEN)

        local function hides(text, expected)
            assert.equal(expected, redactor:text(text))
        end

        it("leaves other text alone", function()
            for _, text in ipairs { "", "nothing here", "100% \\ of it", TOKEN:sub(1, -2), TOKEN:sub(2) } do
                hides(text, text)
            end
        end)

        it("hides the token as it stands, each time", function()
            hides(TOKEN, "[redacted]")
            hides("a " .. TOKEN .. TOKEN .. " b", "a [redacted][redacted] b")
            hides("50% of " .. TOKEN .. "\\", "50% of [redacted]\\")
        end)

        it("hides it in lower case, as a header's name has it", function()
            hides("x-" .. TOKEN:lower(), "x-[redacted]")
        end)

        it("hides it percent-encoded, whatever is encoded and in either case", function()
            local function encode(pattern, format)
                return (TOKEN:gsub(pattern, function(c)
                    return format:format(c:byte())
                end))
            end

            hides("k=" .. encode("[^%w.]", "%%%02X") .. "&", "k=[redacted]&")
            hides("k=" .. encode("[+/=]", "%%%02x") .. "&", "k=[redacted]&")
            hides("k=" .. encode(".", "%%%02X") .. "%41", "k=[redacted]%41")
        end)

        it("hides it with JSON escapes", function()
            hides('{"t":"' .. TOKEN:gsub("/", "\\/") .. '"}', '{"t":"[redacted]"}')
            hides('"' .. TOKEN:gsub(".", function(c)
                return ("\\u%04x"):format(c:byte())
            end) .. '"', '"[redacted]"')
        end)

        it("hides it within Base64, wherever it begins, in both alphabets", function()
            for before = 0, 5 do
                for after = 0, 3 do
                    local text = base64.encode(("<"):rep(before) .. TOKEN .. (">"):rep(after))
                    local url = text:gsub("%+", "-"):gsub("/", "_")

                    for _, encoded in ipairs { text, url } do
                        local hidden = redactor:text("Basic " .. encoded)
                        local rest = hidden:gsub("%[redacted%]", "")

                        assert.truthy(hidden:find("[redacted]", 1, true), encoded)
                        -- Besides the surroundings at most a digit is left at each end, for the
                        -- bits of the token that share it with them.
                        local around = math.ceil(before * 8 / 6) + math.ceil(after * 8 / 6) + #"=="
                        assert.is_true(#rest <= #"Basic " + around + 2, hidden)
                    end
                end
            end
        end)

        it("hides Base64 that was escaped in turn", function()
            local secret = ("\255"):rep(9) -- all slashes in Base64
            local escaped = base64.encode(secret):gsub("/", "\\/")

            assert.equal("[redacted]", redact.secrets(secret):text(escaped))
        end)

        it("finds tokens that hold the signs of an escape themselves", function()
            local odd = redact.secrets 'a%25b\\"c'
            assert.equal("<[redacted]>", odd:text '<a%25b\\"c>')
            assert.equal("<[redacted]>", odd:text "<a%2525b%5c%22c>")
            assert.equal("<[redacted]>", odd:text '<a%25b\\\\\\"c>')
            assert.equal("<a%25b>", odd:text "<a%25b>")
        end)

        it("takes no longer where they stand in a row", function()
            local began = os.clock()
            local row = redact.secrets(("\\"):rep(40) .. "x")

            assert.equal(("\\"):rep(80) .. "y", row:text(("\\"):rep(80) .. "y"))
            assert.equal("<[redacted]>", row:text("<" .. ("\\"):rep(80) .. "x>"))
            assert.is_true(os.clock() - began < 5)
        end)

        it("hides it within escapes within escapes, whichever was put around which", function()
            local function percent(text)
                return (text:gsub("[^%w.]", function(c) return ("%%%02X"):format(c:byte()) end))
            end
            local function every(text)
                return (text:gsub(".", function(c) return ("%%%02x"):format(c:byte()) end))
            end
            local function json(text)
                return (text:gsub('[\\"/]', "\\%0"))
            end
            local function unicode(text)
                return (text:gsub("[%z\1-\127]", function(c) return ("\\u%04x"):format(c:byte()) end))
            end
            local ways, count = { percent, every, json, unicode }, 0

            for _, form in ipairs { TOKEN, TOKEN:lower(), base64.encode(TOKEN) } do
                for _, first in ipairs(ways) do
                    for _, second in ipairs(ways) do
                        for _, third in ipairs(ways) do
                            local text = third(second(first(form)))
                            local hidden = redactor:text("<" .. text .. ">")
                            assert.matches("^<%[redacted%][%%%w\\/]*>$", hidden)
                            assert.is_true(#hidden <= #"<[redacted]>" + #third(second(first "x=")), hidden)
                            count = count + 1
                        end
                    end
                end
            end
            assert.equal(3 * 64, count)
        end)

        it("hides it behind what looks like an escape and takes in its first byte", function()
            hides("50%5" .. TOKEN:gsub("/", "\\/"), "50[redacted]")
            hides("50%5" .. TOKEN, "50[redacted]")
            assert.equal("a[redacted]", redact.secrets("u00e9ab.cd"):text "a\\u00e9ab%2Ecd")
        end)

        it("finds tokens beyond ASCII", function()
            assert.equal("[redacted]!", redact.secrets("clé€"):text "cl\\u00e9\\u20AC!")
            assert.equal("[redacted]!", redact.secrets("clé€"):text "cl%C3%a9%E2%82%AC!")
        end)

        it("changes nothing the second time", function()
            local once = redactor:text("a " .. TOKEN .. " " .. base64.encode(TOKEN))
            assert.equal(once, redactor:text(once))
        end)

        it("changes nothing without a token", function()
            assert.equal("a%41", redact.secrets(nil):text "a%41")
            assert.equal("", redact.secrets(""):text "")
        end)

        it("keeps the token out of its own fields", function()
            local function search(value, seen)
                assert.not_equal(TOKEN, value)
                if type(value) == "table" and not seen[value] then
                    seen[value] = true
                    for k, v in pairs(value) do
                        search(k, seen)
                        search(v, seen)
                    end
                end
            end
            search(redactor, {})
        end)

        it("wants a string", function()
            local ok, message = pcall(function()
                redact.secrets(5)
            end)
            assert.is_false(ok)
            assert.matches("redact_spec%.lua:%d+: redact%.secrets: token must be a string, got a number", message)
        end)
    end)

    describe("keys", function()
        it("hides the rest of every Kataven key", function()
            assert.equal("sk_live_[redacted]", redact.keys "sk_live_acme_4f-A_z9")
            assert.equal("<pk_live_[redacted]>, sk_live_[redacted].", redact.keys "<pk_live_acme_1>, sk_live_x.")
        end)

        it("hides the whole of one in Base64, wherever it begins", function()
            for before = 0, 4 do
                local text = base64.encode(("<"):rep(before) .. "sk_live_acme_4f-A_z9")
                for _, form in ipairs { text, (text:gsub("=", "")), (text:gsub("=", "%%3D")) } do
                    assert.equal("a.[redacted]/b", redact.keys("a." .. form .. "/b"))
                end
            end
        end)

        it("leaves the rest alone, its own output too", function()
            for _, text in ipairs { "", "sk_live_", "sk_test_acme", "sk_live_[redacted]", "ak_live_x" } do
                assert.equal(text, redact.keys(text))
            end
        end)
    end)

    describe("everything", function()
        it("hides keys and the token, a key-like token as a key", function()
            local scrub = redact.everything "sk_live_acme_1234"

            assert.equal("sk_live_[redacted] pk_live_[redacted] sk_live_[redacted]",
                scrub "sk_live_acme_1234 pk_live_a sk_live_b")
            assert.equal("sk_live_[redacted]", scrub "sk_live_acme_1234")
            assert.equal("[redacted]", scrub "s%6b_live_acme_1234")
            assert.equal("sk_live_[redacted]", redact.everything(nil) "sk_live_b")
        end)

        it("leaves no piece of a token that is more than a key", function()
            assert.equal("<[redacted]>", redact.everything "sk_live_acme.1+2" "<sk_live_acme.1+2>")
        end)
    end)

    describe("over random texts", function()
        -- Not all that can be thought of: a text of nothing but signs can be read in many ways.
        it("leaves nothing of a token that was escaped once or twice, and comes through again unchanged", function()
            local pieces = { "%", "\\", "u", "0", "2", "5", "a", "f", "/", '"', " ", "-", "_", "=", "\n", "é", "c2",
                "%25", "\\\\", "sk_live", "x" }
            -- A small generator of its own: the same texts on every Lua.
            local state = 1
            local function random(most)
                state = (state * 16807) % 2147483647
                return state % most + 1
            end
            local function junk()
                local text = {}
                for index = 1, random(10) do
                    text[index] = pieces[random(#pieces)]
                end
                return table.concat(text) .. " "
            end
            local function some(pattern, format, often)
                return function(text)
                    return (text:gsub(pattern, function(c)
                        if often == 1 or c == "%" or c == "\\" or c == '"' or random(often) == 1 then
                            return format:format(c:byte())
                        end
                    end))
                end
            end
            local ways = {
                function(text) return text end,
                some(".", "%%%02X", 1), some("[^%w_.~-]", "%%%02x", 1), some(".", "%%%02x", 3),
                some("[%z\1-\127]", "\\u%04x", 1), some("[%z\1-\127]", "\\u%04X", 3),
                function(text) return (text:gsub('[\\"/]', "\\%0")) end,
            }
            local tokens = { "sk_live_acme-corp_T0kEnqZ9xW4bV7", TOKEN }
            local hiders = {}
            for index, token in ipairs(tokens) do
                hiders[index] = { redact.everything(token), function(text)
                    return redact.secrets(token):text(text)
                end }
            end
            for _ = 1, 3000 do
                local index = random(#tokens)
                local token = tokens[index]
                local forms = { token, token:lower(), base64.encode(token) }
                local form = forms[random(3)]
                local text = ways[random(#ways)](ways[random(#ways)](junk() .. form .. junk()))
                local hide = hiders[index][random(2)]
                local hidden = hide(text)
                assert.equal(hidden, hide(hidden))
                local plain = hidden
                for _ = 1, 5 do
                    for at = 1, #form - 15 do
                        if plain:find(form:sub(at, at + 11), 1, true) then
                            error(("left in %q of %q"):format(hidden, text))
                        end
                    end
                    plain = redact.unescape(plain)
                end
            end
        end)
    end)

    describe("header", function()
        it("hides sensitive ones whole and scrubs the others", function()
            for _, name in ipairs { "Authorization", "x-account-id", "Cookie", "SET-COOKIE", "Proxy-Authorization" } do
                assert.equal("[redacted]", redact.header(name, "v", redact.keys))
            end
            assert.equal("pk_live_[redacted]", redact.header("X-Key", "pk_live_a", redact.keys))
        end)
    end)

    describe("value", function()
        it("copies deeply and scrubs strings and names", function()
            local inner = core.array {}
            local value = { a = "x " .. TOKEN, [TOKEN] = { true, 5, core.null, TOKEN }, empty = inner, none = {} }
            local copy = redact.value(value, redact.secrets(TOKEN))

            assert.same({
                a = "x [redacted]",
                ["[redacted]"] = { true, 5, core.null, "[redacted]" },
                empty = {},
                none = {},
            }, copy)
            assert.equal("x " .. TOKEN, value.a)
            assert.not_equal(inner, copy.empty)
            assert.is_true(core.isArray(copy.empty))
            assert.is_false(core.isArray(copy.none))
        end)

        it("takes a function too, and values that are no tables", function()
            assert.equal("sk_live_[redacted]", redact.value("sk_live_a", redact.keys))
            assert.equal(5, redact.value(5, redact.keys))
            assert.equal(core.null, redact.value(core.null, redact.keys))
            assert.is_false(redact.value(false, redact.keys))
        end)
    end)

    it("knows nothing any more once it was collected, and hides everything", function()
        local hide = core.redactor({ "secret" }, false)
        assert.equal("a [redacted]", hide:text "a secret")
        local gc = debug.getregistry()["kataven.redactor"].__gc
        gc(hide)
        assert.equal("[redacted]", hide:text "a secret")
        assert.equal("[redacted]", hide:text "anything")
        assert.has_error(function() hide:find "a" end)
    end)

    it("hides a key to its end, escapes within it included", function()
        local keys = require("kataven.redact").keys
        for _, rest in ipairs { "acme-corp_S3", "acme%2Dcorp%5fS3", "acme%252Dcorp_S3", "acme\\u002dcorp_S3",
            "acme\\\\u002dcorp_S3", "%61cme-corp_S3" } do
            assert.equal("a sk_live_[redacted] b", keys("a sk_live_" .. rest .. " b"))
            assert.equal("pk_live_[redacted]&c=1", keys("pk_live_" .. rest .. "&c=1"))
        end
        assert.equal("sk_live_[redacted]%20b", keys "sk_live_a%20b")
        assert.equal("sk_live_[redacted]", keys(keys "sk_live_a"))
    end)

    it("keeps names apart that are keys", function()
        assert.same({ ["pk_live_[redacted]"] = 1, ["pk_live_[redacted] 2"] = 2, x = 3 },
            redact.value({ pk_live_a = 1, pk_live_b = 2, x = 3 }, redact.keys))
    end)

    it("undoes escapes once", function()
        local unescape = require("kataven.redact").unescape
        assert.equal("a-b_c/d", unescape "a%2Db\\u005fc\\/d")
        assert.equal("%2D", unescape "%252D")
    end)
end)
