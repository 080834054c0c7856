-- The command runs with the API key in its environment, in whatever folder its user is: nothing that lies there is run.

local build = require "spec.support.build"
local compiled = require "spec.support.compiled"
local shell = require "spec.support.shell"

local KEY = "sk_live_spec_search_path"

-- Everything that is ever required, and what a LuaRocks loader would look for first.
local NAMES = { "argparse", "cjson", "cqueues", "dkjson", "kataven", "luarocks", "redis", "socket", "ssl" }
for name in pairs(build.modules()) do
    NAMES[#NAMES + 1] = name
end

local function absolute(path)
    local kept = {}
    for template in path:gmatch "[^;]+" do
        kept[#kept + 1] = template:find "^/" and template or nil
    end
    return table.concat(kept, ";")
end

local function interpreter()
    return os.getenv "LUA_BIN" or require "spec.support.child".interpreter()
end

describe("the command, in a folder with hostile modules,", function()
    local here = shell.run "pwd":gsub("\n$", "")
    local folder, place

    lazy_setup(function()
        folder, place = shell.run "mktemp -d":gsub("\n$", ""), shell.run "mktemp -d":gsub("\n$", "")
        local object = compiled.build("hostile_module", "-shared")
        for _, name in ipairs(NAMES) do
            local path = folder .. "/" .. name:gsub("%.", "/")
            shell.run("mkdir -p %s && cp %s %s", path, object, path .. ".so")
            for _, file in ipairs { path .. ".lua", path .. "/init.lua" } do
                local handle = assert(io.open(file, "wb"))
                handle:write(('io.stderr:write "HOSTILE %s\\n" return {}\n'):format(name))
                handle:close()
            end
        end
        os.remove(object)
        build.make("install PREFIX=%s/root", place)
    end)

    lazy_teardown(function()
        shell.run("rm -rf %s %s", folder, place)
    end)

    -- The paths as Lua has them by itself, and such as lead into the folder first.
    local PATHS = {
        ["by Lua's own paths"] = { ";;", ";;" },
        ["by relative paths of the user's"] = {
            "?.lua;./?.lua;./?/init.lua;kataven/../?.lua;;", "?.so;./?.so;./?/../?.so;;",
        },
    }
    local PROGRAMS = {
        ["from a checkout"] = function() return interpreter() .. " " .. here .. "/bin/kataven" end,
        ["from a checkout, by a relative path"] = function()
            local up = folder:gsub("[^/]+", ".."):gsub("^/", "")
            return interpreter() .. " " .. up .. here .. "/bin/kataven"
        end,
        ["installed"] = function() return place .. "/root/bin/kataven" end,
    }
    local RUNS = {
        { words = "--version", code = 0, shows = "^kataven %d" },
        { words = "widget-keys list", code = 2, shows = "KATAVEN_BASE_URL" }, -- once all is loaded
        { words = "redis-functions", code = 0, shows = "^#!lua name=kataven" },
        { words = "redis-worker", code = 2, shows = "KATAVEN_BASE_URL" },
    }

    for path, templates in pairs(PATHS) do
        for program, line in pairs(PROGRAMS) do
            it(("runs none of them: %s, %s"):format(program, path), function()
                -- Where argparse and lua-cjson are, comes last.
                for _, run in ipairs(RUNS) do
                    local code, output = shell.try("cd %s && unset LUA_INIT; KATAVEN_API_KEY=%s "
                        .. "KATAVEN_BASE_URL=gopher://127.0.0.1 LUA_PATH=%s LUA_CPATH=%s " .. line()
                        .. " " .. run.words .. " 2>&1",
                        folder, KEY, templates[1] .. ";" .. absolute(package.path),
                        templates[2] .. ";" .. absolute(package.cpath))
                    assert.is_nil(output:find("HOSTILE", 1, true), output)
                    assert.matches(run.shows, output)
                    assert.equal(run.code, code, output)
                end
            end)
        end
    end

    it("runs nothing beside a link to it", function()
        shell.run("mkdir -p %s/links %s/lua && cp -R %s/kataven %s/lua/", folder, folder, folder, folder)
        shell.run("ln -sf %s/root/bin/kataven %s/links/kataven", place, folder)
        for _, word in ipairs { "./kataven", interpreter() .. " kataven", folder .. "/links/kataven" } do
            local code, output = shell.try("cd %s/links && LUA_PATH=%s LUA_CPATH=%s " .. word .. " --version 2>&1",
                folder, absolute(package.path), absolute(package.cpath))
            assert.is_nil(output:find("HOSTILE", 1, true), output)
            assert.matches("^kataven %d", output)
            assert.equal(0, code)
        end
    end)

    it("still takes what an absolute path of the user's leads to", function()
        local _, output = shell.try("cd / && LUA_PATH=%s LUA_CPATH=%s " .. interpreter() .. " " .. here
            .. "/bin/kataven --version 2>&1", folder .. "/?.lua;" .. absolute(package.path), absolute(package.cpath))
        assert.truthy(output:find("HOSTILE cjson", 1, true), output)
        assert.is_nil(output:find("HOSTILE kataven", 1, true), output)
    end)
end)
