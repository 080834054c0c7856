--- Hosts with kataven linked in, built and run where they find nothing by themselves.

local build = require "spec.support.build"
local shell = require "spec.support.shell"

local embedding = {
    cc = os.getenv "CC" or "cc",
    cxx = os.getenv "CXX" or "c++",
    warnings = "-Wall -Wextra -Wpedantic -Werror",
}
embedding.__index = embedding

-- What the Makefile links the examples with. Without a folder it is a name that the compiler did not find.
local cjson = os.getenv "CJSON_LIBS"
    or shell.run(embedding.cc .. " -print-file-name=%s", ("liblua%s-cjson.a"):format(build.version))
cjson = cjson:gsub("\n$", "")
if not cjson:find "[/-]" then
    --- Why no host can be built here.
    embedding.problem = "there is no static lua-cjson for this Lua; CJSON_LIBS=… says where one is"
end

---@param program string
---@return boolean
function embedding.has(program)
    return (shell.try("command -v %s", program)) == 0
end

--- An installed library, in a folder of its own.
function embedding.new()
    local self = setmetatable({ tree = shell.run "mktemp -d":gsub("\n$", "") }, embedding)
    shell.run("mkdir %s/empty", self.tree)
    build.make("install-static PREFIX=%s", self.tree .. "/installed")
    return self
end

function embedding:remove()
    shell.run("rm -rf %s", self.tree)
end

--- Builds a host as its own Makefile would: pkg-config knows the installed library.
---@param compiler string
---@param source string
---@param name string
---@return string path
function embedding:link(compiler, source, name)
    local path = self.tree .. "/" .. name
    local ours = ("$(PKG_CONFIG_PATH=%%s pkg-config --cflags --libs %s)"):format(build.static)
    local lua = ("$(pkg-config --cflags --libs %s)"):format(build.pc)
    shell.run(("%s %s -o %%s %s %s %s %s"):format(compiler, embedding.warnings, source, ours, cjson, lua),
        path, self.tree .. "/installed/lib/pkgconfig")
    return path
end

--- Runs a command in an empty directory, with search paths that lead nowhere; gives its exit code and what it wrote.
---@param command string
---@param environment? table<string, string>
---@return integer
---@return string
function embedding:run(command, environment)
    local words = { "cd %s && env -u KATAVEN_BASE_URL -u KATAVEN_API_KEY LUA_PATH='./?.none' LUA_CPATH='./?.none'" }
    for name, value in pairs(environment or {}) do
        words[#words + 1] = name .. "=" .. shell.quote(value)
    end
    words[#words + 1] = command
    return shell.try(table.concat(words, " "), self.tree .. "/empty")
end

return embedding
