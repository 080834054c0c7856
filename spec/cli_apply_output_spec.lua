-- `kataven widget-keys apply` without --keys-out, with a fault at every point of a run of ten keys: each plaintext that
-- came is in the output, or on standard error where the output cannot be written, and no key is minted twice.

local apply = require "spec.support.apply"
local faults = require "spec.support.apply_faults"
local files = require "spec.support.files"

local KEYS, struck = faults.KEYS, faults.struck
local BLOCK = 512 -- bytes, of what `ulimit -f` counts in a POSIX shell
local VARIES = 64 -- bytes by which one output may be longer than another, with its times

faults.describe("apply without --keys-out, with a fault at every point of a run of ten keys:", function(run)
    -- The plaintexts in a text, by their ends, each once.
    local function plaintexts(text)
        local found, count = {}, 0
        for key in text:gmatch "pk_live_%w+_%x+" do
            if not found[key:sub(-8)] then
                found[key:sub(-8)], count = key, count + 1
            end
        end
        return found, count
    end

    -- Every key that was minted is in `text` but for `lost`; and the next runs finish the work, and mint none again.
    local function verify(text, lost)
        local found, count = plaintexts(text)
        local before, live = run.hub:stats().creates - 2, apply.live(run.hub)
        assert.equal(before - lost, count, text)
        local ends = {}
        for index = 1, KEYS do
            for _, row in ipairs(live[faults.WANTED[index].name] or {}) do
                ends[row.last8] = true
            end
        end
        for last8 in pairs(found) do
            assert.is_true(ends[last8], last8)
        end
        local output, errors, status = apply.run(run.hub, { run.file })
        assert.equal(0, status, errors)
        local _, more = plaintexts(output)
        assert.equal(KEYS - before, more)
        live = apply.live(run.hub)
        for index = 1, KEYS do
            assert.equal(1, #live[faults.WANTED[index].name])
        end
        assert.equal(2 + KEYS, run.hub:stats().creates)
    end

    for create = 1, KEYS do
        it("Ctrl-C just when the answer to create " .. create .. " has come", function()
            local output, errors, status = apply.run(run.hub, { run.file },
                { before = struck(create + 1, "answered", "INT") })
            assert.equal(130, status, errors)
            assert.equal(2 + create, run.hub:stats().creates)
            verify(output, 0)
        end)

        it("killed just before create " .. create, function()
            local output, _, status = apply.run(run.hub, { run.file },
                { before = struck(create + 1, "before", "KILL") })
            assert.equal(128 + 9, status)
            assert.equal(2 + create - 1, run.hub:stats().creates)
            verify(output, 0)
        end)

        -- What nobody could have written; without --keys-out no later run knows of it.
        it("killed just when the answer to create " .. create .. " has come", function()
            local output, _, status = apply.run(run.hub, { run.file },
                { before = struck(create + 1, "answered", "KILL") })
            assert.equal(128 + 9, status)
            verify(output, 1)
        end)
    end

    it("an output that takes no more, at each of its blocks", function()
        local whole = apply.run(run.hub, { run.file })
        local stopped = 0
        for blocks = 1, math.floor((#whole - VARIES) / BLOCK) do
            run.hub:reset()
            apply.mint(run.hub, { name = "moved", domain_allowlist = { "old.example" } })
            apply.mint(run.hub, { name = "gone" })
            local _, errors, status = apply.run(run.hub, { run.file }, { launcher = { "sh", "-c",
                ('trap "" XFSZ; ulimit -f %d; exec "$@" >"$0"'):format(blocks), run.out } })
            assert.equal(1, status, errors)
            assert.truthy(errors:find("File too large", 1, true), errors)
            local written = files.read(run.out)
            assert.equal(blocks * BLOCK, #written)
            -- One that was cut is whole on standard error.
            verify(written:gsub("pk_live_[%w_]*$", "") .. errors, 0)
            stopped = stopped + 1
        end
        assert.is_true(stopped >= 8, stopped)
    end)
end)
