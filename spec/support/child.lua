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
    "KATAVEN_CASSETTE", "KATAVEN_CASSETTE_MODE", "LUA_INIT" }

--- Runs a script; what it writes comes back. `environment` is laid over one
--- that has none of the variables that kataven looks at.
---@param script string
---@param environment? table<string, string>
---@param launcher? string a program that runs the interpreter
---@return string stdout
---@return string stderr
function child.run(script, environment, launcher)
    local path, errors = os.tmpname(), os.tmpname()
    local handle = io.open(path, "wb")
    handle:write(script)
    handle:close()

    local words = { "env" }
    for _, name in ipairs(CLEARED) do
        words[#words + 1] = "-u " .. name
    end
    words[#words + 1] = "LUA_PATH=" .. quote(package.path)
    words[#words + 1] = "LUA_CPATH=" .. quote(package.cpath)
    for name, value in pairs(environment or {}) do
        words[#words + 1] = name .. "=" .. quote(value)
    end
    words[#words + 1] = launcher and quote(launcher)
    words[#words + 1] = os.getenv "SPEC_UNDER" -- what run.sh was told to run it under
    words[#words + 1] = quote(child.interpreter()) .. " " .. quote(path) .. " 2>" .. quote(errors)

    local pipe = io.popen(table.concat(words, " "), "r")
    local output = pipe:read("*a")
    pipe:close()
    os.remove(path)
    return output, take(errors)
end

return child
