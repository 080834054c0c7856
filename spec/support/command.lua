--- The command `kataven`, for specs: within this process over a host that is made up, as a process of its own, and on a
--- pseudo-terminal.

local child = require "spec.support.child"
local cli = require "kataven.cli"

local command = {}

--- 24 November 2026, 09:30:00 UTC: what the clock shows unless told.
command.NOW = 1795512600

-- A stream that keeps what is written to it. With `broken` it takes nothing: { message, number }.
local function sink(broken)
    local stream = { text = "" }
    function stream:write(text)
        if broken then
            return nil, broken[1], broken[2]
        end
        self.text = self.text .. text
        return self
    end
    return stream
end

-- A stream to read from, by line or whole.
local function source(text)
    return {
        read = function(_, how)
            if text == "" then
                return nil
            end
            local piece, rest = text, ""
            if how == "*l" then
                piece, rest = text:match "^([^\n]*)\n?(.*)$"
            end
            text = rest
            return piece
        end,
    }
end

--- Runs it within this process. Options: `environment`, `terminal` (a set of the streams that are one), `input`,
--- `broken` (what writing to stdout fails with), `clock`, `columns`.
---@param arguments string[]
---@param options? table
---@return string stdout
---@return string stderr
---@return integer code
function command.inside(arguments, options)
    options = options or {}
    local terminal, environment = options.terminal or {}, options.environment or {}
    local out, err = sink(options.broken), sink()
    local code = cli.main(arguments, {
        stdin = source(options.input or ""),
        stdout = out,
        stderr = err,
        getenv = function(name)
            return environment[name]
        end,
        isTerminal = function(stream)
            return terminal[stream] or false
        end,
        isWritable = function()
            return true
        end,
        columns = function()
            return options.columns
        end,
        awaitInput = function() end,
        clock = function()
            return options.clock or command.NOW
        end,
    })
    return out.text, err.text, code
end

--- All streams are a terminal.
command.TERMINAL = { stdin = true, stdout = true, stderr = true }
--- The options of a terminal without colours.
command.PLAIN = { terminal = command.TERMINAL, environment = { NO_COLOR = "1" } }

--- Two lists of words as one.
---@param first string[]
---@param second string[]
---@return string[]
function command.joined(first, second)
    local all = {}
    for _, list in ipairs { first, second } do
        for _, word in ipairs(list) do
            all[#all + 1] = word
        end
    end
    return all
end

-- bin/kataven as a script that its arguments are part of. It is not told where it stands, so that it takes the modules
-- that the specs run on.
local function script(arguments)
    local words = {}
    for index, word in ipairs(arguments) do
        words[index] = ("%q"):format(word)
    end
    return ('arg = { [0] = "kataven", %s }\ndofile "bin/kataven"\n'):format(table.concat(words, ", "))
end

-- Times and colours that do not depend on where the specs run.
local function environmentOf(given)
    local environment = { TZ = "UTC", TERM = "xterm", NO_COLOR = "" }
    for name, value in pairs(given or {}) do
        environment[name] = value
    end
    return environment
end

--- Starts it as a process, which child.start gives. `launcher` is as there.
---@param arguments string[]
---@param environment? table<string, string>
---@param launcher? string|string[]
---@return table
function command.start(arguments, environment, launcher)
    return child.start(script(arguments), { environment = environmentOf(environment), launcher = launcher })
end

--- Runs it as a process to its end.
---@param arguments string[]
---@param environment? table<string, string>
---@param launcher? string|string[]
---@return string stdout
---@return string stderr
---@return integer code
function command.run(arguments, environment, launcher)
    return command.start(arguments, environment, launcher):wait()
end

--- The same with its streams where a shell's redirections lead: command.redirected({ "--version" }, ">/dev/full").
---@param arguments string[]
---@param redirections string
---@param environment? table<string, string>
---@return string stdout
---@return string stderr
---@return integer code
function command.redirected(arguments, redirections, environment)
    return command.run(arguments, environment, { "sh", "-c", 'exec "$@" ' .. redirections, "sh" })
end

--- The same on a pseudo-terminal, with what it writes to both streams there. Options: `columns` (80), `environment`,
--- `at` (a text) and `type`: what is typed when that text has been written.
---@param arguments string[]
---@param options? table
---@return string output with line feeds alone
---@return integer code 128 and more for a signal
function command.onTerminal(arguments, options)
    options = options or {}
    local output, errors, code = command.run(arguments, options.environment, {
        "expect", "spec/support/terminal.exp", tostring(options.columns or 80), options.at or "", options.type or "",
    })
    assert(errors == "", errors)
    return (output:gsub("\r\n", "\n")), code
end

return command
