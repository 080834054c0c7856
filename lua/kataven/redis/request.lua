--- An entry of the stream as a call: what the functions inside Redis wrote, or a
--- script of somebody's own.

local core = require "kataven.core"

local request = {}

---@class kataven.redis.Request
---@field method "list"|"create"|"update"|"delete"
---@field kind "read"|"write"
---@field id? string the widget key's
---@field body? table create's input, or update's patch
---@field timeout? number seconds, of each attempt
---@field deadline? number seconds, counted from when it was queued

local KINDS = { list = "read", create = "write", update = "write", delete = "write" }
local KNOWN = { method = true, id = true, body = true, timeout = true, deadline = true }
local WITH_ID = { update = true, delete = true }
local WITH_BODY = { create = true, update = true }

-- A number of seconds, or nil and a problem.
local function seconds(name, text)
    local value = text and text:find "^[%d.e+-]+$" and tonumber(text)
    if text and not (value and value > 0 and value < math.huge) then
        return nil, ("%s must be a finite number greater than 0"):format(name)
    end
    return value
end

--- Reads the names and values of an entry. What the API's own method would
--- refuse is left to it.
---@param fields string[] as Redis gives them: name, value, name, value
---@return kataven.redis.Request?
---@return string? problem
function request.read(fields)
    local given = {}
    for index = 1, #fields, 2 do
        local name = fields[index]
        if not KNOWN[name] then
            return nil, ("unknown field %q in the entry; known are method, id, body, timeout, deadline"):format(name)
        end
        given[name] = fields[index + 1]
    end
    local method = given.method
    if not KINDS[method] then
        return nil, ("the entry's method must be list, create, update or delete, got %s"):format(
            method and ("%q"):format(method) or "none")
    elseif (WITH_ID[method] or false) ~= (given.id ~= nil) then
        return nil, ("an entry of %s has %s id"):format(method, WITH_ID[method] and "an" or "no")
    elseif (WITH_BODY[method] or false) ~= (given.body ~= nil) then
        return nil, ("an entry of %s has %s body"):format(method, WITH_BODY[method] and "a" or "no")
    end
    local self = { method = method, kind = KINDS[method], id = given.id }
    local problem
    for _, name in ipairs { "timeout", "deadline" } do
        self[name], problem = seconds(name, given[name])
        if problem then
            return nil, problem
        end
    end
    if given.body then
        local value, top = core.decode(given.body, true)
        if value == nil or top ~= "{" then
            return nil, ("the entry's body must be a JSON object: %s"):format(value == nil and top or "it is none")
        end
        self.body = value
    end
    return self
end

--- What can be told of an entry without reading it: of which call it is, if of
--- any, for the words that give it up.
---@param fields string[]
---@return { method?: string, id?: string, kind: "read" } of no use to send it
function request.outline(fields)
    local self = { kind = "read" }
    for index = 1, #fields, 2 do
        local name, value = fields[index], fields[index + 1]
        if name == "id" or name == "method" and KINDS[value] then
            self[name] = value
        end
    end
    return self
end

--- Carries it out. Raises a text where the arguments are wrong; gives what the
--- client's method gives otherwise.
---@param self kataven.redis.Request
---@param client kataven.Client
---@param options kataven.CallOptions
---@return any value
---@return table meta_or_error
function request.send(self, client, options)
    local keys = client.widgetKeys
    if self.method == "list" then
        return keys.list(options)
    elseif self.method == "create" then
        return keys.create(self.body, options)
    elseif self.method == "update" then
        return keys.update(self.id, self.body, options)
    end
    return keys.delete(self.id, options)
end

return request
