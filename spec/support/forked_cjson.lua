--- Another cjson than Debian's, in the ways in which OpenResty's differs: it reads
--- integers with strtoll(), which knows no -0 and stops at the ends of 64 bits,
--- makes Lua's integers of them, marks arrays, and has functions that the other has
--- not. It takes only text that is good JSON.

local forked = {}

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function utf8(code)
    if code < 0x80 then
        return string.char(code)
    elseif code < 0x800 then
        return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
    elseif code < 0x10000 then
        return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
    end
    return string.char(0xF0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
        0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local function readString(text, at)
    local out = {}
    at = at + 1
    while true do
        local stop = text:find('["\\]', at)
        out[#out + 1] = text:sub(at, stop - 1)
        if text:sub(stop, stop) == '"' then
            return table.concat(out), stop + 1
        end
        local letter = text:sub(stop + 1, stop + 1)
        at = stop + 2
        if letter == "u" then
            local code = tonumber(text:sub(at, at + 3), 16)
            at = at + 4
            if code >= 0xD800 and code <= 0xDFFF then
                assert(code <= 0xDBFF and text:find("^\\u[dD][c-fC-F]", at), "half of a surrogate pair")
                code = 0x10000 + (code - 0xD800) * 1024 + tonumber(text:sub(at + 2, at + 5), 16) - 0xDC00
                at = at + 6
            end
            out[#out + 1] = utf8(code)
        else
            out[#out + 1] = ESCAPES[letter]
        end
    end
end

local MOST, LEAST = rawget(math, "maxinteger") or 2 ^ 63, rawget(math, "mininteger") or -2 ^ 63

-- An integer as strtoll() reads it; on a Lua without integers it becomes a double after that.
local function readInteger(digits)
    local value = tonumber(digits) -- a float where it is too large for an integer
    if value >= 2 ^ 63 then
        return MOST
    elseif value < -2 ^ 63 then
        return LEAST
    elseif value == 0 then
        return 0
    end
    return value
end

local function instance(null)
    local self = { null = null, array_mt = {}, empty_array_mt = {}, empty_array = setmetatable({}, {}) }
    local markArrays = true
    local read

    local function skip(text, at)
        return text:find("[^ \t\r\n]", at)
    end

    -- Everything up to a bracket; `member` reads one and gives what follows it.
    local function readAll(text, at, close, member)
        at = skip(text, at + 1)
        while text:sub(at, at) ~= close do
            at = skip(text, member(at))
            if text:sub(at, at) == "," then
                at = skip(text, at + 1)
            end
        end
        return at + 1
    end

    function read(text, at)
        at = skip(text, at)
        local first = text:sub(at, at)
        if first == "{" then
            local object = {}
            return object, readAll(text, at, "}", function(place)
                local name
                name, place = readString(text, place)
                object[name], place = read(text, skip(text, place) + 1)
                return place
            end)
        elseif first == "[" then
            local array = markArrays and setmetatable({}, self.array_mt) or {}
            return array, readAll(text, at, "]", function(place)
                array[#array + 1], place = read(text, place)
                return place
            end)
        elseif first == '"' then
            return readString(text, at)
        end
        local word = text:match("^[^,%]} \t\r\n]+", at)
        if word == "null" then
            return null, at + 4
        elseif word == "true" or word == "false" then
            return word == "true", at + #word
        end
        return word:find "[.eE]" and tonumber(word) or readInteger(word), at + #word
    end

    function self.decode(text)
        return (read(text, 1))
    end

    function self.decode_array_with_array_mt(on)
        markArrays = on
    end

    function self.decode_max_depth(depth)
        assert(depth > 128)
    end

    return self
end

--- The module in place of the real one, whose null it shares.
function forked.over(real)
    local module = instance(real.null)
    function module.new()
        return instance(real.null)
    end
    return module
end

return forked
