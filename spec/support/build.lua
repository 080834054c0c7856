--- The Makefile's build that is under test, for specs about what is shipped.

local shell = require "spec.support.shell"

local version = _VERSION:match "%d%.%d"
local jit = rawget(_G, "jit")
local driver = os.getenv "DRIVER" or "epoll"

local build = {
    --- `LUA` in the Makefile.
    lua = os.getenv "LUA" or (jit and "luajit" or version),
    --- What pkg-config calls that Lua.
    pc = os.getenv "LUA_PC" or (jit and "luajit" or "lua" .. version),
    version = version,
    driver = driver,
    darwin = shell.run "uname -s":find "Darwin" ~= nil,
}

--- What the installed static library is called, and so what pkg-config calls it.
build.static = "kataven-" .. (build.lua == "luajit" and "luajit" or "lua" .. build.lua)

--- Where the Makefile puts what it builds.
build.directory = ("build/%s%s"):format(build.lua, driver == "epoll" and "" or "-" .. driver)

--- Runs make; each %s is replaced by a word.
---@param targets string
---@param ... string
function build.make(targets, ...)
    shell.run(("make -s LUA=%s DRIVER=%s %s"):format(build.lua, driver, targets), ...)
end

--- The Lua files that there are, by the names that `require` knows them by.
---@return table<string, string>
function build.modules()
    local modules = {}
    for _, path in ipairs(shell.lines(shell.run "find lua -name '*.lua'")) do
        modules[path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")] = path
    end
    return modules
end

--- Those of them that the static library has: all but the command's.
---@return table<string, string>
function build.embedded()
    local modules = build.modules()
    for name in pairs(modules) do
        if (name .. "."):find("kataven.cli.", 1, true) == 1 then
            modules[name] = nil
        end
    end
    return modules
end

return build
