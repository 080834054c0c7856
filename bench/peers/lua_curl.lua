-- Debian's lua-curl, of Lua 5.1, with lua-cjson.

local cjson = require "cjson"
local curl = require "curl"
local worker = require "bench.worker"

local easy, parts = curl.easy_init(), nil
easy:setopt(curl.OPT_URL, worker.url)
easy:setopt(curl.OPT_NOSIGNAL, 1)
easy:setopt(curl.OPT_HTTPHEADER, {
    "Authorization: Bearer " .. worker.token, "Accept: application/json", "Content-Type: application/json",
})
easy:setopt(curl.OPT_WRITEFUNCTION, function(text, size)
    parts[#parts + 1] = text
    return size
end)

worker.run(function()
    parts = {}
    if worker.kind == "create" then
        easy:setopt(curl.OPT_POSTFIELDS, cjson.encode(worker.input))
    end
    assert(easy:perform() == 0)
    return cjson.decode(table.concat(parts))
end)
