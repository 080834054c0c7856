--- Builds a small C program of spec/support, for what cannot be watched from
--- inside.

local compiled = {}

local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"

--- Compiles `name`.c and gives the path, which the caller removes.
---@param name string
---@param flags? string "-shared" for something to preload
---@return string path
function compiled.build(name, flags)
    local path = os.tmpname()
    local command = ("%s -std=c99 -D_GNU_SOURCE -fPIC %s -o %s %s%s.c -ldl 2>&1; echo \"=$?\""):format(
        os.getenv "CC" or "cc", flags or "", path, here, name)
    local pipe = io.popen(command)
    local output = pipe:read "*a"
    pipe:close()
    assert(output:find "=0\n$", output)
    return path
end

return compiled
