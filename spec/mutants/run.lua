--- Single-point mutants of src/ and lua/: makes some, runs the specs that run the changed line, and says which live.
---
--- `make mutants` calls it at the root of the repository; docs/testing.md says how to choose. Everything that it writes
--- is below build/mutants: `tree-N` is the copy that worker N changes, `cover` the lines that each spec runs, `report`
--- the result. It calls itself, `run.lua cover N` and `run.lua try N`, by xargs, which keeps so many workers busy.

package.path = "./spec/mutants/?.lua;" .. package.path
local operators = require "operators"
local load = loadstring or load -- luacheck: ignore 113
local config = require "runs"

local HOME = "build/mutants"
local LUA = os.getenv "LUA" or "5.4"
local LUA_BIN = os.getenv "LUA_BIN" or "lua"
local SEED = tonumber(os.getenv "MUTANTS_SEED" or 1)
local WANTED = tonumber(os.getenv "MUTANTS" or 300)
local MINUTES = tonumber(os.getenv "MUTANTS_MINUTES" or 120)
local MUTANT_SECONDS = tonumber(os.getenv "MUTANT_SECONDS" or 120)
-- A spec is stopped after this many times as long as it took unchanged, which is taken for a hang.
local PATIENCE, PATIENCE_LEAST = 4, 20

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

local function write(path, text)
    local file = assert(io.open(path, "wb"))
    assert(file:write(text))
    file:close()
end

local function sh(command)
    local ok, _, code = os.execute(command)
    return ok == true or ok == 0, code
end

