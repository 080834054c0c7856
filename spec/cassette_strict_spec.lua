-- Scripts that end with interactions unplayed, and KATAVEN_CASSETTE_STRICT.

local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local files = require "spec.support.files"
local servers = require "spec.support.servers"

local LIST = '{"request":{"method":"GET","path":"/api/v1/widget-keys"},"response":{"status":200,"json":[]}}'
local DELETE = '{"request":{"method":"DELETE","path":"/api/v1/widget-keys/wk_1","query":"a=1"},'
    .. '"response":{"status":204}}'

-- Plays the first interaction of the environment's cassette.
local LISTS = 'require("kataven").new({}).widgetKeys.list() print "done" '
-- The same of a cassette that the script opens.
local OPENS = [[
    local kataven = require "kataven"
    local cassette = kataven.cassette.open(CASSETTE)
    kataven.new({ apiKey = "sk_live_test_x", transport = cassette }).widgetKeys.list()
    print "done"
]]

describe("what a script leaves unplayed", function()
    local path

    before_each(function()
        path = os.tmpname()
        files.write(path, '{"version":1,"interactions":[' .. table.concat({ LIST, LIST, DELETE }, ",") .. "]}")
    end)

    after_each(function()
        os.remove(path)
    end)

    local function left()
        return ("kataven: %s: 2 of 3 interactions were never played:\n  [2] GET /api/v1/widget-keys\n"):format(path)
            .. "  [3] DELETE /api/v1/widget-keys/wk_1?a=1\n"
    end

    local function run(script, environment)
        local all = { KATAVEN_CASSETTE_STRICT = "1" }
        for name, value in pairs(environment or {}) do
            all[name] = value
        end
        return child.complete(("CASSETTE = %q\n%s"):format(path, script), all)
    end

    -- The environment's cassette.
    local function replay(script, strict)
        return run(script, { KATAVEN_CASSETTE = path, KATAVEN_CASSETTE_STRICT = strict })
    end

    describe("in the strict mode", function()
        it("makes it fail, and is named", function()
            assert.same({ "done\n", left(), 1 }, { replay(LISTS) })
            assert.same({ "done\n", left(), 1 }, { replay(LISTS, "true") })
            assert.same({ "done\n", left(), 1 }, { run(OPENS) })
        end)

        it("is the same for a cassette that was opened by try", function()
            assert.same({ "done\n", left(), 1 }, { run((OPENS:gsub("cassette%.open%(", "cassette.try("))) })
        end)

        it("makes it fail also when it ends by os.exit", function()
            for _, ending in ipairs { "os.exit()", "os.exit(0)", "os.exit(0, true)" } do
                assert.same({ "done\n", left(), 1 }, { replay(LISTS .. ending) }, ending)
                assert.same({ "done\n", left(), 1 }, { run(OPENS .. ending) }, ending)
            end
        end)

        it("leaves an exit code of the script's own as it is", function()
            for _, ending in ipairs { "os.exit(3)", "os.exit(3, true)" } do
                assert.same({ "done\n", left(), 3 }, { replay(LISTS .. ending) }, ending)
            end
        end)

        it("comes after an error, which is still shown first", function()
            for _, output in ipairs { { replay(LISTS .. 'error "its own"') }, { run(OPENS .. 'error "its own"') } } do
                assert.equal("done\n", output[1])
                assert.matches("^[^\n]*its own\n.*kataven: .*2 of 3 interactions were never played", output[2])
                assert.equal(1, output[3])
            end
        end)

        it("is all of a cassette that no client was made for", function()
            local output, errors, status = run "require('kataven').cassette.open(CASSETTE)"
            assert.equal("", output)
            assert.matches("3 of 3 interactions were never played:\n  %[1%] GET [^\n]+\n  %[2%] GET [^\n]+\n"
                .. "  %[3%] DELETE ", errors)
            assert.equal(1, status)
        end)

        it("counts for a cassette that was collected, and for each of several", function()
            local output, errors, status = run [[
                local open = require("kataven").cassette.open
                open(CASSETTE)
                collectgarbage()
                collectgarbage()
                open(CASSETTE)
            ]]
            assert.equal("", output)
            assert.equal(2, select(2, errors:gsub("3 of 3 interactions were never played", "")))
            assert.equal(1, status)
        end)

        it("is nothing when all was played", function()
            local all = LISTS .. [[
                local client = require("kataven").new {}
                client.widgetKeys.list()
                client:request { method = "DELETE", path = "/api/v1/widget-keys/wk_1", query = { a = 1 } }
            ]]
            assert.same({ "done\n", "", 0 }, { replay(all) })
            assert.same({ "done\n", "", 0 }, { replay(all .. "os.exit(0)") })
            assert.same({ "done\n", "", 3 }, { replay(all .. "os.exit(3)") })
        end)

        it("loses nothing that was printed", function()
            local output, _, status = replay(LISTS .. 'io.write(("x"):rep(100000)) os.exit(0)')
            assert.equal("done\n" .. ("x"):rep(100000), output)
            assert.equal(1, status)
        end)

        it("is what a recording could not save", function()
            local hub = servers.hub {}
            os.remove(path)
            os.execute(("mkdir -p %s/full"):format(path))
            local environment = { KATAVEN_CASSETTE_MODE = "record", KATAVEN_BASE_URL = hub.url,
                KATAVEN_API_KEY = hub.apiKey }
            local scripts = { LISTS .. "os.exit(0)", LISTS, OPENS }
            for index, script in ipairs(scripts) do
                environment.KATAVEN_CASSETTE = index < 3 and path or nil
                local output, errors, status = run(script:gsub("sk_live_test_x", hub.apiKey), environment)
                assert.equal("done\n", output)
                assert.equal(("kataven: %s could not be saved: it is not a regular file\n"):format(path), errors)
                assert.equal(1, status)
            end
            hub:stop()
            os.execute(("rm -r %s"):format(path))
        end)

        it("makes the command fail too", function()
            local output, errors, status = run('dofile "bin/kataven"',
                { KATAVEN_CASSETTE_STRICT = "1", KATAVEN_CASSETTE = path })
            assert.equal(2, status) -- it was told nothing to do, and opened nothing
            assert.equal("", output)
            assert.is_nil(errors:find("never played", 1, true))
            output, errors, status = run('arg = { [0] = "kataven", "widget-keys", "list" } dofile "bin/kataven"',
                { KATAVEN_CASSETTE = path })
            assert.equal("[]\n", output)
            assert.equal(left(), errors)
            assert.equal(1, status)
        end)
    end)

    it("is listed and no more without it, after os.exit too", function()
        for _, strict in ipairs { "", "0", "false" } do
            assert.same({ "done\n", left(), 0 }, { replay(LISTS, strict) })
            assert.same({ "done\n", left(), 0 }, { replay(LISTS .. "os.exit(0)", strict) })
            assert.same({ "done\n", "", 0 }, { run(OPENS, { KATAVEN_CASSETTE_STRICT = strict }) })
        end
    end)

    it("is not a forked child's to tell", function()
        local forks = compiled.module "forks"
        finally(function() os.remove(forks) end)
        local output, errors, status = replay(LISTS .. ([[
            local forks = package.loadlib(%q, "luaopen_forks")()
            io.stdout:flush()
            local pid = forks.fork()
            if pid == 0 then
                os.exit(0)
            end
            print("child", forks.wait(pid))
        ]]):format(forks))
        assert.same({ "done\nchild\t0\n", left(), 1 }, { output, errors, status })
    end)

    it("does not depend on a variable that is something else", function()
        local _, errors, status = replay(LISTS, "yes")
        assert.equal(1, status)
        assert.matches('KATAVEN_CASSETTE: the environment variable KATAVEN_CASSETTE_STRICT must be 1, or 0 or empty, '
            .. 'got "yes"\n', errors)
        assert.is_nil(errors:find("never played", 1, true))
    end)
end)
