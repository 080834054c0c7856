-- `kataven widget-keys apply` with a fault at every point of a run of ten keys: no key is minted twice, no plaintext
-- that had come is lost, and the next run finishes the work, once what it advises was done.

local apply = require "spec.support.apply"
local compiled = require "spec.support.compiled"
local files = require "spec.support.files"
local json = require "dkjson"
local servers = require "spec.support.servers"

local KEYS = 10
local CREATES = { first = 2, last = KEYS + 1 } -- requests: a list, ten creates, an update and a revoke
local REQUESTS = KEYS + 3

local WANTED = {}
for index = 1, KEYS do
    WANTED[index] = { name = ("customer %d"):format(index), domain_allowlist = { ("c%d.example"):format(index) } }
end
WANTED[KEYS + 1] = { name = "moved", domain_allowlist = { "new.example" } }
WANTED[KEYS + 2] = { name = "gone", disabled = true }

-- Lua code that has the process get a signal at the n-th request: "before" it, or once it was "answered".
local function struck(at, when, signal)
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

describe("apply, with a fault at every point of a run of ten keys:", function()
    local hub, file, out, words

    lazy_setup(function()
        hub = servers.hub { limits = { inFlight = 0 } }
    end)

    lazy_teardown(function()
        hub:stop()
    end)

    before_each(function()
        hub:reset()
        file, out = apply.file(WANTED), apply.nowhere()
        words = { file, "--keys-out", out }
        apply.mint(hub, { name = "moved", domain_allowlist = { "old.example" } })
        apply.mint(hub, { name = "gone" })
    end)

    after_each(function()
        os.remove(file)
        os.remove(out)
    end)

    -- Runs it with a fault, and then to the end. `lost` is how many keys were minted whose plaintext nobody has.
    local function finished(lost)
        local revoked, runs = apply.finish(hub, words)
        assert.equal(lost, #revoked)
        assert.is_true(runs <= 1 + lost)
        return revoked
    end

    -- What has to be true in the end: the account is as the file wants it, each key was minted once, and each plaintext
    -- is there.
    local function checkAll(lost)
        local live, kept = apply.live(hub), apply.kept(out)
        for index = 1, KEYS do
            local rows = live[WANTED[index].name]
            assert.equal(1, #rows)
            assert.same(WANTED[index].domain_allowlist, rows[1].domain_allowlist)
            assert.equal(rows[1].last8, (kept[rows[1].id] or ""):sub(-8), "no plaintext of " .. rows[1].name)
        end
        assert.same({ "new.example" }, live.moved[1].domain_allowlist)
        assert.is_nil(live.gone)
        assert.equal(2 + KEYS + lost, hub:stats().creates)
        local _, _, status = apply.run(hub, { file, "--dry-run" })
        assert.equal(0, status)
    end

    it("none", function()
        local _, errors, status = apply.run(hub, words)
        assert.equal(0, status, errors)
        checkAll(0)
    end)

    describe("killed", function()
        for request = 1, REQUESTS do
            it("before request " .. request, function()
                local _, _, status = apply.run(hub, words, { before = struck(request, "before", "KILL") })
                assert.equal(128 + 9, status)
                finished(0)
                checkAll(0)
            end)

            it("after the server has acted on request " .. request, function()
                local _, _, status = apply.run(hub, words, { before = struck(request, "answered", "KILL") })
                assert.equal(128 + 9, status)
                local lost = request >= CREATES.first and request <= CREATES.last and 1 or 0
                finished(lost)
                checkAll(lost)
            end)
        end

        it("while an answer is on its way", function()
            hub:next { { n = 4 }, { delay = 60 } }
            local command = apply.start(hub, words)
            finally(function() command:stop() end)
            apply.await(hub, "creates", 2 + 4)
            command:signal "KILL"
            local _, _, status = command:wait()
            assert.equal(128 + 9, status)
            finished(1)
            checkAll(1)
        end)
    end)

    describe("its answer lost,", function()
        for request = CREATES.first, CREATES.last do
            it("request " .. request, function()
                hub:next { { n = request - 1 }, { status = 502, body = "lost", apply = true } }
                local output, errors, status = apply.run(hub, words)
                assert.equal(1, status)
                local there = apply.live(hub)[WANTED[request - 1].name][1]
                assert.truthy(errors:find(('create "%s": the answer was lost, so a key may have been made whose text '
                    .. "nobody knows: ServerError: POST /api/v1/widget-keys: 502"):format(there.name), 1, true))
                assert.truthy(errors:find(("There is one of that name now: %s. Its text cannot be had any more: revoke "
                    .. "it (kataven widget-keys revoke %s), and apply again"):format(there.id, there.id), 1, true))
                assert.truthy(errors:find "; see above before you apply again\n$")
                local document = json.decode(output)
                assert.equal(request - CREATES.first, #document.done)
                assert.equal(KEYS + 2 - #document.done - 1, #document.remaining)
                assert.equal(there.id, document.failed[1].there[1].id)
                assert.is_true(document.failed[1].error.maybeApplied)
                finished(1)
                checkAll(1)
            end)
        end

        it("by a timeout", function()
            hub:next { { n = 5 }, { delay = 20 } }
            local _, errors, status = apply.run(hub, { file, "--keys-out", out, "--timeout", "2" })
            assert.equal(1, status)
            assert.truthy(errors:find("TimeoutError", 1, true))
            finished(1)
            checkAll(1)
        end)

        it("and nothing done", function()
            hub:next { { n = 3 }, { status = 502, body = "lost" } }
            local _, errors, status = apply.run(hub, words)
            assert.equal(1, status)
            assert.truthy(errors:find("No live key has that name now. The server may still be at work: look again with "
                .. "kataven widget-keys list --live before you apply again", 1, true))
            finished(0)
            checkAll(0)
        end)

        it("and the list after it lost as well", function()
            hub:next {
                { n = 3 }, { status = 502, body = "lost", apply = true }, { status = 401, body = "no" },
            }
            local _, errors, status = apply.run(hub, words)
            assert.equal(1, status)
            assert.truthy(errors:find("What is there could not be read either (AuthenticationError", 1, true))
            finished(1)
            checkAll(1)
        end)

        it("of the update and the revoke", function()
            hub:next { { n = KEYS + 1 }, { n = 2, status = 502, body = "lost", apply = true } }
            local output, errors, status = apply.run(hub, words)
            assert.equal(1, status)
            local _, count = errors:gsub("it may have been done; applying again makes sure", "")
            assert.equal(2, count, errors)
            assert.equal(2, #json.decode(output).failed)
            finished(0)
            checkAll(0)
        end)
    end)

    describe("rate-limited", function()
        for request = 1, REQUESTS do
            it("at request " .. request .. ", for longer than it waits", function()
                hub:next { { n = request - 1 },
                    { status = 429, headers = { ["retry-after"] = "3600" }, body = "rate_limited" } }
                local output, errors, status = apply.run(hub, words)
                assert.equal(1, status)
                assert.truthy(errors:find "RateLimitError")
                if request > 1 then
                    local document = json.decode(output)
                    assert.equal(KEYS + 2, #document.done + #document.failed + #document.remaining)
                    assert.is_true(#document.failed >= 1)
                    assert.truthy(errors:find("apply again: it goes on from there", 1, true))
                end
                finished(0)
                checkAll(0)
            end)
        end

        it("for a while, at every request", function()
            local plan = {}
            for index = 1, REQUESTS do
                plan[2 * index - 1] = { status = 429, headers = { ["retry-after"] = "0" }, body = "rate_limited" }
                plan[2 * index] = {}
            end
            hub:next(plan)
            local _, errors, status = apply.run(hub, words)
            assert.equal(0, status, errors)
            checkAll(0)
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
                local function run(how)
                    return apply.run(hub, words, { environment = {
                        LD_PRELOAD = shim, FAULT_FILE = out, FAULT_AT = tostring(write), FAULT_HOW = how,
                    } })
                end

                for how, why in pairs { full = "No space left on device", sync = "Input/output error" } do
                    it(("%s %s"):format(how == "full" and "full" or "broken", at), function()
                        local before = hub:stats().creates
                        local output, errors, status = run(how)
                        local made = math.floor(write / 2)
                        assert.equal(1, status)
                        assert.truthy(errors:find(why, 1, true), errors)
                        assert.equal(before + made, hub:stats().creates) -- none that could not have been kept
                        local shown = errors:match "KEEP IT NOW, it is shown this once: (pk_live_%w+_%x+)\n"
                        local document = json.decode(output)
                        if asked then
                            assert.is_nil(shown)
                            assert.truthy(errors:find(out .. ": " .. why
                                .. ". No key was asked for, since it could not have been kept", 1, true))
                        else
                            local row = apply.live(hub)[WANTED[made].name][1]
                            assert.equal(row.last8, shown:sub(-8))
                            assert.equal(shown, document.done[made].key)
                        end
                        assert.equal(made, #document.done)
                        assert.equal(KEYS + 2 - made, #document.remaining)
                        -- Whoever kept what was shown need not revoke it; here nobody did.
                        finished(asked and 0 or 1)
                        checkAll(asked and 0 or 1)
                    end)
                end

                it("gone, and the process with it, " .. at, function()
                    local _, _, status = run "kill"
                    assert.equal(128 + 9, status)
                    finished(asked and 0 or 1)
                    checkAll(asked and 0 or 1)
                end)
            end
        end)
    end

    describe("Ctrl-C", function()
        -- Waits until so many were made, of which the last is not answered.
        local function interrupted(creates, signal)
            hub:next { { n = creates }, { delay = 60 } }
            local command = apply.start(hub, words)
            finally(function() command:stop() end)
            apply.await(hub, "creates", 2 + creates)
            command:signal(signal)
            return command:wait()
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
                finished(1)
                checkAll(1)
            end)
        end

        for request = 1, REQUESTS do
            it("just when the answer to request " .. request .. " has come", function()
                local _, errors, status = apply.run(hub, words, { before = struck(request, "answered", "INT") })
                if request == REQUESTS then
                    -- Caught while the two last are in flight: both may be answered, or one cancelled.
                    assert.truthy(errors:find("interrupted: 1[012] of 12 changes were made"), errors)
                end
                assert.equal(130, status, errors)
                finished(0)
                checkAll(0)
            end)
        end

        it("while the list is awaited", function()
            hub:next { delay = 60 }
            local command = apply.start(hub, words)
            finally(function() command:stop() end)
            apply.await(hub, "total", 2 + 1)
            command:signal "INT"
            local output, errors, status = command:wait()
            assert.same({ "", "kataven: interrupted\n", 130 }, { output, errors, status })
            assert.equal(2, hub:stats().creates)
            finished(0)
            checkAll(0)
        end)

        it("while it rests before it tries again", function()
            hub:next { { n = 3 }, { status = 429, headers = { ["retry-after"] = "50" }, body = "limited" } }
            local command = apply.start(hub, words)
            finally(function() command:stop() end)
            apply.await(hub, "total", 2 + 4)
            command:sleeps()
            command:signal "INT"
            local _, errors, status = command:wait()
            assert.equal(130, status)
            assert.truthy(errors:find('create "customer 3": CancelledError', 1, true), errors)
            finished(0)
            checkAll(0)
        end)

        it("while the others are sent", function()
            hub:next { { n = KEYS + 1 }, { n = 2, delay = 60 } }
            local command = apply.start(hub, words)
            finally(function() command:stop() end)
            apply.await(hub, "updates", 2)
            command:signal "INT"
            local _, errors, status = command:wait()
            assert.equal(130, status)
            assert.truthy(errors:find("interrupted: 10 of 12 changes were made", 1, true), errors)
            finished(0)
            checkAll(0)
        end)

        it("as SIGTERM", function()
            local _, _, status = interrupted(2, "TERM")
            assert.equal(128 + 15, status)
            finished(1)
            checkAll(1)
        end)
    end)
end)
