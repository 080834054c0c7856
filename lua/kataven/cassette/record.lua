--- Makes an interaction of what went over the wire, in the form that a cassette
--- file holds and without its secrets.
---
--- A replay has to give what the client got. So an answer's body is kept byte by
--- byte wherever somebody may see its bytes (an error's `body`, a text), and
--- written as JSON, which is nicer to read and edit, where only its value is seen.

local answer = require "kataven.answer"
local base64 = require "kataven.base64"
local canon = require "kataven.cassette.canon"
local core = require "kataven.core"
local globals = require "kataven.globals"
local json = require "kataven.cassette.json"
local redact = require "kataven.redact"

local record = {}

local asText = canon.asText

-- The client's own headers: they say nothing about the call, and some differ from
-- one machine to the next.
local OWN = {
    ["accept"] = true,
    ["accept-encoding"] = true,
    ["authorization"] = true,
    ["content-type"] = true,
    ["user-agent"] = true,
    ["x-account-id"] = true,
}

-- What a replay can play. The others are the caller's own doing, or a fault of
-- this recording: no server said them.
local KINDS = { connect = true, connection = true, timeout = true, tls = true, tooLarge = true }

local COLLECTION = "/api/v1/widget-keys"

-- How deep a body may be nested to be written as JSON: a file has levels of its
-- own above it, and 128 is the most that is read.
local DEEPEST = 100

-- The most values of a body that is written as JSON: as many as a client takes that says nothing else.
local MOST_VALUES = answer.mostValues(64 * 1024 * 1024)

local function isDeep(value, left)
    if type(value) ~= "table" then
        return false
    elseif left == 0 then
        return true
    end
    for _, member in pairs(value) do
        if isDeep(member, left - 1) then
            return true
        end
    end
    return false
end

-- The value of a text that may be written as JSON, and its canonical text; nil
-- where it may not. Some JSON cannot be written again: 1e400 reads as infinity.
local function valueOf(text)
    local value = json.decodeExact(text, MOST_VALUES)
    local canonical = value ~= nil and not isDeep(value, DEEPEST) and core.encode(value)

    if canonical then
        return value, canonical
    end
end

local function putBytes(fields, body, scrub)
    local text = scrub(body)

    if core.encode(text) then
        fields.body = text
    else
        fields.bodyBase64 = base64.encode(text)
    end
end

-- Whether a successful answer is one of which the caller gets the value alone.
local function isPromised(request, response, value)
    local list = type(value) == "table" and json.isArray(value)

    if response.status < 200 or response.status > 299 or type(value) ~= "table" then
        return false
    elseif request.method ~= "GET" or request.path ~= COLLECTION then
        return not list or request.method == "GET"
    end
    for _, item in ipairs(value) do
        list = list and type(item) == "table" and not json.isArray(item)
    end
    return list
end

-- Whether a text of JSON still holds a key behind JSON's escapes.
local function hidesKeys(text, scrub)
    local value = json.decodeExact(scrub(text))

    return value ~= nil and core.encode(redact.value(value, scrub)) ~= core.encode(value)
end

local function putAnswer(fields, request, response, scrub)
    local body = response.body

    if body == "" then
        return
    end
    local value, canonical
    if answer.isJson(response.headers["content-type"]) then
        value, canonical = valueOf(body)
    end
    if value ~= nil and (canonical == body or isPromised(request, response, value) or hidesKeys(body, scrub)) then
        fields.json = redact.value(value, scrub)
    else
        putBytes(fields, body, scrub)
    end
end

-- The headers for which `wants` is true. A value that is not UTF-8 is kept in Base64.
local function putHeaders(fields, headers, scrub, wants)
    local plain, encoded = {}, {}

    for name, value in pairs(headers or {}) do
        if wants(name:lower()) then
            local text = redact.header(name, value, scrub)
            local isText = core.encode(text)
            local place = isText and plain or encoded
            place[asText(scrub(name))] = isText and text or base64.encode(text)
        end
    end
    fields.headers = next(plain) and plain or nil
    fields.headersBase64 = next(encoded) and encoded or nil
end

local function requestOf(request, names, scrub)
    local fields = { method = request.method, path = canon.hide(request.path, scrub) }
    local query = canon.hide(canon.queryOf(request.url), scrub)
    local wanted = {}

    if query ~= "" then
        fields.query = query
    end
    for _, name in ipairs(names) do
        wanted[name] = true
    end
    putHeaders(fields, request.headers, scrub, function(name)
        return wanted[name] or not OWN[name]
    end)
    if request.body and request.body ~= "" then
        local value = valueOf(request.body)

        if value ~= nil then
            fields.json = redact.value(value, scrub)
        else
            putBytes(fields, request.body, scrub)
        end
    end
    return fields
end

local function responseOf(request, response, scrub)
    local fields = { status = response.status }

    putHeaders(fields, response.headers, scrub, function()
        return true
    end)
    putAnswer(fields, request, response, scrub)
    return fields
end

local function errorOf(failure, scrub)
    return {
        kind = failure.kind,
        sent = failure.sent,
        message = failure.message and asText(scrub(failure.message)) or nil,
        status = failure.status,
    }
end

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

--- Gives an answer the Date that it ought to have had where its `Retry-After` is a
--- date too, in place of none or one that cannot be read: the client counts from
--- it, now and in every replay.
---@param response kataven.Response
function record.settleDate(response)
    local headers = response.headers or {} -- a transport may leave them out
    local told, date = headers["retry-after"], headers["date"]

    -- What differs with this machine's clock would differ in a replay.
    if core.retryAfter(told, date, 0) ~= core.retryAfter(told, date, 1) then
        local known, now = pcall(globals.member("os", "date"), "!*t")
        if not known then
            return
        end
        headers["date"] = ("%s, %02d %s %d %02d:%02d:%02d GMT"):format(
            DAYS[now.wday], now.day, MONTHS[now.month], now.year, now.hour, now.min, now.sec)
    end
end

--- The interaction, or nil where there is nothing to play again.
---@param request kataven.Request
---@param response kataven.Response|nil
---@param failure kataven.Failure|nil
---@param names string[] of `matchHeaders`, lower-case
---@param secrets kataven.cassette.Secrets
---@return table|nil interaction
function record.interaction(request, response, failure, names, secrets)
    if not response and not KINDS[failure.kind] then
        return nil
    end
    return {
        request = requestOf(request, names, secrets.request),
        response = response and responseOf(request, response, secrets.answer) or nil,
        error = not response and errorOf(failure, secrets.answer) or nil,
    }
end

--- A request as the user's `redact` sees it, back in the form that is matched:
--- a replay hides the same as the recording did.
---@param request kataven.Request
---@param names string[]
---@param secrets kataven.cassette.Secrets
---@return table interaction one without an answer
function record.question(request, names, secrets)
    return { request = requestOf(request, names, secrets.request) }
end

return record
