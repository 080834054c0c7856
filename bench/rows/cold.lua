--- A script that lists once over TLS and ends, and further TLS connections of one process. By the clock, from the
--- program's start to its end. Server and client share a core, so the server's half of the handshake counts too.

local figures = require "bench.figures"
local shell = require "spec.support.shell"
local trust = require "bench.trust"

-- The commands by names. Those that are workers read a 1 from their input.
local function commands(context)
    local base, url = context.server.base("25", true), context.server.url("25", true)
    local build, lua = context.build, os.getenv "LUA_BIN"
    local all = {
        { name = "curl", title = "the curl command, not decoded",
            command = "curl -q -sf -o /dev/null -H 'Authorization: Bearer sk_live_bench_1' " .. shell.quote(url) },
        { name = "kataven", title = "kataven", command = lua .. " bench/scripts/cold.lua " .. shell.quote(base) },
        { name = "libcurl", title = "libcurl, C, not decoded", command = build .. "/bare list " .. shell.quote(url) },
    }
    for _, peer in ipairs(context.peers) do
        if peer.name == "yardstick" or peer.name == "lua-curl" or peer.name == "python" then
            all[#all + 1] = { name = peer.name, title = peer.title, command = peer.command .. " list "
                .. shell.quote(url) }
        elseif peer.name == "node-fetch" then
            -- Node has a store of its own, and is told of one certificate more.
            all[#all + 1] = { name = "node", title = "Node, fetch", command = "env NODE_EXTRA_CA_CERTS="
                .. shell.quote(context.server.root) .. " node bench/scripts/cold.js " .. shell.quote(url) }
        end
    end
    return all
end

local function has(list, name)
    for _, each in ipairs(list) do
        if each.name == name then
            return true
        end
    end
    return false
end

return function(context)
    local report = context.report
    local trusted, problem = trust.open(context.server.root, context.directory .. "/certs")
    local what = "cold script over TLS, to the first decoded list"
    if not trusted then
        report:judge { what = what, limit = "0.40 of the curl command, 0.15 of Node", figure = problem }
        return
    end
    local all = commands(context)
    if shell.try "command -v curl" ~= 0 then
        table.remove(all, 1)
    end
    local names, byName, cpu = {}, {}, {}
    for index, each in ipairs(all) do
        names[index], byName[each.name], cpu[each.name] = each.name, each, {}
    end
    local second = ("%s bench/scripts/second.lua %s %s"):format(os.getenv "LUA_BIN",
        shell.quote(context.server.base("25", true)), shell.quote(context.server.base("close", true)))
    local same, fresh = {}, {}
    names[#names + 1] = "second"

    local results = figures.interleave(names, context.quick and 2 or 25, function(name)
        if name == "second" then
            local one, other = trusted.run(second):match "(%d+) (%d+)"
            same[#same + 1], fresh[#fresh + 1] = tonumber(one), tonumber(other)
            return 0
        end
        local text = trusted.run("echo 1 | " .. context.build .. "/measure " .. byName[name].command)
        local wall, used = text:match "(%d+) (%d+) %d+\n$"
        table.insert(cpu[name], tonumber(used))
        return tonumber(wall)
    end)

    local rows = { { "", "ms", "ms of CPU", "times kataven" } }
    for _, each in ipairs(all) do
        rows[#rows + 1] = { each.title, ("%.1f"):format(figures.median(results[each.name]) / 1000),
            ("%.1f"):format(figures.median(cpu[each.name]) / 1000),
            figures.text(figures.ratio(results[each.name], results.kataven)) }
    end
    for _, other in ipairs { { "another connection of the same client", same }, { "another client", fresh } } do
        rows[#rows + 1] = { "kataven, " .. other[1], ("%.2f"):format(figures.median(other[2]) / 1000), "", "" }
    end
    report:summarize("first list of a script, TLS", all, results)
    report:table("Cold script over TLS, 25 keys", rows)

    for _, limit in ipairs { { "curl", 0.40, "the curl command's" }, { "node", 0.15, "Node's" } } do
        local label = ("%s, over %s time"):format(what, limit[3])
        if has(all, limit[1]) then
            local ratio = figures.ratio(results.kataven, results[limit[1]])
            report:most(label, ratio.median, limit[2], ("%s; %.2f of the CPU time"):format(figures.text(ratio),
                figures.ratio(cpu.kataven, cpu[limit[1]]).median))
        else
            report:judge { what = label, limit = "at most " .. limit[2], figure = "it is not installed" }
        end
    end
    if has(all, "curl") then
        for _, other in ipairs { { "the same", same }, { "a new", fresh } } do
            local ratio = figures.ratio(other[2], results.curl)
            report:most(("another TLS connection, of %s client, over the curl command's cold run"):format(other[1]),
                ratio.median, 0.1, figures.text(ratio, "%.3f"))
        end
    end
end
