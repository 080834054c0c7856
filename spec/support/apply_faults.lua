--- Runs of `kataven widget-keys apply` over ten keys, an update and a revoke that meet a fault, and what has to be true
--- in the end.

local apply = require "spec.support.apply"
local assert = require "luassert"
local busted = require "busted"
local servers = require "spec.support.servers"

local faults = {}

--- How many keys are made, and how many requests that takes: a list, the creates, an update and a revoke.
faults.KEYS = 10
faults.REQUESTS = faults.KEYS + 3

--- What is wanted: the keys, in the order of their creates, and then the two others.
faults.WANTED = {}
for index = 1, faults.KEYS do
    faults.WANTED[index] = { name = ("customer %d"):format(index),
        domain_allowlist = { ("c%d.example"):format(index) } }
end
faults.WANTED[faults.KEYS + 1] = { name = "moved", domain_allowlist = { "new.example" } }
faults.WANTED[faults.KEYS + 2] = { name = "gone", disabled = true }

--- Lua code that has the process get a signal at the n-th request: "before" it, or once it was "answered".
---@param at integer
---@param when "before"|"answered"
---@param signal string as kill(1) knows it
---@return string
function faults.struck(at, when, signal)
    return ([[
        local transport = require "kataven.transport"
        local new, count = transport.new, 0
        local function strikeAt(number, moment)
            if number == %d and moment == "%s" then
                -- os.execute would have SIGINT ignored meanwhile.
                io.popen("kill -%s " .. io.open "/proc/self/stat":read "*l":match "^%%d+"):close()
            end
        end
        function transport.new(...)
            local made = new(...)
            local send = made.send
            function made.send(...)
                count = count + 1
                local number = count
                strikeAt(number, "before")
                local response, problem = send(...)
                strikeAt(number, "answered")
                return response, problem
            end
            return made
        end
    ]]):format(at, when, signal)
end

--- Describes runs over an account that has only what is to be updated and revoked. `tests` gets `run`, which has
--- `run.hub`, `run.file` (what is wanted), `run.out` (where the keys go), `run.words` (the arguments with both),
--- `run.finished(lost)` and `run.checkAll(lost)`; `lost` is how many keys were minted whose plaintext nobody has.
---@param title string
---@param tests fun(run: table)
function faults.describe(title, tests)
    busted.describe(title, function()
        local run = {}

        busted.lazy_setup(function()
            run.hub = servers.hub { limits = { inFlight = 0 } }
        end)

        busted.lazy_teardown(function()
            run.hub:stop()
        end)

        busted.before_each(function()
            run.hub:reset()
            run.file, run.out = apply.file(faults.WANTED), apply.nowhere()
            run.words = { run.file, "--keys-out", run.out }
            apply.mint(run.hub, { name = "moved", domain_allowlist = { "old.example" } })
            apply.mint(run.hub, { name = "gone" })
        end)

        busted.after_each(function()
            os.remove(run.file)
            os.remove(run.out)
        end)

        --- After a fault: runs it to the end.
        function run.finished(lost)
            local revoked, runs = apply.finish(run.hub, run.words)
            assert.equal(lost, #revoked)
            assert.is_true(runs <= 1 + lost)
            return revoked
        end

        --- What has to be true in the end: the account is as the file wants it, each key was minted once, and each
        --- plaintext is there.
        function run.checkAll(lost)
            local live, kept = apply.live(run.hub), apply.kept(run.out)
            for index = 1, faults.KEYS do
                local rows = live[faults.WANTED[index].name]
                assert.equal(1, #rows)
                assert.same(faults.WANTED[index].domain_allowlist, rows[1].domain_allowlist)
                assert.equal(rows[1].last8, (kept[rows[1].id] or ""):sub(-8), "no plaintext of " .. rows[1].name)
            end
            assert.same({ "new.example" }, live.moved[1].domain_allowlist)
            assert.is_nil(live.gone)
            assert.equal(2 + faults.KEYS + lost, run.hub:stats().creates)
            local _, _, status = apply.run(run.hub, { run.file, "--dry-run" })
            assert.equal(0, status)
        end

        tests(run)
    end)
end

return faults
