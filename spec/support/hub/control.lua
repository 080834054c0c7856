-- The hub's own endpoints under `/_hub/`, for specs and demonstrations. They want no token and have no limits, since
-- the hub listens on loopback only.

local json = require "dkjson"
local decodeURIComponent = require "http.util".decodeURIComponent
local api = require "hub.api"

local control = {}

local DONE = { status = 204, headers = {} }

-- An empty body is an empty object, so that `curl -X POST` is enough.
local function bodyOf(request)
    if request.body == "" then return {} end
    local value = json.decode(request.body)
    return type(value) == "table" and value or nil
end

local endpoints = {}

endpoints["GET stats"] = function(hub)
    return api.json(200, hub:stats())
end

endpoints["GET effects"] = function(hub)
    return api.json(200, setmetatable(hub.effects, { __jsontype = "object" }))
end

-- Makes keys that nobody asked for: `{n, used}`. Counted nowhere.
endpoints["POST mint"] = function(hub, body)
    local ids = setmetatable({}, { __jsontype = "array" })
    for index = 1, body.n or 1 do
        local key = hub.keys:create(api.accountOf(hub.apiKey), { name = "minted" .. index })
        if body.used then hub.keys:use(key.id) end
        ids[index] = key.id
    end
    return api.json(200, ids)
end

endpoints["POST reset"] = function(hub, body)
    hub:reset(body.limits)
    return DONE
end

-- One plan or an array of them: `{n, status, headers, body, delay, apply}`. Without a status the request is answered as
-- usual, only later; with `apply` it is carried out all the same, and its answer lost.
endpoints["POST next"] = function(hub, body)
    for _, fault in ipairs(body[1] and body or { body }) do hub:plan(fault) end
    return DONE
end

endpoints["POST advance"] = function(hub, body)
    hub:advance(body.seconds)
    return DONE
end

-- The answer is written before the hub ends: see `stopping` in hub.lua.
endpoints["POST quit"] = function(hub)
    hub.stopping = true
    return DONE
end

function control.answer(hub, request)
    local name = request.path:match("^/_hub/([^?]*)")
    local id = name:match("^use/(.+)$")
    if id and request.method == "POST" then
        return hub.keys:use(decodeURIComponent(id)) and DONE or api.text(404, "widget key not found")
    end
    local endpoint = endpoints[request.method .. " " .. name]
    if not endpoint then return api.text(404, "no such control endpoint") end
    local body = bodyOf(request)
    if not body then return api.text(400, "invalid body") end
    return endpoint(hub, body)
end

return control
