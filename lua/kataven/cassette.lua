--- The recorded-response transport: answers a client's requests from a file, for
--- specs that need no server.
---
---     local cassette = kataven.cassette.open("spec/cassettes/create.json")
---     local client   = kataven.new { apiKey = "sk_live_test_x", transport = cassette }
---     ...
---     cassette:assertDone()
---
--- A replay never opens a socket, and nothing sleeps in it: waits move the
--- cassette's own clock. The format of the files is in `kataven.cassette.file`.

local check = require "kataven.check"
local diff = require "kataven.cassette.diff"
local file = require "kataven.cassette.file"
local match = require "kataven.cassette.match"
local optionsOf = require "kataven.cassette.options"
local play = require "kataven.cassette.play"

local cassette = {}

--- Is this recorded request the one that came? Every unplayed one is shown, in
--- recorded order, until it says true. A reason beside false goes into the error.
---@alias kataven.cassette.MatchFunction
---| fun(request: kataven.cassette.View, recorded: kataven.cassette.View): boolean, string?

--- One side of the comparison, to be read and not changed.
---@class kataven.cassette.View
---@field method string
---@field path string
---@field query string as in the URL or the file; "" when there is none
---@field headers table<string, string> names as sent, or lower-case if recorded
---@field body string|nil

---@class kataven.Cassette: kataven.Transport
---@field path string the file
---@field mode "replay"
---@field private matcher kataven.cassette.Matcher
---@field private time kataven.cassette.Clock
local Cassette = {}
Cassette.__index = Cassette

-- The interactions of the file, or nil and what is wrong with it.
local function interactionsOf(path)
    local text, problem, absent = file.read(path)

    if absent then
        return nil, ("there is no cassette %q. A replay never goes to the network, so the file has to be there first: "
            .. "write it by hand (the format is at the top of kataven/cassette/file.lua). A relative path begins "
            .. "at the directory where the program was started"):format(path)
    elseif not text then
        return nil, "cannot read the cassette: " .. problem
    end

    local interactions
    interactions, problem = file.parse(text)
    if not interactions then
        return nil, ("the cassette %s: %s"):format(path, problem)
    end
    return interactions
end

--- Opens a cassette, to be given to `kataven.new` as its `transport`. Raises at
--- the caller's line when the file is absent or damaged, or an option is wrong.
--- `KATAVEN_CASSETTE_MODE` overrides `mode`; with `CI=true` it is always "replay".
---@param path string
---@param options kataven.cassette.Options|nil
---@return kataven.Cassette
function cassette.open(path, options)
    local settings, interactions, problem

    if path == cassette then
        problem = "call it with a dot: kataven.cassette.open(path, options)"
    elseif type(path) ~= "string" or path == "" then
        problem = "path must be the name of a cassette file, got " .. check.describe(path)
    else
        settings, problem = optionsOf(options)
    end
    if settings then
        interactions, problem = interactionsOf(path)
    end
    if not interactions then
        error("kataven.cassette.open: " .. problem, 2)
    end
    return setmetatable({
        path = path,
        mode = settings.mode,
        matcher = match.new(interactions, settings),
        time = play.clock(),
    }, Cassette)
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

    local interaction, miss = self.matcher:take(request)
    if not interaction then
        return nil, { kind = "cassette", sent = false, message = diff.explain(self.matcher, miss, self.path) }
    end
    return play.interaction(interaction, request, wait, self.time, self.path)
end

--- The clock that this cassette's client is to live by.
---@return kataven.cassette.Clock
function Cassette:clock()
    requireSelf(self, "clock()")
    return self.time
end

--- How many interactions were never played.
---@return integer
function Cassette:remaining()
    requireSelf(self, "remaining()")
    return self.matcher.left
end

--- Raises unless every interaction was played, and names those that were not.
function Cassette:assertDone()
    requireSelf(self, "assertDone()")
    if self.matcher.left == 0 then
        return
    end

    local total = #self.matcher.interactions
    local lines = { ("%s: %d of %d interactions were never played:"):format(self.path, self.matcher.left, total) }
    for _, interaction in ipairs(self.matcher:unplayed()) do
        local request = interaction.request
        local query = request.query ~= "" and "?" .. request.query or ""

        lines[#lines + 1] = ("  [%d] %s %s%s"):format(interaction.index, request.method, request.path, query)
    end
    error(table.concat(lines, "\n"), 2)
end

function Cassette:__tostring()
    local total = #self.matcher.interactions

    return ("kataven.cassette (%s, %s, %d of %d to play)"):format(self.mode, self.path, self.matcher.left, total)
end

return cassette
