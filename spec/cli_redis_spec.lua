-- kataven redis-worker and kataven redis-functions.

local command = require "spec.support.command"
local functions = require "kataven.redis.functions"
local redis = require "spec.support.redis"
local servers = require "spec.support.servers"
local files = require "spec.support.files"

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local inside = command.inside
local missing = redis.missing()

describe("kataven redis-functions", function()
    it("prints the library, or the snippet, with as many requests as are told", function()
        for _, row in ipairs {
            { {}, functions.library() }, { { "--max", "7" }, functions.library { max = 7 } },
            { { "--snippet" }, functions.snippet() }, { { "--snippet", "--max", "7" }, functions.snippet { max = 7 } },
        } do
            local out, err, code = inside { "redis-functions", unpack(row[1]) }
            assert.same({ row[2], "", 0 }, { out, err, code })
        end
    end)

    it("says what is wrong with an option", function()
        for _, row in ipairs {
            { { "redis-functions", "--max", "1.5" }, "%-%-max wants a whole number greater than 0, got '1.5'" },
            { { "redis-functions", "--max", "0" }, "%-%-max wants a whole number greater than 0, got '0'" },
            { { "redis-functions", "--load", "--snippet" }, "can not be used together with" },
            { { "redis-worker", "--lease", "soon" }, "%-%-lease wants a number of seconds greater than 0, got 'soon'" },
            { { "redis-worker", "--cassette", "x.json" }, "redis%-worker plays no %-%-cassette" },
            { { "redis-worker", "--seal", "no.such.module" },
                "%-%-seal no.such.module: module 'no.such.module' not found" },
            { { "redis-worker", "--seal", "kataven" },
                "%-%-seal kataven: the module must be a function of a reply's text, and is a table" },
            { { "redis-worker", "--stream", "" }, "%-%-stream is empty" },
        } do
            if row[1][1] == "redis-functions" or not missing then
                local out, err, code = inside(row[1], { environment = { KATAVEN_API_KEY = "sk_live_acme_1" } })
                assert.same({ "", 2 }, { out, code }, err)
                assert.matches(row[2], err)
            end
        end
    end)
end)

if missing then
    describe("kataven redis-worker", function()
        it("carries requests out", function()
            pending(missing)
        end)
    end)
    return
end

describe("kataven", function()
    local server, hub

    lazy_setup(function()
        server = redis.start { requirepass = "topsecret" }
        hub = servers.hub {}
    end)

    lazy_teardown(function()
        server:stop()
        hub:stop()
        redis.forget()
    end)

    before_each(function()
        server:call "FLUSHALL"
        server:call("FUNCTION", "FLUSH")
    end)

    it("redis-functions --load loads them, and says into what", function()
        local out, err, code = command.run({ "redis-functions", "--load", "--max", "1" }, { REDIS_URL = server.url })
        assert.same({ "", ("The functions are loaded into redis://127.0.0.1:%d.\n"):format(server.port), 0 },
            { out, err, code })
        assert.is_string(server:call("FCALL", "kataven_list", 1, "s"))
        assert.matches("^KATAVENFULL", select(2, server:call("FCALL", "kataven_list", 1, "s")))
        -- Again, over what is there.
        assert.equal(0, select(3, command.run({ "redis-functions", "--load" }, { REDIS_URL = server.url })))
        assert.is_string(server:call("FCALL", "kataven_list", 1, "s"))
    end)

    it("redis-functions says why it cannot load them, without the password", function()
        local refusing = servers.refusing()
        finally(function() refusing:stop() end)
        for url, wanted in pairs {
            [("redis://:nonsense@127.0.0.1:%d"):format(server.port)] = "WRONGPASS",
            ["redis://:nonsense@127.0.0.1:" .. refusing.port] =
                ("no connection to redis://127.0.0.1:%d: connection refused; set REDIS_URL to where Redis is\n"):format(
                    refusing.port),
            ["redis://:nonsense@x:y"] = "REDIS_URL cannot be read: its port must be a number",
        } do
            local out, err, code = command.run({ "redis-functions", "--load" }, { REDIS_URL = url })
            assert.same({ "", 1 }, { out, code })
            assert.truthy(err:find(wanted, 1, true), err)
            assert.is_nil(err:find "nonsense")
            assert.is_nil(err:match "\n.")
        end
    end)

    it("redis-worker works until a signal ends it", function()
        local keyFile = os.tmpname()
        files.write(keyFile, hub.apiKey .. "\n")
        os.execute("chmod 600 " .. keyFile)
        local worker = command.start({ "redis-worker", "--stream", "{acme}", "--lease", "1", "--reply-expiry", "50",
            "--api-key-file", keyFile, "--timeout", "5" }, { REDIS_URL = server.url, KATAVEN_BASE_URL = hub.url })
        local id
        for _ = 1, 500 do
            id = server:call("FCALL", "kataven_create", 1, "{acme}", '{"name":"acme.com"}')
            if id then
                break
            end
            require "socket".sleep(0.02)
        end
        local answer = server:call("BLPOP", "{acme}:reply:" .. tostring(id), 30)
        worker:signal "TERM"
        local out, err, code = worker:wait()
        os.remove(keyFile)
        assert.same({ "", 0 }, { out, code }, err)
        assert.truthy(answer[2]:find('"name":"acme.com"', 1, true))
        assert.matches("%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ info ready at redis://127.0.0.1:%d+, stream {acme}", err)
        assert.matches("SIGTERM", err)
        assert.is_nil(err:find "topsecret")
        assert.is_nil(err:find(hub.apiKey, 1, true))
    end)

    it("redis-worker says what it lacks", function()
        local _, err, code = command.run({ "redis-worker" }, { REDIS_URL = server.url })
        assert.equal(2, code)
        assert.matches("there is no API key", err)
        _, err, code = command.run({ "redis-worker" }, { REDIS_URL = "redis://:nonsense@127.0.0.1:" .. server.port,
            KATAVEN_API_KEY = "sk_live_acme_1" })
        assert.equal(1, code)
        assert.matches("cannot work with redis://127.0.0.1:%d+: WRONGPASS", err)
        assert.is_nil(err:find "nonsense")
        _, err, code = command.run({ "redis-worker" }, { REDIS_URL = "http://x", KATAVEN_API_KEY = "sk_live_acme_1" })
        assert.equal(2, code)
        assert.matches("REDIS_URL cannot be read: it must begin with redis://", err)
        _, err, code = command.run({ "redis-worker" }, { KATAVEN_CASSETTE = "x.json", KATAVEN_API_KEY = "sk_live_a_1" })
        assert.equal(2, code)
        assert.matches("KATAVEN_CASSETTE is set, and a worker plays no cassette", err)
    end)
end)
