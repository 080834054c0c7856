--- What a call costs with few and with many in flight, over an upstream of 200 ms: processor time of the client.

local figures = require "bench.figures"
local shell = require "spec.support.shell"

local HOSTS = { "cqueues", "parallel" }
local FEW, MANY = 5, 500

return function(context)
    local report, lua = context.report, os.getenv "LUA_BIN"
    local there, runs, names = {}, {}, {}
    for _, host in ipairs(HOSTS) do
        if host == "cqueues" and shell.try("%s -e \"require 'cqueues'\"", lua) ~= 0 then
            report:judge { what = ("%d → %d in flight, %s, CPU for a call"):format(FEW, MANY, host),
                limit = "at most 1.3", figure = "cqueues is not installed" }
        else
            there[#there + 1] = host
            for _, width in ipairs { FEW, MANY } do
                local name = host .. " " .. width
                names[#names + 1] = name
                local calls = width == FEW and 20 or 4
                runs[name] = ("%s bench/scripts/flight.lua %s %d %d %s"):format(lua, host, width,
                    context.quick and 1 or calls, shell.quote(context.server.base "slow"))
            end
        end
    end
    local results = figures.interleave(names, context.quick and 1 or 3, function(name)
        return tonumber(shell.run(runs[name]))
    end)
    local rows = { { "", ("%d in flight, µs of CPU for a call"):format(FEW), ("%d in flight"):format(MANY), "ratio" } }
    for _, host in ipairs(there) do
        local few, many = results[host .. " " .. FEW], results[host .. " " .. MANY]
        local ratio = figures.ratio(many, few)
        local title = host == "parallel" and "client:parallel" or host
        rows[#rows + 1] = { title, ("%.0f"):format(figures.median(few)), ("%.0f"):format(figures.median(many)),
            figures.text(ratio) }
        report:most(("%d → %d in flight, %s, CPU for a call"):format(FEW, MANY, title), ratio.median, 1.3,
            figures.text(ratio))
    end
    report:table("Many in flight, upstream of 200 ms, 25 keys", rows)
end
