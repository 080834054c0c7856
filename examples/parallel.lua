-- Many calls from a plain script: a widget key for every customer, twenty requests in flight at once.
--
--   eval "$(make -s env)"; lua5.4 examples/parallel.lua acme.com shop.example ...
--
-- Reads KATAVEN_API_KEY, and KATAVEN_BASE_URL where it is not the production's.

local kataven = require "kataven"

local customers = #arg > 0 and arg or { "acme.com", "shop.example", "play.example" }
local client = kataven.new {}

local tasks = {}
for index, customer in ipairs(customers) do
    tasks[index] = function()
        return client.widgetKeys.create { name = customer, domain_allowlist = { customer, "*." .. customer } }
    end
end

local results = client:parallel(tasks, {
    progress = function(done, total)
        io.stderr:write(("\r%d of %d"):format(done, total), done == total and "\n" or "")
    end,
})

-- In the order of the tasks. One that failed does not hide the others.
local failed = 0
for index, result in ipairs(results) do
    if result.err then
        failed = failed + 1
        print(customers[index], "failed", result.err)
    else
        -- A second value, where there is one, is a secret for your backend; it is not printed here.
        local plaintext = kataven.plaintext(result.value)
        print(customers[index], plaintext)
    end
end
client:close()
os.exit(failed == 0 and 0 or 1)
