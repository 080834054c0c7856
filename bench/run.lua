--- The benchmark: what the client costs beside the peers, and whether that is within its limits.
---
---   lua5.4 bench/run.lua [names of rows]     (through `make bench`, which builds and sets what it needs)
---
--- Exits with 1 when a limit is missed. With QUICK every row is as short as can be; with names, or QUICK,
--- bench/RESULTS.md stays as it is. BENCH_OUT names another file to write.

local files = require "spec.support.files"
local fleet = require "bench.fleet"
local meter = require "meter"
local nginx = require "spec.support.nginx"
local report = require "bench.report"
local server = require "bench.server"
local shell = require "spec.support.shell"

-- In the order of the report.
local ROWS = { "warm", "instructions", "cold", "large", "flight", "frames", "nginx", "memory", "require" }

local BUILD = os.getenv "BENCH_BUILD"

local function picked()
    if #arg == 0 then
        return ROWS
    end
    local known = {}
    for _, name in ipairs(ROWS) do
        known[name] = true
    end
    for _, name in ipairs(arg) do
        if not known[name] then
            io.stderr:write(("bench: there is no row %q; there are %s\n"):format(name, table.concat(ROWS, ", ")))
            os.exit(2)
        end
    end
    return arg
end

local CASSETTE = [[
{
  "version": 1,
  "interactions": [
    {
      "request": { "method": "GET", "path": "%s" },
      "response": { "status": 200, "headers": { "content-type": "application/json" }, "json": %s }
    }
  ]
}
]]

-- Writes a cassette that has a list of so many keys, and gives its path.
local function cassettes(directory)
    return function(size)
        local path = ("%s/%d.cassette.json"):format(directory, size)
        files.write(path, CASSETTE:format(server.PATH, files.read(("%s/%d.json"):format(directory, size))))
        return path
    end
end

local problem = nginx.absent()
if problem then
    io.stderr:write("bench: ", problem, " (Debian: nginx libnginx-mod-http-lua)\n")
    os.exit(2)
end

-- What has a command run on another core than the server's, where there is one.
local core = tonumber(os.getenv "BENCH_CORE" or "")
local elsewhere = core and core > 0 and shell.try "command -v taskset" == 0
    and ("taskset -c %d "):format(core - 1) or ""

local quick = (os.getenv "QUICK" or "") ~= ""
local began = meter.now()
math.randomseed(os.time())

local directory = shell.run "pwd":match "[^\n]+" .. "/" .. BUILD .. "/data"
local rows = picked()
local peers, skipped = fleet.installed()
local context = {
    quick = quick, build = BUILD, directory = directory, elsewhere = elsewhere,
    report = report.new(), peers = peers, cassette = cassettes(directory),
    server = server.start(directory, quick and { 1, 25, 1000 } or nil),
}
for _, line in ipairs(skipped) do
    context.report:note(line)
end

local ok, trouble = xpcall(function()
    for _, name in ipairs(rows) do
        io.stderr:write(("-- %s (%.0f s)\n"):format(name, meter.now() - began))
        require("bench.rows." .. name)(context)
    end
end, debug.traceback)
context.server.stop()
if not ok then
    io.stderr:write(tostring(trouble), "\n")
    os.exit(2)
end

local out = os.getenv "BENCH_OUT" or #arg == 0 and not quick and "bench/RESULTS.md" or nil
if out then
    files.write(out, context.report:markdown(meter.now() - began, quick))
end
print(("%d of %d limits missed, in %.0f s"):format(context.report.missed, #context.report.limits, meter.now() - began))
os.exit(context.report.missed == 0 and 0 or 1)
