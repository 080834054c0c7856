--- Runs a script in a process of its own, by the same Lua and with the same
--- modules: for what the environment or a host's globals decide.

local child = {}

--- The interpreter that runs this.
---@return string
function child.interpreter()
    local index = 0
    while arg and arg[index - 1] do
        index = index - 1
    end
    return arg and index < 0 and arg[index] or os.getenv "LUA_BIN" or "lua"
end

local function quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function take(path)
    local handle = io.open(path, "rb")
    local text = handle:read("*a")
    handle:close()
    os.remove(path)
    return text
end

local CLEARED = { "CI", "KATAVEN_API_KEY", "KATAVEN_ACCOUNT_ID", "KATAVEN_BASE_URL", "KATAVEN_LOG",
    "KATAVEN_CASSETTE", "KATAVEN_CASSETTE_MODE", "KATAVEN_CASSETTE_STRICT", "LUA_INIT" }

-- Ends a child whose spec was killed before it could see to that, where there is
-- such a program.
local limited
local function limit()
    if limited == nil then
        local result = os.execute "timeout --foreground 1 true 2>/dev/null"
        limited = (result == true or result == 0) and "timeout --foreground 300 " or ""
    end
    return limited
end

local Child = {}
Child.__index = Child

--- Waits until it has ended. `status` is the shell's: 128 and more for a signal.
---@return string stdout
---@return string stderr
---@return integer status
function Child:wait()
    -- Children of its own may have the last word.
    local output, status, more = self.pipe:read "*a":match "^(.*)=(%d+)\n(.*)$"
    self.pipe:close()
    self.pipe = nil
    os.remove(self.path)
    return output .. more, take(self.errors), tonumber(status)
end

--- The next line that it writes; what is read so is no part of its output later.
---@return string?
function Child:line()
    return self.pipe:read "*l"
end

--- Comes back when it sleeps, on Linux: in a wait, if it is past all else that
--- could make it wait.
function Child:sleeps()
    repeat
        os.execute "sleep 0.01"
        local handle = assert(io.open(("/proc/%d/stat"):format(self.pid), "rb"))
        local state = handle:read "*a":match "^%d+ %b() (%a)"
        handle:close()
    until state == "S"
end

--- Sends it a signal, by the name that kill(1) knows.
function Child:signal(name)
    os.execute(("kill -%s %d"):format(name, self.pid))
end

--- Ends it, if it has not ended; for a spec that failed before it could wait.
function Child:stop()
    if self.pipe then
        self:signal "KILL"
        self:wait()
    end
end

--- Starts a script. Options: `environment`, laid over one that has none of the
--- variables that kataven looks at; `launcher`, a program that runs the
--- interpreter, or a list of words to put before it; `program`, in place of the
--- interpreter.
---@param script string
---@param options { environment?: table<string, string>, launcher?: string|string[], program?: string }
---@return table
function child.start(script, options)
    local self = setmetatable({ path = os.tmpname(), errors = os.tmpname() }, Child)
    local handle = io.open(self.path, "wb")
    handle:write(script)
    handle:close()

    -- It tells its own number before it becomes the program.
    local words = { limit() .. [[sh -c 'echo $$; exec "$@"' sh env]] }
    for _, name in ipairs(CLEARED) do
        words[#words + 1] = "-u " .. name
    end
    words[#words + 1] = "LUA_PATH=" .. quote(package.path)
    words[#words + 1] = "LUA_CPATH=" .. quote(package.cpath)
    for name, value in pairs(options.environment or {}) do
        words[#words + 1] = name .. "=" .. quote(value)
    end
    local launcher = options.launcher or {}
    for _, word in ipairs(type(launcher) == "table" and launcher or { launcher }) do
        words[#words + 1] = quote(word)
    end
    -- What run.sh was told to run it under; valgrind once is enough.
    local under = not options.program and os.getenv "SPEC_UNDER"
    if under and not table.concat(words, " "):find("'valgrind'", 1, true) then
        words[#words + 1] = under
    end
    words[#words + 1] = quote(options.program or child.interpreter())
    words[#words + 1] = quote(self.path)
    words[#words + 1] = "2>" .. quote(self.errors) .. '; echo "=$?"'

    self.pipe = io.popen(table.concat(words, " "), "r")
    self.pid = tonumber(self.pipe:read "*l")
    return self
end

--- Runs a script to its end, and gives its exit status too (see Child:wait).
---@param script string
---@param environment? table<string, string> see child.start
---@param launcher? string|string[]
---@return string stdout
---@return string stderr
---@return integer status
function child.complete(script, environment, launcher)
    return child.start(script, { environment = environment, launcher = launcher }):wait()
end

--- The same for whoever does not care how it exits.
---@param script string
---@param environment? table<string, string>
---@param launcher? string|string[]
---@return string stdout
---@return string stderr
function child.run(script, environment, launcher)
    local output, errors = child.complete(script, environment, launcher)
    return output, errors
end

return child
