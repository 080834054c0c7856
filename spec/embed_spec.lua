-- kataven in a host that links it in: what a script sees there, which has no search path to kataven.

local build = require "spec.support.build"
local embedding = require "spec.support.embedding"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local run = shell.run
local here = run "pwd":gsub("\n$", "")

describe("a host with kataven linked in", function()
    local installed, program

    -- What a script prints in spec/support/embedded.c.
    local function script(text, environment)
        files.write(installed.tree .. "/script.lua", text)
        local code, output = installed:run(program .. " ../script.lua", environment)
        assert(code == 0, output)
        return output
    end

    -- The same with the usual beginning.
    local function opened(text, environment)
        return script("package.preload.cjson = host.cjson\nlocal kataven = host.open()\n" .. text, environment)
    end

    lazy_setup(function()
        if not embedding.problem then
            installed = embedding.new()
            program = installed:link(embedding.cc .. " -std=c99", "spec/support/embedded.c", "embedded")
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

    describe("has a module that", function()
        its("needs no search path", function()
            assert.equal(require "kataven.version" .. "\ttrue\n", opened [[
                print(kataven._VERSION, require "kataven" == kataven)
            ]])
            assert.same("", run("ls -A %s/empty", installed.tree))
        end)

        its("opens with luaL_requiref as with kataven_open, and through require", function()
            for _, way in ipairs {
                "(host.requiref or host.open)()",
                "host.open()",
                "(function() package.preload.kataven = host.luaopen return require 'kataven' end)()",
                "(function() package.preload.kataven = host.open return require 'kataven' end)()",
            } do
                assert.equal("table\ttrue\ttrue\ttrue\n", script([[
                    package.preload.cjson = host.cjson
                    local kataven = ]] .. way .. [[

                    print(type(kataven.new), package.loaded.kataven == kataven, host.open() == kataven,
                        host.luaopen() == kataven)
                ]]):gsub("^function", "table"))
            end
        end)

        its("can be required after luaopen_kataven alone, which leaves package.loaded to the host", function()
            assert.equal("nil\tfunction\n", script [[
                package.preload.cjson = host.cjson
                local kataven = host.luaopen()
                print(package.loaded.kataven, type(require "kataven".new))
            ]])
        end)

        its("loads the rest when it is required: a cassette plays", function()
            assert.equal("nil\tacme.com\tTimeoutError\n", opened([[
                local before = package.loaded["kataven.cassette"]
                local cassette = kataven.cassette.open(os.getenv "CASSETTE")
                local client = kataven.new { apiKey = "sk_live_test_x", transport = cassette }
                local key = kataven.assert(client.widgetKeys.create { name = "acme.com" })
                local _, err = client.widgetKeys.delete "wk_2"
                cassette:assertDone()
                print(before, key.name, err.name)
            ]], { CASSETTE = here .. "/spec/cassettes/readme.json" }))
        end)

        its("has each of the files", function()
            local names = {}
            for name in pairs(build.embedded()) do
                names[#names + 1] = ("%q"):format(name)
            end
            assert.equal("0\n", opened(([[
                package.preload.busted = function() return { subscribe = function() end } end -- kataven.busted's
                for _, library in ipairs { "cqueues", "copas", "luv", "socket", "redis" } do -- the hosts'
                    package.preload[library] = function() return {} end
                end
                local failures = 0
                for _, name in ipairs { %s } do
                    local fine, why = pcall(require, name)
                    if not fine then
                        print(name, why)
                        failures = failures + 1
                    end
                end
                print(failures)
            ]]):format(table.concat(names, ", "))))
        end)

        its("names the file and the line where an error was", function()
            local output = opened [[
                print(select(2, pcall(require "kataven.client".new)))
                print((select(2, xpcall(function() kataven.new { nope = 1 } end, debug.traceback))))
            ]]
            assert.matches("^kataven/client%.lua:%d+: ", output)
            assert.matches("\n%s*kataven/init%.lua:%d+: in function", output)
        end)

        its("changes nothing else in the host's state", function()
            assert.equal("same\n", script [[
                package.preload.cjson = host.cjson
                local function keys(t)
                    local all = {}
                    for key, value in pairs(t) do
                        all[key] = value
                    end
                    return all
                end
                local loaders = package.searchers or package.loaders
                local watched = {
                    globals = _G, loaded = package.loaded, preload = package.preload, package = package,
                    loaders = loaders, registry = debug.getregistry(), string = string,
                    strings = debug.getmetatable "", io = io, os = os,
                }
                local before = {}
                for name, t in pairs(watched) do
                    before[name] = keys(t)
                end
                host.open()
                local same = true
                for name, t in pairs(watched) do
                    local now = keys(t)
                    for key in pairs(before[name]) do
                        if now[key] ~= before[name][key] then
                            same = print(name .. " has another " .. tostring(key))
                        end
                    end
                    for key in pairs(now) do
                        local ours = tostring(key):find "^kataven" or name == "loaded" and key == "cjson"
                        local holder = name == "loaded" or name == "preload" or name == "registry"
                        local slot = name == "registry" and type(key) ~= "string" -- luaL_ref's
                        if before[name][key] == nil and not (ours and holder) and not slot then
                            same = print(name .. " has a new " .. tostring(key))
                        end
                    end
                end
                print(same and "same" or "changed")
            ]])
        end)

        its("leaves what the host has put into package.preload and package.loaded", function()
            assert.equal("the host's diff\tthe host's match\ttrue\n", script [[
                package.preload.cjson = host.cjson
                package.preload["kataven.cassette.diff"] = function() return "the host's diff" end
                package.loaded["kataven.cassette.match"] = "the host's match"
                host.open()
                print(require "kataven.cassette.diff", require "kataven.cassette.match",
                    package.loaded["kataven.cassette.diff"] == "the host's diff")
            ]])
            assert.equal("true\ttrue\ttrue\n", script [[
                package.preload.cjson = host.cjson
                local own = {}
                package.loaded.kataven = own
                print(host.open() == own, host.luaopen() == own, package.loaded.kataven == own)
            ]])
        end)
    end)

    describe("is told what to do", function()
        its("where lua-cjson is not to be found", function()
            local output = script [[
                print(pcall(host.open))
            ]]
            assert.matches("^false\t.-kataven needs the module 'cjson' for this Lua", output)
            assert.truthy(output:find("a host that links it in sets package.preload.cjson to luaopen_cjson before it "
                .. "opens kataven", 1, true), output)
            assert.truthy(output:find("module 'cjson' not found", 1, true), output)
        end)

        its("where Lua's libraries are not open", function()
            local expected = "kataven needs Lua's package library, with its 'require' and 'preload'; "
                .. "call luaL_openlibs, or open it, before kataven"
            assert.equal(expected .. "\n", script "print(host.bare())")
            for _, sandbox in ipairs {
                "require = nil",
                "package.loaded.package = nil",
                "package.preload = nil",
            } do
                assert.equal("false\t" .. expected .. "\n", script(sandbox .. "\nprint(pcall(host.open))"))
            end
        end)
    end)

    describe("has a header that", function()
        local source

        before_each(function()
            source = os.tmpname()
            files.write(source, '#include "kataven.h"\nint main(void) { return luaopen_kataven(0); }\n')
        end)

        after_each(function()
            os.remove(source)
        end)

        it("stands by itself in C", function()
            run(("%s -x c -std=c99 %s -Wstrict-prototypes -Isrc -fsyntax-only %%s"):format(embedding.cc,
                embedding.warnings), source)
        end)

        it("stands by itself in C++", function()
            if not embedding.has(embedding.cxx) then
                pending("there is no " .. embedding.cxx)
                return
            end
            run(("%s -x c++ -std=c++11 %s -Isrc -fsyntax-only %%s"):format(embedding.cxx, embedding.warnings), source)
        end)
    end)
end)
