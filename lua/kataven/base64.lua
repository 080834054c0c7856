--- Base64 (RFC 4648 section 4: the standard alphabet, with padding) in plain
--- Lua, since the arithmetic has to run on Lua 5.1, which has no bit operators.
--- Used for bodies that are not text and to recognise an encoded secret.

local base64 = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local digits, values = {}, {}
for i = 1, #ALPHABET do
    local c = ALPHABET:sub(i, i)
    digits[i - 1], values[c:byte()] = c, i - 1
end

local floor = math.floor

local function encodeGroup(group)
    local a, b, c = group:byte(1, 3)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)

    return digits[floor(n / 262144)]
        .. digits[floor(n / 4096) % 64]
        .. (b and digits[floor(n / 64) % 64] or "=")
        .. (c and digits[n % 64] or "=")
end

local function decodeGroup(group)
    local a, b, c, d = group:byte(1, 4)
    local n = values[a] * 262144 + values[b] * 4096 + (values[c] or 0) * 64 + (values[d] or 0)
    local bytes = string.char(floor(n / 65536), floor(n / 256) % 256, n % 256)

    -- "=" has no value, so a missing third or fourth digit shows here.
    return bytes:sub(1, values[d] and 3 or values[c] and 2 or 1)
end

--- Never fails: any bytes have a Base64 form.
---@param bytes string
---@return string
function base64.encode(bytes)
    return (bytes:gsub("..?.?", encodeGroup))
end

--- Strict: no blanks, no URL alphabet, complete padding.
---@param text string
---@return string|nil bytes nil when the text is not Base64
function base64.decode(text)
    if #text % 4 ~= 0 or not text:find("^[A-Za-z0-9+/]*=?=?$") then
        return nil
    end
    return (text:gsub("....", decodeGroup))
end

return base64
