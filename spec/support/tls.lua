--- What the specs of TLS have in common: authorities and certificates of their own, a scripted server that shows one of
--- them, and what a refusal has to be.

local assert = require "luassert"
local authority = require "spec.support.authority"
local busted = require "busted"
local canary = require "spec.support.canary"
local kataven = require "kataven"
local servers = require "spec.support.servers"

local tls = {}

local KEY_PART = "T0kEnqZ9xW4b"
local hasKey = canary.seeker(KEY_PART)

local LIST = servers.answer { headers = { ["Content-Type"] = "application/json" }, body = "[]" }
local KEY = servers.answer { status = 201, headers = { ["Content-Type"] = "application/json" }, body = '{"id":"wk_1"}' }
local SERVE = { choose = "method", cases = { GET = { { send = LIST } } }, steps = { { send = KEY } } }

--- A server's steps after its handshake: it answers whatever comes, with an effect.
tls.SERVES = { ["repeat"] = true, steps = { { read = "request" }, { effect = "served" }, SERVE } }
tls.ANSWER = { { tls = true }, tls.SERVES }
tls.VERSIONS = { "tlsv1_2", "tlsv1_3" }

--- How a host waits: `call(run)` runs a function with calls in it.
tls.WAYS = {
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

-- Alternatives, split at bars.
local function says(message, patterns)
    for pattern in patterns:gmatch "[^|]+" do
        if message:find(pattern) then return true end
    end
    return false
end

--- Describes something over TLS. `tests` gets `on`, which has `on.ca` (see spec.support.authority), `on.issuers` by
--- name, `on.server`, `on.client` (the last that was made, closed after the test), and the functions below.
---@param title string
---@param tests fun(on: table)
function tls.describe(title, tests)
    busted.describe(title, function()
        local on = { issuers = {}, refusals = 0 }
        local issued, leak = {}, nil

        busted.lazy_setup(function()
            local ca, issuers = authority.new(), on.issuers
            on.ca = ca
            issuers.root = ca.root
            issuers.intermediate = ca:issue { ca = true, by = ca.root }
            issuers.expired = ca:issue { ca = true, by = ca.root, from = -9, to = -2 }
            issuers.stranger = ca:issue { ca = true }
            issuers.impostor = ca:issue { by = ca.root, san = "DNS:localhost" }
            issuers["too far"] = ca:issue { ca = true, by = ca:issue { ca = "pathlen:0", by = ca.root } }
            issuers.constrained = ca:issue { ca = true, by = ca.root,
                extensions = "nameConstraints=critical,permitted;DNS:good.localhost" }
            -- Its side may be as weak as a test wants it; the client's is the system's.
            on.server = servers.tcp({}, { OPENSSL_CONF = ca.config })
        end)

        busted.lazy_teardown(function()
            on.server:stop()
            on.ca:remove()
        end)

        busted.after_each(function()
            assert.is_nil(leak)
            if on.client then
                on.client:close()
                on.client = nil
            end
        end)

        --- The certificate of a row, `{leaf, by, root}`, made once.
        function on.certificate(row)
            if not issued[row] then
                local wanted = { by = on.issuers[row.by or "root"] }
                for name, value in pairs(row.leaf) do wanted[name] = value end
                local one = on.ca:issue(wanted)
                if row.root then
                    local file = assert(io.open(one.cert, "a"))
                    local root = assert(io.open(on.issuers[row.by].only))
                    file:write(root:read "*a")
                    file:close()
                    root:close()
                end
                issued[row] = one
            end
            return issued[row]
        end

        --- Has the server play a script, with this certificate and version.
        function on.play(script, certificate, version)
            script.tls = { cert = certificate.cert, key = certificate.key, protocol = version,
                ciphers = "ALL@SECLEVEL=0" }
            on.server:script(script)
        end

        --- A client of the server, by the name `host`; "localhost" where there is none.
        function on.new(options)
            options.apiKey = "sk_live_tls_" .. KEY_PART
            function options.log(event)
                if event.error then leak = leak or hasKey(event) end
            end
            options.baseUrl = options.baseUrl or ("https://%s:%d"):format(options.host or "localhost", on.server.port)
            options.host = nil
            if options.retry == nil then options.retry = { max = 3, baseDelay = 0.001 } end
            on.client = kataven.new(options)
            return on.client
        end

        --- Checks an error: one attempt, nothing sent, and what it says.
        function on.refused(err, message, advice)
            assert.equal("TLSError", err.name)
            assert.is_true(err:is "ConnectionError")
            assert.equal(1, err.attempts)
            assert.is_false(err.maybeApplied)
            assert.is_true(says(err.message, message), err.message)
            if advice then assert.truthy(err.message:find(advice, 1, true), err.message) end
            assert.is_nil(hasKey(err))
            assert.equal(0, #on.server:log().requests)
            on.refusals = on.refusals + 1
        end

        tests(on)
    end)
end

return tls
