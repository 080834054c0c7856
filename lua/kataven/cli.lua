--- The command `kataven`: what `bin/kataven` runs. Calls go through the module's
--- public contract only.

local check = require "kataven.check"
local context = require "kataven.cli.context"
local core = require "kataven.core"
local redact = require "kataven.redact"

local cli = {}

--- Writes all of a text at once; or nil, why not, and the system's number for it.
---@class kataven.cli.Stream
---@field write fun(self: kataven.cli.Stream, text: string): true?, string?, integer?

--- What is around the command: the real one unless a spec has another.
---@class kataven.cli.Host
---@field stdin file*
---@field stdout kataven.cli.Stream
---@field stderr kataven.cli.Stream
---@field getenv fun(name: string): string?
---@field isTerminal fun(stream: "stdin"|"stdout"|"stderr"): boolean
---@field isWritable fun(stream: "stdout"|"stderr"): boolean it was opened for writing
---@field columns fun(stream: "stdout"|"stderr"): integer? the width of the terminal that it is
---@field awaitInput fun() waits for a line on stdin, which Ctrl-C ends
---@field clock fun(): integer seconds since 1970

local DESCRIPTORS = { stdin = 0, stdout = 1, stderr = 2 }

local function streamOf(name)
    return {
        write = function(_, text)
            return core.put(DESCRIPTORS[name], text)
        end,
    }
end

---@return kataven.cli.Host
local function realHost()
    return {
        stdin = io.stdin,
        stdout = streamOf "stdout",
        stderr = streamOf "stderr",
        getenv = os.getenv,
        isTerminal = function(stream)
            return core.isTerminal(DESCRIPTORS[stream])
        end,
        isWritable = function(stream)
            return core.isWritable(DESCRIPTORS[stream])
        end,
        columns = function(stream)
            return core.columns(DESCRIPTORS[stream])
        end,
        awaitInput = function()
            core.wait(24 * 3600, DESCRIPTORS.stdin)
        end,
        clock = os.time,
    }
end

-- The place of the first argument that holds a credential, which `ps` shows to all. A
-- widget key is public, and none.
local function secretAt(arguments)
    for index = 1, #arguments do
        local rest = arguments[index]:gsub("pk_live_", "")
        if check.looksSecret(rest) or check.looksSecret(redact.unescape(rest)) then
            return index
        end
    end
end

-- The definitions of all arguments, or what is missing.
local function loadArguments()
    local found, result = pcall(require, "kataven.cli.arguments")
    if found then
        return result
    elseif tostring(result):find("module 'argparse' not found", 1, true) then
        return nil, "the command needs the Lua library argparse; install it (Debian, Ubuntu: lua-argparse; LuaRocks: "
            .. "luarocks install argparse)"
    end
    error(result, 0)
end

---@param self kataven.cli.Context
---@param given string[]
---@return integer
local function run(self, given)
    local position = secretAt(given)
    if position then
        return self:misused(("argument %d holds a credential, which everybody on this machine can see in its list of "
            .. "processes: set KATAVEN_API_KEY, or give --api-key-file FILE, and think of replacing that key"):format(
            position))
    end
    local arguments, problem = loadArguments()
    local read
    if arguments then
        read, problem = arguments.read(given)
    end
    if not read then
        return self:misused(problem)
    elseif read.text then
        self:out(read.text)
        return 0
    end
    self:settle(read)
    return require("kataven.cli." .. read.command:gsub("-", "_")).run(self, read)
end

--- Runs the command, and gives its exit code: 0 done, 1 the call failed, 2 wrong
--- usage, 3 `apply --dry-run` found changes, 130 interrupted, 141 nobody reads stdout.
---@param given string[] the arguments, without the program's name
---@param host? kataven.cli.Host
---@return integer
function cli.main(given, host)
    local self = context.new(host or realHost(), given)
    local ok, result = xpcall(function()
        if not host then
            local guarded, problem = pcall(core.guardStreams)
            if not guarded then
                return self:fail { name = "OutputError", message = tostring(problem) }
            end
        end
        return run(self, given)
    end, context.ending)
    self:close()
    return ok and result or self:ended(result)
end

return cli
