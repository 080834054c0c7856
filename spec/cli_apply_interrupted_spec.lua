-- `kataven widget-keys apply`, interrupted at every point of a run of ten keys: what cli_apply_faults_spec.lua wants of
-- other faults holds for Ctrl-C and SIGTERM as well.

local apply = require "spec.support.apply"
local faults = require "spec.support.apply_faults"
local json = require "dkjson"

local KEYS, REQUESTS = faults.KEYS, faults.REQUESTS
local struck = faults.struck

faults.describe("apply, interrupted by Ctrl-C at every point of a run of ten keys:", function(run)
    -- Sends it a signal once the hub has counted so many, and, where that is wanted, once it sleeps.
    local function signalled(signal, what, count, asleep)
        local command = apply.start(run.hub, run.words)
        finally(function() command:stop() end)
        apply.await(run.hub, what, count)
        if asleep then
            command:sleeps()
        end
        command:signal(signal)
        return command:wait()
    end

    -- Once so many were made, of which the last is not answered.
    local function interrupted(creates, signal)
        run.hub:next { { n = creates }, { delay = 60 } }
        return signalled(signal, "creates", 2 + creates)
    end

    for creates = 1, KEYS do
        it("while the answer to create " .. creates .. " is awaited", function()
            local output, errors, status = interrupted(creates, "INT")
            assert.equal(130, status, errors)
            assert.truthy(errors:find(('create "customer %d": the answer was lost, so a key may have been made '
                .. "whose text nobody knows: CancelledError"):format(creates), 1, true), errors)
            assert.truthy(errors:find(("interrupted: %d of 12 changes were made; see above"):format(creates - 1), 1,
                true))
            local document = json.decode(output)
            assert.is_true(document.interrupted)
            assert.equal(creates - 1, #document.done)
            run.finished(1)
            run.checkAll(1)
        end)
    end

    for request = 1, REQUESTS do
        it("just when the answer to request " .. request .. " has come", function()
            local _, errors, status = apply.run(run.hub, run.words, { before = struck(request, "answered", "INT") })
            if request == REQUESTS then
                -- Caught while the two last are in flight: both may be answered, or one cancelled.
                assert.truthy(errors:find("interrupted: 1[012] of 12 changes were made"), errors)
            end
            assert.equal(130, status, errors)
            run.finished(0)
            run.checkAll(0)
        end)
    end

    it("while the list is awaited", function()
        run.hub:next { delay = 60 }
        local output, errors, status = signalled("INT", "total", 2 + 1)
        assert.same({ "", "kataven: interrupted\n", 130 }, { output, errors, status })
        assert.equal(2, run.hub:stats().creates)
        run.finished(0)
        run.checkAll(0)
    end)

    it("while it rests before it tries again", function()
        run.hub:next { { n = 3 }, { status = 429, headers = { ["retry-after"] = "50" }, body = "limited" } }
        local _, errors, status = signalled("INT", "total", 2 + 4, true)
        assert.equal(130, status)
        assert.truthy(errors:find('create "customer 3": CancelledError', 1, true), errors)
        run.finished(0)
        run.checkAll(0)
    end)

    it("while the others are sent", function()
        run.hub:next { { n = KEYS + 1 }, { n = 2, delay = 60 } }
        local _, errors, status = signalled("INT", "updates", 2)
        assert.equal(130, status)
        assert.truthy(errors:find("interrupted: 10 of 12 changes were made", 1, true), errors)
        run.finished(0)
        run.checkAll(0)
    end)

    for name, number in pairs { TERM = 15, HUP = 1 } do
        it("as SIG" .. name, function()
            local _, _, status = interrupted(2, name)
            assert.equal(128 + number, status)
            run.finished(1)
            run.checkAll(1)
        end)
    end

    it("sends no more updates after a Ctrl-C that comes with the answer to one", function()
        local list = {}
        for index = 1, 24 do
            list[index] = { name = ("key %d"):format(index), agent_id = "x" }
            apply.mint(run.hub, { name = list[index].name })
        end
        -- The first is answered when twenty are in flight.
        run.hub:next { { n = 1 }, { n = 1, delay = 1.5 }, { n = 30, delay = 20 } }
        local file = apply.file(list)
        finally(function() os.remove(file) end)
        local output, errors, status = apply.run(run.hub, { file }, { before = struck(2, "answered", "INT") })
        local document = json.decode(output)
        assert.equal(130, status, errors)
        assert.equal(24, #document.done + #document.failed + #document.remaining)
        assert.equal(4, #document.remaining)
    end)
end)
