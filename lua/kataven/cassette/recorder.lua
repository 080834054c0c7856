--- Records: sends each request through the client's own transport, and saves the
--- file after every exchange.
---
--- The order of the file is the order in which requests went out. A problem with
--- saving never costs the caller an answer: it is remembered, and the next request
--- fails with it before anything is sent, as does `assertDone`.

local base64 = require "kataven.base64"
local core = require "kataven.core"
local file = require "kataven.cassette.file"
local globals = require "kataven.globals"
local json = require "kataven.cassette.json"
local lasting = require "kataven.cassette.lasting"
local record = require "kataven.cassette.record"
local secretsOf = require "kataven.cassette.secrets"

local recorder = {}

---@class kataven.cassette.Recorder
---@field private path string
---@field private names string[]
---@field private redact fun(interaction: table): any
---@field private entries table[] in the order of their requests
---@field private secrets kataven.cassette.Secrets
---@field private dirty boolean is there anything that the file does not hold?
---@field problem string|nil why it was not saved
---@field private broken boolean|nil is that for good?
---@field private anew boolean does it start the file anew?
---@field private file { last: integer, started: integer } what all the recorders of the file share
---@field private turn integer which of them it is
local Recorder = {}
Recorder.__index = Recorder

-- Counts the recorders of each file: the latest has it to itself. `started` is the
-- latest that has started it anew.
local function fileOf(path)
    local files, key = lasting.table "files", lasting.path(path)

    files[key] = files[key] or { last = 0, started = 0 }
    return files[key]
end

