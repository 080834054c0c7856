-- The Lua files as a C source, for hosts that link kataven in.

local build = require "spec.support.build"
local child = require "spec.support.child"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local run = shell.run
local here = run "pwd":gsub("\n$", "")

describe("the files that are embedded", function()
    local tree

    before_each(function()
        tree = run "mktemp -d":gsub("\n$", "")
        run("mkdir -p %s/lua/kataven", tree)
    end)

    after_each(function()
        run("rm -rf %s", tree)
    end)

    local function write(path, text)
        files.write(("%s/lua/kataven/%s"):format(tree, path), text)
    end

    local function embed(paths)
        return shell.try("cd %s && %s %s " .. paths, tree, child.interpreter(),
            here .. "/src/static/embed.lua")
    end

    -- What a compiler would read: texts and chunk names by module, and the modules in their order.
    local function embedded(source)
        local texts, found, order = {}, {}, {}
        for name, numbers in source:gmatch "char (%w+)%[%] = {([%d,%s]*)};" do
            local bytes = {}
            for number in numbers:gmatch "%d+" do
                bytes[#bytes + 1] = string.char(tonumber(number))
            end
            assert.equal("\0", table.remove(bytes))
            texts[name] = table.concat(bytes)
        end
        for module, chunk, name in source:gmatch '{"([^"]+)", "([^"]+)", (%w+), sizeof %w+ %- 1}' do
            found[module] = { chunk = chunk, text = texts[name] }
            order[#order + 1] = module
        end
        assert.equal(#order, tonumber(source:match "lkat_file_count = (%d+)"))
        return found, order
    end

    it("keep every byte", function()
        local all = {}
        for byte = 0, 255 do
            all[#all + 1] = string.char(byte)
        end
        write("init.lua", "return 1\r\n")
        write("all.lua", table.concat(all))
        write("empty.lua", "")
        local _, source = embed "lua/kataven/init.lua lua/kataven/all.lua lua/kataven/empty.lua"
        local found, order = embedded(source)

        assert.same({
            kataven = { chunk = "@kataven/init.lua", text = "return 1\r\n" },
            ["kataven.all"] = { chunk = "@kataven/all.lua", text = table.concat(all) },
            ["kataven.empty"] = { chunk = "@kataven/empty.lua", text = "" },
        }, found)
        assert.same({ "kataven", "kataven.all", "kataven.empty" }, order)
    end)

    it("give the same source in whatever order they are named", function()
        write("init.lua", "return 1")
        write("a.lua", "return 2")
        local _, one = embed "lua/kataven/init.lua lua/kataven/a.lua"
        local _, other = embed "lua/kataven/a.lua lua/kataven/init.lua"

        assert.equal(one, other)
        assert.is_nil(one:find(tree, 1, true))
    end)

    it("are refused where they are none of kataven's", function()
        write("a.lua", "")
        for paths, problem in pairs {
            ["kataven/a.lua"] = "kataven/a.lua is not lua/….lua",
            ["lua/kataven/a.lua"] = "lua/kataven/init.lua is not among the files",
            [""] = "lua/kataven/init.lua is not among the files",
            ["lua/kataven/none.lua"] = "lua/kataven/none.lua: No such file",
        } do
            local code, message = embed(paths)
            assert.equal(1, code)
            assert.truthy(message:find(problem, 1, true), message)
        end
    end)

    it("are those that are there, with the next make", function()
        run("cp -R Makefile lua src %s", tree)
        local source = ("%s/%s/static/lkat_files.c"):format(tree, build.directory)
        local function modules()
            build.make("-C %s " .. build.directory .. "/static/lkat_files.c", tree)
            -- Older than what changes from now on, on whatever file system, and newer than all the rest.
            run("find %s/lua %s/src -exec touch -t 200001010000 {} +", tree, tree)
            run("touch -t 200101010000 %s", source)
            local found, order = embedded(files.read(source))
            return order, found
        end
        local expected = {}
        for name in pairs(build.embedded()) do
            expected[#expected + 1] = name
        end
        table.sort(expected)
        assert.same(expected, (modules()))

        run("mkdir %s/lua/kataven/added", tree)
        write("added/later.lua", "return 'later'")
        local _, found = modules()
        assert.same({ chunk = "@kataven/added/later.lua", text = "return 'later'" }, found["kataven.added.later"])

        run("rm -r %s/lua/kataven/added", tree)
        assert.same(expected, (modules()))
    end)
end)
