-- `kataven widget-keys apply` with a fault at every point of a run of ten keys: no key is minted twice, no plaintext
-- that had come is lost, and the next run finishes the work, once what it advises was done.

local apply = require "spec.support.apply"
local compiled = require "spec.support.compiled"
local faults = require "spec.support.apply_faults"
local files = require "spec.support.files"
local json = require "dkjson"

local KEYS, REQUESTS = faults.KEYS, faults.REQUESTS
local struck = faults.struck
local CREATES = { first = 2, last = KEYS + 1 } -- requests, after a list

faults.describe("apply, with a fault at every point of a run of ten keys:", function(run)
    it("none", function()
        local _, errors, status = apply.run(run.hub, run.words)
        assert.equal(0, status, errors)
        run.checkAll(0)
    end)

    describe("killed", function()
        for request = 1, REQUESTS do
            it("before request " .. request, function()
                local _, _, status = apply.run(run.hub, run.words, { before = struck(request, "before", "KILL") })
                assert.equal(128 + 9, status)
                run.finished(0)
                run.checkAll(0)
            end)

            it("after the server has acted on request " .. request, function()
                local _, _, status = apply.run(run.hub, run.words, { before = struck(request, "answered", "KILL") })
                assert.equal(128 + 9, status)
                local lost = request >= CREATES.first and request <= CREATES.last and 1 or 0
                run.finished(lost)
                run.checkAll(lost)
            end)
        end

        it("while an answer is on its way", function()
            run.hub:next { { n = 4 }, { delay = 60 } }
            local command = apply.start(run.hub, run.words)
            finally(function() command:stop() end)
            apply.await(run.hub, "creates", 2 + 4)
            command:signal "KILL"
            local _, _, status = command:wait()
            assert.equal(128 + 9, status)
            run.finished(1)
            run.checkAll(1)
        end)
    end)

    describe("its answer lost,", function()
        for request = CREATES.first, CREATES.last do
            it("request " .. request, function()
                run.hub:next { { n = request - 1 }, { status = 502, body = "lost", apply = true } }
                local output, errors, status = apply.run(run.hub, run.words)
                assert.equal(1, status)
                local there = apply.live(run.hub)[faults.WANTED[request - 1].name][1]
                assert.truthy(errors:find(('create "%s": the answer was lost, so a key may have been made whose text '
                    .. "nobody knows: ServerError: POST /api/v1/widget-keys: 502"):format(there.name), 1, true))
                assert.truthy(errors:find(("There is one of that name now: %s. Unless somebody else has made it "
                    .. "meanwhile, its text cannot be had any more: revoke it (kataven widget-keys revoke %s), and "
                    .. "apply again"):format(there.id, there.id), 1, true))
                assert.truthy(errors:find "; see above before you apply again\n$")
                local document = json.decode(output)
                assert.equal(request - CREATES.first, #document.done)
                assert.equal(KEYS + 2 - #document.done - 1, #document.remaining)
                assert.equal(there.id, document.failed[1].there[1].id)
                assert.is_true(document.failed[1].error.maybeApplied)
                run.finished(1)
                run.checkAll(1)
            end)
        end

        it("by a timeout", function()
            run.hub:next { { n = 5 }, { delay = 20 } }
            local _, errors, status = apply.run(run.hub, { run.file, "--keys-out", run.out, "--timeout", "2" })
            assert.equal(1, status)
            assert.truthy(errors:find("TimeoutError", 1, true))
            run.finished(1)
            run.checkAll(1)
        end)

        it("and nothing done", function()
            run.hub:next { { n = 3 }, { status = 502, body = "lost" } }
            local _, errors, status = apply.run(run.hub, run.words)
            assert.equal(1, status)
            assert.truthy(errors:find("No live key has that name now. The server may still be at work: look again with "
                .. "kataven widget-keys list --live before you apply again", 1, true))
            run.finished(0)
            run.checkAll(0)
        end)

        it("and the list after it lost as well", function()
            run.hub:next {
                { n = 3 }, { status = 502, body = "lost", apply = true }, { status = 401, body = "no" },
            }
            local _, errors, status = apply.run(run.hub, run.words)
            assert.equal(1, status)
            assert.truthy(errors:find("What is there could not be read either (AuthenticationError", 1, true))
            run.finished(1)
            run.checkAll(1)
        end)

        it("of the update and the revoke", function()
            run.hub:next { { n = KEYS + 1 }, { n = 2, status = 502, body = "lost", apply = true } }
            local output, errors, status = apply.run(run.hub, run.words)
            assert.equal(1, status)
            local _, count = errors:gsub("it may have been done; applying again makes sure", "")
            assert.equal(2, count, errors)
            assert.equal(2, #json.decode(output).failed)
            run.finished(0)
            run.checkAll(0)
        end)
    end)

    describe("rate-limited", function()
        for request = 1, REQUESTS do
            it("at request " .. request .. ", for longer than it waits", function()
                run.hub:next { { n = request - 1 },
                    { status = 429, headers = { ["retry-after"] = "3600" }, body = "rate_limited" } }
                local output, errors, status = apply.run(run.hub, run.words)
                assert.equal(1, status)
                assert.truthy(errors:find "RateLimitError")
                if request > 1 then
                    local document = json.decode(output)
                    assert.equal(KEYS + 2, #document.done + #document.failed + #document.remaining)
                    assert.is_true(#document.failed >= 1)
                    assert.truthy(errors:find("apply again: it goes on from there", 1, true))
                end
                run.finished(0)
                run.checkAll(0)
            end)
        end

        it("for a while, at every request", function()
            local plan = {}
            for index = 1, REQUESTS do
                plan[2 * index - 1] = { status = 429, headers = { ["retry-after"] = "0" }, body = "rate_limited" }
                plan[2 * index] = {}
            end
            run.hub:next(plan)
            local _, errors, status = apply.run(run.hub, run.words)
            assert.equal(0, status, errors)
            run.checkAll(0)
        end)
    end)

    if files.read "/proc/self/stat" then
        describe("the disk", function()
            local shim

            lazy_setup(function()
                shim = compiled.build("full_disk", "-shared")
            end)

            lazy_teardown(function()
                os.remove(shim)
            end)

            -- Two writes for each key: that it is asked for, and what came.
            for write = 1, 2 * KEYS do
                local asked = write % 2 == 1
                local at = ("at write %d"):format(write)
                local function start(how)
                    return apply.run(run.hub, run.words, { environment = {
                        LD_PRELOAD = shim, FAULT_FILE = run.out, FAULT_AT = tostring(write), FAULT_HOW = how,
                    } })
                end

                for how, why in pairs { full = "No space left on device", sync = "Input/output error" } do
                    it(("%s %s"):format(how == "full" and "full" or "broken", at), function()
                        local before = run.hub:stats().creates
                        local output, errors, status = start(how)
                        local made = math.floor(write / 2)
                        assert.equal(1, status)
                        assert.truthy(errors:find(why, 1, true), errors)
                        assert.equal(before + made, run.hub:stats().creates) -- none that could not have been kept
                        local shown = errors:match "KEEP IT NOW, it is shown this once: (pk_live_%w+_%x+)\n"
                        local document = json.decode(output)
                        if asked then
                            assert.is_nil(shown)
                            assert.truthy(errors:find(run.out .. ": " .. why
                                .. ". No key was asked for, since it could not have been kept", 1, true))
                        else
                            local row = apply.live(run.hub)[faults.WANTED[made].name][1]
                            assert.equal(row.last8, shown:sub(-8))
                            assert.equal(shown, document.done[made].key)
                        end
                        assert.equal(made, #document.done)
                        assert.equal(KEYS + 2 - made, #document.remaining)
                        -- Whoever kept what was shown need not revoke it; here nobody did.
                        run.finished(asked and 0 or 1)
                        run.checkAll(asked and 0 or 1)
                    end)
                end

                it("gone, and the process with it, " .. at, function()
                    local _, _, status = start "kill"
                    assert.equal(128 + 9, status)
                    run.finished(asked and 0 or 1)
                    run.checkAll(asked and 0 or 1)
                end)
            end
        end)
    end
end)
