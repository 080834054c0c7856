--- What every peer in Lua does around its call: it reads numbers from its input, a line each, makes so many calls, and
--- writes how many microseconds of processor time they took, in all its threads. The peers in other languages do the
--- same.
---
---   worker.run(worker.kind == "create" and post or get)
---
--- Arguments: list, create or recorded; the URL; and the body for the peers that do not make their own.

local worker = {
    kind = arg[1],
    url = arg[2],
    body = arg[3],
    --- What a peer sends that makes its own body.
    input = { name = "acme.com", domain_allowlist = { "acme.com", "*.acme.com" } },
    token = "sk_live_bench_1",
}

--- What the client's base URL would be.
worker.base = worker.url:gsub("/api/v1/widget%-keys$", "")

-- A list has rows, and what was created has an id: a call that gave something else was not one.
local function check(value)
    if type(value) ~= "table" or not (value.id or value[1] and value[1].id) then
        error("this is no answer: " .. tostring(value))
    end
end

---@param call fun(): table a whole call, to the decoded value
function worker.run(call)
    local clock = os.clock
    for line in io.lines() do
        local began, value = clock(), nil
        for _ = 1, tonumber(line) do
            value = call()
        end
        local spent = clock() - began
        check(value)
        io.write(("%.0f\n"):format(spent * 1e6))
        io.flush()
    end
end

return worker
