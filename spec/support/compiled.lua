--- Builds a small C program of spec/support, for what cannot be watched from
--- inside.

local compiled = {}

local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"

--- Compiles `name`.c and gives the path, which the caller removes.
---@param name string
---@param flags? string "-shared" for something to preload
---@param libraries? string what else it is linked with
---@return string path
function compiled.build(name, flags, libraries)
    local path = os.tmpname()
    local command = ("%s -std=c99 -D_GNU_SOURCE -fPIC %s -o %s %s%s.c -ldl %s 2>&1; echo \"=$?\""):format(
        os.getenv "CC" or "cc", flags or "", path, here, name, libraries or "")
    local pipe = io.popen(command)
    local output = pipe:read "*a"
    pipe:close()
    assert(output:find "=0\n$", output)
    return path
end

-- What pkg-config says of the Lua that runs this.
local function ofLua(what)
    local pipe = io.popen(("pkg-config --%s %s 2>&1"):format(what,
        os.getenv "LUA_PC" or rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match "%S+$"))
    local words = pipe:read "*a"
    pipe:close()
    return (words:gsub("%s+$", ""))
end

--- The same for a program that has this Lua inside.
---@param name string
---@return string path
function compiled.host(name)
    return compiled.build(name, ofLua "cflags", ofLua "libs")
end

--- The same for a module of this Lua, to be loaded with package.loadlib.
---@param name string
---@return string path
function compiled.module(name)
    return compiled.build(name, "-shared " .. ofLua "cflags")
end

return compiled
