-- core.appender: what it is told to keep is on the disk when it returns, and its owner's alone.

local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local core = require "kataven.core"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

describe("core.appender", function()
    local path

    before_each(function()
        path = os.tmpname()
        os.remove(path)
    end)

    after_each(function()
        os.remove(path)
    end)

    -- The permissions of a file, as ls shows them.
    local function mode()
        return shell.run("ls -l %s", path):match "^%S%S%S%S%S%S%S%S%S%S"
    end

    it("makes a file that is its owner's alone, whatever the umask", function()
        local _, _, status = child.complete([[assert(require("kataven.core").appender(os.getenv "FILE"))]],
            { FILE = path }, { "sh", "-c", 'umask 0; exec "$@"', "sh" })
        assert.equal(0, status)
        assert.equal("-rw-------", mode())
    end)

    it("adds to what is there", function()
        local appender = assert(core.appender(path))
        assert.is_true(appender:write "one\n")
        assert.equal("one\n", files.read(path))
        appender:close()
        appender = assert(core.appender(path))
        assert.is_true(appender:write "two\n")
        appender:close()
        assert.equal("one\ntwo\n", files.read(path))
    end)

    it("takes bytes as they are", function()
        local appender = assert(core.appender(path))
        assert.is_true(appender:write "a\0b\255")
        appender:close()
        assert.equal("a\0b\255", files.read(path))
    end)

    it("refuses a file that others may open", function()
        files.write(path, "")
        for _, wide in ipairs { "640", "604", "660" } do
            shell.run("chmod %s %s", wide, path)
            local appender, problem = core.appender(path)
            assert.is_nil(appender)
            assert.equal("others than its owner may open it; chmod 600 it", problem)
        end
        shell.run("chmod 600 %s", path)
        assert(core.appender(path)):close()
    end)

    if shell.run "id -u" == "0\n" then -- nobody else can open such a file
        it("refuses a file of another user's", function()
            files.write(path, "")
            shell.run("chmod 600 %s", path)
            shell.run("chown 65534 %s", path)
            assert.same({ nil, "it belongs to another user; name a file of your own" }, { core.appender(path) })
        end)
    end

    if files.read "/proc/self/stat" then
        it("closes at once what it refuses", function()
            files.write(path, "")
            shell.run("chmod 640 %s", path)
            local output, errors, status = child.complete([[
                collectgarbage "stop"
                for _ = 1, 3 do
                    assert(not require("kataven.core").appender(os.getenv "FILE"))
                end
                local pid = io.open "/proc/self/stat":read "*l":match "^%d+"
                print((io.popen("ls -l /proc/" .. pid .. "/fd"):read "*a":find(os.getenv "FILE", 1, true)))
            ]], { FILE = path })
            assert.same({ "nil\n", "", 0 }, { output, errors, status })
        end)
    end

    it("has a file to itself, until it is closed or collected", function()
        local first = assert(core.appender(path))
        assert.same({ nil, "another run is writing to it" }, { core.appender(path) })
        first:close()
        local second = assert(core.appender(path))
        second:close()
        second:close()
        assert(core.appender(path))
        collectgarbage()
        collectgarbage()
        assert(core.appender(path)):close()
    end)

    it("says what is wrong", function()
        assert.same({ nil, "No such file or directory" }, { core.appender(path .. "/x") })
        assert.same({ nil, "Is a directory" }, { core.appender "/" })
        local appender = assert(core.appender(path))
        appender:close()
        assert.same({ nil, "it is closed" }, { appender:write "x" })
        assert.has_error(function() core.appender({}) end)
        assert.has_error(function() core.appender(path):write(nil) end)
    end)

    if shell.try "test -c /dev/full" == 0 then
        it("refuses devices that are no terminal, since most keep nothing", function()
            for _, device in ipairs { "/dev/null", "/dev/full" } do
                assert.same({ nil, "it is a device, which may keep nothing; name a file" }, { core.appender(device) })
            end
        end)
    end

    if files.read "/proc/self/stat" then
        describe("brings to the disk, a signal or not,", function()
            local shim

            lazy_setup(function()
                shim = compiled.build("full_disk", "-shared")
            end)

            lazy_teardown(function()
                os.remove(shim)
            end)

            -- What the first sync of a file or a directory says, which a signal ends.
            local function synced(what)
                local output, errors, status = child.complete([[
                    local appender = assert(require("kataven.core").appender(os.getenv "FILE"))
                    print(appender:write "x")
                ]], { FILE = path, LD_PRELOAD = shim, FAULT_FILE = what, FAULT_HOW = "interrupt" })
                assert.same({ "true\n", 0 }, { output, status })
                return errors
            end

            it("what is written", function()
                assert.equal("interrupted", synced(path))
                assert.equal("x", files.read(path))
            end)

            it("the name of a new file", function()
                local directory = path:match "^(.+)/"
                assert.equal("interrupted", synced(directory))
                assert.equal("", synced(directory))
            end)
        end)
    end

    it("says that nobody reads any more, and lives on", function()
        local _, errors, status = child.complete([[
            local appender = assert(require("kataven.core").appender "/dev/stdout")
            local done, problem
            repeat done, problem = appender:write(("x"):rep(100000)) until not done
            io.stderr:write(problem)
        ]], nil, { "sh", "-c", 'exec 3>&1; { env --default-signal=PIPE "$@"; echo "=$?" >&3; } | true', "sh" })
        assert.equal("Broken pipe", errors)
        assert.equal(0, status)
    end)

    it("writes to a pipe, but does not wait for one that nobody reads", function()
        shell.run("mkfifo %s", path)
        assert.same({ nil, "it is a pipe that nobody reads" }, { core.appender(path) })
        local reader = io.popen("wc -c <" .. path)
        local appender
        repeat appender = core.appender(path) until appender
        assert.is_true(appender:write(("x"):rep(200000)))
        appender:close()
        assert.equal(200000, reader:read "*n")
        reader:close()
    end)

    it("is as it was before a write that did not fit, and the process lives on", function()
        -- In blocks of 512 bytes, or of 1024 where sh is bash.
        local output, errors, status = child.complete([[
            local core = require "kataven.core"
            local appender = assert(core.appender(os.getenv "FILE"))
            assert(appender:write "first\n")
            print(appender:write(("x"):rep(4096) .. "\n"))
            print(appender:write "last\n")
        ]], { FILE = path }, { "sh", "-c", 'ulimit -f 2; exec "$@"', "sh" })
        assert.same({ "nil\tFile too large\ntrue\n", "", 0 }, { output, errors, status })
        assert.equal("first\nlast\n", files.read(path))
    end)
end)
