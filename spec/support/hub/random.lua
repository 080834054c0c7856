-- Random hexadecimal digits, for ids and keys.

local rand = require "openssl.rand"

return function(bytes)
    return (rand.bytes(bytes):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end
