-- docs/man/kataven.1 says of every command and option what --help says, and of no other.

local arguments = require "kataven.cli.arguments"
local command = require "spec.support.command"
local examples = require "spec.support.examples"
local shell = require "spec.support.shell"

local PAGE = examples.read "docs/man/kataven.1"
local README = examples.read "README.md"

-- What --help knows: for each command, by its words, the options (with what they take) and arguments.
local function known()
    local found = {}
    local function visit(parser, words)
        local entry = { options = {}, arguments = {} }
        for _, option in ipairs(parser._options) do
            for _, alias in ipairs(option._aliases) do
                -- Every level has --help.
                if words == "" or option._name ~= "-h" then
                    entry.options[alias] = option._maxargs > 0 and option._argname or ""
                end
            end
        end
        for _, argument in ipairs(parser._arguments) do
            entry.arguments[#entry.arguments + 1] = argument._name
        end
        found[words] = entry
        for _, child in ipairs(parser._commands) do
            visit(child, words == "" and child._name or words .. " " .. child._name)
        end
    end
    visit(arguments.parser(), "")
    found["widget-keys"] = nil -- says nothing of its own
    return found
end

local function section(title)
    return PAGE:match("\n%.Sh " .. title .. "\n(.-)\n%.Sh ")
end

-- The options in a line of the page: "-domain Ar DOMAIN" or "v , -verbose".
local function optionsIn(rest, into)
    local value = rest:match "Ar (%S+)" or ""
    rest = rest:gsub(" Ar .*", "")
    for name in rest:gmatch "[%w-]+" do
        into["-" .. name] = value
    end
end

-- What the page describes, in the same form.
local function described()
    local found = { [""] = { options = {}, arguments = {} } }
    for rest in PAGE:match("%.Ss Options of every command\n(.-)\n%.Ss"):gmatch "%.It Fl ([^\n]+)" do
        optionsIn(rest, found[""].options)
    end
    local current
    for kind, rest in section "COMMANDS":gmatch "%.It (%a%a) ([^\n]+)" do
        if kind == "Cm" then
            local words, argument = rest:match "^(.-) Ar (%S+)$"
            current = { options = {}, arguments = { argument } }
            words = (words or rest):gsub("Cm ", "")
            if not words:find "|" then
                found[words] = current
            else
                found[words:match "^%S+"] = current
            end
        else
            optionsIn(rest, current.options)
        end
    end
    return found
end

-- And what its synopsis names; the options of all commands have no place there.
local function synopsis()
    local found, current = {}, nil
    for line in section "SYNOPSIS":gmatch "[^\n]+" do
        local kind, rest = line:match "^%.(%a%a) ?(.*)$"
        if kind == "Nm" then
            current = { options = {}, arguments = {} }
        elseif kind == "Cm" then
            found[rest] = current
        elseif kind == "Ar" then
            current.arguments[#current.arguments + 1] = rest
        elseif kind == "Op" then
            for option in rest:gmatch "Fl ([^|]+)" do
                optionsIn(option:gsub("%s+$", ""), current.options)
            end
        end
    end
    return found
end

describe("docs/man/kataven.1", function()
    it("describes every command, argument and option, and no other", function()
        assert.same(known(), described())
    end)

    it("has each command in its synopsis, with all that it takes", function()
        local wanted = known()
        wanted[""], wanted.completion = nil, nil
        for _, name in ipairs { "bash", "zsh", "fish" } do
            wanted["completion " .. name] = nil
        end
        wanted["completion bash | zsh | fish"] = { options = {}, arguments = {} }
        assert.same(wanted, synopsis())
    end)

    it("has the exit codes of the README", function()
        local function codes(text, pattern)
            local all = {}
            for code in text:gmatch(pattern) do
                all[#all + 1] = tonumber(code)
            end
            return all
        end
        local here = codes(section "EXIT STATUS", "%.It (%d+)")
        assert.same({ 0, 1, 2, 3, 129, 130, 141, 143 }, here)
        assert.same(here, codes(README:match "\n## The command\n(.-)\n## ", "\n| (%d+) |"))
    end)

    it("has the exit codes of the help", function()
        local here, help = section "EXIT STATUS", command.inside { "--help" }
        local told = help:match "Ends with(.*)All of it"
        for code in here:gmatch "%.It (%d+)" do
            assert.truthy(told:find("%f[%d]" .. code .. "%f[%D]"), code)
        end
    end)

    it("is a manual page without a fault", function()
        if shell.try "command -v mandoc" ~= 0 then
            return pending "there is no mandoc"
        end
        assert.equal("", shell.run "mandoc -T lint docs/man/kataven.1")
        local text = shell.run "mandoc -T utf8 -O width=80 docs/man/kataven.1 | col -b"
        assert.matches("KATAVEN%(1%)", text)
        assert.matches("%-%-api%-key%-file FILE", text)
    end)
end)
