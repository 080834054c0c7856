--- Why no recorded interaction answers a request, in words: the request, and the
--- nearest recorded ones with what differs, field by field. Runs only on the way
--- to an error, so it may take its time; what it returns shows no secret.

local core = require "kataven.core"
local json = require "kataven.cassette.json"

local diff = {}

local NEAREST = 3
local MAX_LINES = 8 -- of differences, for one interaction
local MAX_VALUE = 100 -- bytes of one value
local MAX_BODY = 300 -- bytes of the request's own body

-- Penalties: what makes a recorded request less like the one that came. A
-- difference in a body costs 1 for each field.
local OTHER_METHOD, OTHER_PATH, OTHER_QUERY, OTHER_HEADER = 12, 12, 3, 2
local OTHER_END_OF_PATH, OTHER_BODY = 6, 4

-- Cuts a text to `limit` bytes, never inside a UTF-8 character.
local function cut(text, limit)
    if #text <= limit then
        return text
    end
    while limit > 0 and (text:byte(limit + 1) or 0) >= 0x80 and text:byte(limit + 1) < 0xC0 do
        limit = limit - 1
    end
    return text:sub(1, limit) .. "…"
end

local function show(value, limit)
    if value == nil then
        return "nothing"
    end
    local text = core.encode(value)

    if text then
        return cut(text, limit or MAX_VALUE)
    end
    return type(value) == "string" and ("%d bytes that are not text"):format(#value) or tostring(value)
end

-- `name` of a member behind `place`, quoted where it is no plain word.
local function memberPlace(place, name)
    if type(name) == "number" then
        return ("%s[%d]"):format(place, name)
    elseif name:find("^[A-Za-z_][A-Za-z0-9_]*$") then
        return place .. "." .. name
    end
    return ("%s[%s]"):format(place, show(name))
end

-- All names or indices of two tables, in order.
local function namesOfBoth(a, b)
    local all, seen = {}, {}

    for _, t in ipairs { a, b } do
        for name in pairs(t) do
            if not seen[name] then
                seen[name] = true
                all[#all + 1] = name
            end
        end
    end
    table.sort(all)
    return all
end

local function add(found, place, recorded, got)
    found[#found + 1] = ("%s: recorded %s, got %s"):format(place, recorded, got)
end

local function compareValues(found, place, recorded, got)
    local bothTables = type(recorded) == "table" and type(got) == "table"

    if bothTables and json.isArray(recorded) == json.isArray(got) then
        for _, name in ipairs(namesOfBoth(recorded, got)) do
            compareValues(found, memberPlace(place, name), recorded[name], got[name])
        end
    elseif bothTables or recorded ~= got then
        add(found, place, show(recorded), show(got))
    end
end

-- Texts: shows both from a little before the first byte that differs.
local function compareTexts(found, recorded, got)
    local at = 1

    while recorded:byte(at) == got:byte(at) do
        at = at + 1
    end
    local from = math.max(1, at - 20)
    while from > 1 and recorded:byte(from) and recorded:byte(from) >= 0x80 and recorded:byte(from) < 0xC0 do
        from = from - 1
    end
    add(found, ("body, from byte %d"):format(from), show(recorded:sub(from)), show(got:sub(from)))
end

local function compareBodies(found, recorded, got)
    if recorded.body == got.body then
        return
    elseif recorded.body == "" or got.body == "" then
        local function shown(c)
            if c.body == "" then
                return "none"
            end
            return c.json and cut(c.body, MAX_VALUE) or show(c.body)
        end
        add(found, "body", shown(recorded), shown(got))
    elseif recorded.json and got.json then
        compareValues(found, "body", json.decodeExact(recorded.body), json.decodeExact(got.body))
    else
        compareTexts(found, recorded.body, got.body)
    end
end

---@param recorded kataven.cassette.Canon
---@param got kataven.cassette.Canon
---@return string[] differences one line each; empty when the two match
function diff.lines(recorded, got)
    local found = {}

    for _, part in ipairs { "method", "path" } do
        if recorded[part] ~= got[part] then
            add(found, part, recorded[part], got[part])
        end
    end
    if recorded.query ~= got.query then
        add(found, "query", show(recorded.query), show(got.query))
    end
    for _, name in ipairs(namesOfBoth(recorded.headers, got.headers)) do
        if recorded.headers[name] ~= got.headers[name] then
            add(found, "header " .. name, show(recorded.headers[name]), show(got.headers[name]))
        end
    end
    compareBodies(found, recorded, got)
    return found
end

-- How unlike the two are. Bodies are taken apart only where method and path
-- agree, so that a long file of other things costs little.
local function distance(recorded, got)
    local sum = 0

    if recorded.method ~= got.method then
        sum = sum + OTHER_METHOD
    end
    if recorded.path ~= got.path then
        local sameParent = recorded.path:match("^(.*)/") == got.path:match("^(.*)/")
        sum = sum + (sameParent and OTHER_END_OF_PATH or OTHER_PATH)
    end
    if recorded.query ~= got.query then
        sum = sum + OTHER_QUERY
    end
    for _, name in ipairs(namesOfBoth(recorded.headers, got.headers)) do
        sum = sum + (recorded.headers[name] ~= got.headers[name] and OTHER_HEADER or 0)
    end
    if recorded.body ~= got.body then
        local found = {}

        if sum < OTHER_END_OF_PATH then
            compareBodies(found, recorded, got)
        end
        sum = sum + math.max(1, math.min(#found, OTHER_BODY))
    end
    return sum
end

-- Indices of the nearest recorded interactions; the earlier of two alike first.
local function nearest(matcher, got)
    local ranks = {}

    for i = 1, #matcher.interactions do
        ranks[i] = { index = i, distance = distance(matcher.canons[i], got) }
    end
    table.sort(ranks, function(a, b)
        if a.distance ~= b.distance then
            return a.distance < b.distance
        end
        return a.index < b.index
    end)
    return ranks
end

local function requestLine(c)
    return c.method .. " " .. c.path .. (c.query ~= "" and "?" .. c.query or "")
end

local function describe(out, matcher, index, miss)
    local recorded, usedBy = matcher.canons[index], matcher.usedBy[index]
    local lines = diff.lines(recorded, miss.got)
    local used = usedBy and (" (already used by call %d)"):format(usedBy) or ""

    out[#out + 1] = ("  [%d] %s%s"):format(index, requestLine(recorded), used)
    for i = 1, math.min(#lines, MAX_LINES) do
        out[#out + 1] = "      " .. lines[i]
    end
    if #lines > MAX_LINES then
        out[#out + 1] = ("      and %d more differences"):format(#lines - MAX_LINES)
    elseif #lines == 0 then
        out[#out + 1] = "      the same request"
            .. (usedBy and not matcher.decide and "; `allowRepeats = true` would play it again" or "")
    end
    if miss.reasons[index] ~= nil then
        -- Scrubbed before it is cut: half a secret would not be known for one.
        out[#out + 1] = "      match says: " .. cut(miss.scrub(tostring(miss.reasons[index])), MAX_VALUE)
    end
end

--- The message for a request that nothing answers.
---@param matcher kataven.cassette.Matcher after its `take`
---@param miss kataven.cassette.Miss
---@param file string the cassette's path
---@return string
function diff.explain(matcher, miss, file)
    local got = miss.got
    local out = {
        ("no recorded interaction in %s answers call %d:"):format(file, matcher.calls),
        "  " .. requestLine(got),
    }

    for _, name in ipairs(matcher.names) do
        out[#out + 1] = ("  %s: %s"):format(name, got.headers[name] or "(none)")
    end
    if got.body ~= "" then
        out[#out + 1] = "  body " .. (got.json and cut(got.body, MAX_BODY) or show(got.body, MAX_BODY))
    end

    local ranks = nearest(matcher, got)
    out[#out + 1] = #ranks == 0 and "the file holds no interactions" or "nearest recorded:"
    for i = 1, math.min(#ranks, NEAREST) do
        describe(out, matcher, ranks[i].index, miss)
    end
    return miss.scrub(table.concat(out, "\n"))
end

return diff
