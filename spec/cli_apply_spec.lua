-- `kataven widget-keys apply`: what it does to an account, what it prints, and how it ends.

local apply = require "spec.support.apply"
local files = require "spec.support.files"
local json = require "dkjson"

local EMPTY = setmetatable({}, { __jsontype = "array" })

apply.describe("kataven widget-keys apply", function(desk)
    describe("makes the account look like the file:", function()
        it("creates, updates and revokes, and a second time does nothing", function()
            local old = apply.mint(desk.hub,
                { name = "old", domain_allowlist = { "old.example" }, agent_id = "agent_1" })
            local off = apply.mint(desk.hub, { name = "off" })
            local other = apply.mint(desk.hub, { name = "other" })
            desk:wanted {
                { name = "off", disabled = true },
                { name = "new", domain_allowlist = { "new.example", "*.new.example" }, agent_id = "agent_2" },
                { name = "old", domain_allowlist = EMPTY, agent_id = json.null },
                { name = "blocked", domain_allowlist = EMPTY },
            }
            local document, errors = desk:done { desk.file, "--keys-out", desk.out }
            local all = { "create new", "create blocked", "update old", "revoke off" }
            assert.same(all, apply.short(document.changes))
            assert.same(all, apply.short(document.done))
            assert.same({ {}, {}, {}, {}, false }, { document.failed, document.remaining, document.lost,
                document.unchanged, document.interrupted })
            assert.equal(other.id, document.unlisted[1].id)
            assert.equal("1 of 4: creating \"new\"\n2 of 4: creating \"blocked\"\n3 of 4 done\n4 of 4 done\n", errors)

            local live = apply.live(desk.hub)
            assert.same({ "new.example", "*.new.example" }, live.new[1].domain_allowlist)
            assert.equal("agent_2", live.new[1].agent_id)
            assert.same({ {}, nil, old.id }, { live.old[1].domain_allowlist, live.old[1].agent_id, live.old[1].id })
            assert.same({}, live.blocked[1].domain_allowlist)
            assert.is_nil(live.off)
            assert.equal(off.id, document.done[4].id)

            local effects = desk.hub:stats().effects
            document, errors = desk:done { desk.file, "--keys-out", desk.out }
            assert.same({ {}, {} }, { document.changes, document.done })
            assert.equal(4, #document.unchanged)
            assert.equal("", errors)
            assert.equal(effects, desk.hub:stats().effects)
        end)

        it("sends creates one at a time", function()
            desk.hub:next { n = 4, delay = 0.1 }
            desk:done { desk:wanted { { name = "a" }, { name = "b" }, { name = "c" } }, "--keys-out", desk.out }
            assert.equal(1, desk.hub:stats().mostInFlight)
        end)

        it("sends the others side by side", function()
            local list = {}
            for index = 1, 5 do
                apply.mint(desk.hub, { name = "key " .. index })
                list[index] = { name = "key " .. index, agent_id = "agent_1" }
            end
            desk.hub:next { { n = 1 }, { n = 5, delay = 0.5 } }
            desk:done { desk:wanted(list) }
            assert.is_true(desk.hub:stats().mostInFlight > 1)
        end)

        it("makes a new key where only disabled ones have the name, and says which those are", function()
            local old = apply.mint(desk.hub, { name = "a" })
            apply.revoke(desk.hub, old.id)
            local document = desk:done { desk:wanted { { name = "a" } }, "--keys-out", desk.out }
            assert.equal(old.id, document.changes[1].disabled[1].id)
            assert.are_not.equal(old.id, document.done[1].id)
            assert.equal(1, #apply.live(desk.hub).a)
        end)

        it("from standard input", function()
            desk:wanted { { name = "a" } }
            desk:done({ "-", "--keys-out", desk.out }, { launcher = { "sh", "-c", 'exec "$@" <' .. desk.file, "sh" } })
            assert.equal(1, #apply.live(desk.hub).a)
        end)
    end)

    describe("with --dry-run", function()
        it("shows the plan, sends nothing but the list, and ends with 3", function()
            apply.mint(desk.hub, { name = "other" })
            desk:wanted { { name = "a", domain_allowlist = { "a.example" } } }
            local before = desk.hub:stats()
            local output, errors, status = apply.run(desk.hub,
                { desk.file, "--dry-run", "--prune", "--keys-out", desk.out })
            assert.same({ "", 3 }, { errors, status })
            assert.same({ "create a", "revoke other" }, apply.short(json.decode(output).changes))
            local after = desk.hub:stats()
            assert.same({ before.effects, before.total + 1 }, { after.effects, after.total })
            assert.is_nil(files.read(desk.out))
        end)

        it("fails where its output cannot be written", function()
            desk:wanted { { name = "a" } }
            assert.equal("kataven: cannot write the output: No space left on device\n",
                (desk:refused(1, { desk.file, "--dry-run" },
                    { launcher = { "sh", "-c", 'exec "$@" >/dev/full', "sh" } })))
        end)

        it("ends with 0 where there is nothing to do", function()
            apply.mint(desk.hub, { name = "a" })
            assert.same({}, desk:done({ desk:wanted { { name = "a" } }, "--dry-run" }).changes)
        end)
    end)

    describe("with --prune", function()
        before_each(function()
            apply.mint(desk.hub, { name = "a" })
            apply.mint(desk.hub, { name = "b" })
            desk:wanted { { name = "a" } }
        end)

        it("revokes what the file does not name", function()
            local document = desk:done { desk.file, "--prune", "--yes" }
            assert.same({ "revoke b" }, apply.short(document.done))
            assert.is_nil(apply.live(desk.hub).b)
            assert.same({}, desk:done({ desk.file, "--prune", "--yes" }).changes)
        end)

        it("refuses without --yes where there is no terminal to ask on, before any call", function()
            local before = desk.hub:stats().total
            local errors, output = desk:refused(2, { desk.file, "--prune" })
            assert.equal("kataven: --prune revokes what the file does not name, and there is no terminal to ask on: "
                .. "look with --prune --dry-run, then give --yes\n", errors)
            assert.equal("", output)
            assert.equal(before, desk.hub:stats().total)
        end)

        it("leaves them alone without it", function()
            assert.equal("b", desk:done({ desk.file }).unlisted[1].name)
            assert.equal(1, #apply.live(desk.hub).b)
        end)
    end)

    describe("keeps a created key", function()
        it("in the file of --keys-out alone, which is its owner's", function()
            desk:wanted { { name = "a" }, { name = "b" } }
            local output, errors = apply.run(desk.hub, { desk.file, "--keys-out", desk.out })
            assert.is_nil((output .. errors):find("pk_live_", 1, true))
            local kept = apply.kept(desk.out)
            for _, rows in pairs(apply.live(desk.hub)) do
                assert.equal(rows[1].last8, kept[rows[1].id]:sub(-8))
            end
            local pipe = io.popen("ls -l " .. desk.out)
            assert.matches("^%-rw%-%-%-%-%-%-%-", pipe:read "*a")
            pipe:close()
        end)

        it("in its output without that", function()
            local document = desk:done { desk:wanted { { name = "a" } } }
            local row = apply.live(desk.hub).a[1]
            assert.equal(row.id, document.done[1].id)
            assert.matches("^pk_live_local_%x+$", document.done[1].key)
            assert.equal(row.last8, document.done[1].key:sub(-8))
            assert.equal(document.done[1].key, document.done[1].row.key)
        end)

        it("in its output at once, before the next is asked for", function()
            desk.hub:next { { n = 2 }, { delay = 60 } }
            local command = apply.start(desk.hub, { desk:wanted { { name = "a" }, { name = "b" } } })
            finally(function() command:stop() end)
            local line
            repeat line = command:line() until line:find("pk_live_", 1, true)
            apply.await(desk.hub, "creates", 2) -- which takes the delay
            command:stop()
            local row = apply.live(desk.hub).a[1]
            assert.equal(row.last8, json.decode(line).key:sub(-8))
        end)

        it("on standard error where its output is full, and asks for no other", function()
            local before = desk.hub:stats().creates
            local errors = desk:refused(1, { desk:wanted { { name = "a" }, { name = "b" } } }, {
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
            local row = apply.live(desk.hub).a[1]
            assert.equal(row.last8, errors:match("could not be written to stdout %(No space left on device%)%. KEEP IT "
                .. "NOW, it is shown this once: pk_live_%w+_(%x+)\n"):sub(-8))
            assert.equal(before + 1, desk.hub:stats().creates)
            assert.truthy(errors:find('Not sent: create "b"\n', 1, true))
            assert.truthy(errors:find "kataven: 1 of 2 changes were made; see above before you apply again\n$")
        end)

        it("not at all where its output cannot be written from the start", function()
            local before = desk.hub:stats().creates
            -- valgrind's own report would take the number of a closed stdout.
            local closed = not os.getenv "SPEC_UNDER" and ">&-" or nil
            for _, redirection in ipairs { ">/dev/full", closed } do
                local errors = desk:refused(1, { desk:wanted { { name = "a" } } },
                    { launcher = { "sh", "-c", 'exec "$@" ' .. redirection, "sh" } })
                assert.truthy(errors:find("No key was asked for, since it could not have been kept", 1, true), errors)
            end
            assert.equal(before, desk.hub:stats().creates)
        end)

        it("and says where the answer held no text of it", function()
            desk.hub:next { { n = 1 }, { status = 201, headers = { ["content-type"] = "application/json" },
                body = '{"id":"wk_1","name":"a"}' } }
            desk:wanted { { name = "a" }, { name = "b" } }
            local errors, output = desk:refused(1, { desk.file, "--keys-out", desk.out })
            assert.truthy(errors:find(('"a" (wk_1) was created, but there was no text in the answer (pk_live_...); '
                .. "what there was is in %s. If it cannot be made out there, revoke it (kataven widget-keys revoke "
                .. "wk_1), and apply again\n"):format(desk.out), 1, true), errors)
            assert.equal("create b", apply.short(json.decode(output).remaining)[1])
            assert.truthy(files.read(desk.out)
                :find('{"created":"a","id":"wk_1","row":{"id":"wk_1","name":"a"}', 1, true))
        end)
    end)
end)