-- An interaction ready to be saved: its text, and all that the text may hide.
local function entryOf(interaction)
    local text, problem = json.pretty(interaction)
    if not text then
        return nil, "it cannot be written: " .. problem
    end
    local read
    read, problem = file.parse(recorder.document { text })
    if not read then
        return nil, "it could not be read again: " .. problem
    end
    local parts = { text }
    secretsOf.eachString(interaction, function(part)
        parts[#parts + 1] = part
        parts[#parts + 1] = #part % 4 == 0 and base64.decode(part) or nil
    end)
    return {
        text = "    " .. text:gsub("\n$", ""):gsub("\n", "\n    "),
        probe = table.concat(parts, "\n"),
        line = read[1].request.method .. " " .. read[1].request.path,
        clean = 0, -- how many of the known secrets it was searched for
    }
end

--- The text of a file of these interactions.
---@param texts string[]
---@return string
function recorder.document(texts)
    local list = #texts == 0 and "[]" or "[\n" .. table.concat(texts, ",\n") .. "\n  ]"

    return ('{\n  "interactions": %s,\n  "version": %d\n}\n'):format(list, file.VERSION)
end

--- A recorder for a file. `kept` is the text of interactions to add to.
---@param path string
---@param settings kataven.cassette.Settings
---@param kept string|nil a good cassette's text
---@return kataven.cassette.Recorder|nil
---@return string|nil problem
function recorder.new(path, settings, kept)
    local self = setmetatable({
        path = path,
        names = settings.names,
        redact = settings.redact,
        entries = {},
        secrets = secretsOf.new(),
        dirty = false,
        anew = kept == nil,
        file = fileOf(path),
    }, Recorder)
    local token = globals.getenv "KATAVEN_API_KEY"

    self.secrets.learnToken(token)
    for i, interaction in ipairs(kept and json.decodeExact(kept).interactions or {}) do
        local entry, problem = entryOf(interaction)
        if not entry then
            return nil, ("interactions[%d]: %s"):format(i, problem)
        end
        self.entries[i] = entry
    end
    self.file.last = self.file.last + 1
    self.turn = self.file.last
    return self
end

--- Keeps a client's key or JWT out of the file, also before its first request.
---@param token string|nil
function Recorder:learnToken(token)
    self.secrets.learnToken(token)
end

-- The interaction after the user's say; nil where it is to be left out. The
-- hook is not let through with what it raises: the caller would lose an answer.
---@private
function Recorder:decide(interaction)
    if not self.redact then
        return interaction
    end
    local ok, result = pcall(self.redact, interaction)
    if not ok then
        error({ problem = "redact failed: " .. tostring(result) }, 0)
    elseif result == false then
        return nil
    elseif result ~= nil and type(result) ~= "table" then
        error({ problem = "redact must change the interaction, or return one, or false to leave it out" }, 0)
    end
    return result or interaction
end

-- The first entry with a secret in it, and what that is. Nothing is searched
-- for the same secret twice.
---@private
function Recorder:leak()
    local secrets = self.secrets

    for i, entry in ipairs(self.entries) do
        local what = entry.probe and secrets.find(entry.probe, entry.clean + 1)
        if what then
            return i, what
        end
        entry.clean = secrets.count()
    end
end

-- Has another cassette taken the file over, at this one's cost?
---@private
function Recorder:displaced(sending)
    if self.turn == self.file.last then
        return nil
    elseif sending or self.dirty then
        return ("another cassette was opened to record %s meanwhile, and would be overwritten. A file belongs to one "
            .. "at a time: share the cassette, or give each its own file"):format(self.path)
    elseif self.file.started > self.turn and self:count() > 0 then
        return ("%s was recorded anew by another cassette, over what this one had saved"):format(self.path)
    end
end

-- An entry, as a message may name it: its line may hold what was found in it.
---@private
function Recorder:named(entry)
    local line = self.secrets.answer(self.secrets.request(entry.line))
    return self.secrets.find(line, 1) and line:match "^%S+" or line
end

--- Saves what is not saved yet. The whole text is searched before anything is
--- opened for writing.
---@param sending boolean|nil is there more to come?
---@return string|nil problem
function Recorder:save(sending)
    if self.broken then
        return self.problem
    end
    self.problem = self:displaced(sending)
    if self.problem then
        self.broken = true
        return self.problem
    elseif not self.dirty then
        return nil
    end
    local index, what = self:leak()
    if index then
        self.problem = ("%s was not saved: after redaction interaction %d (%s) still holds %s. Take it out with the "
            .. "option redact"):format(self.path, index, self:named(self.entries[index]), what)
        self.broken = true
        return self.problem
    end
    local texts = {}
    for _, entry in ipairs(self.entries) do
        texts[#texts + 1] = entry.text
    end
    local ok, message = core.save(self.path, recorder.document(texts))
    self.dirty = not ok
    if ok and self.anew then
        self.file.started = math.max(self.file.started, self.turn)
    end
    self.problem = not ok and ("%s could not be saved: %s"):format(self.path, message) or nil
    return self.problem
end

---@private
function Recorder:add(entry, request, response, failure)
    if response then
        self.secrets.learnAnswer(response.headers, response.body)
    else
        self.secrets.learnAnswer(nil, failure.message)
    end
    local interaction = record.interaction(request, response, failure, self.names, self.secrets)
    interaction = interaction and self:decide(interaction)
    if not interaction then
        return
    end
    local made, problem = entryOf(interaction)
    if not made then
        error({ problem = problem }, 0)
    end
    for name, value in pairs(made) do
        entry[name] = value
    end
    self.dirty = true
    self:save()
end

--- How many interactions the file has, or will have.
---@return integer
function Recorder:count()
    local count = 0

    for _, entry in ipairs(self.entries) do
        count = count + (entry.text and 1 or 0)
    end
    return count
end

--- One attempt through `inner`, recorded.
---@param inner kataven.Transport
---@param request kataven.Request
---@param wait fun(seconds: number, fd: integer?): boolean?
---@param ... any for `inner`, as it came
---@return kataven.Response|nil
---@return kataven.Failure|nil
function Recorder:send(inner, request, wait, ...)
    local problem = self:save(true)
    if problem then
        return nil, { kind = "cassette", sent = false, message = "nothing more is sent, since " .. problem }
    end
    local entry = {}
    self.secrets.learnRequest(request)
    self.entries[#self.entries + 1] = entry

    local response, failure = inner:send(request, wait, ...)
    if response then
        record.settleDate(response)
    end
    local ok, why = pcall(self.add, self, entry, request, response, failure)
    if not ok then
        why = type(why) == "table" and why.problem or tostring(why)
        self.problem = ("%s was not saved: %s %s: %s"):format(self.path, request.method,
            self.secrets.request(request.path), self.secrets.answer(why))
        self.broken = true
    end
    return response, failure
end

return recorder
