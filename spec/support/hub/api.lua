-- The published API: who may call, which path means what, and the answer to each. No sockets here: a request and an
-- answer are plain tables, `{method, path, headers, body}` and `{status, headers, body}`.

local json = require "dkjson"
local cqueues = require "cqueues"
local decodeURIComponent = require "http.util".decodeURIComponent
local body = require "hub.body"

local api = {}

local KEY_ORDER = { "id", "key", "public_key", "secret_key", "last8", "name", "domain_allowlist", "agent_id",
    "created_at", "disabled_at" }

function api.text(status, text, headers)
    headers = headers or {}
    headers["content-type"] = "text/plain"
    return { status = status, headers = headers, body = text }
end

function api.json(status, value)
    return {
        status = status,
        headers = { ["content-type"] = "application/json" },
        body = json.encode(value, { keyorder = KEY_ORDER }),
    }
end

-- Resource by resource, method by method. `call` holds hub, request, account and id.
local collection, single = {}, {}

function collection.GET(call)
    return api.json(200, call.hub.keys:list(call.account))
end

function collection.POST(call)
    local input, why = body.input(call.request, true)
    if not input then return api.text(400, why) end
    local key = call.hub.keys:create(call.account, input)
    call.hub:effect("creates", key.id)
    return api.json(201, key)
end

-- The id is looked up first: a bad body for a key that is not there is a 404.
function single.PATCH(call)
    local keys = call.hub.keys
    if not keys:find(call.account, call.id) then return api.text(404, "widget key not found") end
    local patch, why = body.input(call.request, false)
    if not patch then return api.text(400, why) end
    call.hub:effect("updates", call.id)
    return api.json(200, keys:update(call.account, call.id, patch))
end

function single.DELETE(call)
    local result = call.hub.keys:delete(call.account, call.id)
    if not result then return api.text(404, "widget key not found") end
    call.hub:effect("deletes", call.id)
    if result == "gone" then return { status = 204, headers = {} } end
    return api.json(200, result)
end

-- The longest mount comes first: `/v1` would not match the others, but an order that matters should be plain.
local MOUNTS = { "/hub-api/api/v1", "/api/v1", "/v1" }

-- Gives the resource's methods and the id, or nil for a path that is not of the API.
local function route(path)
    path = path:match("^[^?]*")
    for _, mount in ipairs(MOUNTS) do
        if path:sub(1, #mount) == mount then
            local rest = path:sub(#mount + 1)
            if rest == "/widget-keys" then return collection end
            local id = rest:match("^/widget%-keys/([^/]+)$")
            if id then return single, decodeURIComponent(id) end
        end
    end
end

-- The account of an API key.
function api.accountOf(apiKey)
    return apiKey:match("^sk_live_(.+)_[^_]+$")
end

-- Gives the account, or nil and the refusal. A JWT says nothing about the account, so it needs the header, which is
-- looked at before the token itself.
local function authenticate(hub, headers)
    local token = (headers.authorization or ""):match("^[Bb]earer +(%S+)$")
    if not token then return nil, api.text(401, "missing bearer token") end
    if token == hub.apiKey then return api.accountOf(token) end
    if token:find("^eyJ") then
        local account = headers["x-account-id"]
        if not account then return nil, api.text(400, "X-Account-ID required with a JWT") end
        if #account > 63 or not account:find("^[a-z0-9][a-z0-9_-]*$") then
            return nil, api.text(400, "X-Account-ID is not an account name")
        end
        if token == hub.jwt then return account end
    end
    return nil, api.text(401, "invalid token")
end

local function allowedMethods(methods)
    local names = {}
    for name in pairs(methods) do names[#names + 1] = name end
    table.sort(names)
    return table.concat(names, ", ")
end

-- Answers one request. The slot in flight is given back before the answer is written, so that a client which sends its
-- next request at once is never refused for the one that it has just finished. A delay comes after the deed, as in the
-- case that hurts: the key exists, and its answer is still on the way.
function api.answer(hub, request, delay)
    local methods, id = route(request.path)
    if not methods then return api.text(404, "not found") end
    local account, refusal = authenticate(hub, request.headers)
    if not account then return refusal end
    local ok, why, seconds = hub.limits:enter()
    if not ok then
        hub:count("refused")
        return api.text(429, why, { ["retry-after"] = tostring(seconds) })
    end
    local act = methods[request.method]
    local answer = act and act({ hub = hub, request = request, account = account, id = id })
        or api.text(405, "method not allowed", { allow = allowedMethods(methods) })
    if delay > 0 then cqueues.sleep(delay) end
    hub.limits:leave()
    return answer
end

return api
