-- Run by LUA_INIT in every Lua that a spec starts: marks the lines that run, see cover.c.
local jit = rawget(_G, "jit")
if jit then
    jit.off()
end
local open = package.loadlib(os.getenv "MUTANTS_HOOK", "luaopen_cover")
if open then
    open()
end
