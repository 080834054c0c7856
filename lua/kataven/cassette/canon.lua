--- What a request is compared by: its parts in one canonical form, the same for
--- a request that comes in and for one that a file holds, secrets hidden in both.
--- Every form here is its own canonical form, which `match` relies on.

local core = require "kataven.core"
local json = require "kataven.cassette.json"
local redact = require "kataven.redact"

local canon = {}

---@class kataven.cassette.Canon
---@field method string
---@field path string
---@field query string sorted; "" when there is none
---@field headers table<string, string> the compared ones, by lower-case name
---@field body string "" when there is none
---@field json boolean is the body canonical JSON?

---@alias kataven.cassette.Scrub fun(text: string): string

-- RFC 3986 section 6.2.2: an unreserved character means the same when encoded,
-- and the digits of an encoding are upper-case.
local function normalByte(hex)
    local char = string.char(tonumber(hex, 16))

    return char:find("^[A-Za-z0-9._~-]$") and char or "%" .. hex:upper()
end

--- A path or query with its percent-encoding in normal form. A masked secret
--- that a replay's client was given, and encodes in turn, reads as it was recorded.
---@param text string
---@return string
function canon.percent(text)
    if text:find("[\128-\255]") then
        text = text:gsub("[\128-\255]", function(char)
            return ("%%%02X"):format(char:byte())
        end)
    end
    if not text:find("%", 1, true) then
        return text
    end
    return (text:gsub("%%(%x%x)", normalByte):gsub("%%5Bredacted%%5D", redact.MASK))
end

--- A path or query in normal form, its secrets hidden.
---@param text string
---@param scrub kataven.cassette.Scrub
---@return string
function canon.hide(text, scrub)
    return scrub(canon.percent(text))
end

--- The pairs of a query in bytewise order, `&` between them.
---@param query string without the question mark
---@param scrub kataven.cassette.Scrub
---@return string
function canon.query(query, scrub)
    local pairsOf = {}

    for pair in canon.hide(query, scrub):gmatch("[^&]+") do
        pairsOf[#pairsOf + 1] = pair
    end
    table.sort(pairsOf)
    return table.concat(pairsOf, "&")
end

--- The query of a URL, as it is written there.
---@param url string|nil
---@return string query "" when there is none
function canon.queryOf(url)
    local mark = url and url:find("?", 1, true)

    return mark and url:match("^[^#]*", mark + 1) or ""
end

--- A text as JSON can hold it: `?` for each byte beyond ASCII of what is not
--- UTF-8. Both sides of a comparison take this form, since older recordings kept
--- no other.
---@param text string
---@return string
function canon.asText(text)
    if not text:find("[\128-\255]") or core.encode(text) then
        return text
    end
    return (text:gsub("[\128-\255]", "?"))
end

--- The headers that are compared, lower-case names to scrubbed values
--- as a file can hold them.
---@param headers table<string, string>|nil names in any case
---@param names string[] the lower-case names to take
---@param scrub kataven.cassette.Scrub
---@return table<string, string>
function canon.headers(headers, names, scrub)
    local lower, taken = {}, {}

    if #names == 0 then
        return taken
    end
    for name, value in pairs(headers or {}) do
        lower[name:lower()] = value
    end
    for _, name in ipairs(names) do
        if lower[name] then
            taken[name] = canon.asText(redact.header(name, lower[name], scrub))
        end
    end
    return taken
end

-- Where there is a secret, the decoded value is scrubbed and encoded again, since
-- a name may sort elsewhere once it is hidden. The text tells whether there is one.
local function canonicalBody(body, scrub)
    local value, text

    if body ~= "" then
        value = json.decodeExact(body)
    end
    if value ~= nil then
        text = core.encode(value)
    end
    if text and scrub(text) ~= text then
        text = core.encode(redact.value(value, scrub))
    end
    if text then
        return text, true
    end
    return scrub(body), false
end

--- All parts of a request.
---@param request { method: string, path: string, headers: table<string, string>?, body: string? }
---@param query string its query, raw
---@param names string[] the lower-case names of the headers that count
---@param scrub kataven.cassette.Scrub
---@return kataven.cassette.Canon
function canon.of(request, query, names, scrub)
    local body, isJson = canonicalBody(request.body or "", scrub)

    return {
        method = request.method,
        path = canon.hide(request.path, scrub),
        query = canon.query(query, scrub),
        headers = canon.headers(request.headers, names, scrub),
        body = body,
        json = isJson,
    }
end

--- One string for everything but the body. A raw request's parts may be given:
--- the result is that of the canonical ones if and only if they are canonical.
---@param method string
---@param path string
---@param query string
---@param headers table<string, string>|nil only needed when there are names
---@param names string[]
---@return string
function canon.head(method, path, query, headers, names)
    local head = method .. " " .. path

    if query ~= "" then
        head = head .. "?" .. query
    end
    for _, name in ipairs(names) do
        head = head .. "\n" .. (headers[name] and "=" .. headers[name] or "")
    end
    return head
end

--- What hides the secrets of one request: every Kataven key, and the token in its
--- Authorization header. One redactor is kept, since a client has one token, and
--- in a closure, so that no dump of a cassette shows it.
---@return fun(headers: table<string, string>|nil): kataven.cassette.Scrub
function canon.scrubber()
    local known, scrub = nil, redact.keys

    return function(headers)
        local credentials

        for name, value in pairs(headers or {}) do
            if name:lower() == "authorization" then
                credentials = value
            end
        end
        if credentials ~= known then
            known = credentials
            scrub = redact.everything(credentials and (credentials:match("^%S+%s+(.*)$") or credentials))
        end
        return scrub
    end
end

return canon
