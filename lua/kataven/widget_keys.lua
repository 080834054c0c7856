--- The four methods of the Node client's `widgetKeys`.

local answer = require "kataven.answer"
local check = require "kataven.check"
local core = require "kataven.core"
local options = require "kataven.options"

local COLLECTION = "/api/v1/widget-keys"
local CREATE_FIELDS = { "name", "domain_allowlist", "agent_id" }
local UPDATE_FIELDS = { "name", "domain_allowlist", "agent_id", "disabled" }
local CALL_OPTIONS = { timeout = true, deadline = true, retry = true, headers = true, cancel = true }

---@class kataven.WidgetKey one key's metadata; fields that are not listed here are passed through
---@field id string the row's id, for update and delete
---@field name string
---@field domain_allowlist string[] origins that may load the widget; an empty one blocks the key
---@field agent_id? string absent when no agent is pinned
---@field created_at? string
---@field disabled_at? string absent while the key is live
---@field [string] any

---@class kataven.WidgetKeyInput
---@field name string
---@field domain_allowlist? string[] `{}` blocks the key
---@field agent_id? string|userdata an agent's id, or kataven.null

---@class kataven.WidgetKeyPatch
---@field name? string
---@field domain_allowlist? string[] replaces the whole list; `{}` blocks the key
---@field agent_id? string|userdata an agent's id; kataven.null unpins
---@field disabled? boolean true revokes the key

---@class kataven.CallOptions
---@field timeout? number seconds for each attempt
---@field deadline? number seconds for the whole call: queue, attempts and waits
---@field retry? boolean|kataven.RetryOptions laid over the client's
---@field headers? table<string, string>
---@field cancel? kataven.Canceller

---@class kataven.Meta
---@field status integer
---@field headers table<string, string> names in lower case
---@field requestId? string the answer's x-request-id
---@field attempts integer
---@field elapsed number seconds

-- A copy of an allowlist that is marked as an array, or a problem.
local function allowlist(list)
    if type(list) ~= "table" then
        local hint = type(list) == "string" and ': write a table, { "..." }' or ""
        return nil, ("domain_allowlist must be an array of strings, got %s%s"):format(check.describe(list), hint)
    end
    local problem = check.hidden("domain_allowlist", list)
    if problem then
        return nil, problem
    end
    local copy, count = {}, 0
    for key in next, list do
        count = count + 1
        if type(key) ~= "number" or key % 1 ~= 0 or key < 1 then
            return nil, ("domain_allowlist must be an array of strings, got the key %s"):format(check.describe(key))
        end
    end
    for index = 1, count do
        local entry = rawget(list, index)
        if entry == nil then
            return nil, ("domain_allowlist must be an array of strings, but entry %d is missing"):format(index)
        elseif type(entry) ~= "string" then
            return nil, ("domain_allowlist[%d] must be a string, got %s"):format(index, check.describe(entry))
        end
        copy[index] = entry
    end
    return core.array(copy)
end

-- The JSON of create's input or update's patch, or a problem.
local function body(given, known, method)
    if type(given) ~= "table" then
        return nil, ("widgetKeys.%s takes a table of fields (%s), got %s"):format(
            method, table.concat(known, ", "), check.describe(given))
    end
    local problem = check.hidden("the table of a key's fields", given)
    if problem then
        return nil, problem
    end
    problem = check.unknown(given, known, "field")
    if problem then
        for key in next, given do
            if CALL_OPTIONS[key] then
                problem = ("unknown field %q: the options of a call go into a table of their own, the last argument")
                    :format(key)
            elseif key == "disabled" then
                problem = 'unknown field "disabled": a key is born live; widgetKeys.update can revoke it'
            end
        end
        return nil, problem
    end
    local fields = { name = given.name, agent_id = given.agent_id, disabled = given.disabled }
    if given.agent_id ~= nil and given.agent_id ~= core.null and type(given.agent_id) ~= "string" then
        return nil, ("agent_id must be a string or kataven.null, got %s"):format(check.describe(given.agent_id))
    end
    problem = check.type("name", given.name, "string") or check.type("disabled", given.disabled, "boolean")
    if problem then
        return nil, problem
    end
    if given.domain_allowlist ~= nil then
        fields.domain_allowlist, problem = allowlist(given.domain_allowlist)
        if problem then
            return nil, problem
        end
    end
    local text, place, why = core.encode(fields)
    if not text then
        return nil, ("%s %s"):format(place, why)
    end
    return text
end

