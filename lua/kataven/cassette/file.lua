--- Reads cassette files. A file is data, never code: JSON, pretty and with sorted
--- names where a program wrote it, in any layout where a person did.
---
---     {
---       "version": 1,
---       "interactions": [
---         {
---           "request": {
---             "method": "POST",
---             "path": "/api/v1/widget-keys",     the specification's path, without a query
---             "query": "a=1&b=2",                optional, as in a URL
---             "headers": { "X-Name": "value" },  optional, used by matchHeaders and match
---             "json": { "name": "acme.com" }     optional: or "body" (text), "bodyBase64"
---           },
---           "response": {
---             "status": 201,
---             "headers": { "x-request-id": "r1" },  optional
---             "headersBase64": { "x-a": "Y2Fm6Q==" },  optional, for values that are not UTF-8; in requests too
---             "json": { "id": "k1" },               optional: or "body", "bodyBase64"
---             "truncated": true,                    optional: the connection is lost after the body
---             "delay": 1.5                          optional: seconds before the answer
---           }
---         }
---       ]
---     }
---
--- In place of "response" an interaction may have an "error" of "kind" (connect,
--- connection, timeout, tls, tooLarge), "sent" (had the request gone out? required
--- for connection and timeout), and optional "message", "delay" and "status" (where
--- an answer had begun). A response with "json" gets `content-type: application/json` unless it has its own.
--- Anything else in a file is refused, by place: `interactions[2].response.status`
--- is in the second interaction, as Lua counts.

local base64 = require "kataven.base64"
local check = require "kataven.check"
local core = require "kataven.core"
local globals = require "kataven.globals"
local json = require "kataven.cassette.json"

local file = {}

--- The version that is read.
file.VERSION = 1

---@class kataven.cassette.Interaction
---@field index integer from 1
---@field request kataven.cassette.RecordedRequest
---@field response kataven.cassette.RecordedResponse|nil either this
---@field error kataven.cassette.RecordedError|nil or this

---@class kataven.cassette.RecordedRequest
---@field method string
---@field path string
---@field query string "" when there is none
---@field headers table<string, string> by lower-case name
---@field body string|nil

---@class kataven.cassette.RecordedResponse
---@field status integer
---@field headers table<string, string> by lower-case name
---@field body string
---@field truncated boolean
---@field delay number

---@class kataven.cassette.RecordedError
---@field kind string
---@field sent boolean
---@field message string|nil
---@field status integer|nil
---@field delay number

-- Kinds of failure, and whether the request had gone out where that is known.
local KINDS = { connect = false, connection = "ask", timeout = "ask", tls = false, tooLarge = true }
local KIND_LIST = "connect, connection, timeout, tls or tooLarge"

local BODY_FIELDS = { "body", "bodyBase64", "json" }

-- A problem travels to `file.parse` as a table, so that a bug does not pass for one.
local function fail(place, text, ...)
    error({ problem = (place and place .. ": " or "") .. text:format(...) }, 0)
end

local function want(ok, place, wanted, value)
    if not ok then
        fail(place, "expected %s, got %s", wanted, json.describe(value))
    end
    return value
end

-- An object with no fields but the known ones.
local function object(value, place, known)
    want(type(value) == "table" and not json.isArray(value), place or "the file", "an object", value)
    local problem = check.unknown(value, known, "field")
    if problem then
        fail(place, "%s", problem)
    end
    return value
end

local function optional(value, place, luaType, wanted, default)
    if value == nil then
        return default
    end
    return want(type(value) == luaType, place, wanted, value)
end

local function seconds(value, place)
    optional(value, place, "number", "a number of seconds", 0)
    return want(value == nil or value >= 0 and value < math.huge, place, "0 seconds or more", value) or 0
end

local function statusAt(value, place)
    local isStatus = type(value) == "number" and value % 1 == 0 and value >= 100 and value <= 999

    return want(isStatus, place, "an HTTP status (100 to 999)", value)
end

local BASE64 = "Base64 (standard alphabet, padded, no blanks)"

-- Adds the headers of a field to those of another.
local function addHeaders(headers, value, place, decode)
    if value == nil then
        return
    end
    want(type(value) == "table" and not json.isArray(value), place, "an object", value)
    for _, name in ipairs(json.names(value)) do
        local here, lower = place .. "." .. name, name:lower()

        want(type(value[name]) == "string", here, "a string", value[name])
        if headers[lower] then
            fail(here, "the header is there twice (case does not count in its name)")
        end
        headers[lower] = decode(value[name]) or fail(here, "is not %s", BASE64)
    end
end

local function readHeaders(value, place)
    local headers = {}

    addHeaders(headers, value.headers, place .. ".headers", tostring)
    addHeaders(headers, value.headersBase64, place .. ".headersBase64", base64.decode)
    return headers
end

-- The body in whichever way it is written; nil when there is none.
local function readBody(value, place)
    local given

    for _, field in ipairs(BODY_FIELDS) do
        if value[field] ~= nil then
            if given then
                fail(place, "has both %s and %s; a body is written in one way", given, field)
            end
            given = field
        end
    end
    if given == "json" then
        local text, _, problem = core.encode(value.json)
        return text or fail(place .. ".json", "some value in it %s", problem)
    elseif given == "bodyBase64" then
        local here = place .. ".bodyBase64"
        local text = want(type(value.bodyBase64) == "string", here, "a string", value.bodyBase64)
        return base64.decode(text) or fail(here, "is not %s", BASE64)
    end
    return optional(value.body, place .. ".body", "string", 'a string (write a JSON value as "json")')
