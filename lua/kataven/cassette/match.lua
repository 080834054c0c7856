--- Chooses the recorded interaction that answers a request: in recorded order,
--- each once. Owns the account of what was played and by which call; the
--- interactions themselves stay as the file gave them.
---
--- Two ways. By default requests are compared by their canonical form, over an
--- index, so that a call costs the same whatever the file's length. With a
--- `match` function every unplayed interaction is shown to it, in order.

local canon = require "kataven.cassette.canon"

---@class kataven.cassette.Matcher
---@field interactions kataven.cassette.Interaction[]
---@field canons kataven.cassette.Canon[] of the recorded requests, by index
---@field usedBy table<integer, integer> interaction index → the last call that it answered
---@field left integer how many were never played
---@field calls integer how many requests came
---@field names string[] the headers that count
---@field decide kataven.cassette.MatchFunction|nil
---@field private repeats boolean
---@field private heads table<string, table<string, table>> head → body → queue
---@field private played integer[] in the order of their first playing, for `decide`
---@field private nextUnused table<integer, integer> a chain from 0 through the unplayed, for `decide`
---@field private scrubFor fun(headers: table<string, string>|nil): kataven.cassette.Scrub
local Matcher = {}
Matcher.__index = Matcher

---@class kataven.cassette.Miss
---@field got kataven.cassette.Canon
---@field scrub kataven.cassette.Scrub hides the secrets of the request
---@field reasons table<integer, string> what the `match` function said, by index

local match = {}

-- Interactions with the same canonical request, in recorded order.
local function newQueue()
    return { head = 1, count = 0 }
end

--- Precomputes what the comparing needs; the interactions must not change after.
---@param interactions kataven.cassette.Interaction[]
---@param options kataven.cassette.Settings
---@return kataven.cassette.Matcher
function match.new(interactions, options)
    local scrubFor = canon.scrubber()
    local self = setmetatable({
        interactions = interactions,
        names = options.names,
        decide = options.match,
        repeats = options.allowRepeats or false,
        canons = {},
        heads = {},
        usedBy = {},
        played = {},
        nextUnused = {},
        left = #interactions,
        calls = 0,
        scrubFor = scrubFor,
    }, Matcher)

    for i, interaction in ipairs(interactions) do
        local recorded = interaction.request
        local c = canon.of(recorded, recorded.query, self.names, scrubFor(recorded.headers))
        local head = canon.head(c.method, c.path, c.query, c.headers, self.names)
        local bodies = self.heads[head] or {}
        local queue = bodies[c.body] or newQueue()

        queue.count = queue.count + 1
        queue[queue.count] = i
        bodies[c.body], self.heads[head] = queue, bodies
        self.canons[i], self.nextUnused[i - 1] = c, i
    end
    return self
end

---@private
function Matcher:queueFor(head, body)
    local bodies = self.heads[head]

    return bodies and bodies[body]
end

-- Takes the next out of a queue, or gives its last once more; nil when used up.
---@private
function Matcher:nextOf(queue)
    if queue.head <= queue.count then
        queue.head = queue.head + 1
        return queue[queue.head - 1]
    end
    return self.repeats and queue[queue.count] or nil
end

---@private
function Matcher:play(index, call)
    if not self.usedBy[index] then
        self.left = self.left - 1
    end
    self.usedBy[index] = call
    return self.interactions[index]
end

---@private
function Matcher:miss(request, query, reasons)
    local scrub = self.scrubFor(request.headers)

    return { got = canon.of(request, query, self.names, scrub), scrub = scrub, reasons = reasons or {} }
end

-- By canonical form. The request is tried as it stands first: a client writes
-- canonical JSON already, and a form that is in the index is canonical.
---@private
function Matcher:byForm(request, call)
    local names = self.names
    local query = canon.queryOf(request.url)
    local headers = #names > 0 and canon.headers(request.headers, names, self.scrubFor(request.headers)) or nil
    local queue = self:queueFor(canon.head(request.method, request.path, query, headers, names), request.body or "")
    local miss

    if not queue then
        miss = self:miss(request, query)
        local got = miss.got
        queue = self:queueFor(canon.head(got.method, got.path, got.query, got.headers, names), got.body)
    end

    local index = queue and self:nextOf(queue)
    if index then
        return self:play(index, call)
    end
    return nil, miss or self:miss(request, query)
end

-- What a `match` function gets of each side.
local function view(request, query)
    return {
        method = request.method,
        path = request.path,
        query = query,
        headers = request.headers or {},
        body = request.body,
    }
end

-- By the user's function, which runs unprotected (what it raises goes to the
-- caller) and may yield: hence the second look at whether an interaction that
-- it accepted is still free.
---@private
function Matcher:byFunction(request, call)
    local query = canon.queryOf(request.url)
    local asked, reasons = view(request, query), {}
    local before, index = 0, self.nextUnused[0]

    local function accepts(i)
        local recorded = self.interactions[i].request
        local accepted, reason = self.decide(asked, view(recorded, recorded.query))

        reasons[i] = not accepted and reason or nil
        return accepted
    end

    while index do
        if self.usedBy[index] then
            self.nextUnused[before] = self.nextUnused[index]
        elseif accepts(index) and not self.usedBy[index] then
            self.played[#self.played + 1] = index
            return self:play(index, call)
        else
            before = index
        end
        index = self.nextUnused[index]
    end
    for k = self.repeats and #self.played or 0, 1, -1 do
        if accepts(self.played[k]) then
            return self:play(self.played[k], call)
        end
    end
    return nil, self:miss(request, query, reasons)
end

--- Takes the interaction that answers this request, and marks it as played.
---@param request kataven.Request
---@return kataven.cassette.Interaction|nil
---@return kataven.cassette.Miss|nil when there is none
function Matcher:take(request)
    self.calls = self.calls + 1
    if self.decide then
        return self:byFunction(request, self.calls)
    end
    return self:byForm(request, self.calls)
end

return match
