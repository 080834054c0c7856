-- The example hosts with kataven linked in, against the local hub.

local build = require "spec.support.build"
local embedding = require "spec.support.embedding"
local examplesOf = require "spec.support.examples"
local files = require "spec.support.files"
local servers = require "spec.support.servers"
local shell = require "spec.support.shell"

local lines = shell.lines

-- Seconds that the hub holds answers back: a host that waited for them would take as long. Less than a call's timeout.
local DELAY = 25

describe("an example host", function()
    local examples = ("%s/%s/examples/"):format(shell.run "pwd":gsub("\n$", ""), build.directory)
    local installed, hub

    lazy_setup(function()
        if not embedding.problem then
            installed = embedding.new()
            build.make "embed-examples"
        end
    end)

    lazy_teardown(function()
        if installed then
            installed:remove()
        end
    end)

    local function its(name, test)
        it(name, function()
            if embedding.problem then
                pending(embedding.problem)
                return
            end
            test()
        end)
    end

    before_each(function()
        hub = installed and servers.hub { latency = 0.05 }
    end)

    after_each(function()
        if hub then
            hub:stop()
        end
    end)

    local function example(command)
        return installed:run(command,
            { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey })
    end

    local function closes(command)
        hub:next { { n = 3, delay = 0 }, { n = 3, delay = DELAY } }
        local started = os.time()
        local code, output = example(command)

        assert.same({ 0, table.concat({
            "closed; the host lives on",
            "closing the state with 3 calls in flight",
            "listed 3",
            "minted host-1",
            "minted host-2",
            "minted host-3",
        }, "\n") }, { code, table.concat(lines(output), "\n") })
        assert.is_true(os.time() - started < DELAY)
        local stats = hub:stats()
        assert.same({ total = 7, creates = 3 }, { total = stats.total, creates = stats.creates })
    end

    its("host.c closes its state with calls in flight, and lives on", function()
        closes(examples .. "host")
    end)

    its("host.c is C++ as well", function()
        if not embedding.has(embedding.cxx) then
            pending("there is no " .. embedding.cxx)
            return
        end
        closes(installed:link(embedding.cxx .. " -std=c++11", "-x c++ examples/embed/host.c -x none", "host++"))
    end)

    its("host.c loses no memory and touches none of others'", function()
        if rawget(_G, "jit") then
            pending("valgrind does not follow LuaJIT's allocator")
            return
        elseif not embedding.has "valgrind" then
            pending("there is no valgrind")
            return
        end
        closes("valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite "
            .. "--show-leak-kinds=definite " .. examples .. "host")
    end)

    its("host.c says what the hub refuses", function()
        hub:next { n = 3, status = 401, body = "no" }
        local code, output = example(examples .. "host")
        assert.equal(1, code)
        assert.matches("AuthenticationError: POST /api/v1/widget%-keys: 401", output)
    end)

    its("threads.c gives every thread the answers of its own calls", function()
        local code, output = example(examples .. "threads 10")
        assert.same({ 0, "8 threads, 80 calls, 80 answers of their own\n" }, { code, output })
        local stats = hub:stats()
        assert.equal(80, stats.creates)
        assert.is_true(stats.mostInFlight > 1)
    end)

    its("threads.c notices an answer that is another's", function()
        hub:next { n = 1, status = 201, headers = { ["content-type"] = "application/json" },
            body = '{"id":"wk_1","name":"thread 9, call 9"}' }
        local code, output = example(examples .. "threads 2")
        assert.equal(1, code)
        assert.matches("thread %d, call %d: thread 9, call 9\n", output)
        assert.matches("8 threads, 16 calls, 15 answers of their own\n", output)
    end)

    its("in the README lists what there is", function()
        local shown = examplesOf.blocks(examplesOf.read "README.md", "c")[1]
        files.write(installed.tree .. "/readme.c", shown.text)
        local host = installed:link(embedding.cc, installed.tree .. "/readme.c", "readme")
        assert.same({ 0, "0\n" }, { example(host) })
    end)

    its("both say what they want", function()
        for _, name in ipairs { "host", "threads" } do
            local code, output = installed:run(examples .. name)
            assert.equal(2, code)
            assert.matches("^Set KATAVEN_BASE_URL and KATAVEN_API_KEY; `make hub` starts a local hub", output)
        end
    end)
end)
