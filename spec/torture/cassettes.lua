-- The scenarios of the allocation sweep that play or record a cassette.

local host, _, verdict, calls, scenarios = ...

local TOKEN, fail, show, same = verdict.TOKEN, verdict.fail, verdict.show, verdict.same
local judgeEffect, judgeRaise = verdict.effect, verdict.raised
local options, creation = calls.options, calls.creation
local PATH = host.directory .. "/cassette.json"

-- A file with one call.

local function write(text)
    local file = assert(io.open(PATH, "wb"))
    file:write(text)
    file:close()
end

local function read()
    local file = io.open(PATH, "rb")
    local text = file and file:read "*a"
    if file then
        file:close()
    end
    return text
end

local RECORDED = [[{
  "version": 1,
  "interactions": [
    {
      "request": {
        "method": "POST",
        "path": "/api/v1/widget-keys",
        "json": { "name": "key 3", "domain_allowlist": ["a.example"] }
      },
      "response": {
        "status": 201,
        "headers": { "content-type": "application/json", "x-request-id": "r1" },
        "json": {
          "id": "wk_3", "name": "key 3", "key": "pk_live_[redacted]", "agent_id": null, "domain_allowlist": [],
          "limits": { "day": 25, "hour": [1, 2.5, null] }
        }
      }
    }
  ]
}
]]

-- Opens a cassette and makes a call through it. `before` is what the file holds
-- then: "nothing" or "a call".
local function cassette(name, mode, before, replays)
    scenarios[#scenarios + 1] = {
        name = name,
        without = "retry",
        start = function()
            local kataven = host.open()
            assert(kataven.cassette) -- loads it
            os.remove(PATH)
            if before == "a call" then
                write(RECORDED)
            end
            local asked = host.requests()
            local tape, client
            local wanted = creation(nil, kataven, replays and 3 or 4)
            wanted.recorded = replays
            wanted.value.key = replays and "pk_live_[redacted]" or wanted.value.key
            return function()
                tape = kataven.cassette.open(PATH, { mode = mode })
                client = kataven.new(options { transport = tape })
                local value, result = client.widgetKeys.create {
                    name = wanted.value.name, domain_allowlist = { "a.example" },
                }
                return value, result, tape:problem()
            end, function(hit, status, value, result, problem)
                if replays and host.requests() ~= asked then
                    fail("a replay asked the hub")
                end
                local done = 0
                if status ~= 0 then
                    judgeRaise(hit, status, value)
                elseif verdict.call(wanted, hit, value, result) then
                    done = 1
                end
                if replays then
                    wanted.effect = nil
                end
                judgeEffect(wanted)
                if problem ~= nil and not (hit and problem:find "memory" or done == 0 and replays) then
                    fail("the cassette has a problem:", problem)
                end
                -- The file: the old one or the new one, whole, with no secret and none beside it.
                local now = read()
                local kept = before == "a call" and 1 or 0
                if host.files() > 1 then
                    fail("a file was left beside the cassette")
                elseif now and now:find(TOKEN, 1, true) then
                    fail("the token was recorded")
                elseif not now and kept == 1 then
                    fail("the file is gone")
                end
                local count = 0
                if now then
                    local whole = assert(kataven.cassette.open(PATH, { mode = "replay" }))
                    count = whole:remaining()
                end
                if replays then
                    kept, done = 1, 0
                end
                -- A success that was not recorded has to be complained of.
                if done == 1 and problem == nil and count ~= (mode == "append" and kept or 0) + 1 then
                    fail("recorded", count, "with no complaint")
                elseif count > kept + 1 then
                    fail("recorded", count)
                end
                -- The client goes on, or says why it records no more.
                if not client then
                    tape = kataven.cassette.open(PATH, { mode = mode })
                    client = kataven.new(options { transport = tape })
                end
                local spent = replays and tape:remaining() == 0
                local again = creation(nil, kataven, replays and 3 or 8)
                again.value.key = replays and "pk_live_[redacted]" or again.value.key
                local other, err = client.widgetKeys.create {
                    name = again.value.name, domain_allowlist = { "a.example" },
                }
                if spent then
                    if other ~= nil or err.name ~= "CassetteError" then
                        fail("played twice:", show(other), show(err))
                    end
                elseif other == nil and (err.name ~= "CassetteError" or not tostring(err):find "memory") then
                    fail("the next call gave", tostring(err))
                elseif other ~= nil and not same(other, again.value) then
                    fail("the next call gave", show(other))
                end
                client:close()
                os.remove(PATH)
                if host.strangers() > 0 then
                    fail("a request went out without the token, or to a proxy")
                end
            end
        end,
    }
end

cassette("replay", "replay", "a call", true)
cassette("once-replays", "once", "a call", true)
cassette("once-records", "once", "nothing", false)
cassette("record", "record", "a call", false) -- over it
cassette("append", "append", "a call", false)
