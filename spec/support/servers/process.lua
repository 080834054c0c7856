-- A server as a process of its own, with its standard input and output in the spec's hands.

local process = {}
process.__index = process

-- lua-http is packaged for 5.1 only, so that is what runs the servers.
local LUA = "lua5.1"

-- A server that has lost itself in a loop is ended by the system, or a spec would wait for it for ever.
local CPU_SECONDS = 120

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"

function process.quote(text)
    return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

-- `os.execute` gives a number on Lua 5.1, a boolean later.
function process.succeeds(command)
    local result = os.execute(command)
    return result == true or result == 0
end

-- Starts `name`.lua of spec/support; `arguments` are for the shell, quoted where they need it, and `environment` holds
-- further variables.
--
-- Input is a pipe that `popen` holds: the C library keeps it out of the servers started later, so that closing it is
-- the end for this one. Output comes back through a named pipe, since `popen` goes in one direction only.
function process.start(name, arguments, environment)
    local pipe = os.tmpname()
    os.remove(pipe)
    assert(process.succeeds("mkfifo -m 600 " .. process.quote(pipe)), "mkfifo failed")
    local program = process.quote(("%s../%s.lua"):format(here, name))
    local variables = {}
    for variable, value in pairs(environment or {}) do
        variables[#variables + 1] = ("export %s=%s; "):format(variable, process.quote(value))
    end
    local command = ("ulimit -t %d; %sexec %s %s %s >%s 2>&1"):format(
        CPU_SECONDS, table.concat(variables), LUA, program, arguments, process.quote(pipe))
    local input = assert(io.popen(command, "w"))
    -- Opening waits for the other side, so the server's first line cannot be missed.
    local output = assert(io.open(pipe, "r"))
    os.remove(pipe)
    return setmetatable({ name = name, input = input, output = output }, process)
end

-- Ends the process, which sees its input end, and gives what else it said. Closing waits until it has ended.
local function finish(self)
    self.input:close()
    self.input = nil
    local rest = self.output:read("*a")
    self.output:close()
    return rest
end

-- Raises with all that the server had to say.
function process:fail(line)
    error(("%s failed: %s\n%s"):format(self.name, line or "it ended", finish(self)), 0)
end

function process:running()
    return self.input ~= nil
end

function process:write(line)
    self.input:write(line, "\n")
    self.input:flush()
end

function process:readLine()
    local line = self.output:read("*l")
    if not line or line:find("^error: ") then self:fail(line) end
    return line
end

-- Raises when the server said anything but that it has stopped: it had an error of its own, or it crashed.
function process:stop()
    if not self.input then return end
    local rest = finish(self)
    if rest ~= "stopped\n" then error(("%s failed:\n%s"):format(self.name, rest), 0) end
end

return process
