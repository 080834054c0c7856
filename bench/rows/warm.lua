--- Calls on a kept connection: list and create beside every peer, and the recorded transport. Processor time of the
--- client alone.

local figures = require "bench.figures"
local fleet = require "bench.fleet"
local server = require "bench.server"

-- Ratios to the yardstick, by names.
local function ratios(results)
    local all = {}
    for name, values in pairs(results) do
        all[name] = figures.ratio(values, results.yardstick)
    end
    return all
end

local function tell(context, title, peers, results, all, walls)
    local rows = { { "", "µs of CPU", "times the yardstick", "µs, with the server's" } }
    for _, peer in ipairs(peers) do
        rows[#rows + 1] = { peer.title, ("%.1f"):format(figures.median(results[peer.name])),
            figures.text(all[peer.name]), ("%.1f"):format(figures.median(walls[peer.name])) }
    end
    context.report:table(title, rows)
end

local function race(context, kind, name, calls)
    return fleet.race(context.peers, {
        rounds = context.quick and 3 or 40, calls = context.quick and 2 or calls,
        warmUp = context.quick and 2 or calls * 25, -- for whoever compiles as it runs
        arguments = function()
            return { kind, context.server.url(name), server.BODY }
        end,
    })
end

local function judgeList(context, results, all)
    local report = context.report
    report:most("warm `list` of 25 keys, CPU over the yardstick's", all.kataven.median, 1.10, figures.text(all.kataven))
    for _, peer in ipairs(context.peers) do
        if peer.decodes ~= false and peer.name ~= "yardstick" and peer.name ~= "kataven" then
            local ratio = figures.ratio(results.kataven, results[peer.name])
            report:most(("warm `list` of 25 keys, CPU over that of %s"):format(peer.title), ratio.median, 1,
                figures.text(ratio), nil, true)
        end
    end
end

-- The same call from a cassette, and over loopback.
local function recorded(context)
    local peers = {}
    for _, kind in ipairs { "list", "recorded" } do
        for _, peer in ipairs(fleet.PEERS) do
            if peer.name == "kataven" then
                peers[#peers + 1] = { name = kind, title = kind, command = peer.command, kind = kind }
            end
        end
    end
    local results = fleet.race(peers, {
        rounds = context.quick and 3 or 40, calls = context.quick and 2 or 200, warmUp = context.quick and 2 or 5000,
        arguments = function(peer)
            return { peer.kind, context.server.url "25", context.cassette(25) }
        end,
    })
    local ratio = figures.ratio(results.recorded, results.list)
    context.report:most("the same `list` recorded, CPU over that on loopback", ratio.median, 0.75, figures.text(ratio))
end

return function(context)
    local results, walls = race(context, "list", "25", 200)
    local all = ratios(results)
    tell(context, "Warm list of 25 keys, for a call", context.peers, results, all, walls)
    judgeList(context, results, all)
    context.report:summarize("warm `list`, 25 keys", context.peers, results)

    results, walls = race(context, "list", "1000", 8)
    tell(context, "Warm list of 1,000 keys, for a call", context.peers, results, ratios(results), walls)
    context.report:summarize("1,000 keys", context.peers, results)

    results, walls = race(context, "create", "create", 200)
    all = ratios(results)
    tell(context, "Warm create, for a call", context.peers, results, all, walls)
    context.report:summarize("warm `create`", context.peers, results)
    context.report:most("warm `create`, CPU over the yardstick's POST", all.kataven.median, 1.15,
        figures.text(all.kataven))

    recorded(context)
end
