-- What docs/redis.md says is what there is.

local arguments = require "kataven.cli.arguments"
local child = require "spec.support.child"
local desks = require "spec.support.redis.desk"
local examplesOf = require "spec.support.examples"
local files = require "spec.support.files"
local functions = require "kataven.redis.functions"
local json = require "dkjson"
local settings = require "kataven.redis.settings"
local shell = require "spec.support.shell"

local GUIDE = examplesOf.read "docs/redis.md"

local function section(title)
    return (GUIDE .. "\n## "):match("\n## " .. title .. "\n(.-)\n## ")
end

describe("docs/redis.md", function()
    it("has every option of the worker, with its default", function()
        local documented, known = {}, {}
        for names, default in section "The worker":gmatch "\n| (`%-%-[^|]+)| ([^|]+) |" do
            for name in names:gmatch "%-%-([%w-]+)" do
                documented["--" .. name] = default:match "^`?(.-)`?$"
            end
        end
        local o = settings.read {}
        for _, command in ipairs(arguments.parser()._commands) do
            for _, option in ipairs(command._name == "redis-worker" and command._options or {}) do
                local name = option._aliases[#option._aliases]
                if name ~= "--help" then
                    local target = ({ ["--reply-expiry"] = "replyExpiry" })[name] or name:sub(3)
                    known[name] = o[target] and tostring(o[target])
                        or name == "--seal" and "none" or "the system's; none"
                end
            end
        end
        assert.same(known, documented)
    end)

    it("names every option that Lua takes", function()
        for _, name in ipairs(settings.KNOWN) do
            assert.truthy(section "The worker":find("`" .. name .. "`", 1, true), name)
        end
    end)

    it("has the functions, as they say themselves how they are called", function()
        local source = functions.library()
        local count = 0
        for name, usage in section "Requests":gmatch "\n| `FCALL kataven_(%w+) 1 <stream>([^`]*)` |" do
            count = count + 1
            assert.truthy(source:find(('offer("%s", "%s"'):format(name, usage), 1, true), name)
        end
        assert.equal(4, count)
        assert.truthy(section "Requests":find("it holds 10,000 requests", 1, true))
        assert.equal(10000, functions.DEFAULT_MAX)
    end)

    it("seals a reply so that it can be opened with the key, and not without", function()
        local found, cipher = pcall(require, "openssl.cipher")
        if not found then
            return pending "there is no luaossl"
        end
        local key = ("k"):rep(32)
        local path = os.tmpname()
        local file = io.open(path, "wb")
        file:write(key)
        file:close()
        local example
        for _, block in ipairs(examplesOf.blocks(GUIDE:gsub("\n  ", "\n"), "lua")) do
            example = block.text:find "aes%-256%-gcm" and block.text or example
        end
        local real = os.getenv
        local environment = setmetatable({ os = { getenv = function(name)
            return name == "SEAL_KEY_FILE" and path or real(name)
        end } }, { __index = _G })
        local chunk
        if rawget(_G, "setfenv") then
            chunk = rawget(_G, "setfenv")(assert(rawget(_G, "loadstring")(example)), environment)
        else
            chunk = assert(load(example, "=docs/redis.md", "t", environment))
        end
        local seal = chunk()
        os.remove(path)
        local sealed = seal('{"ok":true}', "1-0")
        assert.is_nil(sealed:find("ok", 1, true))
        assert.are_not.equal(sealed, seal('{"ok":true}', "1-0"))
        local open = cipher.new "aes-256-gcm":decrypt(key, sealed:sub(1, 12))
        open:setTag(sealed:sub(13, 28))
        assert.equal('{"ok":true}', open:final(sealed:sub(29)))
    end)
end)

desks.describe("docs/redis.md, beside a Redis,", function(desk)
    -- A program of this name that is another one with words before its own.
    local function program(path, ...)
        local words = {}
        for index, word in ipairs { ... } do
            words[index] = shell.quote(word)
        end
        files.write(path, "#!/bin/sh\nexec " .. table.concat(words, " ") .. ' "$@"\n')
        shell.run("chmod +x %s", path)
    end

    it("has a short way that goes as it is printed", function()
        local code, client = shell.try "command -v redis-cli"
        if code ~= 0 then
            return pending "there is no redis-cli"
        end
        local block = examplesOf.blocks(section "In short", "sh")[1].text
        for from, to in pairs { ["redis://127.0.0.1:6379"] = desk.server.url, ["sk_live_..."] = desk.hub.apiKey } do
            local count
            block, count = block:gsub(from:gsub("%p", "%%%0"), function() return to end)
            assert.equal(1, count, from)
        end
        local folder = os.tmpname()
        os.remove(folder)
        shell.run("mkdir %s", folder)
        finally(function() shell.run("rm -r %s", folder) end)
        program(folder .. "/kataven", child.interpreter(), shell.run "pwd":match "[^\n]+" .. "/bin/kataven")
        -- It goes to the usual port by itself, as the block has it.
        program(folder .. "/redis-cli", client:match "[^\n]+", "-p", tostring(desk.server.port))
        files.write(folder .. "/block", block)

        -- The worker that is started in the background ends with the block.
        local output
        code, output = shell.try([[
            PATH=%s:$PATH KATAVEN_BASE_URL=%s sh -e -c 'trap "kill \$!; wait" EXIT; . "$0"' %s 2>%s
        ]], folder, desk.hub.url, folder .. "/block", folder .. "/log")
        local log = files.read(folder .. "/log")
        assert.equal(0, code, output .. log)
        local text = output:match "^{kataven}:reply:%d+%-%d+\n({.*})\n$"
        assert.truthy(text, output .. log)
        local reply = json.decode(text)
        assert.is_true(reply.ok)
        assert.same({ "acme.com", "acme.com" }, { reply.value.name, reply.value.domain_allowlist[1] })
        assert.same({ ["acme.com"] = 1 }, desk.hub:created())
        assert.matches("The functions are loaded", log)
    end)

    -- Every field of what is printed is in what there is, and of its type.
    local function assertIn(printed, real, where)
        assert.equal(type(printed), type(real), where)
        for name, value in pairs(type(printed) == "table" and printed or {}) do
            assertIn(value, real[name], where .. "." .. name)
        end
    end

    it("prints replies as they are", function()
        local lines = {}
        for line in examplesOf.blocks(section "Replies", "json")[1].text:gmatch "[^\n]+" do
            lines[#lines + 1] = assert(json.decode(line))
        end
        assert.equal(2, #lines)
        desk:start()
        local made = desk:await(desk:queue("create", '{"name":"acme.com"}'))
        local failed = desk:await(desk:queue("update", "x", '{"disabled":true}'))
        assertIn(lines[1], made, "reply")
        for name in pairs(made.meta) do
            assert.is_not_nil(lines[1].meta[name], name)
        end
        assert.same({ made.ok, made.value.name, made.meta.status, made.meta.attempts },
            { lines[1].ok, lines[1].value.name, lines[1].meta.status, lines[1].meta.attempts })
        assertIn(lines[2], failed, "reply")
        for name, value in pairs(lines[2].error) do
            if name ~= "message" then
                assert.equal(value, failed.error[name], name)
            end
        end
        assert.equal("404 …", lines[2].error.message)
        assert.matches("^404 ", failed.error.message)
    end)
end)
