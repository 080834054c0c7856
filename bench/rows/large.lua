--- 100,000 keys, 27 MB: processor time of the first list of a process, and the most memory that the process had.

local figures = require "bench.figures"
local shell = require "spec.support.shell"

return function(context)
    local size = context.quick and "1,000" or "100,000"
    local url = context.server.url((size:gsub(",", "")))
    local names, byName, peaks = {}, {}, {}
    for index, peer in ipairs(context.peers) do
        names[index], byName[peer.name], peaks[peer.name] = peer.name, peer, {}
    end
    local times = figures.interleave(names, context.quick and 1 or 5, function(name)
        local text = shell.run(("echo 1 | %s/measure %s list %%s"):format(context.build, byName[name].command), url)
        local spent, peak = text:match "^(%d+)\n%d+ %d+ (%d+)\n$"
        table.insert(peaks[name], tonumber(peak))
        return tonumber(spent)
    end)
    local rows = { { "", "ms of CPU", "times the yardstick", "MB at the peak", "times the yardstick" } }
    for _, peer in ipairs(context.peers) do
        local name = peer.name
        rows[#rows + 1] = { peer.title, ("%.0f"):format(figures.median(times[name]) / 1000),
            figures.text(figures.ratio(times[name], times.yardstick)),
            ("%.0f"):format(figures.median(peaks[name]) * 1024 / 1e6),
            figures.text(figures.ratio(peaks[name], peaks.yardstick)) }
    end
    context.report:summarize(size .. " keys", context.peers, times)
    context.report:summarize("memory for them", context.peers, peaks)
    context.report:table(("List of %s keys, the first of a process"):format(size), rows)
    local time = figures.ratio(times.kataven, times.yardstick)
    local peak = figures.ratio(peaks.kataven, peaks.yardstick)
    context.report:most(size .. " keys, time over the yardstick's", time.median, 1.10, figures.text(time))
    context.report:most(size .. " keys, peak memory over the yardstick's", peak.median, 0.85, figures.text(peak))
end
