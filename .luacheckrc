-- What all of Lua 5.1, 5.3, 5.4 and LuaJIT have, and nothing else.
std = "min"
max_line_length = 120
-- LuaLS has no way to break an annotation.
files["lua"].max_comment_line_length = 160
cache = false

files["spec"].std = "+busted"

for _, name in ipairs { "host/ngx.lua", "queue.lua" } do
  files["lua/kataven/" .. name].std = "min+ngx_lua"
end
