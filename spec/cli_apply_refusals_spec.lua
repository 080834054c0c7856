-- `kataven widget-keys apply` where something is wrong: with its file, its options, the account, or an answer.

local apply = require "spec.support.apply"
local child = require "spec.support.child"
local files = require "spec.support.files"
local json = require "dkjson"

apply.describe("kataven widget-keys apply, where something is wrong,", function(desk)
    it("changes nothing where the server's ids are no strings", function()
        local before = desk.hub:stats().creates
        desk.hub:next { status = 200, headers = { ["content-type"] = "application/json" },
            body = '[{"id":7,"name":"a"}]' }
        local errors = desk:refused(1, { desk:wanted { { name = "a" }, { name = "b" } } })
        assert.matches("^kataven: the server's list has a widget key whose id is no string %(entry 1: a number %(7%)%)",
            errors)
        assert.equal(before, desk.hub:stats().creates)
    end)

    it("shows an answer without a key's text whole where it is kept nowhere else", function()
        desk.hub:next { { n = 1 }, { status = 201, headers = { ["content-type"] = "application/json" },
            body = '{"id":"wk_1","name":"a","secret":"lk_1","big":1e999}' } }
        local errors, output = desk:refused(1, { desk:wanted { { name = "a" } } })
        assert.truthy(errors:find("what there was is in the output", 1, true), errors)
        assert.same({ id = "wk_1", name = "a", secret = "lk_1" }, json.decode(output).done[1].row)
    end)

    describe("refuses, before any call,", function()
        local before

        before_each(function()
            before = desk.hub:stats().total
        end)

        after_each(function()
            assert.equal(before, desk.hub:stats().total)
        end)

        it("a file that is wrong, and says all of it", function()
            desk.file = os.tmpname()
            files.write(desk.file, '{"widget_keys":[{"name":"a","domains":[]},{"name":"b","disabled":1},{"name":"b"}]}')
            assert.equal(([[
  entry 1 ("a"): unknown field "domains"; did you mean "domain_allowlist"?
  entry 2 ("b"): disabled must be true or false, got a number (1)
  entries 2 and 3 have the same name, "b"; a name may stand once only
kataven: %s: 3 problems; nothing was sent, so mend them and apply again
]]):format(desk.file), (desk:refused(2, { desk.file })))
        end)

        it("it in one object with --json", function()
            desk.file = os.tmpname()
            files.write(desk.file, '{"widget_keys":[{"name":"a","domains":[]},{"name":7}]}')
            local errors = desk:refused(2, { desk.file, "--json" })
            local document, stop = json.decode(errors)
            assert.equal("\n", errors:sub(stop))
            assert.same({
                name = "UsageError",
                message = desk.file .. ': 2 problems; nothing was sent, so mend them and apply again: entry 1 ("a"): '
                    .. 'unknown field "domains"; did you mean "domain_allowlist"?; entry 2: name must be a string, '
                    .. "got a number (7)",
            }, document.error)
        end)

        it("a file that is not there", function()
            assert.equal("kataven: " .. desk.out .. ": No such file or directory\n", (desk:refused(2, { desk.out })))
        end)

        it("a file for keys that cannot be opened, that others may read, or that is another's", function()
            desk:wanted { { name = "a" } }
            assert.equal("kataven: --keys-out /: Is a directory\n", (desk:refused(2, { desk.file, "--keys-out", "/" })))
            assert.equal("kataven: --keys-out names a file, and - is none: leave it out to have the keys in the "
                .. "output\n", (desk:refused(2, { desk:wanted { { name = "a" } }, "--keys-out", "-" })))
            assert.equal("kataven: --keys-out names the file of the wanted keys: name another\n",
                (desk:refused(2, { desk.file, "--keys-out", desk.file })))
            files.write(desk.out, "x\n")
            os.execute("chmod 644 " .. desk.out)
            assert.equal(("kataven: --keys-out %s: others than its owner may open it; chmod 600 it\n"):format(desk.out),
                (desk:refused(2, { desk.file, "--keys-out", desk.out })))
            os.execute("chmod 600 " .. desk.out)
            assert.equal(
                ("kataven: --keys-out %s: line 1 is none that apply wrote; name a file of its own\n"):format(desk.out),
                (desk:refused(2, { desk.file, "--keys-out", desk.out })))
            assert.equal("x\n", files.read(desk.out))
        end)

        it("a file for keys that another run writes to", function()
            desk:wanted { { name = "a" } }
            local holder = child.start([[
                local appender = assert(require("kataven.core").appender(os.getenv "FILE"))
                print "held"
                io.stdout:flush()
                require("kataven.core").wait(60)
            ]], { environment = { FILE = desk.out } })
            finally(function() holder:stop() end)
            assert.equal("held", holder:line())
            assert.equal(("kataven: --keys-out %s: another run is writing to it\n"):format(desk.out),
                (desk:refused(2, { desk.file, "--keys-out", desk.out })))
        end)
    end)

    it("refuses a wanted name that two live keys have, with all candidates", function()
        local ids = {}
        for index = 1, 2 do
            ids[index] = apply.mint(desk.hub, { name = "a" }).id
        end
        local before = desk.hub:stats().effects
        desk:wanted { { name = "a", disabled = true }, { name = "b" } }
        assert.equal(('kataven: 2 live keys have the name "a": %s, %s. Rename or revoke all but one of each, so that '
            .. "the name says which is meant\n"):format(ids[1], ids[2]),
            (desk:refused(1, { desk.file, "--keys-out", desk.out })))
        local document = json.decode((desk:refused(1, { desk.file, "--json" })))
        assert.equal("PlanError", document.error.name)
        assert.same({ { id = ids[1], name = "a" }, { id = ids[2], name = "a" } }, document.error.candidates)
        assert.equal(before, desk.hub:stats().effects)
    end)

    it("says why the account cannot be read", function()
        desk.hub:next { status = 401, body = "invalid token" }
        assert.matches("^kataven: AuthenticationError: GET /api/v1/widget%-keys: 401 invalid token",
            (desk:refused(1, { desk:wanted { { name = "a" } }, "--keys-out", desk.out })))
    end)

    it("changes nothing where it could not be interrupted without losing a key", function()
        local before = desk.hub:stats().effects
        local errors = desk:refused(1, { desk:wanted { { name = "a" } } }, { before = [[
            require("kataven.core").signals = function()
                return nil, "Too many open files"
            end
        ]] })
        assert.equal("kataven: nothing was changed, since a Ctrl-C could have lost a key: signals cannot be watched: "
            .. "Too many open files\n", errors)
        assert.equal(before, desk.hub:stats().effects)
    end)

    it("stops at a create that the server refuses, and says what is left", function()
        apply.mint(desk.hub, { name = "off" })
        desk:wanted { { name = "a" }, { name = "b" }, { name = "c" }, { name = "off", disabled = true } }
        desk.hub:next { { n = 2 }, { status = 400, body = "name not allowed" } }
        local errors, output = desk:refused(1, { desk.file, "--keys-out", desk.out })
        assert.truthy(errors:find('create "b": BadRequestError: POST /api/v1/widget-keys: 400 name not allowed\n', 1,
            true))
        assert.truthy(errors:find('Not sent: create "c", revoke "off" (', 1, true))
        assert.truthy(errors:find("kataven: 1 of 4 changes were made; apply again: it goes on from there\n", 1, true))
        local document = json.decode(output)
        assert.same({ "create a" }, apply.short(document.done))
        assert.same({ 400, false }, { document.failed[1].error.status, document.failed[1].error.maybeApplied })
        assert.same({ "create c", "revoke off" }, apply.short(document.remaining))
        assert.equal(1, #apply.live(desk.hub).off)
        assert.matches('{"not_created":"b","time":"[^"]+","why":"BadRequestError', files.read(desk.out))
        assert.same({ "create b", "create c", "revoke off" },
            apply.short(desk:done({ desk.file, "--keys-out", desk.out }).done))
    end)

    it("goes on with other updates where one is refused", function()
        for _, name in ipairs { "a", "b", "c" } do
            apply.mint(desk.hub, { name = name })
        end
        desk:wanted { { name = "a", agent_id = "x" }, { name = "b", agent_id = "x" }, { name = "c", agent_id = "x" } }
        desk.hub:next { { n = 1 }, { status = 404, body = "not found" } }
        local errors, output = desk:refused(1, { desk.file })
        local document = json.decode(output)
        assert.same({ 2, 1, 0 }, { #document.done, #document.failed, #document.remaining })
        assert.truthy(errors:find("NotFoundError", 1, true))
    end)

    -- More updates than are sent at once: what the first ones meet decides about the last.
    describe("where all of the first updates fail,", function()
        local COUNT = 24
        local SENT_AT_ONCE = 20

        for why, case in pairs {
            ["with 404, which each may have its own reason for"] = { status = 404, stops = false },
            ["with 409"] = { status = 409, stops = false },
            ["with 502"] = { status = 502, stops = false },
            ["with 401, which the next would meet as well"] = { status = 401, stops = true },
            ["with 403"] = { status = 403, stops = true },
            ["with 429"] = { status = 429, headers = { ["retry-after"] = "3600" }, stops = true },
        } do
            it(why .. ", " .. (case.stops and "sends no more" or "sends the rest all the same"), function()
                local list = {}
                for index = 1, COUNT do
                    list[index] = { name = ("key %d"):format(index), agent_id = "x" }
                    apply.mint(desk.hub, { name = list[index].name })
                end
                local before = desk.hub:stats()
                desk.hub:next { { n = 1 }, { n = SENT_AT_ONCE, status = case.status, headers = case.headers,
                    body = "no", delay = 0.1 } }
                local _, output = desk:refused(1, { desk:wanted(list) })
                local document, after = json.decode(output), desk.hub:stats()
                local sent = case.stops and SENT_AT_ONCE or COUNT
                assert.same({ COUNT - #document.failed - #document.remaining, SENT_AT_ONCE, COUNT - sent },
                    { #document.done, #document.failed, #document.remaining })
                assert.equal(1 + sent, after.total - before.total)
            end)
        end
    end)

    it("tells at every run of a key whose text was never written, until it is revoked", function()
        desk:wanted { { name = "a" } }
        local lost = apply.mint(desk.hub, { name = "a" })
        files.write(desk.out, '{"creating":"a","time":"2026-11-24T09:30:00Z"}\n')
        os.execute("chmod 600 " .. desk.out)
        local told = ('"a" (%s): a run that was cut off had asked for a key of this name (%s, line 1), and never wrote '
            .. "its text. If nobody has that text, revoke it (kataven widget-keys revoke %s), and apply again; if "
            .. "somebody has, take that line out of the file\n"):format(lost.id, desk.out, lost.id)
        for _ = 1, 2 do
            local errors, output = desk:refused(1, { desk.file, "--keys-out", desk.out })
            assert.equal(told .. "kataven: 1 key is live, but its text may never have been written: see above\n",
                errors)
            assert.same({ { file = desk.out, id = lost.id, line = 1, name = "a" } }, json.decode(output).lost)
        end
        local document, errors = desk:done { desk.file, "--keys-out", desk.out, "--dry-run" }
        assert.same({ told, 1 }, { errors, #document.lost })
        apply.revoke(desk.hub, lost.id)
        document = desk:done { desk.file, "--keys-out", desk.out }
        assert.same({ {}, { "create a" } }, { document.lost, apply.short(document.done) })
        assert.same({}, desk:done({ desk.file, "--keys-out", desk.out }).changes)
    end)

    it("does not tell of one that it revokes", function()
        apply.mint(desk.hub, { name = "a" })
        files.write(desk.out, '{"creating":"a","time":"2026-11-24T09:30:00Z"}\n')
        os.execute("chmod 600 " .. desk.out)
        assert.same({}, desk:done({ desk:wanted { { name = "a", disabled = true } }, "--keys-out", desk.out }).lost)
    end)

    it("says that the plan could not be printed, once all is done", function()
        desk:wanted { { name = "a" } }
        local errors = desk:refused(1, { desk.file, "--keys-out", desk.out },
            { launcher = { "sh", "-c", 'exec "$@" >/dev/full', "sh" } })
        assert.truthy(errors:find("kataven: cannot write the output: No space left on device; what was to be done is "
            .. "done\n", 1, true), errors)
        assert.equal(1, #apply.live(desk.hub).a)
        assert.equal(apply.live(desk.hub).a[1].last8, apply.kept(desk.out)[apply.live(desk.hub).a[1].id]:sub(-8))
    end)
end)
