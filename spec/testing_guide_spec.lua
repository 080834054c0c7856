-- docs/testing-your-scripts.md, followed to the letter: its files are written, its scripts, specs and commands are run,
-- in order and in a directory of their own. The hub is there for what records, and for nothing else.

local child = require "spec.support.child"
local examples = require "spec.support.examples"
local files = require "spec.support.files"
local servers = require "spec.support.servers"

local write = files.write

local GUIDE = "docs/testing-your-scripts.md"

local function shell(command)
    local pipe = io.popen(command)
    local output = pipe:read "*a"
    pipe:close()
    return output
end

describe(GUIDE, function()
    local hub, place, here

    setup(function()
        hub = servers.hub {}
        here = shell("pwd"):gsub("\n$", "")
        place = shell("mktemp -d"):gsub("\n$", "")
        shell(("mkdir -p %s/bin %s/spec %s/scripts"):format(place, place, place))
    end)

    teardown(function()
        hub:stop()
        shell(("rm -rf %s"):format(place))
    end)

    -- Runs a Lua script at the place, with `lua` and `busted` on the path.
    local function run(script, records)
        local function absolute(path)
            return (path:gsub("[^;]+", function(entry)
                return entry:sub(1, 1) ~= "/" and here .. "/" .. entry or nil
            end))
        end
        local environment = {
            LUA_PATH = absolute(package.path),
            LUA_CPATH = absolute(package.cpath),
            LUA_BIN = child.interpreter(),
            PATH = place .. "/bin:" .. os.getenv "PATH",
            KATAVEN_BASE_URL = records and hub.url or nil,
            KATAVEN_API_KEY = records and hub.apiKey or nil,
        }
        write(place .. "/bin/there", ("#!/bin/sh\ncd %s && exec \"$@\"\n"):format(place))
        write(place .. "/bin/lua", '#!/bin/sh\nexec "$LUA_BIN" "$@"\n')
        write(place .. "/bin/busted.lua", 'require "busted.runner" { standalone = false }\n')
        write(place .. "/bin/busted", ("#!/bin/sh\nexec \"$LUA_BIN\" %s/bin/busted.lua -o TAP \"$@\"\n"):format(place))
        shell(("chmod +x %s/bin/*"):format(place))
        return child.run(script, environment, place .. "/bin/there")
    end

    -- As a script of the shell; what it writes, and that it went well.
    local function command(text, records)
        local script = ("local ok = os.execute(%q) io.write((ok == true or ok == 0) and '\\nwent well' or '\\nfailed')")
        local output, errors = run(script:format("set -e\n" .. text), records)
        assert.equal("", errors)
        assert.matches("\nwent well$", output)
        return output
    end

    for _, block in ipairs(examples.blocks(examples.read(GUIDE))) do
        local name = block.name

        it(("line %d: %s"):format(block.line, name or block.language), function()
            if name then
                write(place .. "/" .. name, block.text)
            end
            if name and name:find "_spec%.lua$" then
                local output = command("busted " .. name)
                assert.is_nil(output:find("not ok", 1, true), output)
                assert.truthy(output:find("ok 1", 1, true))
            elseif block.language == "sh" then
                command(block.text, block.text:find("MODE=record", 1, true) ~= nil)
            elseif block.language == "lua" and not name then
                local output, errors = run(block.text .. 'io.write("ran to its end")')
                assert.equal("", errors)
                assert.truthy(output:find("ran to its end", 1, true))
            else
                assert.truthy(name, "an example that nobody can run")
            end
        end)
    end

    it("records with the helper as it says", function()
        local spec = "spec/revoke_spec.lua"
        local output = run(("os.execute %q"):format("KATAVEN_CASSETTE_MODE=record busted " .. spec), true)
        assert.matches("ok 1 %- minting and revoking leaves the key disabled", output)
        assert.truthy(output:find("was recorded by another test of this run", 1, true))
        assert.is_nil(command("busted " .. spec):find("not ok", 1, true))
    end)

    it("names every mode, kind and option", function()
        local guide = examples.read(GUIDE)
        for _, word in ipairs {
            "replay", "record", "append", "once", "connect", "connection", "timeout", "tls", "tooLarge",
        } do
            assert.truthy(guide:find("\n| `" .. word .. "` |", 1, true), word)
        end
        for _, word in ipairs { "redact", "matchHeaders", "match", "allowRepeats" } do
            assert.truthy(guide:find("`" .. word, 1, true), word)
        end
    end)
end)
