-- No secret gets into any file, the temporary one included. Every write of a process that records is watched from
-- below, and searched by other means than those that hide: everything in it is decoded as whatever it may be.

local canary = require "spec.support.canary"
local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local kataven = require "kataven"
local mime = require "mime"

local KEYS = "/api/v1/widget-keys"
-- What must not be found: a part of each, so that half a secret is found too.
local TOKENS = {
    ["sk_live_canary-co_T0kEnqZ9xW4bV7"] = "T0kEnqZ9",
    ["eyJhbGciOiJI.c4nAryJw/t+odd~x~y~9"] = "c4nAryJw",
}
local KEY, KEY_PART = "pk_live_canary-co_Pl41nT3xTa8", "Pl41nT3x"

local function read(path)
    local handle = io.open(path, "rb")
    local text = handle and handle:read "*a" or ""
    if handle then
        handle:close()
    end
    return text
end

local found = canary.found

describe("a recording keeps out of every file", function()
    local watch, log, path

    setup(function()
        watch = compiled.build("watch", "-shared")
    end)

    teardown(function()
        os.remove(watch)
    end)

    before_each(function()
        path, log = os.tmpname(), os.tmpname()
        os.remove(path)
    end)

    after_each(function()
        os.remove(path)
        os.remove(log)
    end)

    -- What the child begins with: `forms` gives a secret in all of its forms, `record` makes a client whose server says
    -- what `answer` does.
    local PREAMBLE = [[
local kataven = require "kataven"
local base64 = require "kataven.base64"
local TOKEN, KEY, PATH = os.getenv "TOKEN", os.getenv "KEY", os.getenv "OUT"

local function forms(secret)
    local all = require("spec.support.canary").forms(secret)
    all[#all + 1] = (secret:gsub("%-", "%%252D"))
    return all
end

local answer
local function record(options)
    options = options or {}
    options.mode = "record"
    local cassette = kataven.cassette.open(PATH, options)
    local client = kataven.new { apiKey = TOKEN, accountId = "canary", retry = false,
        transport = cassette:over { send = function(_, ...) return answer(...) end } }
    return client, cassette
end
]]

    local function run(script, token, kill)
        local output, errors = child.run(PREAMBLE .. script, {
            LD_PRELOAD = watch, WATCH_LOG = log, WATCH_KILL = kill, TOKEN = token, KEY = KEY, OUT = path,
        })
        assert.equal("", errors)
        return output
    end

    for token, part in pairs(TOKENS) do
        it("the token and a key, wherever they stand: " .. token:sub(1, 7), function()
            local output = run([[
local quoted = require("kataven.core").encode
local function json(text) return { status = 200, headers = { ["content-type"] = "application/json" }, body = text } end

local calls = 0
for _, secret in ipairs { TOKEN, KEY } do
    for _, form in ipairs(forms(secret)) do
        answer = function() return json(('{"id":"k1","key":"%s","all":{"%s":["%s"]}}'):format(KEY, KEY, KEY)) end
        local client, cassette = record { matchHeaders = { "authorization", "x-account-id", "x-own", "cookie" } }
        assert(client.widgetKeys.create({ name = "first" }).key == KEY)
        local inUrl = form:find "[\\?#]" and "x" or form
        local headers = { ["X-Own"] = "a " .. form .. " b", Cookie = form }
        if not form:find "[^%w_-]" then
            headers["X-" .. form] = "v"
        end
        answer = function()
            local kinds = {
                json('{"echo":' .. quoted("x" .. form .. "y") .. "}"),
                json('{ "echo" : "' .. form:gsub('\\[^u/]', "") .. '", "text": 1 }'),
                { status = 401, headers = { ["x-echo"] = form, ["set-cookie"] = form }, body = "no such: " .. form },
                { status = 400, headers = { ["content-type"] = "text/json" }, body = '{"z":1,"a":"' .. form .. '"}' },
                { status = 400, headers = json("").headers, body = '{"z":1,"a":"' .. form .. '"}' },
                { status = 200, headers = {}, body = "\255\0" .. form .. "\254" },
                { status = 200, headers = {}, body = base64.encode("\255\0" .. secret .. "\254") },
            }
            local kind = kinds[calls % 8 + 1]
            if kind then
                return kind
            end
            return nil, { kind = "connection", sent = true, message = "lost at " .. form }
        end
        local requests = {
            { method = "PUT", path = "/api/v1/x/" .. inUrl, query = { q = form, [form] = "v" }, headers = headers,
                body = { name = form, [form] = { form } } },
            { method = "POST", path = "/api/v1/x?q=" .. inUrl, body = "raw " .. form },
            { method = "POST", path = "/api/v1/x", body = '{"a": "' .. form .. '"}' },
            { method = "POST", path = "/api/v1/x", body = "\255" .. form },
        }
        for i = 1, 8 do
            client:request(requests[i % 4 + 1])
            calls = calls + 1
        end
        cassette:assertDone()
        assert(tostring(cassette):find("9 recorded", 1, true))
    end
end
io.write(calls)
]], token)
            assert.is_true(tonumber(output) > 250, output)
            local text, written = read(path), read(log)
            assert.truthy(written:find("(renamed)", 1, true))
            assert.is_true(#written > #text)
            for _, secret in ipairs { part, KEY_PART } do
                assert.is_nil(found(text, secret))
                assert.is_nil(found(written, secret))
            end
            assert.is_nil(found(text, "Bearer"))
            assert.truthy(text:find('"key": "pk_live_[redacted]"', 1, true))
            assert.truthy(text:find('"Authorization": "[redacted]"', 1, true))
            assert.truthy(text:find('"X-Account-ID": "[redacted]"', 1, true))
            -- It is there to be replayed.
            kataven.cassette.open(path)
        end)
    end

    it("what redact brings back, in any form, and keeps the answer and the old file", function()
        for token, part in pairs(TOKENS) do
            local output = run([[
local count, said = 0, {}
for index, secret in ipairs { TOKEN, KEY } do
    for _, form in ipairs(forms(secret)) do
        for _, put in ipairs {
            function(i) i.request.path = "/" .. form:gsub("[?#]", "") .. "/x" end,
            function(i) i.request.query = form end,
            function(i) i.request.headers = { ["X-A"] = form } end,
            function(i) i.response.headers["x-a"] = form end,
            function(i) i.response.json, i.response.body = nil, form end,
            function(i) i.response.json = { [form] = { form } } end,
            function(i) i.response.json, i.response.bodyBase64 = nil, base64.encode("\255" .. secret) end,
        } do
            if not (put and form:find "[?#]") then
                local file = assert(io.open(PATH, "w"))
                file:write("the old one")
                file:close()
                answer = function()
                    return { status = 201, headers = { ["content-type"] = "application/json" },
                        body = '{"id":"k1","key":"' .. KEY .. '"}' }
                end
                local client, cassette = record { redact = put }
                local key = assert(client.widgetKeys.create { name = "a" })
                assert(key.key == KEY)
                local _, err = client.widgetKeys.list()
                assert(err.name == "CassetteError", form)
                local what = index == 1 and "the token of a client" or "a widget key"
                assert(err.message:find("still holds " .. what, 1, true))
                local done, problem = pcall(cassette.assertDone, cassette)
                assert(not done and problem:find("still holds " .. what, 1, true))
                said[#said + 1] = table.concat({ err.message, problem, cassette:problem() }, "\n")
                file = io.open(PATH)
                assert(file:read("*a") == "the old one")
                file:close()
                count = count + 1
            end
        end
    end
end
io.write(count, "\n", table.concat(said, "\n"))
]], token)
            assert.is_true(tonumber(output:match "^%d+") >= 90, output)
            assert.is_nil(found(output, part))
            assert.is_nil(found(output, KEY_PART))
            local written = read(log)
            assert.is_nil(found(written, part))
            assert.is_nil(found(written, KEY_PART))
        end
    end)

    -- A client whose cassette has this `redact`; the server gives the key back in the body.
    local function recording(body, hook)
        local cassette = kataven.cassette.open(path, { mode = "record", redact = hook })
        local client = kataven.new { apiKey = "sk_live_canary-co_T0kEnqZ9xW4bV7", transport = cassette:over {
            send = function() return { status = 200, headers = { ["content-type"] = "text/plain" }, body = body } end,
        } }
        assert(client:request { path = "/p" })
        return cassette
    end

    it("what redact brings back in Base64: of something encoded, and broken into lines", function()
        for _, padding in ipairs { "", "x", "xy", "xyz" } do
            local percent = padding .. KEY:gsub(".", function(byte) return ("%%%02X"):format(byte:byte()) end)
            local plain = (mime.b64(padding .. KEY))
            for form, text in pairs { encoded = (mime.b64(percent)), lines = plain:gsub("(........)", "%1\n") } do
                local cassette = recording(KEY, function(interaction)
                    interaction.response.headers["x-note"] = text
                end)
                assert.matches("still holds a widget key", tostring(cassette:problem()), form .. " " .. padding)
                assert.equal("", read(path))
            end
        end
    end)

    it("a key that the server has encoded twice", function()
        local once = KEY:gsub("_", "%%5F")
        -- Hidden, or else not saved at all.
        recording("see /k/" .. once:gsub("%%", "%%25") .. " for it", nil)
        local text = read(path)
        for _ = 1, 3 do
            assert.is_nil(text:find(KEY_PART, 1, true), text)
            text = text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
        end
    end)

    it("anything half-written: who is killed while it saves leaves the old file", function()
        local handle = assert(io.open(path, "wb"))
        handle:write "the old one"
        handle:close()
        local token, part = next(TOKENS)
        local output = run([[
            answer = function()
                return { status = 201, headers = { ["content-type"] = "application/json" },
                    body = '{"id":"k1","key":"' .. KEY .. '"}' }
            end
            record().widgetKeys.create { name = TOKEN }
            io.write "still alive"
        ]], token, "yes")
        assert.equal("", output)
        assert.equal("the old one", read(path))
        local pipe = io.popen(("cat %s.*; rm %s.*"):format(path, path))
        local temporary = pipe:read "*a"
        pipe:close()
        assert.truthy(temporary:find('"name": "', 1, true)) -- it was there, and whole
        for _, text in ipairs { temporary, read(log) } do
            assert.is_nil(found(text, part))
            assert.is_nil(found(text, KEY_PART))
        end
    end)

    it("a secret that an older part of the file holds", function()
        local handle = assert(io.open(path, "wb"))
        local old = [[{"version":1,"interactions":[{"request":{"method":"GET","path":"/p"},
            "response":{"status":200,"body":"left by hand: sk_live_other_1 and ]] .. KEY .. [["}}]}]]
        handle:write(old)
        handle:close()
        local cassette = kataven.cassette.open(path, { mode = "append" })
        local client = kataven.new { apiKey = "sk_live_test_x", transport = cassette:over {
            send = function() return { status = 200, headers = {}, body = ('{"key":"%s"}'):format(KEY) } end,
        } }
        assert(client.widgetKeys.create { name = "a" })
        assert.error_matches(function() cassette:assertDone() end,
            "interaction 1 %(GET /p%) still holds a widget key")
        assert.equal(old, read(path))
    end)

    it("matches in the replay what was hidden in the recording", function()
        local function hold(transport, token, plain)
            local client = kataven.new { apiKey = token, transport = transport }
            local key = assert(client.widgetKeys.create { name = "a" }).key
            for _, form in ipairs { key, mime.b64(key), mime.b64("<" .. key .. ">") } do
                assert(client:request { method = "PUT", path = "/api/v1/x", query = { q = form }, body = { form } })
            end
            assert(client:request { path = "/api/v1/x/" .. require("kataven.core").escape(key) })
            return key == plain
        end
        local cassette = kataven.cassette.open(path, { mode = "record" })
        assert.is_true(hold(cassette:over {
            send = function(_, request)
                return { status = 200, headers = { ["content-type"] = "application/json" },
                    body = request.path == KEYS and ('{"key":"%s"}'):format(KEY) or "{}" }
            end,
        }, "sk_live_one_1", KEY))
        cassette = kataven.cassette.open(path)
        assert.is_true(hold(cassette, "sk_live_two_2", "pk_live_[redacted]"))
        cassette:assertDone()
    end)

    it("a client's token, also before its first request", function()
        local other = "canary_0therT0ken_8Kq2"
        local cassette = kataven.cassette.open(path, { mode = "record" })
        local first = kataven.new { apiKey = "sk_live_one_1", baseUrl = "http://127.0.0.1:1", transport = cassette,
            retry = false }
        kataven.new { apiKey = other, transport = cassette }:close()
        first.widgetKeys.update(other, { disabled = true })
        first:close()
        cassette:assertDone()
        local handle = assert(io.open(path, "rb"))
        local text = handle:read "*a"
        handle:close()
        assert.truthy(text:find("/widget-keys/", 1, true))
        assert.is_nil(text:find(other, 1, true))
    end)

    it("a key that was seen only behind escapes, and Base64 that is broken into lines", function()
        local new = require("kataven.cassette.secrets").new
        local base64 = require "kataven.base64"
        for _, text in ipairs { "pk_live_acme_1", "%70k_live_acme_1", "pk%5Flive_acme_1", "pk%255flive%255facme%255f1",
            "pk\\u005flive_acme_1", "pk\\\\u005flive_acme_1", "pk%5Cu005flive_acme_1" } do
            local secrets = new()
            secrets.learnAnswer(nil, "<" .. text .. ">")
            assert.equal("a widget key (pk_live_…)", secrets.find("x pk_live_acme_1 y", 1), text)
            assert.equal("a widget key (pk_live_…)", secrets.find("x " .. base64.encode "pk_live_acme_1", 1))
            assert.is_nil(secrets.find("x pk_live_[redacted] pk_live_other", 1))
            assert.is_nil(secrets.find("x pk_live_acme_1 y", 1 + secrets.count()))
        end
        local secrets, token = new(), "eyJhbGciOiJI.c4nAryJw/t+odd~x?y>9"
        secrets.learnToken(token)
        for _, line in ipairs { "\n", "\r\n  ", "\\n", "\\r\\n\\t" } do
            local broken = base64.encode("user:" .. token):gsub("........", "%0" .. line:gsub("\\", "%0"))
            assert.equal("the token of a client", secrets.find('"' .. broken .. '"', 1))
        end
    end)

    it("very many keys: from some number on, all that look like one", function()
        local secrets = require("kataven.cassette.secrets").new()
        local all = {}
        for index = 1, 1100 do
            all[index] = "pk_live_acme_" .. index
        end
        secrets.learnAnswer(nil, table.concat(all, " ", 1, 1000))
        assert.equal("a widget key (pk_live_…)", secrets.find("pk_live_acme_1000", 1))
        assert.is_nil(secrets.find("pk_live_other", 1))
        local clean = secrets.count()
        secrets.learnAnswer(nil, table.concat(all, " "))
        -- What was searched before is searched once more, for those.
        for _, key in ipairs { "pk_live_acme_1100", "pk_live_other" } do
            assert.equal("a key (sk_live_… or pk_live_…)", secrets.find(key, clean + 1))
        end
        assert.is_nil(secrets.find("pk_live_[redacted]", 1))
        assert.is_nil(secrets.find("pk_live_other", 1 + secrets.count()))
    end)

    it("a client's token, also one that an answer held before", function()
        local secrets = require("kataven.cassette.secrets").new()
        secrets.learnAnswer(nil, "sk_live_acme_1")
        secrets.learnToken "sk_live_acme_1"
        secrets.learnToken "eyJ.token"
        secrets.learnToken " "
        assert.equal("[redacted] [redacted] pk_live_[redacted]", secrets.answer "sk_live_acme_1 eyJ.token pk_live_b")
        assert.equal("sk_live_[redacted] [redacted] pk_live_[redacted]",
            secrets.request "sk_live_acme_1 eyJ.token pk_live_b")
    end)

    it("the secrets' own object: no dump shows them", function()
        local secrets = require("kataven.cassette.secrets").new()
        secrets.learnToken "sk_live_canary-co_T0kEnqZ9xW4bV7"
        for _, value in pairs(secrets) do
            assert.equal("function", type(value))
        end
    end)
end)
