local child = require "spec.support.child"
local kataven = require "kataven"
local misuse = require "spec.support.misuse"
local spy = require "spec.support.spy"

local JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"

-- What a client with these options sends for one call of list().
local function sent(options)
    local transport = spy.new(spy.json "[]")
    options.transport = transport
    kataven.assert(kataven.new(options).widgetKeys.list())
    return transport.requests[1]
end

-- The problem with an option beside a good key.
local function problem(name, value)
    return misuse(function()
        kataven.new { apiKey = name ~= "apiKey" and spy.TOKEN or value, [name] = value }
    end)
end

describe("the options of kataven.new", function()
    local environment, getenv

    before_each(function()
        environment = {}
        getenv = stub(os, "getenv").invokes(function(name)
            return environment[name]
        end)
    end)

    after_each(function()
        getenv:revert()
    end)

    it("have the defaults that the README promises", function()
        local request = sent { apiKey = spy.TOKEN }

        assert.equal("https://api.kataven.ai/v1/widget-keys", request.url)
        assert.equal(30, request.timeout)
        assert.equal(10, request.connectTimeout)
        assert.same({ "Accept", "Accept-Encoding", "Authorization", "User-Agent" }, (function()
            local names = {}
            for name in pairs(request.headers) do
                names[#names + 1] = name
            end
            table.sort(names)
            return names
        end)())
        assert.equal("application/json", request.headers.Accept)
    end)

    it("come from the environment where they are not given", function()
        environment.KATAVEN_API_KEY = "sk_live_env_1"
        environment.KATAVEN_ACCOUNT_ID = "env-account"
        environment.KATAVEN_BASE_URL = "http://127.0.0.1:8080"
        local request = sent {}

        assert.equal("Bearer sk_live_env_1", request.headers.Authorization)
        assert.equal("env-account", request.headers["X-Account-ID"])
        assert.equal("http://127.0.0.1:8080/api/v1/widget-keys", request.url)
    end)

    it("prefer what is given explicitly", function()
        environment.KATAVEN_API_KEY = "sk_live_env_1"
        environment.KATAVEN_ACCOUNT_ID = "env-account"
        environment.KATAVEN_BASE_URL = "http://127.0.0.1:8080"
        local request = sent { apiKey = spy.TOKEN, accountId = "mine", baseUrl = "https://example.com/v1" }

        assert.equal("Bearer " .. spy.TOKEN, request.headers.Authorization)
        assert.equal("mine", request.headers["X-Account-ID"])
        assert.equal("https://example.com/v1/widget-keys", request.url)
    end)

    it("take an empty variable for one that is not set", function()
        environment.KATAVEN_API_KEY, environment.KATAVEN_ACCOUNT_ID, environment.KATAVEN_BASE_URL = "", "", ""
        environment.KATAVEN_LOG = ""

        assert.matches("apiKey is missing", misuse(function() kataven.new() end))
        local request = sent { apiKey = spy.TOKEN }
        assert.equal("https://api.kataven.ai/v1/widget-keys", request.url)
        assert.is_nil(request.headers["X-Account-ID"])
    end)

    it("check what the environment says, too", function()
        environment.KATAVEN_API_KEY = "pk_live_acme_1"
        assert.matches("apiKey is a widget key", misuse(function() kataven.new() end))
        environment.KATAVEN_API_KEY = spy.TOKEN
        environment.KATAVEN_BASE_URL = "http://example.com"
        assert.matches("http:// to another machine", misuse(function() kataven.new() end))
        environment.KATAVEN_BASE_URL = nil
        environment.KATAVEN_ACCOUNT_ID = "Acme"
        assert.matches("accountId must match", misuse(function() kataven.new() end))
    end)

    it("are read when the client is made, and belong to it then", function()
        local transport = spy.new(spy.json "[]")
        local options = { apiKey = spy.TOKEN, transport = transport, timeout = 5, headers = { ["X-A"] = "1" } }
        local client = kataven.new(options)

        options.timeout, options.apiKey, options.headers["X-A"] = 99, "sk_live_changed", "2"
        client.widgetKeys.list()
        assert.equal(5, transport.requests[1].timeout)
        assert.equal("1", transport.requests[1].headers["X-A"])
        assert.equal("Bearer " .. spy.TOKEN, transport.requests[1].headers.Authorization)
    end)

    describe("unknown ones", function()
        it("raise, with the name that was meant", function()
            for given, meant in pairs {
                apikey = "apiKey", api_key = "apiKey", baseURL = "baseUrl", base_url = "baseUrl", timout = "timeout",
                retri = "retry", account = "accountId", maxConcurent = "maxConcurrent", header = "headers",
            } do
                assert.equal(('unknown option "%s"; did you mean "%s"?'):format(given, meant), problem(given, "x"))
            end
        end)

        it("raise with all that are known, where none is near", function()
            local message = problem("colour", "red")

            assert.matches('unknown option "colour"; known are apiKey, accountId, baseUrl, ', message)
            assert.matches(", transport, wait, log$", message)
        end)

        it("may be a position", function()
            assert.matches("unknown option: the key a number %(1%)",
                misuse(function() kataven.new { spy.TOKEN } end))
        end)
    end)

    it("say what a wrong type should be", function()
        for name, cases in pairs {
            apiKey = { [5] = "apiKey must be a string, got a number" },
            accountId = { [5] = "accountId must be a string, got a number (5)" },
            baseUrl = { [5] = "baseUrl must be a string, got a number (5)", [true] = "must be a string" },
            allowHttp = { yes = 'allowHttp must be a boolean, got a string ("yes")' },
            timeout = {
                ["5"] = 'timeout must be a finite number greater than 0, got a string ("5")',
                [0] = "greater than 0, got a number (0)",
                [-1] = "greater than 0",
                [math.huge] = "finite",
            },
            connectTimeout = { [0] = "connectTimeout must be a finite number greater than 0", x = "got a string" },
            deadline = { [0] = "deadline must be a finite number greater than 0", [false] = "got a boolean (false)" },
            retry = { [3] = "retry must be true, false or a table, got a number (3)", x = "got a string" },
            maxConcurrent = {
                [0] = "maxConcurrent must be a finite number of at least 1",
                [1.5] = "maxConcurrent must be a whole number, got a number (1.5)",
                ["5"] = "got a string",
            },
            maxResponseBytes = { [0] = "must be a finite number of at least 1", [1.5] = "must be a whole number" },
            headers = { x = "headers must be a table of names and values" },
            userAgent = { [5] = "userAgent must be a string", [""] = "userAgent must be text" },
            proxy = { [true] = "proxy must be a URL, or false for none, got a boolean", [""] = "proxy must be a URL" },
            caFile = { [5] = "caFile must be a string", [""] = "caFile must be the name of a file" },
            caPath = { [5] = "caPath must be a string", [""] = "caPath must be the name of a directory" },
            transport = {
                x = "transport must be an object with a method send(self, request, wait), got a string",
                [false] = "got a boolean",
            },
            wait = {
                [5] = "wait must be a function of (seconds, fd), or one of \"ngx\", \"cqueues\", \"copas\", \"luv\", "
                    .. '"yield", got a number (5)',
                [false] = "got a boolean",
                cqueue = 'got a string ("cqueue"); did you mean "cqueues"?',
                ngx = 'wait = "ngx" works inside OpenResty only',
            },
            log = { debug = "log must be a function of one table", [true] = "got a boolean (true)" },
        } do
            for value, wanted in pairs(cases) do
                local message = problem(name, value)
                assert.truthy(message:find(wanted, 1, true), ("%s: %s"):format(name, message))
            end
        end
        assert.matches("timeout must be a finite number", problem("timeout", 0 / 0))
        assert.matches("transport must be .-, got a table without one", problem("transport", {}))
        assert.matches("transport must be", problem("transport", { send = "x" }))
    end)

    it("refuse a proxy that libcurl cannot use", function()
        for _, proxy in ipairs { "nonsense://x", "ftp://127.0.0.1", "", "http://" } do
            assert.matches("^proxy must be a URL such as", problem("proxy", proxy))
        end
        for _, proxy in ipairs { "http://127.0.0.1:3128", "127.0.0.1:3128", "socks5h://127.0.0.1", "HTTPS://x" } do
            assert.truthy(kataven.new { apiKey = spy.TOKEN, proxy = proxy })
        end
    end)

    it("refuse a proxy's URL without quoting it", function()
        for proxy, reason in pairs {
            ["http://user:S3CRET#pw@proxy:3128"] = "percent%-encoded",
            ["http://user:12#S3CRET@proxy:3128"] = "percent%-encoded",
            ["http://user:12/S3CRET@proxy:3128"] = "percent%-encoded",
            ["user:12?S3CRET@proxy:3128"] = "percent%-encoded",
            ["http://user:S3CRET@pw@proxy"] = "percent%-encoded",
            ["http://user:S3CRET%0a@proxy"] = "percent%-encoded",
            ["http://user:S3CRET pw@proxy"] = "blanks",
            ["http://user:S3CRET@"] = "must be a URL",
            ["http://user:S3CRET@proxy:x"] = "must be a URL",
            ["gopher://user:S3CRET@proxy"] = "must be a URL",
            ["http://user:S3CRET@pr\195\182xy.example"] = "xn%-%- form",
            ["http://user:S3CRET@[fe80::1%25eth0]"] = "zone",
        } do
            local message = problem("proxy", proxy)
            assert.matches("^proxy must ", message)
            assert.matches(reason, message)
            assert.is_nil(message:find("S3CRET", 1, true))
        end
        for _, proxy in ipairs { "http://user:p%40ss%23@proxy:3128/", "user:pw@proxy",
            "socks5://localhost/run/socks" } do
            assert.truthy(kataven.new { apiKey = spy.TOKEN, proxy = proxy })
        end
    end)

    it("take anything that can be called for a function", function()
        local seen = 0
        local callable = setmetatable({}, { __call = function() seen = seen + 1 end })
        local transport = setmetatable({}, { __index = { send = setmetatable({}, { __call = function()
            return spy.json "[]"
        end }) } })

        kataven.assert(kataven.new { apiKey = spy.TOKEN, transport = transport, log = callable }.widgetKeys.list())
        assert.equal(2, seen)
    end)

    describe("apiKey", function()
        it("has to be there", function()
            assert.matches('apiKey is missing: pass apiKey = "sk_live_...", or set KATAVEN_API_KEY',
                misuse(function() kataven.new {} end))
        end)

        it("needs an accountId where it is a JWT", function()
            assert.matches("accountId is missing: with a JWT", problem("apiKey", JWT))
            assert.equal("acme", sent({ apiKey = JWT, accountId = "acme" }).headers["X-Account-ID"])
        end)

        it("is shown in no message, whatever is wrong and wherever it was put", function()
            local secret = "sk_live_acme_Zz9Yy8Xx7"
            local names = { "accountId", "baseUrl", "allowHttp", "timeout", "connectTimeout", "deadline", "retry",
                "maxConcurrent", "maxResponseBytes", "headers", "transport", "wait", "log" }

            for _, name in ipairs(names) do
                local message = misuse(function() kataven.new { apiKey = secret, [name] = secret } end)
                assert.falsy(message:find("Zz9", 1, true), message)
                message = misuse(function() kataven.new { [name] = secret } end)
                assert.falsy(message:find("Zz9", 1, true), message)
            end
            for _, key in ipairs { secret .. "\n", secret .. "\0", "pk_live_" .. secret, { secret } } do
                local message = misuse(function() kataven.new { apiKey = key } end)
                assert.falsy(message:find("Zz9", 1, true), message)
            end
            local message = misuse(function() kataven.new { apiKey = secret, baseUrl = "ftp://" .. secret } end)
            assert.falsy(message:find("Zz9", 1, true), message)
            message = misuse(function() kataven.new { apiKey = JWT, timeout = JWT, accountId = "a" } end)
            assert.falsy(message:find(JWT:sub(4, 20), 1, true), message)
        end)

        it("shows in no dump of a client", function()
            local client, seen = spy.client(spy.new(spy.json "[]")), {}
            local function walk(value)
                if type(value) == "string" then
                    assert.falsy(value:find("4fA9xQ2vT7bW", 1, true), value)
                elseif type(value) == "table" and not seen[value] then
                    seen[value] = true
                    for key, member in pairs(value) do
                        walk(key)
                        walk(member)
                    end
                    walk(getmetatable(value))
                end
            end
            client.widgetKeys.list()
            walk(client)
            assert.is_true(seen[client.widgetKeys])
            walk(tostring(client))
        end)
    end)

    describe("accountId", function()
        it("follows the published pattern", function()
            for _, good in ipairs { "a", "0", "acme-2_x", ("a"):rep(63) } do
                assert.equal(good, sent({ apiKey = spy.TOKEN, accountId = good }).headers["X-Account-ID"])
            end
            for _, bad in ipairs { "", "A", "-a", "_a", "a b", "a\n", "é", "a.b", ("a"):rep(64) } do
                assert.matches("accountId must match %[a%-z0%-9%]%[a%-z0%-9_%-%]{0,62}, got a string",
                    problem("accountId", bad))
            end
        end)
    end)

    describe("retry", function()
        it("is checked member by member", function()
            local function wrong(retry)
                return problem("retry", retry)
            end

            assert.matches('unknown option of retry "tries"', wrong { tries = 3 })
            assert.matches('"maxdelay"; did you mean "maxDelay"%?', wrong { maxdelay = 3 })
            assert.matches("retry.max must be a whole number, got a number %(1.5%)", wrong { max = 1.5 })
            assert.matches("retry.max must be a finite number of at least 0", wrong { max = -1 })
            assert.matches("retry.max must be a finite", wrong { max = math.huge })
            assert.matches("retry.baseDelay must be a finite number of at least 0", wrong { baseDelay = "1" })
            assert.matches("retry.maxDelay must be", wrong { maxDelay = -0.1 })
            assert.matches("retry.maxWait must be", wrong { maxWait = false })
        end)
    end)

    describe("userAgent", function()
        it("is added to the client's own", function()
            local own = sent({ apiKey = spy.TOKEN }).headers["User-Agent"]

            assert.matches("^kataven%-lua/%d+%.%d+%.%S* %(Lua.*; libcurl/%d+%.%d+%.%d+%)$", own)
            assert.equal(own .. " my-app/2", sent({ apiKey = spy.TOKEN, userAgent = "my-app/2" }).headers["User-Agent"])
            assert.matches("userAgent must be text without control characters", problem("userAgent", "a\r\nb"))
        end)
    end)
end)

describe("a client in OpenResty", function()
    local function inOpenresty(code)
        return (child.run(([[
            ngx = { sleep = function() end }
            local kataven = require "kataven"
            local ok, message = pcall(function() %s end)
            io.write(tostring(ok), " ", tostring(message))
        ]]):format(code)))
    end

    it("waits in ngx.sleep where nothing else is said, whatever its transport", function()
        for _, option in ipairs { "", 'wait = "ngx"' } do
            assert.equal("true 1 0.5", (inOpenresty(([[
                local slept = {}
                function ngx.sleep(seconds) slept[#slept + 1] = seconds end
                local client = kataven.new {
                    apiKey = "sk_live_a",
                    transport = { send = function(_, _, wait) wait(0.05) return { status = 200, body = "[]" } end },
                    %s
                }
                kataven.assert(client.widgetKeys.list())
                error(#slept .. " " .. slept[1] * 10, 0)
            ]]):format(option)):gsub("^false", "true")))
        end
    end)

    it("takes another wait", function()
        assert.matches("^true ", inOpenresty [[
            local waited = false
            local client = kataven.new {
                apiKey = "sk_live_a",
                wait = function() waited = true end,
                transport = { send = function(_, _, wait) wait(1) return { status = 200, body = "[]" } end },
            }
            client.widgetKeys.list()
            assert(waited)
        ]])
    end)
end)
