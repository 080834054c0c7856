-- What the target json calls, each with a text.

local core = require "kataven.core"
local exact = require "kataven.cassette.json"

return {
    decode = core.decode,
    encode = core.encode,
    canonical = exact.canonical,
    pretty = function(text)
        local value = exact.decodeExact(text)

        if value ~= nil then
            return exact.pretty(value)
        end
    end,
}
