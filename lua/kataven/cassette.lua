--- The recorded-response transport: records what a client and a server say to one
--- another, and answers the client's requests from that file, for specs that need
--- no server.
---
---     local cassette = kataven.cassette.open("spec/cassettes/create.json")
---     local client   = kataven.new { apiKey = "sk_live_test_x", transport = cassette }
---     ...
---     cassette:assertDone()
---
--- A replay never opens a socket, and nothing sleeps in it: waits move the
--- cassette's own clock. A recording goes through the client's own transport, and
--- no secret gets into its file. The format of the files is in `kataven.cassette.file`.

local check = require "kataven.check"
local core = require "kataven.core"
local diff = require "kataven.cassette.diff"
local file = require "kataven.cassette.file"
local match = require "kataven.cassette.match"
local optionsOf = require "kataven.cassette.options"
local play = require "kataven.cassette.play"
local record = require "kataven.cassette.record"
local recorderOf = require "kataven.cassette.recorder"
local secretsOf = require "kataven.cassette.secrets"

local cassette = {}

--- Is this recorded request the one that came? Every unplayed one is shown, in
--- recorded order, until it says true. A reason beside false goes into the error.
---@alias kataven.cassette.MatchFunction
---| fun(request: kataven.cassette.View, recorded: kataven.cassette.View): boolean, string?

--- Changes an interaction before it is saved: the table has `request` and `response`
--- or `error`, as the file does. It may change the table, return another, or return
--- false to leave it out. A replay calls it too, with the `request` alone, so that
--- both sides are compared alike. In a recording it may not yield.
---@alias kataven.cassette.RedactFunction fun(interaction: table): table|false|nil

--- One side of the comparison, to be read and not changed.
---@class kataven.cassette.View
---@field method string
---@field path string
---@field query string as in the URL or the file; "" when there is none
---@field headers table<string, string> names as sent, or lower-case if recorded
---@field body string|nil

---@class kataven.Cassette: kataven.Transport
---@field path string the file
---@field mode "replay"|"record"|"append" what it does; "once" has become one of them
---@field private unplayed table the core's account of what is left, or of what could not be saved
---@field private matcher kataven.cassette.Matcher|nil in a replay
---@field private time kataven.cassette.Clock|nil in a replay
---@field private asRecorded nil|fun(request: kataven.Request): kataven.Request in a replay with `redact`
---@field private recorder kataven.cassette.Recorder|nil in a recording
local Cassette = {}
Cassette.__index = Cassette

-- The interactions of the file and its text; or nil, what is wrong with it, and
-- whether it is that there is no file.
local function interactionsOf(path)
    local text, problem, absent = file.read(path)

    if not text then
        return nil, "cannot read the cassette: " .. problem, absent
    end
    local interactions
    interactions, problem = file.parse(text)
    if not interactions then
        return nil, ("the cassette %s: %s"):format(path, problem)
    end
    return interactions, text
end

-- Where a replay's cassette comes from.
local function absence(path, settings)
    local how = settings.ci and "with CI=true nothing is recorded; record it elsewhere, and commit it"
        or 'record it by running the program once with KATAVEN_CASSETTE_MODE=record (or mode = "record") and an API '
            .. "key, or write it by hand"

    return ("there is no cassette %q. A replay never goes to the network, so the file has to be there first: %s. "
        .. "docs/testing-your-scripts.md of kataven-lua shows how. A relative path begins at the directory where the "
        .. "program was started"):format(path, how)
end

-- An interaction as a list of what is left shows it.
local function lineOf(interaction)
    local request = interaction.request
    local query = request.query ~= "" and "?" .. request.query or ""

    return ("[%d] %s %s%s"):format(interaction.index, request.method, request.path, query)
end

local function replaying(path, settings, interactions)
    local hide = settings.redact and secretsOf.new()
    local lines = {}

    for index, interaction in ipairs(interactions) do
        lines[index] = lineOf(interaction)
    end

    return {
        path = path,
        mode = "replay",
        unplayed = core.unplayed(path, lines),
        matcher = match.new(interactions, settings),
        time = play.clock(),
        -- The request as the recording would have written it, to be compared.
        asRecorded = hide and function(request)
            hide.learnRequest(request)
            local interaction = record.question(request, settings.names, hide)
            return file.request(settings.redact(interaction) or interaction)
        end,
    }
end

-- Makes the folder before the first request: a recording that cannot be saved must not begin.
local function folderProblem(path)
    local made, message = core.makeFolder(path)

    if not made then
        return ("cannot record %q: its folder cannot be made: %s"):format(path, message)
    end
end

local function recording(path, settings, mode, kept)
    local recorder
    local problem = folderProblem(path)

    if not problem then
        recorder, problem = recorderOf.new(path, settings, kept)
    end
    if not recorder then
        return nil, problem
    end
    return { path = path, mode = mode, recorder = recorder, unplayed = core.unplayed(path, {}) }
end

local function contents(path, settings)
    local mode = settings.mode

    if mode == "record" then
        return recording(path, settings, mode)
    end
    local interactions, text, absent = interactionsOf(path)
    if absent and mode ~= "replay" then
        return recording(path, settings, mode == "once" and "record" or mode)
    elseif absent then
        return nil, absence(path, settings)
    elseif not interactions then
        return nil, text
    elseif mode == "append" then
        return recording(path, settings, mode, text)
    end
    return replaying(path, settings, interactions)
end

