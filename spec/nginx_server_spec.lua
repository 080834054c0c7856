-- The nginx that specs start: it says why it does not, and ends with the spec, whatever becomes of that.

local child = require "spec.support.child"
local files = require "spec.support.files"
local nginx = require "spec.support.nginx"
local socket = require "socket"

local missing = nginx.missing()
if missing then
    describe("an nginx of a spec's own", function()
        pending(missing)
    end)
    return
end

describe("an nginx of a spec's own", function()
    -- Whether a process is there, and more than a zombie.
    local function alive(pid)
        local stat = files.read(("/proc/%s/stat"):format(pid))
        return stat ~= nil and not stat:find "%) Z "
    end

    local function awaitEnd(pids)
        local deadline = socket.gettime() + 15
        for _, pid in ipairs(pids) do
            while alive(pid) do
                assert.is_true(socket.gettime() < deadline, "process " .. pid .. " is still there")
                socket.sleep(0.02)
            end
        end
    end

    it("ends with stop, its workers and directory with it, even while a worker is busy", function()
        local server = nginx.start {
            workers = 2,
            content = { ["/busy"] = [[ while true do end ]] },
        }
        local pids = server:workers()
        assert.equal(2, #pids)
        pids[3] = server:master()
        local connection = server:open "/busy"
        server:stop()
        server:stop()
        awaitEnd(pids)
        assert.is_nil(files.read(server.directory .. "/nginx.conf"))
        connection:close()
    end)

    it("ends when its spec is killed", function()
        -- The process number comes before the end, which is a kill.
        local output = child.run([[
            local nginx = require "spec.support.nginx"
            local server = nginx.start { workers = 2 }
            print(server:master(), table.concat(server:workers(), " "))
            io.stdout:flush()
            os.execute "kill -9 $PPID"
        ]])
        local pids = {}
        for pid in output:gmatch "%d+" do
            pids[#pids + 1] = pid
        end
        assert.equal(3, #pids)
        awaitEnd(pids)
    end)

    it("raises what is in the error log when it does not start", function()
        local ok, why = pcall(nginx.start, { init = "error 'there is no such client'" })
        assert.is_false(ok)
        assert.matches("nginx did not start:", why)
        assert.matches("there is no such client", why)
    end)

    it("raises where a part is misspelt", function()
        local ok, why = pcall(nginx.start, { contents = {} })
        assert.is_false(ok)
        assert.matches('nginx.start knows no part "contents"', why)
    end)

    it("hands what a spec raises on, with the error log, and stops", function()
        local server
        local ok, why = pcall(nginx.with, {}, function(it)
            server = it
            error "the spec's own"
        end)
        assert.is_false(ok)
        assert.matches("the spec's own\nerror.log:\n.*start worker process", why)
        assert.is_nil(server.keeper)
    end)
end)
