-- TLS: whom the client trusts, and what it says of the others. Whatever is refused is refused before anything is sent.
-- What may happen to a connection over it is in tls_connection_spec.lua.

local tls = require "spec.support.tls"

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

tls.describe("over TLS", function(on)
    local taken = 0

    for _, version in ipairs(tls.VERSIONS) do
        for _, way in ipairs(tls.WAYS) do
            local where = (" (%s, %s)"):format(version:gsub("tlsv1_", "TLS 1."), way.name)

            for _, row in ipairs(GOOD) do
                it("takes a certificate with " .. row.name .. where, function()
                    for _, trust in ipairs { "caFile", "caPath" } do
                        on.play({ default = tls.ANSWER }, on.certificate(row), version)
                        on.new { host = row.host, wait = way.wait,
                            [trust] = trust == "caFile" and on.ca.root.only
                                or on.ca:directory(on.ca.root, on.issuers.stranger) }
                        way.call(function()
                            assert.same({}, assert(on.client.widgetKeys.list()))
                            assert.equal("wk_1", assert(on.client.widgetKeys.create { name = "x" }).id)
                        end)
                        assert.equal(1, on.server:log().connections)
                        on.client:close()
                        taken = taken + 1
                    end
                end)
            end

            for _, row in ipairs(BAD) do
                it("refuses " .. row.name .. where, function()
                    on.play({ default = tls.ANSWER }, on.certificate(row), version)
                    local err
                    on.new { host = row.host, caFile = on.ca.root.only, wait = way.wait }
                    way.call(function() err = select(2, on.client.widgetKeys.create { name = "x" }) end)
                    on.refused(err, row.says, row.advice)
                end)
            end
        end
    end

    it("refuses what is older than TLS 1.2, and says so", function()
        for _, version in ipairs { "tlsv1", "tlsv1_1" } do
            on.play({ default = tls.ANSWER }, on.certificate(GOOD[1]), version)
            local _, err = on.new({ caFile = on.ca.root.only }).widgetKeys.create { name = "x" }
            on.refused(err, "protocol", "TLS 1.2")
            on.client:close()
        end
    end)

    it("trusts by default what the system does, and nobody else", function()
        on.play({ default = tls.ANSWER }, on.certificate(GOOD[1]))
        local _, err = on.new({}).widgetKeys.create { name = "x" }
        on.refused(err, "unable to get local issuer", TRUST)
    end)

    it("trusts nobody whom a caPath without hashes holds", function()
        on.play({ default = tls.ANSWER }, on.certificate(GOOD[1]))
        local _, err = on.new({ caPath = on.ca.dir }).widgetKeys.create { name = "x" }
        on.refused(err, "unable to get local issuer", TRUST)
    end)

    it("names a caFile that cannot be read", function()
        on.play({ default = tls.ANSWER }, on.certificate(GOOD[1]))
        for _, file in ipairs { "/nonexistent/on.ca.pem", on.ca.config } do
            local _, err = on.new({ caFile = file }).widgetKeys.list()
            on.refused(err, (file:gsub("%p", "%%%0")))
            on.client:close()
        end
    end)

    it("has refused and taken what the tables say", function()
        assert.is_true(on.refusals >= #BAD * #tls.VERSIONS * #tls.WAYS)
        print(("# figures: TLS: %d certificates refused x %d versions x %d ways of waiting, %d taken with caFile "
            .. "and caPath: %d refusals, %d of them with nothing sent"):format(#BAD, #tls.VERSIONS, #tls.WAYS, #GOOD,
            on.refusals, on.refusals))
    end)
end)
