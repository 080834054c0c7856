-- What is shipped: the rockspec's lists, the rock, what `make install` leaves, and what the shared object exports.

local version = _VERSION:match "%d%.%d"
local ROCKSPEC = "rockspec/kataven-scm-1.rockspec"

local function quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Runs a shell command, with each %s replaced by a word; gives whether it went well, and all that it wrote.
local function shell(command, ...)
    local words, index = { ... }, 0
    command = command:gsub("%%s", function()
        index = index + 1
        return quote(words[index])
    end)
    local pipe = io.popen("(" .. command .. ") 2>&1; echo \"=$?\"")
    local output = pipe:read "*a"
    pipe:close()
    local text, code = output:match "^(.*)=(%d+)\n$"
    return code == "0", text
end

local function run(command, ...)
    local ok, text = shell(command, ...)
    assert.is_true(ok, text)
    return text
end

local function lines(text)
    local all = {}
    for line in text:gmatch "[^\n]+" do
        all[#all + 1] = line
    end
    table.sort(all)
    return all
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

-- Which of the Makefile's builds this is.
local function build()
    return os.getenv "LUA" or (rawget(_G, "jit") and "luajit" or version), os.getenv "DRIVER" or "epoll"
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

-- The shared object's symbols that others can see, but for those that linkers add by themselves.
local function exported(path)
    local LINKER = { _init = true, _fini = true, _edata = true, _end = true, __bss_start = true }
    local darwin = run "uname -s":find "Darwin"
    local names = {}
    for _, line in ipairs(lines(run(darwin and "nm -gU %s" or "nm -D --defined-only %s", path))) do
        local name = line:match "(%S+)$"
        if not LINKER[name] then
            names[#names + 1] = (darwin and name:gsub("^_", "") or name)
        end
    end
    return names
end

local function linkedWith(path)
    return run(run "uname -s":find "Darwin" and "otool -L %s" or "objdump -p %s | grep NEEDED", path)
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
            local expected, listed = {}, {}
            for _, path in ipairs(lines(run "find lua -name '*.lua'")) do
                local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
                expected[name] = path
            end
            for name, value in pairs(rockspec().build.modules) do
                listed[name] = type(value) == "string" and value or nil
            end

            assert.same(expected, listed)
        end)
    end)

    describe("the rock", function()
        -- The command for this Lua, if there is one. LuaRocks has no word for LuaJIT: it is a 5.1, with other headers.
        local function luarocks()
            for _, program in ipairs { "luarocks --lua-version " .. version, "luarocks-" .. version } do
                local ok, text = shell(program .. " config lua_version")
                if ok and text:find(version, 1, true) then
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
            run("mkdir %s/copy && cp -R README.md CHANGELOG.md LICENSE lua src rockspec %s/copy", temporary, temporary)

            -- No rockspec is named: it is found.
            run("cd %s/copy && " .. program .. " make --deps-mode=none --tree %s/tree" .. headers, temporary, temporary)

            tryOut(temporary .. "/tree")
            local so = temporary .. "/tree/lib/lua/" .. version .. "/kataven/core.so"
            assert.same({ "luaopen_kataven_core" }, exported(so))
            assert.is_nil(linkedWith(so):lower():find "liblua")
        end)
    end)

    it("installs a tree that runs with make, and removes it again", function()
        local lua, driver = build()
        local make = ("make -s %%s LUA=%s DRIVER=%s PREFIX=/opt/place DESTDIR=%%s/a\\ root"):format(lua, driver)

        run(make, "install", temporary)
        tryOut(temporary .. "/a root/opt/place")
        local installed = {}
        for _, path in ipairs(lines(run("cd %s/a\\ root/opt/place/share/lua/*/ && find . -type f", temporary))) do
            installed[#installed + 1] = path:gsub("^%./", "lua/")
        end
        assert.same(lines(run "find lua -name '*.lua'"), installed)

        run(make, "uninstall", temporary)
        assert.equal("", run("find %s/a\\ root ! -type d", temporary))
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

    it("keeps Lua out of the engine", function()
        local _, found = shell [==[grep -nE '#[[:space:]]*include[[:space:]]*[<"](lua|lauxlib|lkat)' src/kat_*]==]

        assert.equal("", found)
    end)
end)
