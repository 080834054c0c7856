-- The file that created keys are kept in: what a later run can tell from it.

local core = require "kataven.core"
local files = require "spec.support.files"
local keysOut = require "kataven.cli.apply.keys_out"
local shell = require "spec.support.shell"

describe("the file of --keys-out", function()
    local path

    before_each(function()
        path = os.tmpname()
        os.remove(path)
    end)

    after_each(function()
        os.remove(path)
    end)

    -- What a run after this text finds open.
    local function openAfter(text)
        files.write(path, text)
        shell.run("chmod 600 %s", path)
        local out, problem = keysOut.open(path)
        if not out then
            return nil, problem
        end
        out:close()
        return out.open
    end

    local function lines()
        local all = {}
        for line in files.read(path):gmatch "[^\n]+" do
            local value = core.decode(line)
            assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", value.time)
            value.time = nil
            all[#all + 1] = value
        end
        return all
    end

    it("has a line before and after each create", function()
        local out = assert(keysOut.open(path))
        assert.same({}, out.open)
        assert.is_true(out:creating "a")
        assert.is_true(out:created("a", { id = "wk_1", name = "a", key = "pk_live_x_1" }, "pk_live_x_1"))
        assert.is_true(out:creating "b")
        assert.is_true(out:notCreated("b", "RateLimitError: 429"))
        out:close()
        assert.same({
            { creating = "a" },
            { created = "a", id = "wk_1", key = "pk_live_x_1", row = { id = "wk_1", name = "a", key = "pk_live_x_1" } },
            { creating = "b" },
            { not_created = "b", why = "RateLimitError: 429" },
        }, lines())
    end)

    it("keeps a plaintext whatever else the server sent", function()
        local out = assert(keysOut.open(path))
        assert.is_true(out:created("a", { id = "wk_1", n = math.huge }, "pk_live_x_1"))
        assert.is_true(out:created("b", { id = "wk_2", ["\255"] = "caf\233" }, "pk_live_x_2"))
        local deep = {}
        for _ = 1, 127 do
            deep = { deep }
        end
        assert.is_true(out:created("c", { id = "wk_3", deep = deep }, "pk_live_x_3"))
        assert.is_true(out:notCreated("d", "502 caf\233"))
        out:close()
        local kept = lines()
        assert.same({ created = "a", id = "wk_1", key = "pk_live_x_1", row = { id = "wk_1" } }, kept[1])
        assert.same({ created = "b", id = "wk_2", key = "pk_live_x_2",
            row = { id = "wk_2", ["\239\191\189"] = "caf\239\191\189" } }, kept[2])
        assert.same({ "c", "pk_live_x_3" }, { kept[3].created, kept[3].key })
        assert.same({ not_created = "d", why = "502 caf\239\191\189" }, kept[4])
    end)

    it("tells the next run of creates that nothing was heard of", function()
        assert.same({ { name = "b", line = 3 }, { name = "d", line = 6 } }, openAfter [[
{"creating":"a"}
{"created":"a"}
{"creating":"b"}
{"creating":"c"}
{"not_created":"c"}
{"creating":"d"}
]])
    end)

    it("goes by the last line of a name", function()
        assert.same({}, openAfter '{"creating":"a"}\n{"creating":"a"}\n{"created":"a"}\n')
        assert.same({ { name = "a", line = 3 } }, openAfter '{"creating":"a"}\n{"created":"a"}\n{"creating":"a"}\n')
        assert.same({ { name = "a", line = 4 } }, openAfter '{"creating":"a"}\n\n\n{"creating":"a"}\n')
    end)

    it("may end in half a line, which is let be", function()
        local text = '{"creating":"a"}\n{"created":"a","id":"wk_1","key":"pk_li'
        for cut = #'{"creating":"a"}\n', #text do
            assert.same({ { name = "a", line = 1 } }, openAfter(text:sub(1, cut)))
        end
        local out = assert(keysOut.open(path))
        assert.is_true(out:creating "b")
        assert.is_true(out:notCreated("b", "x"))
        out:close()
        local all = shell.lines(files.read(path))
        assert.equal(4, #all)
        out = assert(keysOut.open(path))
        assert.same({ { name = "a", line = 1 } }, out.open)
        out:close()
    end)

    for name, text in pairs {
        ["the file of wanted keys"] = '{"widget_keys":[]}\n',
        ["a pretty JSON file"] = "{\n}\n",
        ["a text"] = "pk_live_x\n",
        ["an array"] = "[]\n",
    } do
        it("is not added to where it is " .. name, function()
            local open, problem = openAfter(text)
            assert.is_nil(open)
            assert.matches(": line %d is none that apply wrote; name a file of its own$", problem)
            assert.equal(text, files.read(path))
        end)
    end

    it("is not made by a dry run", function()
        local out = assert(keysOut.open(path, true))
        assert.same({}, out.open)
        out:close()
        assert.is_nil(files.read(path))
    end)

    it("is read by a dry run while another run has it", function()
        local out = assert(keysOut.open(path))
        out:creating "a"
        assert.same({ nil, path .. ": another run is writing to it" }, { keysOut.open(path) })
        assert.same({ { name = "a", line = 1 } }, keysOut.open(path, true).open)
        out:close()
    end)
end)
