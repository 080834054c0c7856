-- What docs/redis.md says is what there is.

local arguments = require "kataven.cli.arguments"
local examplesOf = require "spec.support.examples"
local functions = require "kataven.redis.functions"
local settings = require "kataven.redis.settings"

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
