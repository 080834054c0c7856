-- Writes Lua files to standard output as a C source: lua src/static/embed.lua lua/kataven/init.lua ...
--
-- The same files give the same bytes, in whatever order they are named, under every Lua.

local NUMBERS_A_LINE = 24

local function read(path)
    local handle = assert(io.open(path, "rb"))
    local text = handle:read "*a"
    handle:close()
    return text
end

-- The bytes as C numbers. A string would not do: C99 promises 4095 characters.
local function numbers(text)
    local lines = {}
    for at = 1, #text, NUMBERS_A_LINE do
        lines[#lines + 1] = table.concat({ text:byte(at, at + NUMBERS_A_LINE - 1) }, ",") .. ","
    end
    return table.concat(lines, "\n")
end

local files = {}
for _, path in ipairs(arg) do
    local name = path:match "^lua/(.+)%.lua$"
    if not name then
        error(("%s is not lua/….lua"):format(path), 0)
    end
    files[#files + 1] = {
        module = name:gsub("/init$", ""):gsub("/", "."),
        chunk = ("@%s.lua"):format(name),
        text = read(path),
    }
end
table.sort(files, function(a, b)
    return a.module < b.module
end)
if #files == 0 or files[1].module ~= "kataven" then
    error("lua/kataven/init.lua is not among the files", 0)
end

local out = { '/* Made by embed.lua. */\n#include "lkat_files.h"\n' }
for index, file in ipairs(files) do
    -- The last number is for an empty file, since C has no empty array.
    out[#out + 1] = ("static const unsigned char text%d[] = {\n%s\n0};\n"):format(index, numbers(file.text))
end
out[#out + 1] = "const lkat_file lkat_files[] = {"
for index, file in ipairs(files) do
    out[#out + 1] = ('    {"%s", "%s", text%d, sizeof text%d - 1},'):format(file.module, file.chunk, index, index)
end
out[#out + 1] = ("};\n\nconst int lkat_file_count = %d;\n"):format(#files)
assert(io.write(table.concat(out, "\n")))
