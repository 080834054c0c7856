--- A conversation with the Hub, to be held twice: while it is recorded, and with
--- the recording. It gives all that a caller sees of it.

local redact = require "kataven.redact"

local talk = {}

-- A result without what differs from one time to the next, and without secrets.
local function seen(value, extra)
    local copy = {}

    for _, part in ipairs { { "value", value }, { "extra", extra } } do
        copy[part[1]] = redact.value(part[2], redact.keys)
    end
    if type(copy.extra) == "table" then
        copy.extra.elapsed = nil
    end
    return copy
end

--- Notes the result of each call, and the events that the client logs.
---@return table notes
---@return fun(...: any): ... note
---@return fun(event: table) log
function talk.notes()
    local notes = { results = {}, events = {} }

    return notes, function(...)
        notes.results[#notes.results + 1] = seen(...)
        return ...
    end, function(event)
        local e = notes.events
        e[#e + 1] = ("%s %s %d %s %s"):format(event.event, event.method, event.attempt, tostring(event.status),
            tostring(event.error))
    end
end

--- All four methods, and answers that are errors.
---@param client kataven.Client
---@param note fun(...: any): ...
---@param plan fun(faults: table) tells the hub what to answer next; does nothing in a replay
function talk.withHub(client, note, plan)
    local keys = client.widgetKeys

    note(keys.list())
    local key = note(keys.create { name = "Ünïcode \"q\"\n", domain_allowlist = { "*.acme.com" }, agent_id = "a1" })
    note(keys.create { name = "second", domain_allowlist = {} })
    note(keys.list())
    note(keys.update(key.id, { agent_id = require("kataven").null, domain_allowlist = {} }))
    note(keys.update(key.id, { disabled = true }))
    note(keys.delete(key.id))
    note(keys.delete(key.id)) -- 404
    note(keys.create { name = "" }) -- 400
    note(keys.update("no/such id", {}))

    plan { n = 1, status = 429, headers = { ["Retry-After"] = "0" }, body = "rate_limited" }
    note(keys.create { name = "third" })
    plan { n = 1, status = 429, headers = { ["Retry-After"] = "7" }, body = "rate_limited" }
    note(keys.create({ name = "fourth" }, { retry = false }))
    plan { n = 2, status = 503, body = "try again" }
    note(keys.list { retry = { baseDelay = 0.001 } })
    plan { n = 1, status = 500, apply = true, body = '{"error": "oops", "z":1, "a":2}',
        headers = { ["Content-Type"] = "application/json" } }
    note(keys.create { name = "fifth" })
    plan { n = 1, status = 200, body = '{"a": [1,', headers = { ["Content-Type"] = "application/json" } }
    note(keys.create { name = "sixth" })
    plan { n = 1, status = 200, body = "plain \255\0 bytes" }
    note(client:request { path = "/api/v1/other", query = { b = "x y", a = { 1, 2 } } })
    plan { n = 1, status = 200, body = '{"a": {}, "l" : [] }', headers = { ["Content-Type"] = "application/json" } }
    note(client:request { method = "PUT", path = "/api/v1/other", body = "not json", headers = { ["X-Trace"] = "t1" } })
    plan { n = 1, status = 200, body = '{"z": 1, "a": 2}', headers = { ["Content-Type"] = "application/json" } }
    note(keys.list()) -- no array
    note(keys.list())
end

return talk
