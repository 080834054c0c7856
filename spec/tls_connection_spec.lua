-- TLS: handshakes that fail, and answers that are lost. Certificates are in tls_spec.lua.

local tls = require "spec.support.tls"

local LEAF = { leaf = { san = "DNS:localhost" } }

tls.describe("a connection over TLS", function(on)
    -- In TLS 1.2 that ends the handshake; in 1.3 the request is on its way by then, and who wins cannot be foretold.
    it("gives up where a server wants to see a certificate of the client's", function()
        for _, version in ipairs(tls.VERSIONS) do
            on.play({ default = tls.ANSWER }, on.certificate(LEAF), version)
            local shown = { cert = on.certificate(LEAF).cert, key = on.certificate(LEAF).key, protocol = version,
                verify = { "peer", "fail_if_no_peer_cert" } }
            on.server:script { default = { { tls = shown }, tls.SERVES } }
            local _, err = on.new({ caFile = on.ca.root.only }).widgetKeys.create { name = "x" }
            assert.truthy(err:is "ConnectionError")
            assert.equal(1, err.attempts)
            assert.equal(version == "tlsv1_3", err.maybeApplied)
            assert.equal(0, #on.server:log().requests)
            on.client:close()
        end
    end)

    it("tries again after a handshake that was reset or closed, a write as well", function()
        local HELLO = "\22\3\3\0\80\2\0\0\76\3\3"
        for _, way in ipairs(tls.WAYS) do
            for _, steps in ipairs {
                { { reset = true } }, { { close = true } },
                { { read = 1 }, { reset = true } }, { { read = 1 }, { close = true } },
                { { read = 5 }, { send = HELLO }, { reset = true } }, { { read = 5 }, { send = HELLO },
                    { close = true } },
            } do
                on.play({ steps, steps, default = tls.ANSWER }, on.certificate(LEAF))
                on.new { caFile = on.ca.root.only, wait = way.wait }
                way.call(function()
                    local _, meta = assert(on.client.widgetKeys.create { name = "x" })
                    assert.equal(3, meta.attempts)
                end)
                assert.equal(1, on.server:log().effects.served)
                on.client:close()
                -- And for good:
                on.play({ default = steps }, on.certificate(LEAF))
                on.new { caFile = on.ca.root.only, wait = way.wait, retry = { max = 1, baseDelay = 0.001 } }
                way.call(function()
                    local _, err = on.client.widgetKeys.create { name = "x" }
                    assert.equal("ConnectionError", err.name)
                    assert.is_false(err.maybeApplied)
                    assert.equal(2, err.attempts)
                    assert.truthy(err.message:find("nothing was sent", 1, true))
                end)
                on.client:close()
            end
        end
    end)

    it("tries again after a handshake that stalled", function()
        for _, way in ipairs(tls.WAYS) do
            on.play({ { { read = 1 }, { stall = true } }, default = tls.ANSWER }, on.certificate(LEAF))
            on.new { caFile = on.ca.root.only, wait = way.wait, connectTimeout = 0.2 }
            way.call(function()
                local _, meta = assert(on.client.widgetKeys.create { name = "x" })
                assert.equal(2, meta.attempts)
            end)
            assert.equal(1, on.server:log().effects.served)
            on.client:close()
        end
    end)

    it("says TLSError to a server that does not speak TLS", function()
        on.server:script { default = { { read = 1 }, { send = "HTTP/1.1 400 Bad Request\r\n\r\n" } } }
        local _, err = on.new({ caFile = on.ca.root.only }).widgetKeys.list()
        on.refused(err, "wrong version number", "http")
    end)

    it("says TLSError to garbage and to an alert within the handshake", function()
        for _, bytes in ipairs { ("\0"):rep(100), "\21\3\3\0\2\2\40" } do
            on.server:script { default = { { read = 1 }, { send = bytes } } }
            local _, err = on.new({ caFile = on.ca.root.only }).widgetKeys.create { name = "x" }
            assert.equal("TLSError", err.name)
            assert.is_false(err.maybeApplied)
            assert.equal(1, err.attempts)
            on.client:close()
        end
    end)

    it("loses an answer over TLS as it does in clear", function()
        for _, version in ipairs(tls.VERSIONS) do
            for _, ending in ipairs { "close", "cut", "reset" } do
                for _, bytes in ipairs { "", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" } do
                    on.play({ { { tls = true }, { read = "request" }, { effect = "served" }, { send = bytes },
                        { [ending] = true } } }, on.certificate(LEAF), version)
                    local _, err = on.new({ caFile = on.ca.root.only }).widgetKeys.create { name = "x" }
                    assert.equal("ConnectionError", err.name, err.message)
                    assert.is_true(err.maybeApplied)
                    assert.equal(1, err.attempts)
                    assert.equal(1, on.server:log().effects.served)
                    on.client:close()
                end
            end
        end
    end)

    -- Without a length, and without TLS's goodbye, libcurl takes the end of the connection for the end of the body:
    -- what tells a part from a whole is the JSON.
    it("does not take a part of a body for the whole", function()
        for _, ending in ipairs { "close", "cut" } do
            on.play({ { { tls = true }, { read = "request" }, { effect = "served" },
                { send = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"id":"wk_1"' },
                    { [ending] = true } } },
                on.certificate(LEAF))
            local _, err = on.new({ caFile = on.ca.root.only }).widgetKeys.create { name = "x" }
            assert.equal("ResponseError", err and err.name)
            assert.is_true(err.maybeApplied)
            on.client:close()
        end
    end)
end)
