-- The life of a widget key, from making it to deleting it, and what a refusal looks like.
--
-- `make demo` runs it against a hub of its own. Against another one: set KATAVEN_BASE_URL and KATAVEN_API_KEY.

local kataven = require "kataven"

local baseUrl = os.getenv "KATAVEN_BASE_URL"
if not baseUrl then
    print "Set KATAVEN_BASE_URL and KATAVEN_API_KEY first. `make hub` starts a local hub and prints both."
    os.exit(2)
end

-- Both are read from the environment.
local client = kataven.new {}

-- A call gives its value, or nil and an error; a script has no better idea than to stop there.
local function must(value, err)
    if value == nil then
        print("The hub refused: " .. tostring(err))
        os.exit(1)
    end
    return value
end

local function say(...) print("\n" .. string.format(...)) end

local function printKeys(keys)
    local line = "  %-38s %-18s %-26s %s"
    print(line:format("ID", "NAME", "ALLOWED ON", "STATE"))
    for _, key in ipairs(keys) do
        local domains = key.domain_allowlist or {}
        local allowed = #domains > 0 and table.concat(domains, ", ") or "(nowhere)"
        print(line:format(key.id, key.name, allowed, key.disabled_at and "revoked" or "live"))
    end
end

say("The hub is at %s. A key for acme.com and everything below it:", baseUrl)
local key = must(client.widgetKeys.create { name = "acme.com", domain_allowlist = { "acme.com", "*.acme.com" } })
print "  Paste this attribute into the page's <script> tag. It is shown now and never again:"
local plaintext, secret = kataven.plaintext(key)
print(('    data-client-key="%s"'):format(plaintext))
if secret then
    print "  It is paired with a secret key, for a backend only and never for a page: it begins with sk_live_."
end

say "A second one, with an empty allowlist, so that no page may use it yet:"
local staging = must(client.widgetKeys.create { name = "staging.acme.com", domain_allowlist = {} })
printKeys(must(client.widgetKeys.list()))

say "The second may now be used while developing; the first is revoked:"
must(client.widgetKeys.update(staging.id, { domain_allowlist = { "localhost:*" } }))
must(client.widgetKeys.update(key.id, { disabled = true }))
printKeys(must(client.widgetKeys.list()))

say "Both are deleted:"
must(client.widgetKeys.delete(key.id))
must(client.widgetKeys.delete(staging.id))
print(("  %d keys are left."):format(#must(client.widgetKeys.list())))

say "A call with a wrong API key gives nil and an error:"
local stranger = kataven.new { apiKey = "sk_live_acme_wrong" }
local _, err = stranger.widgetKeys.list()
print("  " .. tostring(err))
print(("  err.name = %q, err.status = %d"):format(err.name, err.status))
stranger:close()

-- Only where it bothers nobody: this one uses up the minute's requests.
if baseUrl:find("^http://127%.0%.0%.1[:/]") then
    say "Calling until the hub has had enough, without retries:"
    local keys, refusal
    local calls = 0
    repeat
        keys, refusal = client.widgetKeys.list { retry = false }
        calls = calls + 1
    until not keys or calls == 1000
    if keys then
        print "  This hub has no limit."
    else
        print("  " .. tostring(refusal))
        print(("  err.retryAfter = %d, in seconds. With retries, as usual, the client waits up to a minute by itself.")
            :format(refusal.retryAfter))
    end
end

client:close()