end

local function readRequest(value, place)
    object(value, place, { "body", "bodyBase64", "headers", "headersBase64", "json", "method", "path", "query" })

    local method = want(type(value.method) == "string", place .. ".method", "a string", value.method)
    want(method:find("^%a[%w_-]*$"), place .. ".method", "an HTTP method", method)
    local path = want(type(value.path) == "string", place .. ".path", "a string", value.path)
    want(path:find("^/") and not path:find("[?#]"), place .. ".path",
        'a path that begins with / and has no query (that is a field of its own, "query")', path)
    local query = optional(value.query, place .. ".query", "string", 'a string such as "a=1&b=2"', "")
    want(not query:find("#", 1, true), place .. ".query", "a query without a # (%23 is one of its own)", query)

    return {
        method = method,
        path = path,
        query = query:gsub("^%?", ""),
        headers = readHeaders(value, place),
        body = readBody(value, place),
    }
end

local function readResponse(value, place)
    object(value, place, { "body", "bodyBase64", "delay", "headers", "headersBase64", "json", "status", "truncated" })

    local status = statusAt(value.status, place .. ".status")
    local headers = readHeaders(value, place)

    if value.json ~= nil and not headers["content-type"] then
        headers["content-type"] = "application/json"
    end
    return {
        status = status,
        headers = headers,
        body = readBody(value, place) or "",
        truncated = optional(value.truncated, place .. ".truncated", "boolean", "true or false", false),
        delay = seconds(value.delay, place .. ".delay"),
    }
end

local function readError(value, place)
    object(value, place, { "delay", "kind", "message", "sent", "status" })

    local kind, sent = value.kind, value.sent
    want(type(kind) == "string" and KINDS[kind] ~= nil, place .. ".kind", KIND_LIST, kind)
    if sent == nil and KINDS[kind] ~= "ask" then
        sent = KINDS[kind]
    end
    want(type(sent) == "boolean", place .. ".sent", "true or false (had the request gone out?)", sent)
    return {
        kind = kind,
        sent = sent,
        message = optional(value.message, place .. ".message", "string", "a string"),
        status = value.status ~= nil and statusAt(value.status, place .. ".status") or nil,
        delay = seconds(value.delay, place .. ".delay"),
    }
end

local function readInteraction(value, index)
    local place = ("interactions[%d]"):format(index)

    object(value, place, { "error", "request", "response" })
    if (value.response == nil) == (value.error == nil) then
        fail(place, 'expected either "response" or "error", got %s', value.error == nil and "neither" or "both")
    end
    return {
        index = index,
        request = readRequest(value.request, place .. ".request"),
        response = value.response ~= nil and readResponse(value.response, place .. ".response") or nil,
        error = value.error ~= nil and readError(value.error, place .. ".error") or nil,
    }
end

local function readDocument(document)
    local version = type(document) == "table" and document.version

    -- First of all: another version may have other fields.
    if version and version ~= file.VERSION then
        fail("version", "expected %d, the version that this kataven-lua reads, got %s", file.VERSION,
            json.describe(version))
    end
    object(document, nil, { "interactions", "version" })
    want(version, "version", tostring(file.VERSION), version)

    local list = document.interactions
    local interactions = {}

    want(type(list) == "table" and json.isArray(list), "interactions", "an array", list)
    for i = 1, #list do
        interactions[i] = readInteraction(list[i], i)
    end
    return interactions
end

--- Checks a request in the form of a file, as a user's `redact` leaves it, and
--- gives it in the form that a transport gets. Raises what is wrong.
---@param interaction table
---@return table request
function file.request(interaction)
    local ok, result = pcall(readRequest, interaction.request, "request")

    if not ok then
        error("redact left a request that cannot be compared: " .. tostring(result.problem or result), 0)
    end
    result.url = "?" .. result.query
    return result
end

--- Takes a cassette's text apart and checks all of it.
---@param text string
---@return kataven.cassette.Interaction[]|nil
---@return string|nil problem what is wrong, and where in the text
function file.parse(text)
    local document, message = json.decodeExact(text)

    if document == nil then
        return nil, json.inLines(text, message)
    end

    local ok, result = pcall(readDocument, document)
    if ok then
        return result
    elseif type(result) == "table" and result.problem then
        return nil, result.problem
    end
    error(result, 0)
end

-- ENOENT, the same number on every system that Lua runs on.
local NO_SUCH_FILE = 2

--- Reads a whole file.
---@param path string
---@return string|nil text
---@return string|nil problem when it cannot be read
---@return boolean|nil absent is that because there is no such file?
function file.read(path)
    -- A device may have no end, and a pipe no writer.
    if core.isFile(path) == false then
        return nil, path .. ": it is not a regular file"
    end
    local open = globals.member("io", "open")
    if not open then
        return nil, path .. ": this host grants no io.open"
    end
    local handle, message, code = open(path, "rb")

    if not handle then
        return nil, message, code == NO_SUCH_FILE
    end
    local text
    text, message = handle:read("*a")
    handle:close()
    if not text then
        return nil, path .. ": " .. tostring(message)
    end
    return text
end

return file
