-- One secret through everything: calls of every kind and with every end, over a server that gives it back wherever it
-- can, with what it writes to logs, terminals and other processes. All that comes out is searched.

local build = require "spec.support.build"
local canary = require "spec.support.canary"
local child = require "spec.support.child"
local files = require "spec.support.files"
local kataven = require "kataven"
local servers = require "spec.support.servers"
local shell = require "spec.support.shell"
local spy = require "spec.support.spy"

-- The secrets, each with the part that must not be found, so that half of one is found too.
local TOKENS = {
    { "sk_live_canary-co_T0kEnqZ9xW4bV7", "T0kEnqZ9" },
    { "eyJhbGciOiJI.c4nAryJw-t_odd.x4yZ9", "c4nAryJw" },
}

local function newClient(token, options)
    local all = { apiKey = token, accountId = "canary", retry = false, timeout = 5 }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    local client = kataven.new(all)
    return client
end

describe("the key is in nothing that comes out:", function()
    -- What came out, each text once.
    local texts, seen, count

    before_each(function()
        texts, seen, count = {}, {}, 0
    end)

    local function collect(value)
        count = count + 1
        for _, text in ipairs(canary.strings(value)) do
            if not seen[text] then
                seen[text] = true
                texts[#texts + 1] = text
            end
        end
    end

    local function isClean(part)
        local text = table.concat(texts, "\n")
        assert.is_nil(canary.found(text, part))
        return text
    end

    -- Calls of every method, the key in what they send where `hostile`; what comes back is collected.
    local function callAll(client, token, hostile)
        local id = hostile and token or "k1"
        local calls = {
            function() return client.widgetKeys.list() end,
            function() return client.widgetKeys.create { name = id, domain_allowlist = { id } } end,
            function() return client.widgetKeys.update(id, { agent_id = id }) end,
            function() return client.widgetKeys.delete(id) end,
            function()
                return client:request { method = "PUT", path = "/api/v1/x/" .. id, query = { [id] = id },
                    headers = { ["X-Mine"] = id }, body = { [id] = id } }
            end,
        }
        for _, call in ipairs(calls) do
            local value, err = call()
            if value == nil then
                collect(err)
                collect(tostring(err))
                collect("it failed: " .. err)
                local _, raised = pcall(kataven.assert, nil, err)
                collect(raised)
                local function traced(e)
                    return debug.traceback(tostring(e))
                end
                collect(select(2, xpcall(function() error(err) end, traced)))
            end
        end
        collect(client)
    end

    local function logging(options)
        options = options or {}
        options.log = collect
        return options
    end

    for _, secret in ipairs(TOKENS) do
        local token, part = secret[1], secret[2]
        local kind = token:sub(1, 3)

        it("errors and logs, wherever an answer gives it back, " .. kind, function()
            local own = {}
            for _, form in ipairs(canary.forms(token)) do
                local json = '{"error":"no ' .. form .. '","' .. form .. '":["' .. form .. '"]}'
                local name = form:find "[^%w%%_.-]" and "X-Own" or "X-" .. form
                local headers = { [name] = form, ["X-Request-Id"] = form, Location = "/x?key=" .. form,
                    ["Set-Cookie"] = form, ["WWW-Authenticate"] = "Bearer " .. form, ["Retry-After"] = form }
                for _, status in ipairs { 200, 302, 401, 429, 503 } do
                    own[#own + 1] = { status = status, headers = headers, body = status < 300 and "{" .. json or json }
                    own[#own + 1] = { status = status, headers = { ["Content-Type"] = form }, body = "text " .. form }
                end
                for _, failed in ipairs { "connect", "connection", "timeout", "tls", "tooLarge", "cassette" } do
                    own[#own + 1] = { kind = failed, sent = failed == "timeout", message = "because of " .. form }
                end
            end
            for _, answer in ipairs(own) do
                callAll(newClient(token, logging { transport = spy.new(answer) }), token, true)
            end
            isClean(part)
            assert.is_true(count > 5000, count)
        end)

        it("errors over a wire that gives it back, " .. kind, function()
            local tcp = servers.tcp {}
            for _, form in ipairs(canary.forms(token)) do
                local name = form:find "[^%w%%_.-]" and "X-Own" or "X-" .. form
                local early = ("HTTP/1.1 103 %s\r\nLink: %s\r\n%s: x\r\n\r\n"):format(form, form, name)
                local whole = servers.answer { status = 404, reason = form, headers = { [name] = form }, body = form }
                for _, bytes in ipairs {
                    whole, early .. whole, early,
                    servers.answer { status = 302, headers = { Location = "http://127.0.0.1:1/" .. form } },
                    servers.answer { reason = form, headers = { [name] = form }, body = form, length = 5000 },
                    "HTTP/1.1 200 " .. form .. "\r\n" .. form, form .. "\r\n\r\n", "HTTP/" .. form .. " 200 OK\r\n\r\n",
                    "HTTP/1.1 " .. form .. "\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: " .. form .. "\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: " .. form .. "\r\n\r\n" .. form,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" .. form .. "\r\n",
                    "HTTP/1.1 200 OK\r\n" .. form .. "\r\n\r\n",
                } do
                    tcp:script { default = { { read = "request" }, { send = bytes }, { reset = true } } }
                    local client = newClient(token, logging { baseUrl = tcp.url })
                    callAll(client, token, false)
                    client:close()
                    collect(client)
                end
            end
            tcp:stop()
            isClean(part)
            assert.is_true(count > 2000, count)
        end)

        it("errors of misuse, " .. kind, function()
            local client = newClient(token, { transport = spy.new(spy.json "[]") })
            local function misuse(...)
                local results = { pcall(...) }
                if not results[1] then
                    collect(results[2])
                end
            end
            local basic = kind == "sk_" and "Basic " .. require("mime").b64(token .. ":") or nil
            for _, form in ipairs { token, "Bearer " .. token, basic } do
                local wrong = { form, { form }, { [form] = form }, { [form] = 5 } }
                for _, value in ipairs(wrong) do
                    for _, name in ipairs { "accountId", "baseUrl", "allowHttp", "timeout", "connectTimeout",
                        "deadline", "retry", "maxConcurrent", "maxResponseBytes", "headers", "userAgent", "proxy",
                        "caFile", "caPath", "transport", "wait", "log", "apikey", form } do
                        misuse(kataven.new, { apiKey = token, accountId = "canary", [name] = value })
                    end
                    misuse(kataven.new, value)
                    misuse(kataven.new, { apiKey = value })
                    misuse(client.widgetKeys.list, value)
                    misuse(client.widgetKeys.create, value)
                    misuse(client.widgetKeys.create, { name = value, [form] = value })
                    misuse(client.widgetKeys.update, value, value)
                    misuse(client.widgetKeys.delete, value, value)
                    misuse(client.request, value)
                    for _, name in ipairs { "method", "path", "query", "headers", "body", "timeout", "deadline",
                        "retry", "cancel", form } do
                        misuse(client.request, { path = "/x", [name] = value })
                    end
                    for _, name in ipairs { "name", "agent_id", "domain_allowlist", "disabled" } do
                        misuse(client.widgetKeys.create, { name = "x", [name] = value })
                        misuse(client.widgetKeys.update, "k1", { [name] = value })
                    end
                    misuse(client.parallel, value, value)
                    misuse(client.parallel, {}, { [form] = value, progress = value })
                    misuse(client.queue, value)
                    misuse(client.queue, { max = value, done = value })
                    for _, name in ipairs { "mode", "matchHeaders", "match", "allowRepeats", "redact", form } do
                        misuse(kataven.cassette.open, "/nowhere", { [name] = value })
                    end
                    misuse(kataven.cassette.open, value)
                    misuse(kataven.cassette.open, value, { mode = "record" })
                    misuse(kataven.cassette.open, "x", value)
                    misuse(kataven.array, value)
                    misuse(kataven.canceller, value)
                end
            end
            isClean(part)
            assert.is_true(count > 200, count)
        end)

        it("the environment's misuse, " .. kind, function()
            for _, name in ipairs { "KATAVEN_BASE_URL", "KATAVEN_ACCOUNT_ID", "KATAVEN_CASSETTE",
                "KATAVEN_CASSETTE_MODE", "KATAVEN_LOG" } do
                local environment = { KATAVEN_API_KEY = "sk_live_x", [name] = token }
                if name == "KATAVEN_CASSETTE_MODE" then
                    environment.KATAVEN_CASSETTE = "spec/cassettes/readme.json"
                end
                local output, errors = child.run([[
                    local kataven = require "kataven"
                    local client = kataven.new { timeout = 0.1, retry = false, proxy = "http://127.0.0.1:1" }
                    kataven.assert(client.widgetKeys.list())
                ]], environment)
                collect(output)
                collect(errors)
            end
            isClean(part)
        end)

        it("what is printed of an error that nobody catches, and by KATAVEN_LOG, " .. kind, function()
            local headers = { ["Retry-After"] = "0", ["X-A"] = token }
            local busy = servers.answer { status = 503, headers = headers, body = token }
            local tcp = servers.tcp { default = { { read = "request" }, { send = busy } } }
            local output, errors = child.run([[
                local kataven = require "kataven"
                local client = kataven.new { accountId = "canary", retry = { max = 1 } }
                print(client, client.widgetKeys.list())
                kataven.assert(client.widgetKeys.update(os.getenv "KATAVEN_API_KEY", { disabled = true }))
            ]], { KATAVEN_API_KEY = token, KATAVEN_BASE_URL = tcp.url, KATAVEN_LOG = "debug" })
            tcp:stop()
            collect(output)
            collect(errors)
            local text = isClean(part)
            assert.matches("attempt 1 retry, status 503", text)
            assert.matches("ServerError: ", text)
            assert.matches("redacted", text)
        end)

        it("what a proxy gets to see, and says, " .. kind, function()
            local proxy = servers.tcp {}
            for _, form in ipairs { token, require("mime").b64(token) } do
                for _, status in ipairs { 200, 403, 407, 502 } do
                    proxy:script { default = { { read = "head" }, { send = servers.answer {
                        status = status, reason = form, headers = { ["X-A"] = form, ["Proxy-Authenticate"] = form },
                        body = form } } } }
                    local client = newClient(token, logging { baseUrl = "https://hub.example", proxy = proxy.url,
                        headers = { ["X-Mine"] = token } })
                    callAll(client, token, true)
                    client:close()
                    for _, request in ipairs(proxy:log().requests) do
                        assert.equal("CONNECT", request.method)
                        collect(request.head)
                        collect(request.body or "")
                    end
                end
            end
            proxy:stop()
            isClean(part)
            assert.is_true(count > 100, count)
        end)

        it("a refused certificate that names it, " .. kind, function()
            local certificate = servers.certificate("DNS:" .. token:gsub("_", "-"):lower() .. ".example")
            local tcp = servers.tcp { tls = { cert = certificate.cert, key = certificate.key }, default = {} }
            for _, options in ipairs { {}, { caFile = certificate.cert }, { caFile = "/nowhere/" .. token },
                { caPath = "/nowhere/" .. token } } do
                options.baseUrl = tcp.url
                local client = newClient(token, logging(options))
                callAll(client, token, true)
                client:close()
            end
            tcp:stop()
            certificate:remove()
            isClean(part)
        end)

        it("a cassette's errors, its dump and its file, in every mode, " .. kind, function()
            local path = os.tmpname()
            local echo = spy.new(function(request)
                local status = request.method == "PUT" and 400 or 201
                return spy.json(('{"id":"k1","echo":"%s"}'):format(token .. request.path), status)
            end)
            for _, mode in ipairs { "record", "append", "once", "replay" } do
                if mode == "once" then
                    os.remove(path)
                end
                local names = { "authorization", "x-mine" }
                local cassette = kataven.cassette.open(path, { mode = mode, matchHeaders = names })
                local transport = mode == "replay" and cassette or cassette:over(echo)
                callAll(newClient(token, logging { transport = transport }), token, true)
                collect(cassette)
                collect(select(2, pcall(cassette.assertDone, cassette)))
                collect(files.read(path))
                -- Another key in the replay: what differs is told without it.
                local other = kataven.cassette.open(path, { matchHeaders = names })
                local client = newClient(token, logging { transport = other })
                callAll(client, token .. "x", true)
                collect(select(2, client:request { path = "/other/" .. token, query = { q = token },
                    headers = { ["X-Mine"] = token } }))
                collect(other)
                collect(select(2, pcall(other.assertDone, other)))
            end
            os.remove(path)
            local text = isClean(part)
            assert.matches("CassetteError", text)
        end)
    end

    it("other processes: the module starts none, and sets no variable", function()
        for _, path in pairs(build.modules()) do
            local text = files.read(path)
            for _, name in ipairs { "os%.execute", "io%.popen" } do
                assert.is_nil(text:find(name), path)
            end
        end
        local core = os.getenv "CORE"
        if not core or (shell.try "command -v nm") ~= 0 then
            pending("there is no nm here")
            return
        end
        local symbols = shell.run("nm -D --undefined-only %s", core)
        assert.matches("curl_multi_init", symbols)
        for symbol in symbols:gmatch "U ([%w_]+)" do
            for _, name in ipairs { "^system", "^popen", "^exec", "^fexec", "^posix_spawn", "^v?fork", "^setenv",
                "^putenv" } do
                assert.is_nil(symbol:find(name), symbol)
            end
        end
    end)
end)

describe("the search", function()
    it("finds the key in every form, half of it too, and nothing elsewhere", function()
        for _, secret in ipairs(TOKENS) do
            for _, form in ipairs(canary.forms(secret[1])) do
                assert.is_string(canary.found("a " .. form .. " b", secret[2]))
            end
            assert.is_string(canary.found("x" .. secret[1]:sub(1, -4):lower(), secret[2]))
            assert.is_nil(canary.found("nothing of the kind, c2tfbGl2ZV9vdGhlcg", secret[2]))
            local hidden = setmetatable({ a = { [1] = 5 } }, { __index = { deep = secret[1] } })
            assert.is_string(canary.found(table.concat(canary.strings(hidden)), secret[2]))
        end
    end)
end)
