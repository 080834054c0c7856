-- TLS: whom the client trusts, and what it says of the others. Whatever is refused is refused before anything is sent.

local authority = require "spec.support.authority"
local canary = require "spec.support.canary"
local kataven = require "kataven"
local servers = require "spec.support.servers"

local LIST = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }
local KEY = servers.answer { status = 201, headers = { ["Content-Type"] = "application/json" }, body = '{"id":"wk_1"}' }
local SERVE = { choose = "method", cases = { GET = { { send = LIST } } }, steps = { { send = KEY } } }
local ANSWER = { { tls = true }, { ["repeat"] = true, steps = { { read = "request" }, { effect = "served" }, SERVE } } }
local VERSIONS = { "tlsv1_2", "tlsv1_3" }
local KEY_PART = "T0kEnqZ9xW4b"
local hasKey = canary.seeker(KEY_PART)

-- libcurl itself takes every name below localhost for loopback, so no resolver is asked.
local GOOD = {
    { name = "a name", host = "localhost", leaf = { san = "DNS:localhost" } },
    { name = "a name in other letters", host = "LOCALHOST", leaf = { san = "DNS:LocalHost" } },
    { name = "an address", host = "127.0.0.1", leaf = { san = "IP:127.0.0.1" } },
    { name = "the second of two names", host = "localhost", leaf = { san = "DNS:other.example,DNS:localhost" } },
    { name = "a wildcard", host = "a.hub.localhost", leaf = { san = "DNS:*.hub.localhost" } },
    { name = "an intermediate", host = "localhost", leaf = { san = "DNS:localhost" }, by = "intermediate" },
    { name = "a purpose, for servers", host = "localhost",
        leaf = { san = "DNS:localhost", extensions = "extendedKeyUsage=serverAuth" } },
    { name = "a name that its authority may have", host = "x.good.localhost", leaf = { san = "DNS:x.good.localhost" },
        by = "constrained" },
}

local NAMES = "check the host in baseUrl"
local TRUST = "name its issuer's certificate with caFile"

local BAD = {
    -- Time
    { name = "one that has expired", leaf = { san = "DNS:localhost", from = -9, to = -2 }, says = "has expired",
        advice = "clock" },
    { name = "one that is not valid yet", leaf = { san = "DNS:localhost", from = 2, to = 9 }, says = "not yet valid",
        advice = "clock" },
    { name = "one whose authority has expired", leaf = { san = "DNS:localhost" }, by = "expired", says = "has expired",
        advice = "clock" },

    -- Trust
    { name = "one that is its own issuer", leaf = { san = "DNS:localhost" }, by = "none", says = "self[- ]signed",
        advice = TRUST },
    { name = "one of an unknown issuer", leaf = { san = "DNS:localhost" }, by = "stranger",
        says = "unable to get local issuer", advice = TRUST },
    { name = "one of an unknown issuer that sends its root as well", leaf = { san = "DNS:localhost" }, by = "stranger",
        root = true, says = "self[- ]signed certificate in certificate chain", advice = TRUST },
    { name = "a chain without its intermediate", leaf = { san = "DNS:localhost", bare = true }, by = "intermediate",
        says = "unable to get local issuer", advice = "intermediate" },
    { name = "one that another certificate has issued which is no authority", leaf = { san = "DNS:localhost" },
        by = "impostor", says = "invalid CA certificate" },
    { name = "a chain that is longer than its authority allows", leaf = { san = "DNS:localhost" }, by = "too far",
        says = "path length constraint exceeded" },

    -- Names
    { name = "one for another host", leaf = { san = "DNS:other.example" }, says = "does? ?not match|no alternative",
        advice = NAMES },
    { name = "one with another host for its common name", leaf = { cn = "other.example" }, says = "other%.example",
        advice = NAMES },
    { name = "a common name that is right beside names that are not", leaf = { san = "DNS:other.example",
        cn = "localhost" },
        says = "no alternative", advice = NAMES },
    { name = "a wildcard, two levels below it", host = "a.b.hub.localhost", leaf = { san = "DNS:*.hub.localhost" },
        says = "a%.b%.hub%.localhost", advice = NAMES },
    { name = "a wildcard, for the name above it", host = "hub.localhost", leaf = { san = "DNS:*.hub.localhost" },
        says = "hub%.localhost", advice = NAMES },
    { name = "a wildcard for a part of a name", host = "ab.hub.localhost", leaf = { san = "DNS:a*.hub.localhost" },
        says = "ab%.hub%.localhost", advice = NAMES },
    { name = "a wildcard in the middle", host = "a.b.localhost", leaf = { san = "DNS:a.*.localhost" },
        says = "a%.b%.localhost", advice = NAMES },
    { name = "a wildcard for everything", host = "hub.localhost", leaf = { san = "DNS:*" }, says = "hub%.localhost",
        advice = NAMES },
    { name = "a wildcard for a whole top level", host = "hub.localhost", leaf = { san = "DNS:*.localhost" },
        says = "hub%.localhost", advice = NAMES },
    { name = "a name, for an address", host = "127.0.0.1", leaf = { san = "DNS:localhost" }, says = "127%.0%.0%.1",
        advice = NAMES },
    { name = "an address that is written as a name", host = "127.0.0.1", leaf = { san = "DNS:127.0.0.1" },
        says = "127%.0%.0%.1", advice = NAMES },
    { name = "another address", host = "127.0.0.1", leaf = { san = "IP:127.0.0.2" }, says = "127%.0%.0%.1",
        advice = NAMES },
    { name = "an address, for a name", leaf = { san = "IP:127.0.0.1", cn = "x" }, says = "localhost", advice = NAMES },
    { name = "a wildcard for an address", host = "127.0.0.1", leaf = { san = "DNS:*.0.0.1" }, says = "127%.0%.0%.1",
        advice = NAMES },
    { name = "a name that its authority may not have", host = "evil.localhost", leaf = { san = "DNS:evil.localhost" },
        by = "constrained", says = "permitted subtree violation" },

    -- Purpose and strength
    { name = "one for clients", leaf = { san = "DNS:localhost", extensions = "extendedKeyUsage=clientAuth" },
        says = "unsupported certificate purpose|unsuitable certificate purpose" },
    { name = "a key that is too short", leaf = { san = "DNS:localhost", key = "rsa:768" },
        says = "key too weak|key too small",
        advice = "too weak" },
    { name = "a signature that is too weak", leaf = { san = "DNS:localhost", digest = "sha1" },
        says = "digest algorithm too weak|md too weak",
        advice = "too weak" },
}

