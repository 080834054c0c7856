--- How the time of a function grows with the size of its input: by the process's own time, and as a ratio of two sizes
--- within one run, so that neither a slow machine nor a busy one makes a difference.

local growth = {}

-- Seconds: enough to be measured, and so little that it may come from anything.
local ENOUGH, NOTHING = 0.002, 0.012
local LARGEST = 256 * 1024
-- Of four times the size. The square would be 16.
local MOST = 8

local function seconds(run, input)
    collectgarbage()
    local began = os.clock()
    run(input)
    return os.clock() - began
end

--- Fails where four times the size takes more than eight times as long. `make` gives the input of a size in bytes; the
--- first is one that takes long enough to be measured.
---@param name string
---@param make fun(size: integer): any
---@param run fun(input: any)
---@param from? integer the first size to try
function growth.assertLinear(name, make, run, from)
    local size = from or 1024
    local small, input
    repeat
        size = size * 2
        input = make(size)
        small = seconds(run, input)
    until small >= ENOUGH or size >= LARGEST
    local large = make(4 * size)
    local least = math.huge
    -- The best of some runs: what else goes on can only add to them.
    for _ = 1, 5 do
        small = math.min(small, seconds(run, input))
        least = math.min(least, seconds(run, large))
        if least <= NOTHING or least <= MOST * small then
            return
        end
    end
    error(("%s: %d bytes take %.1f ms, four times as many %.1f ms"):format(name, size, small * 1000, least * 1000), 0)
end

--- Hostile shapes of text, which a size is filled with.
---@param key string a secret
---@return table<string, fun(size: integer): string>
function growth.shapes(key)
    local base64 = require "kataven.base64"

    local function filled(unit, before, after)
        return function(size)
            return (before or "") .. unit:rep(math.ceil(size / #unit)) .. (after or "")
        end
    end
    local function escaped(format)
        return (key:gsub(".", function(c) return format:format(c:byte()) end))
    end
    local half = key:sub(1, math.floor(#key / 2))

    return {
        ["blanks"] = filled " ",
        ["blanks inside"] = filled(" ", "1", "1"),
        ["blanks before ends of lines"] = filled("  \n", "a", "a"),
        ["no end of line"] = filled "a",
        ["ends of lines"] = filled "\n",
        ["controls"] = filled "\27[1m\0",
        ["backslashes"] = filled("\\", nil, key),
        ["escaped backslashes"] = filled "\\u005c",
        ["percent signs"] = filled("%", nil, key),
        ["percent signs that are escaped"] = filled "%25",
        ["percent signs that are escaped again and again"] = filled("25", "%"),
        ["both signs"] = filled "\\%",
        ["many escapes"] = filled("\\u002d%2D\\/", nil, key),
        ["the key"] = filled(key),
        ["the key, escaped"] = filled(escaped "%%%02x"),
        ["the key, escaped twice"] = filled((escaped("\\u%04x"):gsub("\\", "%%5C"))),
        ["all but the key's end"] = filled(key:sub(1, -2)),
        ["all but the key's end, escaped"] = filled(escaped("%%%02X"):sub(1, -4)),
        ["half of the key"] = filled(half),
        ["half of the key, deep in escapes"] = filled(half, "%25252525252541"),
        ["the key's prefix"] = filled(key:sub(1, 8)),
        ["Base64"] = filled(base64.encode(key)),
        ["half of the Base64"] = filled(base64.encode(key):sub(1, 15)),
        ["what keys hold in Base64"] = filled("a", "a19saXZlX"),
        ["other keys"] = filled "pk_live_a1 ",
        ["beginnings of a JWT"] = filled "-eyJ",
        ["brackets"] = filled "[ ",
        ["objects"] = filled '{"a":',
        ["quotes"] = filled '"\\"',
        ["commas and colons"] = filled(", :;", "a=b"),
        ["wide characters"] = filled "東京",
        ["parts of characters"] = filled "\128\191",
    }
end

return growth
