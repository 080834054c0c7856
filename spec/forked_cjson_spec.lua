-- The specs in which JSON is read once more, with a cjson that reads integers as OpenResty's does: whichever is
-- installed, they are to hold.

local child = require "spec.support.child"

local SPECS = { "json", "answer", "client", "widget_keys", "widget_keys_request", "response_error", "transport",
    "cassette_json", "cassette_canon", "cassette_client" }

local script = [[
    package.path = "./?.lua;" .. package.path
    local real = require "cjson"
    package.loaded.cjson = require("spec.support.forked_cjson").over(real)
    arg = { [0] = "busted", "-o", "TAP", "%s" }
    require "busted.runner" { standalone = false }
]]

-- Not child.run: servers that are started in there need the modules of another Lua.
local function run(name)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write((script:format("spec/" .. name .. "_spec.lua")))
    file:close()
    local pipe = io.popen(("%s %s 2>&1"):format(child.interpreter(), path))
    local output = "\n" .. pipe:read "*a"
    pipe:close()
    os.remove(path)
    return output
end

describe("with a cjson that reads integers with strtoll()", function()
    it("what is not rewritten before would be another number", function()
        local real = require "cjson"
        local forked = require("spec.support.forked_cjson").over(real)

        assert.equal(9.2233720368547758e18, forked.decode "12345678901234567890" + 0.0)
        assert.equal(-9.2233720368547758e18, forked.decode "-12345678901234567890" + 0.0)
        assert.equal(math.huge, 1 / forked.decode "-0")
        assert.equal(-math.huge, 1 / forked.decode "-0e0")
        assert.equal(12345678901234567890.0, forked.decode "12345678901234567890e0")
        assert.is_false((pcall(forked.decode, [["\ud83d"]])))
    end)

    for _, name in ipairs(SPECS) do
        it("holds " .. name .. "_spec", function()
            local output = run(name)
            local _, good = output:gsub("\nok %d", "")

            assert.is_true(good > 0, output)
            assert.equal(good, tonumber(output:match "\n1%.%.(%d+)"), output)
        end)
    end
end)
