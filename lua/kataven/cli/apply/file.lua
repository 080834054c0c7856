--- Reads the file that says which widget keys an account is to have:
---
---     { "widget_keys": [ { "name": "acme.com", "domain_allowlist": ["acme.com"] } ] }
---
--- An entry has the fields of kataven.plan's wanted keys; `"agent_id": null` unpins.
--- All that is wrong with a file is told at once.

local check = require "kataven.check"
local core = require "kataven.core"
local json = require "kataven.cassette.json"
local wanted = require "kataven.plan.wanted"

local file = {}

--- The largest file that is read, in bytes.
file.LARGEST = 16 * 1024 * 1024

-- How many problems are told one by one.
local MOST = 100

local LIST = "widget_keys"
local SHAPE = '{ "widget_keys": [ { "name": "acme.com", ... } ] }'

---@type kataven.plan.Words
local JSON = {
    describe = json.describe,
    object = "an object",
    null = "null",
    isList = json.isArray,
    isObject = function(value)
        return not json.isArray(value)
    end,
}

-- The text of a file, of whatever can be read: a pipe is as good.
local function read(path, stdin)
    local handle, message = stdin, nil
    if path ~= "-" then
        handle, message = io.open(path, "rb")
    end
    if not handle then
        return nil, message
    end
    local text, why = handle:read(file.LARGEST + 1)
    if path ~= "-" then
        handle:close()
    end
    if not text then
        return nil, why and ("%s: %s"):format(path, why) or ("%s is empty; it is to hold %s"):format(path, SHAPE)
    elseif #text > file.LARGEST then
        return nil, ("%s is larger than %d MiB, the most that is read"):format(path, file.LARGEST / 1024 / 1024)
    end
    return text
end

-- Tells the line of a place in a text, and of later ones after it.
local function lineCounter(text)
    local line, counted = 1, 0
    return function(at)
        local _, more = text:sub(counted + 1, at):gsub("\n", "")
        line, counted = line + more, at
        return line
    end
end

-- Names that stand twice in one object: the decoder would take the last one, and
-- a reviewer may have read the first. The text is known to be good JSON.
local function repeated(text)
    local problems, open, at = {}, {}, 1
    local lineAt = lineCounter(text)
    while true do
        at = text:find('["{}%[%],]', at)
        if not at then
            return problems
        end
        local byte, inner = text:sub(at, at), open[#open]
        if byte == '"' then
            local start = at
            at = text:find('["\\]', at + 1)
            while text:byte(at) == 92 do
                at = text:find('["\\]', at + 2)
            end
            if inner and inner.wantsName then
                local name = core.decode(text:sub(start, at))
                if inner.names[name] then
                    problems[#problems + 1] = ("line %d: the field %s stands twice in one object"):format(
                        lineAt(start), check.name(name))
                end
                inner.names[name], inner.wantsName = true, false
            end
        elseif byte == "{" or byte == "[" then
            open[#open + 1] = { names = {}, isObject = byte == "{", wantsName = byte == "{" }
        elseif byte == "," then
            inner.wantsName = inner.isObject
        else
            open[#open] = nil
        end
        at = at + 1
    end
end

-- What the document says of itself, before its entries are looked at.
local function shapeProblems(document)
    if type(document) ~= "table" or json.isArray(document) then
        return { ("expected an object, %s, got %s"):format(SHAPE, json.describe(document)) }
    end
    local problems = {}
    for _, name in ipairs(json.names(document)) do
        if name ~= LIST then
            problems[#problems + 1] = ('unknown field %s beside "%s"; %s'):format(check.name(name), LIST,
                check.nearest(name, { LIST }) and ('did you mean "%s"?'):format(LIST)
                or "a file has no other")
        end
    end
    local list = document[LIST]
    if list == nil then
        problems[#problems + 1] = ('"%s" is missing: expected %s'):format(LIST, SHAPE)
    elseif type(list) ~= "table" or not json.isArray(list) then
        problems[#problems + 1] = ('"%s" must be an array, got %s'):format(LIST, json.describe(list))
    end
    return problems
end

--- Takes a text apart, and checks all of it.
---@param text string
---@return kataven.Wanted[]? list nil where something is wrong
---@return string[]? problems
function file.parse(text)
    local document, message = json.decodeExact(text)
    if document == nil then
        return nil, { json.inLines(text, message) }
    end
    local problems = shapeProblems(document)
    local list = type(document) == "table" and document[LIST]
    if type(list) == "table" and json.isArray(list) then
        for _, problem in ipairs(wanted.problems(list, JSON)) do
            problems[#problems + 1] = problem
        end
    end
    for _, problem in ipairs(repeated(text)) do
        problems[#problems + 1] = problem
    end
    if #problems > 0 then
        return nil, problems
    end
    return list
end

--- Reads a file, `-` for standard input.
---@param path string
---@param stdin? file*
---@return kataven.Wanted[]? list nil where something is wrong
---@return string? problem
---@return string[]? details where there are several problems: each of them
function file.read(path, stdin)
    local text, message = read(path, stdin)
    if not text then
        return nil, message
    end
    local list, problems = file.parse(text)
    if list then
        return list
    end
    local from = path == "-" and "standard input" or path
    if #problems == 1 then
        return nil, ("%s: %s"):format(from, problems[1])
    end
    local count = #problems
    if count > MOST then
        for index = count, MOST + 1, -1 do
            problems[index] = nil
        end
        problems[MOST + 1] = ("and %d more"):format(count - MOST)
    end
    return nil, ("%s: %d problems; nothing was sent, so mend them and apply again"):format(from, count), problems
end

return file
