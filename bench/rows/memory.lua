--- Memory: an idle client and a call in flight beside what libcurl alone takes for them, and very many calls.

local shell = require "spec.support.shell"

local KIB = 1024

return function(context)
    local report, lua = context.report, os.getenv "LUA_BIN"
    local rows = { { "bytes of the allocator", "kataven", "libcurl alone", "over it" } }
    local function compare(title, kind, count, name, most)
        local base = context.server.base(name)
        local own = tonumber(shell.run("%s bench/scripts/memory.lua %s %s %s", lua, kind, tostring(count), base))
        local bare = tonumber(shell.run(context.build .. "/libcurl_memory %s %s %s", kind, tostring(count),
            context.server.url(name)))
        rows[#rows + 1] = { title, ("%d"):format(own), ("%d"):format(bare), ("%d"):format(own - bare) }
        local over = (own - bare) / KIB
        report:most(title .. ", memory over libcurl's", over, most, ("%.1f KiB"):format(over), " KiB", true)
    end
    compare("an idle client with its connection", "idle", context.quick and 10 or 100, "25", 64)
    compare("an operation in flight", "flight", context.quick and 20 or 500, "slow", 16)
    report:table("Memory", rows)

    local calls = context.quick and 2000 or 1000000
    local warm, last = shell.run("%s bench/scripts/million.lua %s %s", lua, ("%d"):format(calls),
        context.server.base "1"):match "(%d+) (%d+)"
    report:most(("memory after %d calls, over that after a twentieth of them"):format(calls), last - warm, 256,
        ("%d KiB (%d, then %d resident)"):format(last - warm, warm, last), " KiB")
end
