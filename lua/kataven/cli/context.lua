--- What each command of `kataven` is given: where its output goes, how it asks and
--- fails, and the client. A command is a module with `run(context, arguments)`, which
--- gives the exit code.

local advice = require "kataven.cli.advice"
local errors = require "kataven.errors"
local json = require "kataven.cli.json"
local text = require "kataven.cli.text"

---@class kataven.cli.Context
---@field client kataven.Client made on first use; one that cannot be made ends the command with 2
---@field json boolean write JSON: asked for, or stdout is no terminal
---@field terminal boolean stdout is a terminal
---@field arguments kataven.cli.Arguments
---@field host kataven.cli.Host
---@field wait? fun(seconds: number, fd?: integer) how the client waits, set before it is made; else it blocks
---@field doing string|nil what the call that is under way may have done, should it be interrupted: "create the key"
---@field private errorsAsJson boolean
---@field private line boolean there is a progress line on the terminal
local Context = {}

local context = {}

--- Exit codes.
context.FAILED = 1
context.WRONG_USAGE = 2
context.INTERRUPTED = 130
context.UNREAD = 141 -- as a shell has it for a program that SIGPIPE ended

local COLOURS = { red = 31, green = 32, yellow = 33, bold = 1, dim = 2 }
local EPIPE = 32 -- on Linux, macOS and the BSDs

-- What ends a command from within: raised, and caught by kataven.cli.
local Ending = {}

local function ending(code, err)
    return setmetatable({ code = code, err = err }, Ending)
end

--- To be raised by what cannot go on.
---@param err { name: string, message: string }
---@return table
function context.failure(err)
    return ending(context.FAILED, err)
end

--- The message handler of a command: makes an Ending of whatever was raised.
---@param raised any
---@return table
function context.ending(raised)
    if getmetatable(raised) == Ending then
        return raised
    elseif type(raised) == "string" and raised:find "interrupted!$" then
        return ending(context.INTERRUPTED)
    elseif errors.isError(raised) then
        return ending(context.FAILED, raised)
    end
    local trace = text.joined(debug.traceback(tostring(raised), 2), "", " | ")
    return ending(context.FAILED, { name = "InternalError", message = "a mistake in the command itself: " .. trace })
end

---@param host kataven.cli.Host
---@param given string[] the arguments as they came
---@return kataven.cli.Context
function context.new(host, given)
    local self = setmetatable({ host = host, arguments = {}, errorsAsJson = false, line = false }, Context)
    self.terminal = host.isTerminal "stdout"
    self.json = not self.terminal
    -- Known before they are read, since reading them may fail.
    for _, argument in ipairs(given) do
        if argument == "--json" then
            self.errorsAsJson, self.json = true, true
        end
    end
    return self
end

function Context:__index(name)
    if name == "client" then
        local made, problem = require("kataven.cli.client").new(self)
        if not made then
            error(ending(context.WRONG_USAGE, { name = "UsageError", message = problem }), 0)
        end
        rawset(self, "client", made)
        return made
    end
    return Context[name]
end

--- Takes what the arguments came to.
---@param arguments kataven.cli.Arguments
function Context:settle(arguments)
    self.arguments = arguments
    self.errorsAsJson = arguments.json or false
    self.json = self.errorsAsJson or not self.terminal
end

--- Writes data to stdout, or gives nil and why not.
---@param what string
---@return boolean|nil
---@return string? message
---@return integer? number
function Context:write(what)
    self:progress(nil)
    local ok, message, number = self.host.stdout:write(what)
    return ok and true or nil, message, number
end

--- Writes data to stdout. What cannot be written ends the command: with 1, or quietly
--- with 141 where nobody reads any more (`kataven widget-keys list | head -n 1`).
---@param what string
function Context:out(what)
    local ok, message, number = self:write(what)
    if not ok and number == EPIPE then
        error(ending(context.UNREAD), 0)
    elseif not ok then
        error(ending(context.FAILED, { name = "OutputError", message = "cannot write the output: " .. message }), 0)
    end
end