-- Alternatives, split at bars.
local function says(message, patterns)
    for pattern in patterns:gmatch "[^|]+" do
        if message:find(pattern) then return true end
    end
    return false
end

local WAYS = {
    { name = "blocking", call = function(run) run() end },
    {
        name = "yielding",
        wait = function(seconds) coroutine.yield(seconds) end,
        call = function(run)
            local thread = coroutine.create(run)
            repeat
                local ok, why = coroutine.resume(thread)
                if not ok then error(why, 0) end
                if coroutine.status(thread) ~= "dead" then require("socket").sleep(0.001) end
            until coroutine.status(thread) == "dead"
        end,
    },
}

describe("over TLS", function()
    local ca, server, client, leak
    local issuers, issued = {}, {}
    local figures = { refused = 0, taken = 0 }

    lazy_setup(function()
        ca = authority.new()
        issuers.root = ca.root
        issuers.intermediate = ca:issue { ca = true, by = ca.root }
        issuers.expired = ca:issue { ca = true, by = ca.root, from = -9, to = -2 }
        issuers.stranger = ca:issue { ca = true }
        issuers.impostor = ca:issue { by = ca.root, san = "DNS:localhost" }
        issuers["too far"] = ca:issue { ca = true, by = ca:issue { ca = "pathlen:0", by = ca.root } }
        issuers.constrained = ca:issue { ca = true, by = ca.root,
            extensions = "nameConstraints=critical,permitted;DNS:good.localhost" }
        -- Its side may be as weak as a test wants it; the client's is the system's.
        server = servers.tcp({}, { OPENSSL_CONF = ca.config })
    end)

    lazy_teardown(function()
        server:stop()
        ca:remove()
    end)

    after_each(function()
        assert.is_nil(leak)
        if client then
            client:close()
            client = nil
        end
    end)

    -- A row's certificate, made once.
    local function certificateOf(row)
        if not issued[row] then
            local wanted = { by = issuers[row.by or "root"] }
            for name, value in pairs(row.leaf) do wanted[name] = value end
            local one = ca:issue(wanted)
            if row.root then
                local file = assert(io.open(one.cert, "a"))
                local root = assert(io.open(issuers[row.by].only))
                file:write(root:read "*a")
                file:close()
                root:close()
            end
            issued[row] = one
        end
        return issued[row]
    end

    local function play(script, certificate, version)
        script.tls = { cert = certificate.cert, key = certificate.key, protocol = version, ciphers = "ALL@SECLEVEL=0" }
        server:script(script)
    end

    local function new(options)
        options.apiKey = "sk_live_tls_" .. KEY_PART
        function options.log(event) if event.error then leak = leak or hasKey(event) end end
        options.baseUrl = options.baseUrl or ("https://%s:%d"):format(options.host or "localhost", server.port)
        options.host = nil
        if options.retry == nil then options.retry = { max = 3, baseDelay = 0.001 } end
        client = kataven.new(options)
        return client
    end

    local function refused(err, message, advice)
        assert.equal("TLSError", err.name)
        assert.is_true(err:is "ConnectionError")
        assert.equal(1, err.attempts)
        assert.is_false(err.maybeApplied)
        assert.is_true(says(err.message, message), err.message)
        if advice then assert.truthy(err.message:find(advice, 1, true), err.message) end
        assert.is_nil(hasKey(err))
        assert.equal(0, #server:log().requests)
        figures.refused = figures.refused + 1
    end

    for _, version in ipairs(VERSIONS) do
        for _, way in ipairs(WAYS) do
            local where = (" (%s, %s)"):format(version:gsub("tlsv1_", "TLS 1."), way.name)

            for _, row in ipairs(GOOD) do
                it("takes a certificate with " .. row.name .. where, function()
                    for _, trust in ipairs { "caFile", "caPath" } do
                        play({ default = ANSWER }, certificateOf(row), version)
                        new { host = row.host, wait = way.wait,
                            [trust] = trust == "caFile" and ca.root.only or ca:directory(ca.root, issuers.stranger) }
                        way.call(function()
                            assert.same({}, assert(client.widgetKeys.list()))
                            assert.equal("wk_1", assert(client.widgetKeys.create { name = "x" }).id)
                        end)
                        assert.equal(1, server:log().connections)
                        client:close()
                        figures.taken = figures.taken + 1
                    end
                end)
            end

            for _, row in ipairs(BAD) do
                it("refuses " .. row.name .. where, function()
                    play({ default = ANSWER }, certificateOf(row), version)
                    local err
                    new { host = row.host, caFile = ca.root.only, wait = way.wait }
                    way.call(function() err = select(2, client.widgetKeys.create { name = "x" }) end)
                    refused(err, row.says, row.advice)
                end)
            end
        end
    end

    it("refuses what is older than TLS 1.2, and says so", function()
        for _, version in ipairs { "tlsv1", "tlsv1_1" } do
            play({ default = ANSWER }, certificateOf(GOOD[1]), version)
            local _, err = new({ caFile = ca.root.only }).widgetKeys.create { name = "x" }
            refused(err, "protocol", "TLS 1.2")
            client:close()
        end
    end)

    it("trusts by default what the system does, and nobody else", function()
        play({ default = ANSWER }, certificateOf(GOOD[1]))
        local _, err = new({}).widgetKeys.create { name = "x" }
        refused(err, "unable to get local issuer", TRUST)
    end)

    it("trusts nobody whom a caPath without hashes holds", function()
        play({ default = ANSWER }, certificateOf(GOOD[1]))
        local _, err = new({ caPath = ca.dir }).widgetKeys.create { name = "x" }
        refused(err, "unable to get local issuer", TRUST)
    end)

    it("names a caFile that cannot be read", function()
        play({ default = ANSWER }, certificateOf(GOOD[1]))
        for _, file in ipairs { "/nonexistent/ca.pem", ca.config } do
            local _, err = new({ caFile = file }).widgetKeys.list()
            refused(err, (file:gsub("%p", "%%%0")))
            client:close()
        end
    end)

    -- In TLS 1.2 that ends the handshake; in 1.3 the request is on its way by then, and who wins cannot be foretold.
    it("gives up where a server wants to see a certificate of the client's", function()
        for _, version in ipairs(VERSIONS) do
            play({ default = ANSWER }, certificateOf(GOOD[1]), version)
            local tls = { cert = certificateOf(GOOD[1]).cert, key = certificateOf(GOOD[1]).key, protocol = version,
                verify = { "peer", "fail_if_no_peer_cert" } }
            server:script { default = { { tls = tls }, ANSWER[2] } }
            local _, err = new({ caFile = ca.root.only }).widgetKeys.create { name = "x" }
            assert.truthy(err:is "ConnectionError")
            assert.equal(1, err.attempts)
            assert.equal(version == "tlsv1_3", err.maybeApplied)
            assert.equal(0, #server:log().requests)
            client:close()
        end
    end)

    it("tries again after a handshake that was reset or closed, a write as well", function()
        local HELLO = "\22\3\3\0\80\2\0\0\76\3\3"
        for _, way in ipairs(WAYS) do
            for _, steps in ipairs {
                { { reset = true } }, { { close = true } },
                { { read = 1 }, { reset = true } }, { { read = 1 }, { close = true } },
                { { read = 5 }, { send = HELLO }, { reset = true } }, { { read = 5 }, { send = HELLO },
                    { close = true } },
            } do
                play({ steps, steps, default = ANSWER }, certificateOf(GOOD[1]))
                new { caFile = ca.root.only, wait = way.wait }
                way.call(function()
                    local _, meta = assert(client.widgetKeys.create { name = "x" })
                    assert.equal(3, meta.attempts)
                end)
                assert.equal(1, server:log().effects.served)
                client:close()
                -- And for good:
                play({ default = steps }, certificateOf(GOOD[1]))
                new { caFile = ca.root.only, wait = way.wait, retry = { max = 1, baseDelay = 0.001 } }
                way.call(function()
                    local _, err = client.widgetKeys.create { name = "x" }
                    assert.equal("ConnectionError", err.name)
                    assert.is_false(err.maybeApplied)
                    assert.equal(2, err.attempts)
                    assert.truthy(err.message:find("nothing was sent", 1, true))
                end)
                client:close()
            end
        end
    end)

    it("tries again after a handshake that stalled", function()
        for _, way in ipairs(WAYS) do
            play({ { { read = 1 }, { stall = true } }, default = ANSWER }, certificateOf(GOOD[1]))
            new { caFile = ca.root.only, wait = way.wait, connectTimeout = 0.2 }
            way.call(function()
                local _, meta = assert(client.widgetKeys.create { name = "x" })
                assert.equal(2, meta.attempts)
            end)
            assert.equal(1, server:log().effects.served)
            client:close()
        end
    end)

    it("says TLSError to a server that does not speak TLS", function()
        server:script { default = { { read = 1 }, { send = "HTTP/1.1 400 Bad Request\r\n\r\n" } } }
        local _, err = new({ caFile = ca.root.only }).widgetKeys.list()
        refused(err, "wrong version number", "http")
    end)

    it("says TLSError to garbage and to an alert within the handshake", function()
        for _, bytes in ipairs { ("\0"):rep(100), "\21\3\3\0\2\2\40" } do
            server:script { default = { { read = 1 }, { send = bytes } } }
            local _, err = new({ caFile = ca.root.only }).widgetKeys.create { name = "x" }
            assert.equal("TLSError", err.name)
            assert.is_false(err.maybeApplied)
            assert.equal(1, err.attempts)
            client:close()
        end
    end)

    it("loses an answer over TLS as it does in clear", function()
        for _, version in ipairs(VERSIONS) do
            for _, ending in ipairs { "close", "cut", "reset" } do
                for _, bytes in ipairs { "", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" } do
                    play({ { { tls = true }, { read = "request" }, { effect = "served" }, { send = bytes },
                        { [ending] = true } } }, certificateOf(GOOD[1]), version)
                    local _, err = new({ caFile = ca.root.only }).widgetKeys.create { name = "x" }
                    assert.equal("ConnectionError", err.name, err.message)
                    assert.is_true(err.maybeApplied)
                    assert.equal(1, err.attempts)
                    assert.equal(1, server:log().effects.served)
                    client:close()
                end
            end
        end
    end)

    -- Without a length, and without TLS's goodbye, libcurl takes the end of the connection for the end of the body:
    -- what tells a part from a whole is the JSON.
    it("does not take a part of a body for the whole", function()
        for _, ending in ipairs { "close", "cut" } do
            play({ { { tls = true }, { read = "request" }, { effect = "served" },
                { send = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"id":"wk_1"' },
                    { [ending] = true } } },
                certificateOf(GOOD[1]))
            local _, err = new({ caFile = ca.root.only }).widgetKeys.create { name = "x" }
            assert.equal("ResponseError", err and err.name)
            assert.is_true(err.maybeApplied)
            client:close()
        end
    end)

    it("has refused and taken what the tables say", function()
        assert.is_true(figures.refused >= #BAD * #VERSIONS * #WAYS)
        print(("# figures: TLS: %d certificates refused x %d versions x %d ways of waiting, %d taken with caFile "
            .. "and caPath: %d refusals, %d of them with nothing sent"):format(#BAD, #VERSIONS, #WAYS, #GOOD,
            figures.refused, figures.refused))
    end)
end)
