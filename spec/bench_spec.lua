-- The benchmark, in its shortest form: that it measures, counts and reports. What it measures is its own affair.

local build = require "spec.support.build"
local files = require "spec.support.files"
local nginx = require "spec.support.nginx"
local shell = require "spec.support.shell"

-- What pins it, and reads the clock and the memory, is Linux's.
local problem = nginx.absent() or build.driver ~= "epoll" and "it measures the driver that is shipped"
    or shell.try "test -r /proc/self/status" ~= 0 and "there is no /proc" or nil

describe("make bench", function()
    local out, code, text

    setup(function()
        if problem then
            return
        end
        build.make "bench-tools"
        out = os.tmpname()
        code, text = shell.try(("make -s LUA=%s run-bench QUICK=1 BENCH='warm large memory require' BENCH_OUT=%%s")
            :format(build.lua), out)
    end)

    teardown(function()
        os.remove(out or "")
    end)

    local function test(name, run)
        it(name, function()
            if problem then
                return pending(problem)
            end
            run()
        end)
    end

    test("exits with how the limits went", function()
        local missed, all = text:match "\n(%d+) of (%d+) limits missed, in %d+ s\n"
        assert.truthy(missed, text)
        assert.is_true(tonumber(all) >= 9, text)
        -- make's own code for a command that failed is 2.
        assert.equal(tonumber(missed) == 0 and 0 or 2, code, text)
        local _, counted = ("\n" .. text):gsub("\nMISSED ", "")
        assert.equal(tonumber(missed), counted)
    end)

    test("holds a figure against each limit", function()
        for _, what in ipairs {
            "warm `list` of 25 keys, CPU over the yardstick's",
            "warm `create`, CPU over the yardstick's POST",
            "the same `list` recorded, CPU over that on loopback",
            "1,000 keys, time over the yardstick's",
            "1,000 keys, peak memory over the yardstick's",
            "an idle client with its connection, memory over libcurl's",
            "an operation in flight, memory over libcurl's",
            "memory after 2000 calls, over that after a twentieth of them",
            '`require "kataven"`, initialisations of libcurl',
        } do
            local line = text:match("\n[^\n]*" .. what:gsub("%p", "%%%0") .. "[^\n]*")
            assert.truthy(line, what .. "\n" .. text)
            assert.truthy(line:match ": %-?%d[^\n]* %(limit: [^\n]*%)$", line)
            assert.truthy(line:match "^\npass " or line:match "^\nMISSED ", line)
        end
    end)

    test("writes the report as Markdown, with a row for each peer", function()
        local report = files.read(out)
        assert.truthy(report:find("# What it costs\n", 1, true))
        assert.truthy(report:match "Written by `make bench` on %d%d%d%d%-%d%d%-%d%d")
        assert.truthy(report:match "\n%d+ cores, ", report)
        assert.truthy(report:find("quick run", 1, true))
        local list = report:match "\n## Warm list of 25 keys, for a call\n(.-)\n##"
        for _, title in ipairs { "libcurl, C, not decoded", "the yardstick", "kataven" } do
            local cells = list:match("\n(| " .. title .. " | [^\n]*)")
            assert.truthy(cells, title)
            assert.truthy(cells:match "^| [^|]+ | [%d.]+ | [%d.]+ %([%d.]+ to [%d.]+%) | [%d.]+ |$", cells)
        end
        -- Every row of a table has as many cells as the one before it.
        local width
        for line in report:gmatch "[^\n]+" do
            local _, bars = line:gsub("|", "")
            if bars > 0 then
                assert.is_true(width == nil or width == bars, line)
            end
            width = bars > 0 and bars or nil
        end
    end)

    test("sums up how the others compare with kataven", function()
        local summary = files.read(out):match "\n## How many times kataven's figure the others took\n\n(.-)\n\n"
        assert.truthy(summary:find("| warm `list`, 25 keys | 1,000 keys | warm `create` |", 1, true), summary)
        assert.truthy(summary:match "\n| the yardstick | [%d.]+ | [%d.]+ | [%d.]+ | [%d.]+ | [%d.]+ |", summary)
        assert.falsy(summary:find("\n| kataven ", 1, true)) -- it would be 1 everywhere
    end)

    test("refuses a row that it does not know", function()
        local status, said = shell.try(("make -s LUA=%s run-bench BENCH=wram"):format(build.lua))
        assert.equal(2, status)
        assert.truthy(said:find('there is no row "wram"; there are warm, instructions', 1, true), said)
    end)
end)
