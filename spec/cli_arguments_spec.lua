-- The command's arguments: what they come to, and what is said of those that are wrong.

local arguments = require "kataven.cli.arguments"
local command = require "spec.support.command"

describe("the arguments of kataven", function()
    local function read(...)
        local result, problem = arguments.read { ... }
        assert.is_nil(problem)
        return result
    end

    it("may have options before and after the command", function()
        local result = read("--json", "widget-keys", "--timeout", "2.5", "list", "--live", "--no-retry", "-v")

        assert.equal("list", result.command)
        assert.equal(2.5, result.timeout)
        assert.is_true(result.json and result.live and result.noRetry and result.verbose)
        assert.is_nil(result.disabled)
    end)

    it("collect domains in their order", function()
        local result = read("widget-keys", "create", "acme", "--domain", "b", "--domain=a", "--agent", "x")

        assert.same({ "b", "a" }, result.domains)
        assert.equal("acme", result.name)
        assert.equal("x", result.agent)
    end)

    it("take what begins with a dash after --", function()
        assert.equal("--odd", read("widget-keys", "create", "--", "--odd").name)
    end)

    it("of apply", function()
        local result = read("widget-keys", "apply", "f.json", "--dry-run", "--prune", "--yes", "--keys-out", "k")

        assert.equal("apply", result.command)
        assert.equal("f.json", result.file)
        assert.equal("k", result.keysOut)
        assert.is_true(result.dryRun and result.prune and result.yes)
    end)

    for problem, given in pairs {
        ["a command is required; see kataven --help"] = {},
        ["a command is required; see kataven widget-keys --help"] = { "widget-keys" },
        ["a command is required; see kataven completion --help"] = { "completion" },
        ["unknown command 'mint'; see kataven widget-keys --help"] = { "widget-keys", "mint" },
        ["unknown command 'creat'; did you mean 'create'? Else see kataven widget-keys "
            .. "--help"] = { "widget-keys", "creat" },
        ["unknown option '--jsn'; did you mean '--json'? Else see kataven widget-keys list --help"] =
            { "widget-keys", "list", "--jsn" },
        ["missing argument 'NAME'; see kataven widget-keys create --help"] = { "widget-keys", "create" },
        ["NAME is empty; see kataven widget-keys create --help"] = { "widget-keys", "create", " " },
        ["ID is empty; see kataven widget-keys delete --help"] = { "widget-keys", "delete", "", "--yes" },
        ["--domain is not UTF-8; see kataven widget-keys create --help"] =
            { "widget-keys", "create", "a", "--domain", "\233" },
        ["too many arguments; see kataven widget-keys revoke --help"] = { "widget-keys", "revoke", "a", "b" },
        ["option '--disabled' can not be used together with option '--live'; see kataven widget-keys list --help"] =
            { "widget-keys", "list", "--live", "--disabled" },
        ["option '--no-domains' can not be used together with option '--domain'; "
            .. "see kataven widget-keys update --help"] =
            { "widget-keys", "update", "a", "--domain", "b", "--no-domains" },
        ["option '--no-agent' can not be used together with option '--agent'; see kataven widget-keys update --help"] =
            { "widget-keys", "update", "a", "--agent", "b", "--no-agent" },
        ["option '--timeout' requires an argument; see kataven --help"] = { "--timeout" },
    } do
        it("refuse: " .. problem, function()
            local result, said = arguments.read(given)

            assert.is_nil(result)
            assert.equal(problem, said)
        end)
    end

    for _, seconds in ipairs { "0", "-1", "nan", "inf", "1e999", "2s", "" } do
        it(("refuse a timeout of %q"):format(seconds), function()
            local result, said = arguments.read { "widget-keys", "list", "--timeout=" .. seconds }

            assert.is_nil(result)
            assert.matches("%-%-timeout wants a number of seconds greater than 0", said)
        end)
    end

    -- Each parser and the words that lead to it.
    local function each(parser, words, visit)
        visit(parser, words)
        for _, child in ipairs(parser._commands) do
            local further = {}
            for index, word in ipairs(words) do
                further[index] = word
            end
            further[#further + 1] = child._name
            each(child, further, visit)
        end
    end

    it("have help at every level, with examples that can be read", function()
        local levels = 0
        each(arguments.parser(), {}, function(_, words)
            levels = levels + 1
            local asked = { "--help" }
            for index, word in ipairs(words) do
                table.insert(asked, index, word)
            end
            local out, err, code = command.inside(asked)
            assert.equal("", err)
            assert.equal(0, code)
            local name = table.concat(words, " "):gsub("^%w", " %0")
            assert.equal("Usage: kataven" .. name, out:sub(1, 14 + #name))
            local examples = out:match "\nExamples?:\n(.-)\n\n"
            assert.is_string(examples, table.concat(words, " "))
            for example in examples:gmatch "   kataven ([^\n]+)" do
                -- Without the shell's part of it.
                local given = {}
                for word in example:gsub("[|>].*", ""):gmatch "%S+" do
                    given[#given + 1] = word:gsub("'", "")
                end
                local result, problem = arguments.read(given)
                -- A name in quotes with a blank in it is two words here.
                if not example:find "'[^']* " then
                    assert.is_nil(problem, example)
                    assert.is_table(result)
                end
            end
        end)
        assert.equal(15, levels)
    end)

    it("tell in the help that a cassette may be recorded", function()
        local out = command.inside { "--help" }:gsub("%s+", " ")
        assert.truthy(out:find("and send nothing, unless KATAVEN_CASSETTE_MODE says otherwise.", 1, true), out)
    end)

    it("give the version", function()
        local out, err, code = command.inside { "--version" }

        assert.equal("", err)
        assert.equal(0, code)
        assert.matches("^kataven " .. require "kataven.version":gsub("%.", "%%.") .. " %(Lua[^,]+, libcurl "
            .. "[%d.]+%)\n$", out)
    end)
end)
