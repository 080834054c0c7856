--- The peers of a benchmark, each a process of its own that makes calls when it is told to (see bench/worker.lua).

local figures = require "bench.figures"
local files = require "spec.support.files"
local meter = require "meter"
local shell = require "spec.support.shell"

local fleet = {}

local LUA = os.getenv "LUA_BIN" or "lua"
local BUILD = os.getenv "BENCH_BUILD" or "build/5.4/bench"
-- What stands first in a PATH may be a script that picks one of several, at every start.
local PYTHON = files.read "/usr/bin/python3" and "/usr/bin/python3" or "python3"

--- All peers, in the order of tables. `needs` are a program and what it must be able to load; `decodes` is false for
--- what only receives.
fleet.PEERS = {
    { name = "libcurl", title = "libcurl, C, not decoded", command = BUILD .. "/bare", decodes = false },
    { name = "yardstick", title = "the yardstick", command = LUA .. " bench/peers/yardstick.lua" },
    { name = "kataven", title = "kataven", command = LUA .. " bench/peers/kataven.lua" },
    { name = "lua-curl", title = "lua-curl (Lua 5.1), cjson", command = "lua5.1 bench/peers/lua_curl.lua",
        needs = { "lua5.1", "curl", "cjson" }, package = "lua-curl" },
    { name = "luasocket", title = "luasocket by hand, cjson", command = LUA .. " bench/peers/luasocket.lua",
        needs = { LUA, "socket", "cjson" }, package = "lua-socket" },
    { name = "lua-http", title = "lua-http (Lua 5.1), cjson", command = "lua5.1 bench/peers/lua_http.lua",
        needs = { "lua5.1", "http.client", "cjson" }, package = "lua-http" },
    { name = "python", title = "Python, http.client", command = PYTHON .. " bench/peers/python.py",
        needs = { PYTHON }, package = "python3" },
    { name = "node-https", title = "Node, http(s) with an agent", command = "node bench/peers/node_https.js",
        needs = { "node" }, package = "nodejs" },
    { name = "node-fetch", title = "Node, fetch", command = "node bench/peers/node_fetch.js",
        needs = { "node" }, package = "nodejs" },
}

-- Whether a peer can run here.
local function installed(peer)
    local needs = peer.needs or {}
    if not needs[1] then
        return true
    end
    local command = "command -v %s >/dev/null"
    if needs[2] then
        command = command .. " && %s -e " .. shell.quote("require '" .. table.concat(needs, "' require '", 2) .. "'")
        return (shell.try(command, needs[1], needs[1])) == 0
    end
    return (shell.try(command, needs[1])) == 0
end

--- The peers that are there, and a line about each that is not.
---@param only? string[] names
---@return table[] peers
---@return string[] skipped
function fleet.installed(only)
    local wanted, there, skipped = {}, {}, {}
    for _, name in ipairs(only or {}) do
        wanted[name] = true
    end
    for _, peer in ipairs(fleet.PEERS) do
        if not only or wanted[peer.name] then
            if installed(peer) then
                there[#there + 1] = peer
            else
                skipped[#skipped + 1] = ("%s: not installed (%s)"):format(peer.title, peer.package)
            end
        end
    end
    return there, skipped
end

local Worker = {}
Worker.__index = Worker

--- Starts one peer. Its answers come through a named pipe, since popen has one direction.
---@param peer table
---@param ... string its arguments
function fleet.start(peer, ...)
    local directory = os.tmpname()
    os.remove(directory)
    shell.run("mkdir -m 700 %s && mkfifo %s", directory, directory .. "/out")
    local words = { "exec", peer.command }
    for _, word in ipairs { ... } do
        words[#words + 1] = shell.quote(word)
    end
    local self = setmetatable({ peer = peer, directory = directory }, Worker)
    self.input = assert(io.popen(("%s >%s 2>%s"):format(table.concat(words, " "), directory .. "/out",
        directory .. "/errors"), "w"))
    self.input:setvbuf "line"
    self.output = assert(io.open(directory .. "/out", "r"))
    return self
end

--- Has it make so many calls, and gives the microseconds of processor time of one, and those by the clock.
---@param count integer
---@return number cpu
---@return number wall
function Worker:run(count)
    local began = meter.now()
    self.input:write(count, "\n")
    self.input:flush()
    local spent = tonumber(self.output:read "*l" or "")
    if not spent then
        error(("%s ended:\n%s"):format(self.peer.title, files.read(self.directory .. "/errors") or ""), 0)
    end
    return spent / count, (meter.now() - began) * 1e6 / count
end

function Worker:stop()
    self.input:close()
    self.output:close()
    shell.try("rm -r %s", self.directory)
end

--- Runs peers against each other: `arguments(peer)` gives each one's. Gives lists of microseconds for a call by names,
--- of processor time and by the clock: the latter is with the server's part, where all share a core.
---@param peers table[]
---@param given { rounds: integer, calls: integer, warmUp: integer, arguments: fun(peer: table): string[] }
---@return table<string, number[]> cpu
---@return table<string, number[]> wall
function fleet.race(peers, given)
    local workers, names, walls = {}, {}, {}
    for index, peer in ipairs(peers) do
        local words = given.arguments(peer)
        workers[peer.name] = fleet.start(peer, words[1], words[2], words[3])
        names[index], walls[peer.name] = peer.name, {}
        workers[peer.name]:run(given.warmUp)
    end
    local results = figures.interleave(names, given.rounds, function(name)
        local cpu, wall = workers[name]:run(given.calls)
        table.insert(walls[name], wall)
        return cpu
    end)
    for _, worker in pairs(workers) do
        worker:stop()
    end
    return results, walls
end

return fleet
