--- What an answer's body is, and what the API promised it to be.

local core = require "kataven.core"
local check = require "kataven.check"

local answer = {}

local LONGEST_CODING = 100
-- A value in Lua's tables takes several times the memory that it took in the text, if it is a small one.
local BYTES_PER_VALUE = 16

--- The most JSON values that an answer may hold.
---@param maxResponseBytes number
---@return number
function answer.mostValues(maxResponseBytes)
    return math.max(1, math.floor(maxResponseBytes / BYTES_PER_VALUE))
end

---@class kataven.Answer
---@field form "empty"|"json"|"text"|"broken"|"crowded"|"coded"
---@field value any decoded, where the form is "json"
---@field top string the first byte of the JSON text
---@field rows boolean it is an array of nothing but objects
---@field problem? string what is wrong with it, where it is not JSON

-- Without parameters, in lower case.
local function mediaType(header)
    return header and header:match("^%s*([^;%s]*)"):lower() or nil
end

local function namesJson(kind)
    return kind == "application/json" or kind:find("%+json$") ~= nil
end

--- Whether a Content-Type says that the body is JSON.
---@param header string|nil
---@return boolean
function answer.isJson(header)
    local kind = mediaType(header)
    return kind ~= nil and namesJson(kind)
end

--- The codings of a body that cannot be read as it came: every one but identity.
---@param response kataven.Response
---@return string? codings as they may stand in a message
function answer.coding(response)
    local header = response.headers["content-encoding"]
    if not header or response.body == "" then
        return nil
    end
    local codings = {}
    for coding in header:gmatch "[^,%s%c]+" do
        if coding:lower() ~= "identity" then
            codings[#codings + 1] = coding
        end
    end
    return codings[1] and table.concat(codings, ", "):sub(1, LONGEST_CODING) or nil
end

--- Reads a body: as JSON where its Content-Type says so, or says nothing and it
--- is JSON.
---@param response kataven.Response
---@param most number values that it may hold
---@param always? boolean try whatever the Content-Type says
---@return kataven.Answer
function answer.read(response, most, always)
    local kind = mediaType(response.headers["content-type"])
    local declared = kind ~= nil and namesJson(kind)
    if not response.body:find("%S") then
        return { form = "empty" }
    end
    local coding = answer.coding(response)
    if kind and not declared and not always and not coding then
        return { form = "text" }
    end
    local value, top, rows = core.decode(response.body, false, most)
    if value == nil and rows then
        return { form = "crowded", problem = ("the answer holds more than %.0f JSON values, one for each %d bytes of"
            .. " maxResponseBytes; a larger maxResponseBytes lets it through"):format(most, BYTES_PER_VALUE) }
    elseif value == nil and coding then
        return { form = "coded", problem = ("a body with the Content-Encoding %s (none was asked for: have the "
            .. "server, or a proxy before it, send it as it is)"):format(coding) }
    elseif value == nil then
        if declared then
            return { form = "broken", problem = "broken JSON: " .. top }
        end
        return { form = "text", problem = kind and "not JSON but " .. kind or "not JSON: " .. top }
    end
    return { form = "json", value = value, top = top, rows = rows }
end

-- nil, and how what was read differs from what was promised.
local function refused(read, promised)
    local found
    if read.form == "crowded" then
        return nil, read.problem
    elseif read.form == "empty" then
        found = "an empty body"
    elseif read.form ~= "json" then
        found = read.problem
    elseif read.value == core.null then
        found = "null"
    elseif type(read.value) == "table" then
        found = read.top == "[" and "an array" or "an object"
    else
        found = check.kind(read.value)
    end
    return nil, ("the answer is %s where %s is promised"):format(found, promised)
end

--- GET of the collection: an array of objects; null counts as none.
function answer.array(response, most)
    local read = answer.read(response, most, true)
    if read.form ~= "json" or read.top ~= "[" and read.value ~= core.null then
        return refused(read, "a JSON array")
    elseif read.value == core.null then
        return {}
    elseif read.rows then
        return read.value
    end
    for index, item in ipairs(read.value) do
        if type(item) ~= "table" or item[1] ~= nil then
            return nil, ("item %d of the array is %s where an object is promised"):format(
                index, type(item) == "table" and "an array" or check.kind(item))
        end
    end
    -- It looks like an object, once it is a table.
    return nil, "an item of the array is an empty array where an object is promised"
end

--- POST and PATCH: an object.
function answer.object(response, most)
    local read = answer.read(response, most, true)
    if read.form ~= "json" or read.top ~= "{" then
        return refused(read, "a JSON object")
    end
    return read.value
end

--- DELETE, where a body is not promised: the object that came, or true. What
--- means to be an object or an array, and is none that can be read, is refused.
function answer.objectOrTrue(response, most)
    local read = answer.read(response, most, true)
    if read.form == "json" and read.top == "{" then
        return read.value
    elseif read.form == "empty" or read.form == "text" or read.form == "coded" or read.value == core.null
        or type(read.value) == "boolean"
        or read.form == "broken" and not response.body:find("^%s*[%[{]") then
        return true
    end
    return refused(read, "a JSON object or nothing")
end

--- Any endpoint: the value, true for an empty body, the text where it is none.
function answer.any(response, most)
    local read = answer.read(response, most)
    if read.form == "json" then
        return read.value
    elseif read.form == "empty" then
        return true
    elseif read.form == "text" then
        return response.body
    end
    return nil, read.form == "crowded" and read.problem or "the answer is " .. read.problem
end

return answer
