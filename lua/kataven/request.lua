--- Reads the table of `client:request`.

local answer = require "kataven.answer"
local check = require "kataven.check"
local core = require "kataven.core"
local options = require "kataven.options"
local redact = require "kataven.redact"

---@class kataven.RequestOptions: kataven.CallOptions
---@field path string the specification's path, such as "/api/v1/widget-keys"
---@field method? string GET where it is not given
---@field query? table<string, string|number|boolean|table> an array repeats its name
---@field body? table|string a table becomes JSON (`{}` an object); a string is sent unchanged

local KNOWN = { "method", "path", "query", "body" }

local request = {}

local function queryValue(value)
    local kind = type(value)
    if kind == "string" or kind == "boolean" then
        return tostring(value)
    elseif kind == "number" and value == value and value - value == 0 then
        -- 25.0 goes out as 25, on every Lua.
        return core.encode(value)
    end
end

-- The values of one name as an array of our own; nil where a table is none.
local function valuesOf(given)
    if type(given) ~= "table" then
        return { given }
    end
    local values, count = {}, 0
    for _ in next, given do
        count = count + 1
        values[count] = rawget(given, count)
        if values[count] == nil then
            return nil
        end
    end
    return values
end

-- A query, sorted by name, as text without its question mark; or a problem.
local function queryText(query)
    if type(query) ~= "table" then
        return nil, ("query must be a table of names and values, got %s"):format(check.describe(query))
    end
    local problem = check.hidden("query", query)
    if problem then
        return nil, problem
    end
    local names, parts = {}, {}
    for name in next, query do
        if type(name) ~= "string" then
            return nil, ("query must have names as keys, got %s"):format(check.describe(name))
        end
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local given = rawget(query, name)
        problem = check.hidden(("query[%s]"):format(check.name(name)), given)
        if problem then
            return nil, problem
        end
        for _, value in ipairs(valuesOf(given) or { given }) do
            local text = queryValue(value)
            if not text then
                return nil, ("query[%s] must be a string, a number, a boolean or an array of them, got %s"):format(
                    check.name(name), check.describe(value))
            end
            parts[#parts + 1] = core.escape(name) .. "=" .. core.escape(text)
        end
    end
    return table.concat(parts, "&")
end

local function bodyText(body)
    if body == nil or type(body) == "string" then
        return body
    elseif type(body) ~= "table" then
        return nil, ("body must be a table or a string of JSON, got %s"):format(check.describe(body))
    end
    local text, place, why = core.encode(body)
    if not text then
        place = redact.keys(place)
        return nil, ("body%s %s"):format(place ~= "" and (place:sub(1, 1) == "[" and "" or ".") .. place or "", why)
    end
    return text
end

local function methodText(method)
    if method == nil then
        return "GET"
    elseif type(method) ~= "string" or not method:find("^%a[%a%-]*$") then
        return nil, ("method must be a word such as GET or POST, got %s"):format(check.describe(method))
    end
    return method:upper()
end

--- What to send, or a problem.
---@param given any
---@return { method: string, path: string, query?: string, body?: string, expect: function }? spec
---@return string? problem
function request.read(given)
    if type(given) ~= "table" then
        return nil, ("client:request takes a table { path = ... }, got %s"):format(check.describe(given))
    end
    local problem = check.hidden("the table of client:request", given) or options.callProblem(given, KNOWN)
    if problem then
        return nil, problem
    end
    if type(given.path) ~= "string" then
        return nil, ("path must be a string such as /api/v1/widget-keys, got %s"):format(check.describe(given.path))
    end
    local spec = { expect = answer.any }
    spec.method, problem = methodText(given.method)
    if problem then
        return nil, problem
    end
    spec.body, problem = bodyText(given.body)
    if problem then
        return nil, problem
    end
    if spec.body and spec.method == "HEAD" then
        return nil, "a HEAD request has no body: leave body out, or use another method"
    end
    local path, query = given.path:match("^([^?]*)%??(.*)$")
    if given.query ~= nil then
        local text
        text, problem = queryText(given.query)
        if problem then
            return nil, problem
        end
        query = query ~= "" and text ~= "" and query .. "&" .. text or query .. text
    end
    spec.path = path
    spec.query = query ~= "" and query or nil
    return spec
end

return request
