-- What is shipped: the rockspec's lists, the rock, what `make install` leaves, and what the shared object exports.

local build = require "spec.support.build"
local shell = require "spec.support.shell"

local run, lines = shell.run, shell.lines
local version, darwin = build.version, build.darwin
local ROCKSPEC = "rockspec/kataven-scm-1.rockspec"

-- A search path without its relative templates, which lead into this checkout.
local function withoutHere(path)
    local kept = {}
    for template in path:gmatch "[^;]+" do
        kept[#kept + 1] = template:find "^/" and template or nil
    end
    return table.concat(kept, ";")
end

local function exists(path)
    local file = io.open(path, "rb")
    return file and file:close() and true or false
end

local function rockspec()
    local file = assert(io.open(ROCKSPEC, "rb"))
    local text = file:read "*a"
    file:close()
    local values = {}
    local setfenv = rawget(_G, "setfenv")
    local chunk = setfenv and assert(rawget(_G, "loadstring")(text, "=" .. ROCKSPEC))
        or assert(load(text, "=" .. ROCKSPEC, "t", values))
    if setfenv then
        setfenv(chunk, values)
    end
    chunk()
    return values
end

-- The interpreter that runs this.
local function interpreter()
    local index = 0
    while arg and arg[index - 1] do
        index = index - 1
    end
    return os.getenv "LUA_BIN" or arg[index]
end

-- The shared object that the other specs run on.
local function core()
    for template in package.cpath:gmatch "[^;]+" do
        local path = template:gsub("%?", "kataven/core")
        if exists(path) then
            return path
        end
    end
    error("kataven/core is not in " .. package.cpath)
end

-- Exercises an installed tree as somebody who knows nothing of this directory: the module comes from there alone, and a
-- call goes as far as libcurl.
local function tryOut(tree)
    local lua = "%s/share/lua/%s/?.lua;%s/share/lua/%s/?/init.lua;"
    local c = "%s/lib/lua/%s/?.so;"
    local script = [[
        local kataven = require "kataven"
        assert(package.loaded["kataven.core"])
        require "kataven.cassette"
        local client = kataven.new { apiKey = "sk_live_test_x", baseUrl = "http://127.0.0.1:1", retry = false }
        local keys, problem = client.widgetKeys.list()
        assert(keys == nil)
        print(problem.name, kataven._VERSION)
    ]]
    local output = run(
        "cd %s && LUA_PATH=%s LUA_CPATH=%s %s -e %s",
        tree,
        lua:format(tree, version, tree, version) .. package.path,
        c:format(tree, version) .. package.cpath,
        interpreter(),
        script
    )
    assert.equal("ConnectionError\t" .. require "kataven.version" .. "\n", output)
end

-- The installed command, from elsewhere and told of nothing but where argparse and lua-cjson are; by an interpreter of
-- its own choice, unless there is one here.
local function runCommand(path, program)
    local output = run("cd / && LUA_PATH=%s LUA_CPATH=%s " .. (program or "") .. " %s --version",
        withoutHere(package.path), withoutHere(package.cpath), path)
    assert.equal("kataven " .. require "kataven.version" .. " (", output:match "^kataven %S+ %(")
    assert.equal(rawget(_G, "jit") and "LuaJIT" or _VERSION, output:match "%((LuaJIT)" or output:match "%((Lua [%d.]+)")
end

-- The names in what nm says.
local function namesOf(command, path)
    local names = {}
    for _, line in ipairs(lines(run(command, path))) do
        local name = line:match "^%x+ %a (%S+)$"
        names[#names + 1] = name and (darwin and name:gsub("^_", "") or name)
    end
    return names
end

-- The shared object's symbols that others can see, but for those that linkers add by themselves.
local function exported(path)
    local LINKER = { _init = true, _fini = true, _edata = true, _end = true, __bss_start = true }
    local names = {}
    for _, name in ipairs(namesOf(darwin and "nm -gU %s" or "nm -D --defined-only %s", path)) do
        names[#names + 1] = not LINKER[name] and name or nil
    end
    return names
end

local function linkedWith(path)
    return run(darwin and "otool -L %s" or "objdump -p %s | grep NEEDED", path)
end

describe("packaging", function()
    local temporary

    before_each(function()
        temporary = run("mktemp -d"):gsub("\n$", "")
    end)

    after_each(function()
        run("rm -rf %s", temporary)
    end)

    describe("the rockspec", function()
        it("lists every C source", function()
            local sources = rockspec().build.modules["kataven.core"].sources

            table.sort(sources)
            assert.same(lines(run "ls src/*.c"), sources)
        end)

        it("lists every Lua module under its name", function()
            local listed = {}
            for name, value in pairs(rockspec().build.modules) do
                listed[name] = type(value) == "string" and value or nil
            end

            assert.same(build.modules(), listed)
        end)
    end)

    describe("the rock", function()
        -- The command for this Lua, if there is one. LuaRocks has no word for LuaJIT: it is a 5.1, with other headers.
        local function luarocks()
            for _, program in ipairs { "luarocks --lua-version " .. version, "luarocks-" .. version } do
                local code, text = shell.try(program .. " config lua_version")
                if code == 0 and text:find(version, 1, true) then
                    return program
                end
            end
            pending("there is no LuaRocks for Lua " .. version)
        end

        it("passes LuaRocks' lint", function()
            local program = luarocks()
            if program then
                run(program .. " lint %s", ROCKSPEC)
            end
        end)

        it("is made into an empty tree, and runs", function()
            local program = luarocks()
            if not program then
                return
            end
            local headers = ""
            if rawget(_G, "jit") then
                headers = " LUA_INCDIR=" .. run "pkg-config --variable=includedir luajit"
            end
            -- A copy, since LuaRocks leaves its objects beside the sources.
            run("mkdir %s/copy && cp -R README.md CHANGELOG.md LICENSE bin lua src rockspec %s/copy", temporary,
                temporary)

            -- No rockspec is named: it is found.
            run("cd %s/copy && " .. program .. " make --deps-mode=none --tree %s/tree" .. headers, temporary, temporary)

            tryOut(temporary .. "/tree")
            -- LuaRocks has lua5.1 run it, for which a LuaJIT's module is not made.
            runCommand(rawget(_G, "jit") and temporary .. "/tree/lib/luarocks/rocks-5.1/kataven/scm-1/bin/kataven"
                or temporary .. "/tree/bin/kataven", rawget(_G, "jit") and interpreter())
            local so = temporary .. "/tree/lib/lua/" .. version .. "/kataven/core.so"
            assert.same({ "luaopen_kataven_core" }, exported(so))
            assert.is_nil(linkedWith(so):lower():find "liblua")
        end)
    end)

    it("runs from this checkout, in a shell that was told of it", function()
        local output = run('eval "$(make -s env LUA=%s DRIVER=%s)"; kataven --version; '
            .. '%s -e "print(require([[kataven]])._VERSION)"', build.lua, build.driver, interpreter())
        assert.matches("^kataven 0%.1%.0 %(.-%)\n0%.1%.0\n$", output)
    end)

    it("installs a tree that runs with make, and removes it again", function()
        local place = " PREFIX=/opt/place DESTDIR=%s/a\\ root"

        build.make("install" .. place, temporary)
        tryOut(temporary .. "/a root/opt/place")
        local installed = {}
        for _, path in ipairs(lines(run("cd %s/a\\ root/opt/place/share/lua/*/ && find . -type f", temporary))) do
            installed[#installed + 1] = path:gsub("^%./", "lua/")
        end
        assert.same(lines(run "find lua -name '*.lua'"), installed)

        build.make("uninstall" .. place, temporary)
        assert.equal("", run("find %s/a\\ root ! -type d", temporary))
    end)

    it("installs the command, its page and what completes it, and removes them again", function()
        local place = " PREFIX=/opt/place DESTDIR=%s/a\\ root"
        local root = temporary .. "/a root/opt/place"
        local function others()
            return lines(run("cd %s && find . -type f ! -path '*/lua/*'", root))
        end

        build.make("install" .. place, temporary)
        assert.same({
            "./bin/kataven",
            "./share/bash-completion/completions/kataven",
            "./share/fish/vendor_completions.d/kataven.fish",
            "./share/kataven/redis-functions.lua",
            "./share/man/man1/kataven.1",
            "./share/zsh/site-functions/_kataven",
        }, others())
        runCommand(root .. "/bin/kataven")
        -- By PATH as well.
        assert.matches("^kataven", run("cd / && PATH=%s:$PATH LUA_PATH=%s LUA_CPATH=%s kataven --version",
            root .. "/bin",
            withoutHere(package.path), withoutHere(package.cpath)))
        assert.equal(run "cat docs/man/kataven.1", run("cat %s", root .. "/share/man/man1/kataven.1"))
        for _, path in ipairs { "bash-completion/completions/kataven", "zsh/site-functions/_kataven",
            "fish/vendor_completions.d/kataven.fish" } do
            assert.truthy(run("cat %s", root .. "/share/" .. path):find("widget-keys", 1, true))
        end

        assert.equal(require "kataven.redis.functions".library(),
            run("cat %s", root .. "/share/kataven/redis-functions.lua"))

        -- The command of another Lua stays.
        run("sed -i.bak '1s|.*|#!/usr/bin/other|' %s && rm %s.bak", root .. "/bin/kataven", root .. "/bin/kataven")
        build.make("uninstall" .. place, temporary)
        assert.equal(6, #others())
    end)

    for _, umask in ipairs { "000", "077", "022" } do
        it("gives what it installs the modes that everybody may read, whatever the umask: " .. umask, function()
            local place = (" PREFIX=/opt/place DESTDIR=%s/root"):format(temporary)
            -- A second time over files that an earlier one left open to all.
            for round = 1, 2 do
                local code, output = shell.try("umask " .. umask
                    .. " && make -s LUA=%s DRIVER=%s install install-static" .. place, build.lua, build.driver)
                assert.equal(0, code, output)
                local wrong = run("cd %s/root/opt && find . -type f ! -perm 644 ! -path './place/bin/*' "
                    .. "! -name core.so -o -type f ! -perm 644 ! -perm 755 -o -type d ! -perm 755", temporary)
                assert.equal("", wrong)
                for _, path in ipairs(lines(run("cd %s/root/opt/place && ls bin/* lib/lua/*/kataven/core.so",
                    temporary))) do
                    assert.equal("", run("find %s/root/opt/place/" .. path .. " ! -perm 755", temporary))
                end
                if round == 1 then
                    run("chmod -R a+rwX %s/root/opt/place/*/lua/*/kataven", temporary)
                    run("find %s/root -type f -exec chmod 666 {} +", temporary)
                end
            end
        end)
    end

    -- They share a folder, and so the file that was installed last.
    it("installs one core for PUC Lua 5.1 and LuaJIT, whichever is made last", function()
        if version ~= "5.1" then
            pending "the other Luas have a folder each"
            return
        end
        local programs = { ["5.1"] = "lua5.1", luajit = "luajit" }
        for lua, program in pairs(programs) do
            if shell.try(("command -v %s && pkg-config --exists %s"):format(program,
                lua == "5.1" and "lua5.1 || pkg-config --exists lua-5.1" or "luajit")) ~= 0 then
                pending("there is no " .. program .. " with its headers")
                return
            end
        end
        for _, order in ipairs { { "5.1", "luajit" }, { "luajit", "5.1" } } do
            local place = temporary .. "/" .. order[2]
            for _, lua in ipairs(order) do
                shell.run(("make -s LUA=%s DRIVER=%s install PREFIX=%%s"):format(lua, build.driver), place)
            end
            for lua, program in pairs(programs) do
                local output = run("cd / && LUA_PATH=%s LUA_CPATH=%s " .. program .. " -e %s",
                    ("%s/share/lua/5.1/?.lua;%s/share/lua/5.1/?/init.lua;"):format(place, place)
                        .. withoutHere(package.path), place .. "/lib/lua/5.1/?.so;" .. withoutHere(package.cpath), [[
                    local core, host = require "kataven.core", require "kataven.host"
                    local thread = coroutine.wrap(function()
                        ("x"):gsub("x", function() io.write(tostring(host.canYield()), " ") end)
                        io.write(tostring(host.canYield()))
                    end)
                    io.write(tostring(core.yieldable ~= nil), " ")
                    thread()
                ]])
                -- PUC Lua 5.1 does not tell, so there every coroutine has to do.
                assert.equal(lua == "luajit" and "true false true" or "false true true", output,
                    ("%s, installed last: %s"):format(program, order[2]))
            end
        end
    end)

    it("leaves folders that were there as they were", function()
        run("mkdir -p %s/shared/bin %s/shared/share && chmod 2775 %s/shared/bin %s/shared/share", temporary, temporary,
            temporary, temporary)
        build.make("install PREFIX=%s/shared", temporary)
        assert.equal("", run("find %s/shared/bin %s/shared/share -maxdepth 0 ! -perm 2775", temporary, temporary))
    end)

    it("finds the modules of its prefix through a link, where it is not in a staging directory", function()
        build.make("install PREFIX=%s/place", temporary)
        run("ln -s %s/place/bin/kataven %s/link", temporary, temporary)
        runCommand(temporary .. "/link")
        build.make("uninstall PREFIX=%s/place", temporary)
        assert.equal("", run("find %s/place ! -type d", temporary))
    end)

    describe("the shared object", function()
        it("exports its luaopen function and nothing else", function()
            assert.same({ "luaopen_kataven_core" }, exported(core()))
        end)

        it("takes Lua from its host, and libcurl from the system", function()
            local libraries = linkedWith(core())

            assert.truthy(libraries:find "libcurl")
            assert.is_nil(libraries:lower():find "liblua")
        end)

        -- A resolver's thread may outlive the state that loaded the module; its code must not be unmapped then. Made
        -- by LuaRocks, which passes no flags to the linker, it is pinned when libcurl is initialised.
        it("stays in memory", function()
            if run "uname -s":find "Linux" then
                assert.truthy(run("readelf -d %s", core()):find "NODELETE")
            end
        end)
    end)

    -- The compiler's and the linker's own guards, of the Makefile's usual flags.
    it("is hardened", function()
        if darwin then
            pending "readelf is for ELF"
            return
        end
        build.make("BUILD=%s all", temporary .. "/hard")
        local path = temporary .. "/hard/kataven/core.so"
        local symbols = run("nm -D --undefined-only %s", path)
        assert.matches("__stack_chk_fail", symbols)
        assert.matches("__%l+_chk", (symbols:gsub("__stack_chk_fail", "")))
        assert.matches("BIND_NOW", run("readelf -dW %s", path))
        local segments = run("readelf -lW %s", path)
        assert.matches("GNU_RELRO", segments)
        assert.matches("GNU_STACK%s+0x%x+ 0x%x+ 0x%x+ 0x%x+ 0x%x+ RW ", segments)
    end)

    it("compiles without a warning for a debugger, with a distribution's own flags, and with a sanitizer's", function()
        for index, flags in ipairs { 'CFLAGS="-O0 -g"', 'CFLAGS="-O1 -g -fsanitize=address"', "CFLAGS=-g",
            'CPPFLAGS="-D_FORTIFY_SOURCE=2"', 'CFLAGS="-O2 -Wp,-D_FORTIFY_SOURCE=2"' } do
            local code, output = shell.try(("make -s WERROR=-Werror LUA=%s DRIVER=%s BUILD=%%s/%d %s "
                .. "%%s/%d/obj/kat_base.o %%s/%d/obj/lkat_core.o"):format(build.lua, build.driver, index, flags, index,
                index), temporary, temporary, temporary)
            assert.equal(0, code, flags .. ": " .. output)
            assert.is_nil(output:find("warning", 1, true), output)
        end
    end)

    describe("the static library", function()
        it("keeps to its prefixes", function()
            build.make "static"
            local names = namesOf(darwin and "nm -gU %s" or "nm -g --defined-only %s",
                build.directory .. "/libkataven.a")
            local offered = {}
            for _, name in ipairs(names) do
                if not name:find "^l?kat_" and not name:find "^KAT_" then
                    offered[#offered + 1] = name
                end
            end

            assert.is_true(#names > 100)
            table.sort(offered)
            assert.same({ "kataven_open", "luaopen_kataven", "luaopen_kataven_core" }, offered)
        end)

        it("is installed under its Lua's name, and removed again", function()
            local place = " PREFIX=/opt/place DESTDIR=%s/a\\ root"
            build.make("install-static" .. place, temporary)

            assert.same({
                "./include/kataven.h",
                ("./lib/lib%s.a"):format(build.static),
                ("./lib/pkgconfig/%s.pc"):format(build.static),
            }, lines(run("cd %s/a\\ root/opt/place && find . -type f", temporary)))
            build.make("uninstall" .. place, temporary)
            assert.equal("", run("find %s/a\\ root ! -type d", temporary))
        end)

        it("leaves the header to the library of another Lua", function()
            build.make("install-static PREFIX=%s", temporary)
            run("touch %s/lib/libkataven-other.a", temporary)
            build.make("uninstall PREFIX=%s", temporary)

            assert.same({ "./include/kataven.h", "./lib/libkataven-other.a" },
                lines(run("cd %s && find . -type f", temporary)))
        end)
    end)

    it("has the command call the API as any script would", function()
        -- Besides what everybody may require: JSON, files, signals, texts about mistakes, what hides secrets.
        local shared = { check = true, core = true, errors = true, log = true, plaintext = true, redact = true,
            version = true, ["cassette.file"] = true, ["cassette.json"] = true,
            ["plan.wanted"] = true, ["redis.functions"] = true,
            ["redis.load"] = true, ["redis.worker"] = true }
        local found = 0
        for _, path in ipairs(lines(run "find bin lua/kataven/cli.lua lua/kataven/cli -type f")) do
            local file = assert(io.open(path, "rb"))
            for name in file:read "*a":gmatch 'require[( ]*"kataven%.([%l%d_.]+)"' do
                found = found + 1
                assert.is_true(name:find "^cli" ~= nil or shared[name] or false, path .. " requires kataven." .. name)
            end
            file:close()
        end
        assert.is_true(found > 50, found)
    end)

    it("keeps Lua out of the engine", function()
        local _, found = shell.try [==[grep -nE '#[[:space:]]*include[[:space:]]*[<"](lua|lauxlib|lkat)' src/kat_*]==]

        assert.equal("", found)
    end)
end)
