-- `kataven widget-keys apply`: what it does to an account, what it prints, and how it ends.

local apply = require "spec.support.apply"
local child = require "spec.support.child"
local files = require "spec.support.files"
local json = require "dkjson"
local servers = require "spec.support.servers"

local EMPTY = setmetatable({}, { __jsontype = "array" })

describe("kataven widget-keys apply", function()
    local hub, out, file

    lazy_setup(function()
        hub = servers.hub {}
    end)

    lazy_teardown(function()
        hub:stop()
    end)

    before_each(function()
        hub:reset()
        out = apply.nowhere()
    end)

    after_each(function()
        os.remove(out)
        if file then
            os.remove(file)
            file = nil
        end
    end)

    local function wanted(list)
        if file then
            os.remove(file)
        end
        file = apply.file(list)
        return file
    end

    -- Runs it where it goes well, and gives its document and its messages.
    local function done(words, options)
        local output, errors, status = apply.run(hub, words, options)
        assert.equal(0, status, errors)
        local document, stop = json.decode(output, 1, json.null)
        assert.equal("\n", output:sub(stop), "more than one document")
        return document, errors
    end

    local function refused(status, words, options)
        local output, errors, code = apply.run(hub, words, options)
        assert.equal(status, code, errors)
        return errors, output
    end

    -- The changes of a document as short lines.
    local function short(changes)
        local lines = {}
        for index, change in ipairs(changes) do
            lines[index] = change.action .. " " .. change.name
        end
        return lines
    end

    describe("makes the account look like the file:", function()
        it("creates, updates and revokes, and a second time does nothing", function()
            local old = apply.mint(hub, { name = "old", domain_allowlist = { "old.example" }, agent_id = "agent_1" })
            local off = apply.mint(hub, { name = "off" })
            local other = apply.mint(hub, { name = "other" })
            wanted {
                { name = "off", disabled = true },
                { name = "new", domain_allowlist = { "new.example", "*.new.example" }, agent_id = "agent_2" },
                { name = "old", domain_allowlist = EMPTY, agent_id = json.null },
                { name = "blocked", domain_allowlist = EMPTY },
            }
            local document, errors = done { file, "--keys-out", out }
            local all = { "create new", "create blocked", "update old", "revoke off" }
            assert.same(all, short(document.changes))
            assert.same(all, short(document.done))
            assert.same({ {}, {}, {}, {}, false }, { document.failed, document.remaining, document.lost,
                document.unchanged, document.interrupted })
            assert.equal(other.id, document.unlisted[1].id)
            assert.equal("1 of 4: creating \"new\"\n2 of 4: creating \"blocked\"\n3 of 4 done\n4 of 4 done\n", errors)

            local live = apply.live(hub)
            assert.same({ "new.example", "*.new.example" }, live.new[1].domain_allowlist)
            assert.equal("agent_2", live.new[1].agent_id)
            assert.same({ {}, nil, old.id }, { live.old[1].domain_allowlist, live.old[1].agent_id, live.old[1].id })
            assert.same({}, live.blocked[1].domain_allowlist)
            assert.is_nil(live.off)
            assert.equal(off.id, document.done[4].id)

            local effects = hub:stats().effects
            document, errors = done { file, "--keys-out", out }
            assert.same({ {}, {} }, { document.changes, document.done })
            assert.equal(4, #document.unchanged)
            assert.equal("", errors)
            assert.equal(effects, hub:stats().effects)
        end)

        it("sends creates one at a time", function()
            hub:next { n = 4, delay = 0.1 }
            done { wanted { { name = "a" }, { name = "b" }, { name = "c" } }, "--keys-out", out }
            assert.equal(1, hub:stats().mostInFlight)
        end)

        it("sends the others side by side", function()
            local list = {}
            for index = 1, 5 do
                apply.mint(hub, { name = "key " .. index })
                list[index] = { name = "key " .. index, agent_id = "agent_1" }
            end
            hub:next { { n = 1 }, { n = 5, delay = 0.5 } }
            done { wanted(list) }
            assert.is_true(hub:stats().mostInFlight > 1)
        end)

        it("makes a new key where only disabled ones have the name, and says which those are", function()
            local old = apply.mint(hub, { name = "a" })
            apply.revoke(hub, old.id)
            local document = done { wanted { { name = "a" } }, "--keys-out", out }
            assert.equal(old.id, document.changes[1].disabled[1].id)
            assert.are_not.equal(old.id, document.done[1].id)
            assert.equal(1, #apply.live(hub).a)
        end)

        it("from standard input", function()
            wanted { { name = "a" } }
            done({ "-", "--keys-out", out }, { launcher = { "sh", "-c", 'exec "$@" <' .. file, "sh" } })
            assert.equal(1, #apply.live(hub).a)
        end)
    end)

    describe("with --dry-run", function()
        it("shows the plan, sends nothing but the list, and ends with 3", function()
            apply.mint(hub, { name = "other" })
            wanted { { name = "a", domain_allowlist = { "a.example" } } }
            local before = hub:stats()
            local output, errors, status = apply.run(hub, { file, "--dry-run", "--prune", "--keys-out", out })
            assert.same({ "", 3 }, { errors, status })
            assert.same({ "create a", "revoke other" }, short(json.decode(output).changes))
            local after = hub:stats()
            assert.same({ before.effects, before.total + 1 }, { after.effects, after.total })
            assert.is_nil(files.read(out))
        end)

        it("fails where its output cannot be written", function()
            wanted { { name = "a" } }
            assert.equal("kataven: cannot write the output: No space left on device\n",
                (refused(1, { file, "--dry-run" }, { launcher = { "sh", "-c", 'exec "$@" >/dev/full', "sh" } })))
        end)

        it("ends with 0 where there is nothing to do", function()
            apply.mint(hub, { name = "a" })
            assert.same({}, done({ wanted { { name = "a" } }, "--dry-run" }).changes)
        end)
    end)

    describe("with --prune", function()
        before_each(function()
            apply.mint(hub, { name = "a" })
            apply.mint(hub, { name = "b" })
            wanted { { name = "a" } }
        end)

        it("revokes what the file does not name", function()
            local document = done { file, "--prune", "--yes" }
            assert.same({ "revoke b" }, short(document.done))
            assert.is_nil(apply.live(hub).b)
            assert.same({}, done({ file, "--prune", "--yes" }).changes)
        end)

        it("refuses without --yes where there is no terminal to ask on, before any call", function()
            local before = hub:stats().total
            local errors, output = refused(2, { file, "--prune" })
            assert.equal("kataven: --prune revokes what the file does not name, and there is no terminal to ask on: "
                .. "look with --prune --dry-run, then give --yes\n", errors)
            assert.equal("", output)
            assert.equal(before, hub:stats().total)
        end)

        it("leaves them alone without it", function()
            assert.equal("b", done({ file }).unlisted[1].name)
            assert.equal(1, #apply.live(hub).b)
        end)
    end)

    describe("keeps a created key", function()
        it("in the file of --keys-out alone, which is its owner's", function()
            local output, errors = apply.run(hub, { wanted { { name = "a" }, { name = "b" } }, "--keys-out", out })
            assert.is_nil((output .. errors):find("pk_live_", 1, true))
            local kept = apply.kept(out)
            for _, rows in pairs(apply.live(hub)) do
                assert.equal(rows[1].last8, kept[rows[1].id]:sub(-8))
            end
            local pipe = io.popen("ls -l " .. out)
            assert.matches("^%-rw%-%-%-%-%-%-%-", pipe:read "*a")
            pipe:close()
        end)

        it("in its output without that", function()
            local document = done { wanted { { name = "a" } } }
            local row = apply.live(hub).a[1]
            assert.equal(row.id, document.done[1].id)
            assert.matches("^pk_live_local_%x+$", document.done[1].key)
            assert.equal(row.last8, document.done[1].key:sub(-8))
            assert.equal(document.done[1].key, document.done[1].row.key)
        end)

        it("in its output at once, before the next is asked for", function()
            hub:next { { n = 2 }, { delay = 60 } }
            local command = apply.start(hub, { wanted { { name = "a" }, { name = "b" } } })
            finally(function() command:stop() end)
            local line
            repeat line = command:line() until line:find("pk_live_", 1, true)
            apply.await(hub, "creates", 2) -- which takes the delay
            command:stop()
            local row = apply.live(hub).a[1]
            assert.equal(row.last8, json.decode(line).key:sub(-8))
        end)

        it("on standard error where its output is full, and asks for no other", function()
            local before = hub:stats().creates
            local errors = refused(1, { wanted { { name = "a" }, { name = "b" } } }, {
                before = [[
                    local context = require "kataven.cli.context"
                    local new = context.new
                    function context.new(...)
                        local self = new(...)
                        local write = self.write
                        self.write = function(it, what)
                            if what:find("pk_live_", 1, true) then
                                return nil, "No space left on device"
                            end
                            return write(it, what)
                        end
                        return self
                    end
                ]],
            })
            local row = apply.live(hub).a[1]
            assert.equal(row.last8, errors:match("could not be written to stdout %(No space left on device%)%. KEEP IT "
                .. "NOW, it is shown this once: pk_live_%w+_(%x+)\n"):sub(-8))
            assert.equal(before + 1, hub:stats().creates)
            assert.truthy(errors:find('Not sent: create "b"\n', 1, true))
            assert.truthy(errors:find "kataven: 1 of 2 changes were made; see above before you apply again\n$")
        end)

        it("not at all where its output cannot be written from the start", function()
            local before = hub:stats().creates
            -- valgrind's own report would take the number of a closed stdout.
            local closed = not os.getenv "SPEC_UNDER" and ">&-" or nil
            for _, redirection in ipairs { ">/dev/full", closed } do
                local errors = refused(1, { wanted { { name = "a" } } },
                    { launcher = { "sh", "-c", 'exec "$@" ' .. redirection, "sh" } })
                assert.truthy(errors:find("No key was asked for, since it could not have been kept", 1, true), errors)
            end
            assert.equal(before, hub:stats().creates)
        end)

        it("and says where the answer held no text of it", function()
            hub:next { { n = 1 }, { status = 201, headers = { ["content-type"] = "application/json" },
                body = '{"id":"wk_1","name":"a"}' } }
            local errors, output = refused(1, { wanted { { name = "a" }, { name = "b" } }, "--keys-out", out })
            assert.truthy(errors:find(('"a" (wk_1) was created, but there was no text in the answer (pk_live_...); '
                .. "what there was is in %s. If it cannot be made out there, revoke it (kataven widget-keys revoke "
                .. "wk_1), and apply again\n"):format(out), 1, true), errors)
            assert.equal("create b", short(json.decode(output).remaining)[1])
            assert.truthy(files.read(out):find('{"created":"a","id":"wk_1","row":{"id":"wk_1","name":"a"}', 1, true))
        end)
    end)

    it("changes nothing where the server's ids are no strings", function()
        local before = hub:stats().creates
        hub:next { status = 200, headers = { ["content-type"] = "application/json" }, body = '[{"id":7,"name":"a"}]' }
        local errors = refused(1, { wanted { { name = "a" }, { name = "b" } } })
        assert.matches("^kataven: the server's list has a widget key whose id is no string %(entry 1: a number %(7%)%)",
            errors)
        assert.equal(before, hub:stats().creates)
    end)

    it("shows an answer without a key's text whole where it is kept nowhere else", function()
        hub:next { { n = 1 }, { status = 201, headers = { ["content-type"] = "application/json" },
            body = '{"id":"wk_1","name":"a","secret":"lk_1","big":1e999}' } }
        local errors, output = refused(1, { wanted { { name = "a" } } })
        assert.truthy(errors:find("what there was is in the output", 1, true), errors)
        assert.same({ id = "wk_1", name = "a", secret = "lk_1" }, json.decode(output).done[1].row)
    end)

    describe("refuses, before any call,", function()
        local before

        before_each(function()
            before = hub:stats().total
        end)

        after_each(function()
            assert.equal(before, hub:stats().total)
        end)

        it("a file that is wrong, and says all of it", function()
            file = os.tmpname()
            files.write(file, '{"widget_keys":[{"name":"a","domains":[]},{"name":"b","disabled":1},{"name":"b"}]}')
            assert.equal(([[
  entry 1 ("a"): unknown field "domains"; known are name, domain_allowlist, agent_id, disabled
  entry 2 ("b"): disabled must be true or false, got a number (1)
  entries 2 and 3 have the same name, "b"; a name may stand once only
kataven: %s: 3 problems
]]):format(file), (refused(2, { file })))
        end)

        it("it in one object with --json", function()
            file = os.tmpname()
            files.write(file, '{"widget_keys":[{"name":"a","domains":[]},{"name":7}]}')
            local errors = refused(2, { file, "--json" })
            local document, stop = json.decode(errors)
            assert.equal("\n", errors:sub(stop))
            assert.same({
                name = "UsageError",
                message = file .. ': 2 problems: entry 1 ("a"): unknown field "domains"; known are name, '
                    .. "domain_allowlist, agent_id, disabled; entry 2: name must be a string, got a number (7)",
            }, document.error)
        end)

        it("a file that is not there", function()
            assert.equal("kataven: " .. out .. ": No such file or directory\n", (refused(2, { out })))
        end)

        it("a file for keys that cannot be opened, that others may read, or that is another's", function()
            wanted { { name = "a" } }
            assert.equal("kataven: --keys-out /: Is a directory\n", (refused(2, { file, "--keys-out", "/" })))
            assert.equal("kataven: --keys-out names a file, and - is none: leave it out to have the keys in the "
                .. "output\n", (refused(2, { wanted { { name = "a" } }, "--keys-out", "-" })))
            assert.equal("kataven: --keys-out names the file of the wanted keys: name another\n",
                (refused(2, { file, "--keys-out", file })))
            files.write(out, "x\n")
            os.execute("chmod 644 " .. out)
            assert.equal(("kataven: --keys-out %s: others than its owner may open it; chmod 600 it\n"):format(out),
                (refused(2, { file, "--keys-out", out })))
            os.execute("chmod 600 " .. out)
            assert.equal(
                ("kataven: --keys-out %s: line 1 is none that apply wrote; name a file of its own\n"):format(out),
                (refused(2, { file, "--keys-out", out })))
            assert.equal("x\n", files.read(out))
        end)

        it("a file for keys that another run writes to", function()
            wanted { { name = "a" } }
            local holder = child.start([[
                local appender = assert(require("kataven.core").appender(os.getenv "FILE"))
                print "held"
                io.stdout:flush()
                require("kataven.core").wait(60)
            ]], { environment = { FILE = out } })
            finally(function() holder:stop() end)
            assert.equal("held", holder:line())
            assert.equal(("kataven: --keys-out %s: another run is writing to it\n"):format(out),
                (refused(2, { file, "--keys-out", out })))
        end)
    end)

    it("refuses a wanted name that two live keys have, with all candidates", function()
        local ids = {}
        for index = 1, 2 do
            ids[index] = apply.mint(hub, { name = "a" }).id
        end
        local before = hub:stats().effects
        wanted { { name = "a", disabled = true }, { name = "b" } }
        assert.equal(('kataven: 2 live keys have the name "a": %s, %s. Rename or revoke all but one of each, so that '
            .. "the name says which is meant\n"):format(ids[1], ids[2]), (refused(1, { file, "--keys-out", out })))
        local document = json.decode((refused(1, { file, "--json" })))
        assert.equal("PlanError", document.error.name)
        assert.same({ { id = ids[1], name = "a" }, { id = ids[2], name = "a" } }, document.error.candidates)
        assert.equal(before, hub:stats().effects)
    end)

    it("says why the account cannot be read", function()
        hub:next { status = 401, body = "invalid token" }
        assert.matches("^kataven: AuthenticationError: GET /api/v1/widget%-keys: 401 invalid token",
            (refused(1, { wanted { { name = "a" } }, "--keys-out", out })))
    end)

    it("stops at a create that the server refuses, and says what is left", function()
        apply.mint(hub, { name = "off" })
        wanted { { name = "a" }, { name = "b" }, { name = "c" }, { name = "off", disabled = true } }
        hub:next { { n = 2 }, { status = 400, body = "name not allowed" } }
        local errors, output = refused(1, { file, "--keys-out", out })
        assert.truthy(errors:find('create "b": BadRequestError: POST /api/v1/widget-keys: 400 name not allowed\n', 1,
            true))
        assert.truthy(errors:find('Not sent: create "c", revoke "off" (', 1, true))
        assert.truthy(errors:find("kataven: 1 of 4 changes were made; apply again: it goes on from there\n", 1, true))
        local document = json.decode(output)
        assert.same({ "create a" }, short(document.done))
        assert.same({ 400, false }, { document.failed[1].error.status, document.failed[1].error.maybeApplied })
        assert.same({ "create c", "revoke off" }, short(document.remaining))
        assert.equal(1, #apply.live(hub).off)
        assert.matches('{"not_created":"b","time":"[^"]+","why":"BadRequestError', files.read(out))
        assert.same({ "create b", "create c", "revoke off" }, short(done({ file, "--keys-out", out }).done))
    end)

    it("goes on with other updates where one is refused", function()
        for _, name in ipairs { "a", "b", "c" } do
            apply.mint(hub, { name = name })
        end
        wanted { { name = "a", agent_id = "x" }, { name = "b", agent_id = "x" }, { name = "c", agent_id = "x" } }
        hub:next { { n = 1 }, { status = 404, body = "not found" } }
        local errors, output = refused(1, { file })
        local document = json.decode(output)
        assert.same({ 2, 1, 0 }, { #document.done, #document.failed, #document.remaining })
        assert.truthy(errors:find("NotFoundError", 1, true))
    end)

    it("tells at every run of a key whose text was never written, until it is revoked", function()
        wanted { { name = "a" } }
        local lost = apply.mint(hub, { name = "a" })
        files.write(out, '{"creating":"a","time":"2026-11-24T09:30:00Z"}\n')
        os.execute("chmod 600 " .. out)
        local told = ('"a" (%s): a run that was cut off had asked for a key of this name (%s, line 1), and never wrote '
            .. "its text. If nobody has that text, revoke it (kataven widget-keys revoke %s), and apply again; if "
            .. "somebody has, take that line out of the file\n"):format(lost.id, out, lost.id)
        for _ = 1, 2 do
            local errors, output = refused(1, { file, "--keys-out", out })
            assert.equal(told .. "kataven: 1 key is live, but its text may never have been written: see above\n",
                errors)
            assert.same({ { file = out, id = lost.id, line = 1, name = "a" } }, json.decode(output).lost)
        end
        local document, errors = done { file, "--keys-out", out, "--dry-run" }
        assert.same({ told, 1 }, { errors, #document.lost })
        apply.revoke(hub, lost.id)
        document = done { file, "--keys-out", out }
        assert.same({ {}, { "create a" } }, { document.lost, short(document.done) })
        assert.same({}, done({ file, "--keys-out", out }).changes)
    end)

    it("does not tell of one that it revokes", function()
        apply.mint(hub, { name = "a" })
        files.write(out, '{"creating":"a","time":"2026-11-24T09:30:00Z"}\n')
        os.execute("chmod 600 " .. out)
        assert.same({}, done({ wanted { { name = "a", disabled = true } }, "--keys-out", out }).lost)
    end)

    it("says that the plan could not be printed, once all is done", function()
        wanted { { name = "a" } }
        local errors = refused(1, { file, "--keys-out", out },
            { launcher = { "sh", "-c", 'exec "$@" >/dev/full', "sh" } })
        assert.truthy(errors:find("kataven: cannot write the output: No space left on device; what was to be done is "
            .. "done\n", 1, true), errors)
        assert.equal(1, #apply.live(hub).a)
        assert.equal(apply.live(hub).a[1].last8, apply.kept(out)[apply.live(hub).a[1].id]:sub(-8))
    end)
end)