local function lines(command)
    local list, pipe = {}, io.popen(command)
    for line in pipe:lines() do
        list[#list + 1] = line
    end
    pipe:close()
    return list
end

local function now()
    return tonumber(lines("date +%s.%N")[1])
end

local function make(tree, arguments)
    return ("cd %s && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u LUA_BIN -u LUA_PC -u CI %s"):format(tree, arguments)
end

-- Runs one spec in a tree. `setting` goes before make. Nothing that a mutant does may fill the machine, and nothing
-- that it started may go on after it: it runs in a session of its own, of which the rest is killed.
local function run_spec(tree, run, limit, setting, variables)
    local began = now()
    local ok = sh(make(tree, ([[%s setsid -w sh -c 'echo $$ >build/mutant.session; ]]
        .. [[ulimit -v 8000000; ulimit -f 1000000; exec "$@"' - timeout --foreground -k 5 %d ]]
        .. [[make -s run-specs LUA=%s SPECS=%s %s >build/mutant.out 2>&1]])
        :format(setting, limit + 60, run.lua, run.spec, variables)))
    sh(("pkill -KILL -s $(cat %s/build/mutant.session) 2>/dev/null"):format(tree))
    return ok, now() - began, read(tree .. "/build/mutant.out")
end

-- Not src/static, which only the specs run that are left out.
local function sources()
    return lines "find src lua -path src/static -prune -o '(' -name '*.c' -o -name '*.lua' ')' -print | LC_ALL=C sort"
end

-- Every spec, on every Lua that it is to be run on.
local function all_runs()
    local list, without = {}, {}
    for _, spec in ipairs(config.without) do
        without[spec] = true
    end
    for _, spec in ipairs(lines "ls spec/c/*_spec.c spec/*_spec.lua") do
        list[#list + 1] = not without[spec] and { lua = LUA, spec = spec } or nil
    end
    for lua, specs in pairs(config.elsewhere) do
        for _, spec in ipairs(lua ~= LUA and specs or {}) do
            if sh("[ -f " .. spec .. " ]") then
                list[#list + 1] = { lua = lua, spec = spec }
            end
        end
    end
    table.sort(list, function(a, b)
        return a.lua .. a.spec < b.lua .. b.spec
    end)
    return list
end

local function cover_folder(run)
    return ("%s/cover/%s-%s"):format(HOME, run.lua, run.spec:gsub("/", "."))
end

-- The lines that gcov has counted, by file.
local function counted(folder, objects, into)
    sh(("ln -sf %s/*.gcno %s/ 2>/dev/null"):format(objects, folder))
    local file
    for _, line in ipairs(lines(("gcov -t %s/*.gcda 2>/dev/null"):format(folder))) do
        local count, number = line:match "^ *([^:]+): *(%d+):"
        if line:find ":Source:" then
            file = line:match ":Source:(src/.+)$"
        elseif file and count and count:find "^%d" then
            into[file] = into[file] or {}
            into[file][#into[file] + 1] = number
        end
    end
end

-- Worker: runs one spec with coverage, and keeps what it ran, how long it took, and whether it passes.
local function cover(run, tree)
    local folder, root = cover_folder(run), lines("pwd")[1]
    sh(("rm -rf %s && mkdir -p %s && cp %s/files %s/files"):format(folder, folder, HOME, folder))
    local setting = ("MUTANTS_HOOK=%s/%s/cover-%s.so MUTANTS_COVER=%s/%s GCOV_PREFIX=%s/%s GCOV_PREFIX_STRIP=99 "
        .. "SPEC_UNDER='env LUA_INIT=@%s/spec/mutants/cover.lua'"):format(root, HOME, run.lua, root, folder, root,
        folder, root)
    run_spec(tree, run, 300, setting, ("BUILD=build/%s-cover CFLAGS='-O0 --coverage'"):format(run.lua))
    local passes, seconds, output = run_spec(tree, run, 300, "", "CFLAGS=-O2")
    local ran, names = {}, sources()
    local marks = io.open(folder .. "/marks", "rb")
    local text = marks and marks:read "*a" or ""
    for at, name in ipairs(names) do
        local list = {}
        local row = text:sub((at - 1) * 2048 + 1, at * 2048)
        for number in row:gmatch "()\1" do
            list[#list + 1] = number - 1
        end
        ran[name] = #list > 0 and list or nil
    end
    counted(folder, ("%s/%s/build/%s-cover/obj"):format(root, tree, run.lua), ran)
    sh(("rm -f %s/*.gc* %s/marks"):format(folder, folder))
    local out = { ("%s %.2f"):format(passes and "pass" or "fail", seconds) }
    for name, list in pairs(ran) do
        out[#out + 1] = name .. " " .. table.concat(list, " ")
    end
    write(folder .. "/ran", table.concat(out, "\n") .. "\n")
    if not passes and not output:find "\n0 passed, 0 failed" then
        io.write(("left out, since it fails as it is: %s on %s\n%s"):format(run.spec, run.lua, output))
    end
end

-- run.ran[file][line] for each run; those that fail without a mutant are left out.
local function load_cover(runs)
    local list = {}
    for _, run in ipairs(runs) do
        local files = 0
        run.ran = {}
        for line in io.lines(cover_folder(run) .. "/ran") do
            local name, rest = line:match "^(%S+) (.*)$"
            if name == "pass" or name == "fail" then
                run.passes, run.seconds = name == "pass", tonumber(rest)
            else
                files = files + 1
                run.ran[name] = {}
                for number in rest:gmatch "%d+" do
                    run.ran[name][tonumber(number)] = true
                end
            end
        end
        -- The cheapest first, and of those the ones that are about the least.
        run.cost = run.seconds * (files + 1)
        list[#list + 1] = run.passes and run or nil
    end
    table.sort(list, function(a, b)
        return a.cost < b.cost
    end)
    return list
end

local function unseen(run, file)
    for prefix, patterns in pairs(config.unseen) do
        for _, pattern in ipairs(file:sub(1, #prefix) == prefix and patterns or {}) do
            local lua, glob = pattern:match "^(%S+) (%S+)$"
            glob = (glob or pattern):gsub("%*", ".*")
            if run.lua == (lua or LUA) and run.spec:find("^" .. glob) then
                return true
            end
        end
    end
end

-- Lines of a file that have code of their own, as far as somebody says so.
local function code_lines(file)
    local has = {}
    local luac = LUA_BIN:gsub("lua([%d.]*)$", "luac%1")
    local command = file:find "%.lua$" and luac .. " -l -p " .. file .. " 2>/dev/null"
        or ("gcov -t %s/tree-1/build/%s-cover/obj/%s.gcno 2>/dev/null"):format(HOME, LUA, file:match "([^/]+)%.c$")
    local other
    for _, line in ipairs(lines(command)) do
        other = line:match ":Source:(.+)$" or other or file
        local number = line:match "^%s+%d+%s+%[(%d+)%]" or other == file and line:match "^ *[%d#=%%*]+: *(%d+):"
        if number then
            has[tonumber(number)] = true
        end
    end
    return has
end

-- The specs that run a mutant's line: the nearest above with code, since a statement may go over several. A constant
-- at the top of a file has none, and concerns all that run anything of it.
local function concerned(runs, mutant, code)
    local line = mutant.line
    while line > 0 and not code[line] do
        line = line - 1
    end
    local list = {}
    for _, run in ipairs(runs) do
        local ran = run.ran[mutant.file]
        if ran and (ran[line] or line == 0) or unseen(run, mutant.file) then
            list[#list + 1] = run
        end
    end
    return list
end

local function describe(mutant, text)
    local first = text:sub(1, mutant.from - 1):match "[^\n]*$"
    local after = text:sub(mutant.to + 1):match "^[^\n]*"
    local function trimmed(line)
        return (line:gsub("%s+", " "):match "^ ?(.*)$")
    end
    return ("%s:%d\n    - %s\n    + %s"):format(mutant.file, mutant.line,
        trimmed(first .. text:sub(mutant.from, mutant.to) .. after), trimmed(first .. mutant.with .. after))
end

-- Whether a mutant is one: it compiles, and to something else.
local function differs(mutant, texts, objects)
    local file, changed = mutant.file, operators.apply(texts[mutant.file], mutant)
    if file:find "%.lua$" then
        local chunk, original = load(changed), load(texts[file])
        return not chunk and "invalid" or string.dump(chunk, true) == string.dump(original, true) and "same" or nil
    end
    local tree = HOME .. "/tree-1"
    local object = ("build/%s/obj/%s.o"):format(LUA, file:match "src/(.+)%.c$")
    local build = make(tree, ("make -s CFLAGS=-O2 LUA=%s %s >/dev/null 2>&1"):format(LUA, object))
    objects[file] = objects[file] or sh(build) and read(tree .. "/" .. object)
    write(tree .. "/" .. file, changed)
    local compiled = sh(build)
    local result = not compiled and "invalid" or read(tree .. "/" .. object) == objects[file] and "same" or nil
    write(tree .. "/" .. file, texts[file])
    return result
end

-- The mutants of this seed, with what was discarded on the way.
local function pick(texts)
    local all, discarded, list, objects = {}, { invalid = 0, same = 0 }, {}, {}
    local only = {}
    for word in (os.getenv "FILES" or ""):gmatch "%S+" do
        only[word] = true
    end
    for _, file in ipairs(sources()) do
        texts[file] = read(file)
        for _, mutant in ipairs(operators.mutants(texts[file], file:match "%.lua$" and "lua" or "c")) do
            if not next(only) or only[file] or only[("%s:%d"):format(file, mutant.line)] then
                mutant.file = file
                all[#all + 1] = mutant
            end
        end
    end
    for _, mutant in ipairs(operators.shuffle(all, SEED)) do
        if #list == WANTED then
            break
        end
        local why = differs(mutant, texts, objects)
        if why then
            discarded[why] = discarded[why] + 1
        else
            list[#list + 1] = mutant
        end
    end
    return list, discarded, #all
end

-- Worker: one mutant against its specs. Prints its number, the verdict, and what it was by.
local function try(mutant, runs, tree, until_time)
    local began = now()
    local function verdict(word, by)
        io.write(("%d\t%s\t%s\t%.0f\n"):format(mutant.number, word, by or "", now() - began))
    end
    if began > until_time then
        return verdict "not tried"
    elseif #runs == 0 then
        return verdict "not executed"
    end
    local path = tree .. "/" .. mutant.file
    local original = read(path)
    write(path, operators.apply(original, mutant))
    local word, by = "survived", #runs .. " specs"
    for index, run in ipairs(runs) do
        if now() - began > MUTANT_SECONDS or now() > until_time then
            word, by = "survived", ("%d of %d specs, then the time was up"):format(index - 1, #runs)
            break
        end
        local limit = math.max(PATIENCE_LEAST, math.ceil(run.seconds * PATIENCE))
        local function fails()
            local ok, seconds, output = run_spec(tree, run, limit,
                ("SPEC_FLAGS=--no-keep-going SPEC_TIMEOUT=%d"):format(limit), "CFLAGS=-O2")
            return not ok, (seconds > limit or output:find "stopped after") and true or false
        end
        local failed, hung = fails()
        -- Twice, so that a spec that fails by chance kills nothing.
        if failed and (hung or fails()) then
            word, by = hung and "timed out" or "killed", run.spec
            break
        end
    end
    write(path, original)
    verdict(word, by)
end

-- Calls this file for each number, so many at a time, and hands over the lines that come.
local function in_parallel(what, numbers, workers, heard)
    write(HOME .. "/numbers", table.concat(numbers, "\n") .. "\n")
    local pipe = io.popen(("xargs -a %s/numbers -P %d -n 1 --process-slot-var=MUTANTS_SLOT %s spec/mutants/run.lua %s")
        :format(HOME, workers, LUA_BIN, what))
    for line in pipe:lines() do
        heard(line)
    end
    pipe:close()
end

-- A fresh copy for each worker: one that was ended while it tried a mutant has left it there.
local function plant(workers)
    for index = 1, workers do
        local tree = ("%s/tree-%d"):format(HOME, index)
        sh(("rm -rf %s && mkdir -p %s/build && tar -cf - --exclude=./build --exclude=./.git . | tar -xf - -C %s")
            :format(tree, tree, tree))
        assert(sh(make(tree, ("make -s -j%d build-specs CFLAGS=-O2 LUA=%s >/dev/null"):format(workers, LUA))),
            "the tree does not build")
    end
end

local function plan_text(list)
    local out = {}
    for _, mutant in ipairs(list) do
        out[#out + 1] = ("{file=%q,line=%d,from=%d,to=%d,with=%q,number=%d,runs={"):format(mutant.file, mutant.line,
            mutant.from, mutant.to, mutant.with, mutant.number)
        for _, run in ipairs(mutant.runs) do
            out[#out + 1] = ("{lua=%q,spec=%q,seconds=%.2f},"):format(run.lua, run.spec, run.seconds)
        end
        out[#out + 1] = "}},\n"
    end
    return table.concat(out)
end

-- Runs every spec with coverage that has not been since it, or what it runs, was changed.
local function covered(runs, workers)
    local stamp, stale, luas = HOME .. "/stamp", {}, {}
    local changed = lines(("[ -f %s ] && find src lua bin spec/support Makefile -newer %s -type f || echo none"):format(
        stamp, stamp))
    if changed[1] then
        sh(("rm -rf %s/cover && touch %s.begun"):format(HOME, stamp))
    end
    for number, run in ipairs(runs) do
        if not sh(("[ %s/ran -nt %s ]"):format(cover_folder(run), run.spec)) then
            stale[#stale + 1] = number
            luas[run.lua] = true
        end
    end
    if stale[1] then
        print(("running %d specs, each with coverage and without; that is kept until a file changes"):format(#stale))
        write(HOME .. "/files", table.concat(sources(), "\n") .. "\n")
        for lua in pairs(luas) do
            assert(sh(make(".", ("make -s LUA=%s %s/cover-%s.so"):format(lua, HOME, lua))))
            for index = 1, workers do
                assert(sh(make(("%s/tree-%d"):format(HOME, index), ("make -s -j%d LUA=%s BUILD=build/%s-cover "
                    .. "CFLAGS='-O0 --coverage' %s >/dev/null"):format(workers, lua, lua,
                    lua == LUA and "build-specs" or "all"))))
            end
        end
        in_parallel("cover", stale, workers, print)
    end
    if changed[1] then
        sh(("mv %s.begun %s"):format(stamp, stamp))
    end
end

local function report(list, texts, results, discarded, possible, began)
    local counts, survivors = {}, {}
    for _, mutant in ipairs(list) do
        local result = results[mutant.number] or { word = "not tried", by = "" }
        counts[result.word] = (counts[result.word] or 0) + 1
        if result.word == "survived" or result.word == "not executed" then
            survivors[#survivors + 1] = ("%s\n    # %s%s"):format(describe(mutant, texts[mutant.file]), result.word,
                result.by ~= "" and ", " .. result.by or "")
        end
    end
    table.sort(survivors)
    local killed = (counts.killed or 0) + (counts["timed out"] or 0)
    local tried = #list - (counts["not tried"] or 0)
    local out = { table.concat(survivors, "\n"), "" }
    for _, row in ipairs {
        { "possible changes", possible }, { "did not compile", discarded.invalid },
        { "equivalent by object code", discarded.same }, { "mutants", #list },
        { "not tried, the time was up", counts["not tried"] },
        { "killed by a failing spec", counts.killed }, { "killed by the time limit", counts["timed out"] },
        { "survived", counts.survived }, { "survived, executed by no spec", counts["not executed"] },
        { "seed", SEED }, { "minutes", ("%.0f"):format((now() - began) / 60) } } do
        out[#out + 1] = ("%-32s %6s"):format(row[1], tostring(row[2] or 0))
    end
    out[#out + 1] = ("%d of %d killed, %.1f %%"):format(killed, tried, tried > 0 and killed / tried * 100 or 0)
    local text = table.concat(out, "\n") .. "\n"
    write(HOME .. "/report", text)
    io.write(text)
end

local function main()
    local began, workers = now(), tonumber(os.getenv "MUTANTS_WORKERS" or lines("getconf _NPROCESSORS_ONLN")[1])
    local texts, results, all = {}, {}, all_runs()
    io.stdout:setvbuf "line"
    sh("mkdir -p " .. HOME)
    plant(workers)
    covered(all, workers)
    local list, discarded, possible = pick(texts)
    local runs, code, numbers = load_cover(all), {}, {}
    for number, mutant in ipairs(list) do
        code[mutant.file] = code[mutant.file] or code_lines(mutant.file)
        mutant.number, mutant.runs, numbers[number] = number, concerned(runs, mutant, code[mutant.file]), number
    end
    write(HOME .. "/plan.lua", ("return { until_time = %.0f,\n%s}\n"):format(began + MINUTES * 60, plan_text(list)))
    in_parallel("try", numbers, workers, function(line)
        local number, word, by, seconds = line:match "^(%d+)\t([^\t]*)\t([^\t]*)\t(%d+)$"
        if number then
            local mutant = list[tonumber(number)]
            results[mutant.number] = { word = word, by = by }
            print(("%-12s %s:%d  %s  %s s"):format(word, mutant.file, mutant.line, by, seconds))
        else
            print(line)
        end
    end)
    report(list, texts, results, discarded, possible, began)
end

local what, number = arg[1], tonumber(arg[2])
local tree = ("%s/tree-%d"):format(HOME, (tonumber(os.getenv "MUTANTS_SLOT") or 0) + 1)
if what == "cover" then
    cover(all_runs()[number], tree)
elseif what == "try" then
    local plan = dofile(HOME .. "/plan.lua")
    try(plan[number], plan[number].runs, tree, plan.until_time)
else
    main()
end