--- As `open`, but returns nil and the problem instead of raising.
---@param path string
---@param options kataven.cassette.Options|nil
---@param watch? boolean say at the end of the program what is left: always, or never; nil: in the strict mode
---@return kataven.Cassette|nil
---@return string|nil problem
function cassette.try(path, options, watch)
    local settings, made, problem

    if path == cassette then
        problem = "call it with a dot: kataven.cassette.open(path, options)"
    elseif type(path) ~= "string" or path == "" then
        problem = "path must be the name of a cassette file, got " .. check.describe(path)
    elseif check.looksSecret(path) then
        problem = "path must be the name of a cassette file, and this one holds a credential (not shown)"
    else
        settings, problem = optionsOf(options)
    end
    if settings then
        made, problem = contents(path, settings)
    end
    if not made then
        return nil, problem
    elseif watch or watch == nil and settings.strict then
        made.unplayed:watch(settings.strict)
    end
    return setmetatable(made, Cassette)
end

--- Opens a cassette, to be given to `kataven.new` as its `transport`. Raises at
--- the caller's line when the file is damaged, or absent in a replay, or an option
--- is wrong. `KATAVEN_CASSETTE_MODE` overrides `mode`; with `CI=true` it is always
--- "replay". With `KATAVEN_CASSETTE_STRICT=1` a program that would end well, and has
--- not played all of it, ends with exit code 1.
---
--- `record` starts the file anew; what was there stays until the first exchange is
--- complete. `append` adds to it. `once` replays the file if it is there, else
--- records it. A file belongs to the last cassette opened to record it: one opened
--- before sends nothing more.
---@param path string
---@param options kataven.cassette.Options|nil
---@return kataven.Cassette
function cassette.open(path, options)
    local made, problem = cassette.try(path, options)

    if not made then
        error("kataven.cassette.open: " .. problem, 2)
    end
    return made
end

local function requireSelf(self, method)
    if getmetatable(self) ~= Cassette then
        error(("call it with a colon: cassette:%s"):format(method), 3)
    end
end

local function requireRequest(request, wait)
    local isRequest = type(request) == "table" and type(request.method) == "string" and type(request.path) == "string"

    if not isRequest then
        error("cassette:send: request must be a table with method and path, got " .. check.describe(request), 3)
    elseif not check.callable(wait) then
        error("cassette:send: wait must be callable, got " .. check.describe(wait), 3)
    end
end

--- One attempt, as the client asks every transport for it. Marks the interaction
--- that answers as played, also when its delay is cancelled or outlasts the
--- request's timeout.
---@param request kataven.Request
---@param wait fun(seconds: number, fd: integer?): boolean? true: the call is over
---@return kataven.Response|nil
---@return kataven.Failure|nil
function Cassette:send(request, wait)
    requireSelf(self, "send(request, wait)")
    requireRequest(request, wait)
    if self.recorder then
        local message = "a cassette that records sends through a client: give it to kataven.new as transport"

        return nil, { kind = "cassette", sent = false, message = message }
    end

    local asked = self.asRecorded and self.asRecorded(request) or request
    local interaction, miss = self.matcher:take(asked)
    if not interaction then
        return nil, { kind = "cassette", sent = false, message = diff.explain(self.matcher, miss, self.path) }
    end
    self.unplayed:played(interaction.index)
    return play.interaction(interaction, request, wait, self.time, self.path)
end

--- What a client sends through: in a replay the cassette itself, and in a recording
--- a transport over the client's own one.
---@param inner kataven.Transport
---@param token string|nil the client's key or JWT, to be kept out of the file from now on
---@param others? string[] further secrets, likewise
---@return kataven.Transport
function Cassette:over(inner, token, others)
    requireSelf(self, "over(inner, token)")
    local recorder = self.recorder

    if not recorder then
        return self
    end
    recorder:learnToken(token)
    for _, secret in ipairs(others or {}) do
        recorder:learnToken(secret)
    end
    local unplayed = self.unplayed
    return {
        -- What comes beside the wait is the client's, and for its libcurl.
        send = function(_, request, wait, ...)
            requireRequest(request, wait)
            local response, failure = recorder:send(inner, request, wait, ...)
            unplayed:problem(recorder.problem)
            return response, failure
        end,
    }
end

--- The clock that this cassette's client is to live by; nil in a recording, which
--- goes by the system's.
---@return kataven.cassette.Clock|nil
function Cassette:clock()
    requireSelf(self, "clock()")
    return self.time
end

--- How many interactions were never played; 0 in a recording.
---@return integer
function Cassette:remaining()
    requireSelf(self, "remaining()")
    return self.matcher and self.matcher.left or 0
end

--- What `assertDone` would raise, or nil.
---@return string|nil
function Cassette:problem()
    requireSelf(self, "problem()")
    if not self.recorder then
        return self.unplayed:text()
    end
    local problem = self.recorder:save()
    self.unplayed:problem(problem)
    return problem
end

--- Raises unless every interaction was played, and names those that were not; in a
--- recording, unless all of it is saved.
function Cassette:assertDone()
    requireSelf(self, "assertDone()")
    local problem = self:problem()

    if problem then
        error(problem, 2)
    end
end

function Cassette:__tostring()
    if self.recorder then
        return ("kataven.cassette (%s, %s, %d recorded)"):format(self.mode, self.path, self.recorder:count())
    end
    local total = #self.matcher.interactions

    return ("kataven.cassette (%s, %s, %d of %d to play)"):format(self.mode, self.path, self.matcher.left, total)
end

return cassette