-- The path of one key, or a problem.
local function itemPath(id, method)
    if type(id) ~= "string" then
        return nil, ("widgetKeys.%s takes a key's id as its first argument, a string, got %s"):format(
            method, check.describe(id))
    elseif id == "" then
        return nil, "id is empty: it must be the id of a key, as list gives it"
    elseif id == "." or id == ".." then
        return nil, ("id must not be %q, which a server may read as another path"):format(id)
    elseif check.hasControl(id) then
        return nil, "id holds a control character: it must be the id of a key, as list gives it"
    end
    return COLLECTION .. "/" .. core.escape(id)
end

---@class kataven.WidgetKeys
---@field list fun(options?: kataven.CallOptions): kataven.WidgetKey[]?, kataven.Meta|kataven.Error
---@field create fun(input: kataven.WidgetKeyInput, options?: kataven.CallOptions): kataven.WidgetKey?, kataven.Meta|kataven.Error
---@field update fun(id: string, patch: kataven.WidgetKeyPatch, options?: kataven.CallOptions): kataven.WidgetKey?, kataven.Meta|kataven.Error
---@field delete fun(id: string, options?: kataven.CallOptions): kataven.WidgetKey|true|nil, kataven.Meta|kataven.Error

--- The methods over a client's way to send: `send(spec, options)`. All of them
--- take a colon as well as a dot, and raise misuse at their caller's line.
---@param send fun(spec: table, options?: table): any, table
---@return kataven.WidgetKeys
return function(send)
    local widgetKeys = {}

    --- GET /api/v1/widget-keys: every widget key of the account, without the
    --- plaintext. Errors: BadRequestError, AuthenticationError, ServerError.
    ---@param given? kataven.CallOptions
    ---@return kataven.WidgetKey[]? keys empty when there are none; nil on failure
    ---@return kataven.Meta|kataven.Error
    function widgetKeys.list(given, ...)
        if given == widgetKeys then
            given = ...
        end
        local problem = options.callProblem(given)
        if problem then
            error(problem, 2)
        end
        local value, result = send({ method = "GET", path = COLLECTION, expect = answer.array, top = "[" }, given)
        return value, result
    end

    --- POST /api/v1/widget-keys: mints a key. The answer holds the plaintext
    --- (see kataven.plaintext), this once and never again. Never
    --- sent twice; see maybeApplied for a lost answer. Errors: BadRequestError,
    --- AuthenticationError, ServerError.
    ---@param input kataven.WidgetKeyInput
    ---@param given? kataven.CallOptions
    ---@return kataven.WidgetKey? key nil on failure
    ---@return kataven.Meta|kataven.Error
    function widgetKeys.create(input, given, ...)
        if input == widgetKeys then
            input, given = given, ...
        end
        local problem = options.callProblem(given)
        local text
        if not problem then
            text, problem = body(input, CREATE_FIELDS, "create")
        end
        if not problem and input.name == nil then
            problem = "name is missing: widgetKeys.create needs { name = \"...\" }"
        end
        if problem then
            error(problem, 2)
        end
        local value, result = send(
            { method = "POST", path = COLLECTION, body = text, expect = answer.object, top = "{" }, given)
        return value, result
    end

    --- PATCH /api/v1/widget-keys/{id}: renames, replaces the allowlist, pins or
    --- unpins the agent, revokes. Errors: BadRequestError, AuthenticationError,
    --- NotFoundError, ServerError.
    ---@param id string
    ---@param patch kataven.WidgetKeyPatch
    ---@param given? kataven.CallOptions
    ---@return kataven.WidgetKey? key as it is now; nil on failure
    ---@return kataven.Meta|kataven.Error
    function widgetKeys.update(id, patch, given, ...)
        if id == widgetKeys then
            id, patch, given = patch, given, ...
        end
        local problem = options.callProblem(given)
        local path, text
        if not problem then
            path, problem = itemPath(id, "update")
        end
        if not problem then
            text, problem = body(patch, UPDATE_FIELDS, "update")
        end
        if problem then
            error(problem, 2)
        end
        local value, result = send(
            { method = "PATCH", path = path, body = text, expect = answer.object, top = "{" }, given)
        return value, result
    end

    --- DELETE /api/v1/widget-keys/{id}: removes a key that was never used, and
    --- disables any other. Errors: AuthenticationError, NotFoundError,
    --- ServerError.
    ---@param id string
    ---@param given? kataven.CallOptions
    ---@return kataven.WidgetKey|true|nil deleted the object that the server sent, or true; nil on failure
    ---@return kataven.Meta|kataven.Error
    function widgetKeys.delete(id, given, ...)
        if id == widgetKeys then
            id, given = given, ...
        end
        local problem = options.callProblem(given)
        local path
        if not problem then
            path, problem = itemPath(id, "delete")
        end
        if problem then
            error(problem, 2)
        end
        local value, result = send({ method = "DELETE", path = path, expect = answer.objectOrTrue, top = "{" }, given)
        return value, result
    end

    return widgetKeys
end
