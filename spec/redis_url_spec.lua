-- REDIS_URL.

local url = require "kataven.redis.url"

describe("kataven.redis.url", function()
    local function parsed(text)
        local address, problem = url.parse(text)
        assert.is_nil(problem)
        return address
    end

    it("reads what a URL says, and fills in what it does not", function()
        for text, wanted in pairs {
            ["redis://"] = { scheme = "redis", host = "127.0.0.1", port = 6379, database = 0,
                text = "redis://127.0.0.1:6379" },
            ["redis://Example.com"] = { scheme = "redis", host = "example.com", port = 6379, database = 0,
                text = "redis://example.com:6379" },
            ["REDISS://example.com:7000/"] = { scheme = "rediss", host = "example.com", port = 7000, database = 0,
                text = "rediss://example.com:7000" },
            ["redis://[::1]:7000/3"] = { scheme = "redis", host = "::1", port = 7000, database = 3,
                text = "redis://[::1]:7000/3" },
            ["redis://:pass@example.com"] = { scheme = "redis", host = "example.com", port = 6379, database = 0,
                password = "pass", text = "redis://example.com:6379" },
            ["redis://me:p%40s%3as@example.com/1"] = { scheme = "redis", host = "example.com", port = 6379,
                database = 1, user = "me", password = "p@s:s", text = "redis://example.com:6379/1" },
            ["redis://me:p@ss:w?rd@example.com"] = { scheme = "redis", host = "example.com", port = 6379, database = 0,
                user = "me", password = "p@ss:w?rd", text = "redis://example.com:6379" },
            ["redis://me@example.com"] = { scheme = "redis", host = "example.com", port = 6379, database = 0,
                user = "me", text = "redis://example.com:6379" },
            ["unix:///run/redis.sock"] = { scheme = "unix", path = "/run/redis.sock", database = 0,
                text = "unix:///run/redis.sock" },
            ["unix://me:secret@/run/redis.sock?db=2"] = { scheme = "unix", path = "/run/redis.sock", database = 2,
                user = "me", password = "secret", text = "unix:///run/redis.sock" },
        } do
            assert.same(wanted, parsed(text))
        end
    end)

    it("says what is wrong with one, and shows nothing of it", function()
        for text, wanted in pairs {
            ["127.0.0.1:6379"] = "it must begin with redis://, rediss:// (TLS) or unix://",
            ["http://secret@x"] = "it must begin with redis://, rediss:// (TLS) or unix://",
            ["redis://x:secret"] = "its port must be a number from 1 to 65535",
            ["redis://x:0"] = "its port must be a number from 1 to 65535",
            ["redis://x:65536"] = "its port must be a number from 1 to 65535",
            ["redis://x/secret"] = "its database must be a number, as in redis://127.0.0.1:6379/1",
            ["redis://x/1/2"] = "its database must be a number, as in redis://127.0.0.1:6379/1",
            ["redis://x?secret=1"] = "it takes no query",
            ["redis://a b"] = "it has no host that can be read",
            ["redis://a:b:c"] = "it has no host that can be read",
            ["redis://me:sec#ret@x"] = "it holds a #, which stands for nothing here (in a password, write %23)",
            ["unix://secret"] = "a unix:// URL needs the absolute path of a socket: unix:///run/redis/redis.sock",
            ["unix:///x?secret=2"] = "of a query it takes db=<number> alone",
            ["unix:///x?db=secret"] = "of a query it takes db=<number> alone",
        } do
            local address, problem = url.parse(text)
            assert.is_nil(address)
            assert.equal(wanted, problem)
        end
        assert.equal("it must be a string, got a number", select(2, url.parse(5)))
    end)
end)
