--- Instructions of warm calls, counted by valgrind: two runs of different length, so that what is done once does not
--- count.

local fleet = require "bench.fleet"
local server = require "bench.server"
local shell = require "spec.support.shell"

local SHORT = 100

local function byName(name)
    for _, peer in ipairs(fleet.PEERS) do
        if peer.name == name then
            return peer
        end
    end
end

-- All instructions of a run with so many calls.
local function count(context, peer, kind, calls)
    local url = context.server.url(kind == "create" and "create" or "25")
    local text = shell.run("echo %s | valgrind --tool=callgrind --callgrind-out-file=/dev/null " .. peer.command
        .. " %s %s %s", tostring(calls), kind, url, kind == "recorded" and context.cassette(25) or server.BODY)
    return assert(tonumber(text:match "Collected : (%d+)"), text)
end

local function perCall(context, name, kind)
    local long = context.quick and SHORT + 10 or SHORT + 500
    local peer = byName(name)
    return (count(context, peer, kind, long) - count(context, peer, kind, SHORT)) / (long - SHORT)
end

return function(context)
    local report = context.report
    if shell.try "command -v valgrind" ~= 0 then
        report:judge { what = "instructions of a warm `list` over the yardstick's", limit = "at most 1.15",
            figure = "there is no valgrind" }
        return
    end
    local got, rows = {}, { { "", "instructions for a call", "times the yardstick's" } }
    for _, kind in ipairs { "list", "create", "recorded" } do
        for _, name in ipairs { "yardstick", "kataven" } do
            if kind ~= "recorded" or name == "kataven" then
                local base = kind == "create" and "create" or "list"
                local value = perCall(context, name, kind)
                got[name .. " " .. kind] = value
                rows[#rows + 1] = { ("%s, %s"):format(byName(name).title, kind), ("%.0f"):format(value),
                    ("%.3f"):format(value / got["yardstick " .. base]) }
            end
        end
    end
    report:table("Instructions (callgrind)", rows)
    local ratio = got["kataven list"] / got["yardstick list"]
    report:most("instructions of a warm `list` of 25 keys over the yardstick's", ratio, 1.15, ("%.3f"):format(ratio))
end
