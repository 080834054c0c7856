--- What an answer's body is, and what the API promised it to be.

local core = require "kataven.core"
local check = require "kataven.check"

local answer = {}

local LONGEST_CODING = 100

---@class kataven.Answer
---@field form "empty"|"json"|"text"|"broken"|"coded"
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
---@param always? boolean try whatever the Content-Type says
---@return kataven.Answer
function answer.read(response, always)
    local kind = mediaType(response.headers["content-type"])
    local declared = kind ~= nil and namesJson(kind)
    if not response.body:find("%S") then
        return { form = "empty" }
    end
    local coding = answer.coding(response)
    if coding then
        return { form = "coded", problem = ("a body with the Content-Encoding %s (none was asked for: have the "
            .. "server, or a proxy before it, send it as it is)"):format(coding) }
    elseif kind and not declared and not always then
        return { form = "text" }
    end
    local value, top, rows = core.decode(response.body)
    if value == nil then
        if declared then
            return { form = "broken", problem = "broken JSON: " .. top }
        end
        return { form = "text", problem = kind and "not JSON but " .. kind or "not JSON: " .. top }
    end
    return { form = "json", value = value, top = top, rows = rows }
end

local function found(read)
    if read.form == "empty" then
        return "an empty body"
    elseif read.form ~= "json" then
        return read.problem
    elseif read.value == core.null then
        return "null"
    elseif type(read.value) == "table" then
        return read.top == "[" and "an array" or "an object"
    end
    return check.kind(read.value)
end

--- GET of the collection: an array of objects; null counts as none.
function answer.array(response)
    local read = answer.read(response, true)
    if read.form ~= "json" or read.top ~= "[" and read.value ~= core.null then
        return nil, ("the answer is %s where a JSON array is promised"):format(found(read))
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
function answer.object(response)
    local read = answer.read(response, true)
    if read.form ~= "json" or read.top ~= "{" then
        return nil, ("the answer is %s where a JSON object is promised"):format(found(read))
    end
    return read.value
end

--- DELETE, where a body is not promised: the object that came, or true. What
--- means to be an object or an array, and is none that can be read, is refused.
function answer.objectOrTrue(response)
    local read = answer.read(response, true)
    if read.form == "json" and read.top == "{" then
        return read.value
    elseif read.form == "empty" or read.form == "text" or read.form == "coded" or read.value == core.null
        or type(read.value) == "boolean"
        or read.form == "broken" and not response.body:find("^%s*[%[{]") then
        return true
    end
    return nil, ("the answer is %s where a JSON object or nothing is promised"):format(found(read))
end

--- Any endpoint: the value, true for an empty body, the text where it is none.
function answer.any(response)
    local read = answer.read(response)
    if read.form == "json" then
        return read.value
    elseif read.form == "empty" then
        return true
    elseif read.form == "text" then
        return response.body
    end
    return nil, "the answer is " .. read.problem
end

return answer
