--- kataven: the Kataven Hub API's widget keys from Lua.
---
---     local kataven = require "kataven"
---     local client  = kataven.new { apiKey = "sk_live_acme_..." }
---     local keys    = kataven.assert(client.widgetKeys.list())

-- The core asks for cjson too; but a sandbox's `require` may be hidden from C. Where
-- it does not load, the core says what to do; but not where memory has run out, since
-- a second `require` would call that a loop.
local found, missing = pcall(require, "cjson")
if not found and missing == "not enough memory" then
    error(missing, 0)
end

local canceller = require "kataven.canceller"
local check = require "kataven.check"
local client = require "kataven.client"
local core = require "kataven.core"
local errors = require "kataven.errors"
local globals = require "kataven.globals"
local options = require "kataven.options"
local plaintext = require "kataven.plaintext"
local plan = require "kataven.plan"

---@class kataven
---@field null userdata sends JSON's null, and stands for it inside arrays
---@field cassette kataven.cassette the recorded-response transport
local kataven = {
    _VERSION = require "kataven.version",
    null = core.null,
}

--- Makes a client. Raises when an option is wrong or unknown. Opens no
--- connection, and does not initialise libcurl before the first call.
---@param given? kataven.Options explicit, else environment, else default
---@return kataven.Client
function kataven.new(given)
    if given == kataven then
        error("call it with a dot: kataven.new { ... }", 2)
    end
    local resolved, problem = options.client(given)
    if not resolved then
        error(problem, 2)
    end
    local made = client.new(resolved)
    return made
end

--- Gives back what a call gave, or raises its error, as the Node client throws:
--- `kataven.assert(client.widgetKeys.list())`. Unlike `assert` it raises the
--- error table on every Lua, and lets a decoded `false` through.
---@generic T
---@param value T?
---@param result any
---@return T
---@return kataven.Meta
function kataven.assert(value, result, ...)
    if value == nil or value == false and (result == nil or errors.isError(result)) then
        error(result == nil and "assertion failed!" or result, 0)
    end
    return value, result, ...
end

--- Returns the plaintext in what `create` returned: the string that begins with
--- `pk_live_`, whatever its field's name; or nil. As a second value it returns the secret
--- key (`sk_live_…`) that the answer pairs with it, if there is one: that is for a backend
--- only. Both are shown this once and never again. In a replay they read
--- `pk_live_[redacted]` and `sk_live_[redacted]`, since no cassette holds a key.
---@param key kataven.WidgetKey
---@param err? kataven.Error what a failed `create` returned beside its nil, for the message
---@return string? plaintext
---@return string? secretKey
function kataven.plaintext(key, err)
    if key == kataven then
        error("call it with a dot: kataven.plaintext(key)", 2)
    elseif errors.isError(key) or key == nil and errors.isError(err) then
        error("kataven.plaintext takes the key that create returned, and the call failed: "
            .. tostring(key or err), 2)
    elseif type(key) ~= "table" then
        error("kataven.plaintext takes the key that create returned, a table, got " .. check.describe(key), 2)
    end
    local hidden = check.hidden("the key", key)
    if hidden then
        error("kataven.plaintext: " .. hidden, 2)
    end
    return plaintext.of(key)
end

--- Marks a table as a JSON array, so that an empty one is sent as `[]`. Needed
--- in bodies for client:request only; a domain_allowlist always is one.
---@generic T: table
---@param list T
---@return T the same table
function kataven.array(list)
    if type(list) ~= "table" then
        error(("kataven.array takes a table, got %s"):format(check.describe(list)), 2)
    elseif getmetatable(list) ~= nil and not core.isArray(list) then
        error("kataven.array takes a plain table, but this one has a metatable", 2)
    end
    return core.array(list)
end

--- Makes a canceller: pass it to calls as their `cancel`, and end them all with
--- `:cancel()`.
---@return kataven.Canceller
function kataven.canceller()
    return canceller.new()
end

--- What has to be done to make an account look like a list of wanted keys: a
--- plan, which is carried out with `create(change.input)` for each change that is
--- a create, and `update(change.id, change.patch)` for every other. Makes no calls.
--- Raises where the wanted keys are no good. Errors: PlanError where a wanted name
--- has several live keys; `err.conflicts` has them. In place of options it takes what
--- `list()` gives beside its value, so that `kataven.plan(wanted, list())` does as one
--- would think: where the list failed, its error comes back.
---@param wanted kataven.Wanted[] by unique name; absent fields are left alone
---@param current kataven.WidgetKey[]? what `widgetKeys.list()` gave
---@param given? kataven.PlanOptions|kataven.Meta|kataven.Error
---@return kataven.Plan? plan nil on failure
---@return kataven.Error?
function kataven.plan(wanted, current, given)
    local made, problem = plan.of(wanted, current, given)
    if type(problem) == "string" then
        error(problem, 2)
    end
    return made, problem
end

-- Loaded when first used: it is for tests, and costs nothing elsewhere.
return setmetatable(kataven, {
    __index = function(self, name)
        if name == "cassette" then
            local cassette = globals.require "kataven.cassette"
            rawset(self, name, cassette)
            return cassette
        end
    end,
})