--- Writes a value to stdout as one document of JSON (see kataven.cli.json).
---@param value any
function Context:outJson(value)
    self:out(json.document(value))
end

--- Says something on stderr, in a line of its own.
---@param what string may hold text of the server's
function Context:say(what)
    self:progress(nil)
    self.host.stderr:write(text.plain(what) .. "\n")
end

--- Shows how far it is, on stderr: on a terminal in place of what was shown before,
--- elsewhere in a line of its own. nil takes the line away.
---@param what string|nil
function Context:progress(what)
    local host = self.host
    local terminal = host.isTerminal "stderr"
    if terminal and (what or self.line) then
        -- One that goes over the edge could not be taken away.
        local fits = text.cut(text.plain(what or ""), (host.columns "stderr" or 80) - 1)
        host.stderr:write("\r\27[K" .. fits)
    elseif what then
        host.stderr:write(text.plain(what) .. "\n")
    end
    self.line = terminal and what ~= nil
end

--- Whether there is a terminal to ask on.
---@return boolean
function Context:canAsk()
    return self.host.isTerminal "stdin" and self.host.isTerminal "stderr"
end

--- Asks for a yes. nil where there is no terminal to ask on.
---@param question string
---@return boolean|nil
function Context:ask(question)
    local host = self.host
    if not self:canAsk() then
        return nil
    end
    self:progress(nil)
    host.stderr:write(text.plain(question) .. " [y/N] ")
    host.awaitInput()
    local answer = host.stdin:read "*l"
    if not answer then
        host.stderr:write("\n")
    end
    return answer ~= nil and answer:lower():find "^%s*ye?s?%s*$" ~= nil
end

--- A text in a colour, where the stream has colours: it is a terminal, and NO_COLOR
--- is not set.
---@param colour "red"|"green"|"yellow"|"bold"|"dim"
---@param what string
---@param stream? "stdout"|"stderr" stdout
---@return string
function Context:colour(colour, what, stream)
    local no, term = self.host.getenv "NO_COLOR", self.host.getenv "TERM"
    if no and no ~= "" or term == "dumb" or not self.host.isTerminal(stream or "stdout") then
        return what
    end
    return ("\27[%dm%s\27[0m"):format(COLOURS[colour], what)
end

-- The fields of an error that a script may want.
local SHOWN = { "name", "message", "method", "path", "status", "requestId", "retryAfter", "attempts", "maybeApplied",
    "candidates", "created" }

--- Says on stderr why the command failed: one line, or with --json an object.
---@param err kataven.Error|table|string a table has a name and a message
---@param code? integer 1
---@return integer code
function Context:fail(err, code)
    if type(err) == "string" then
        err = { name = "Error", message = err }
    end
    local ofClient = errors.isError(err)
    local message = ofClient and advice.message(err, self.arguments.command) or err.message
    if self.errorsAsJson then
        local shown = {}
        for _, name in ipairs(SHOWN) do
            shown[name] = err[name]
        end
        shown.message = message
        self:say(json.line { error = shown })
    else
        local line = text.plain(ofClient and advice.line(err, self.arguments.command) or message)
        self:progress(nil)
        self.host.stderr:write(self:colour("red", "kataven:", "stderr") .. " " .. line .. "\n")
    end
    return code or context.FAILED
end

--- The same for wrong usage.
---@param message string
---@return integer 2
function Context:misused(message)
    return self:fail({ name = "UsageError", message = message }, context.WRONG_USAGE)
end

--- Says what ended the command, and gives its exit code.
---@param reason table of context.ending
---@return integer
function Context:ended(reason)
    if reason.code == context.INTERRUPTED then
        local message = "interrupted"
        if self.doing then
            message = ("interrupted; it may be that it did %s all the same: look with kataven widget-keys list"):format(
                self.doing)
        end
        return self:fail({ name = "InterruptedError", message = message }, reason.code)
    elseif reason.err then
        self:fail(reason.err, reason.code)
    end
    return reason.code
end

--- Frees what the command holds.
function Context:close()
    self:progress(nil)
    local made = rawget(self, "client")
    if made then
        made:close()
    end
end

return context
