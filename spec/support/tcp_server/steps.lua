-- What a script can tell a connection to do. A step is a table with one of the names below as its main field; see
-- servers.lua for how a script is written.
--
-- A step gives true to go on to the next one, or nil and how the connection ended.

local cqueues = require "cqueues"

local steps = {}

local actions = {}

-- The fields that may stand beside a step's main field.
local EXTRAS = {
    send = { times = true, echo = true },
    choose = { cases = true, again = true, steps = true },
    trickle = { every = true, chunk = true },
    stall = { deaf = true },
    ["repeat"] = { steps = true },
}

function actions.read(run, conn, step)
    if type(step.read) == "number" then
        local bytes, how, why = conn:take(step.read)
        return bytes and true, how, why
    end
    local request, how, why = conn:takeRequest(step.read == "request")
    if not request then return nil, how, why end
    run:record(conn, request)
    return true
end

-- A header of the connection's last request, or its method.
local function said(conn, name)
    local request = conn.last or { headers = {} }
    if name == "method" then return request.method or "" end
    for _, field in ipairs(request.headers) do
        if field[1]:lower() == name then return field[2] end
    end
    return ""
end

-- Long bodies are repeated here and not in the script, and sent in blocks.
function actions.send(_, conn, step)
    local left, bytes = step.times or 1, step.send
    if step.echo then
        local value = said(conn, step.echo)
        bytes = bytes:gsub("{" .. step.echo:gsub("%p", "%%%0") .. "}", function() return value end)
    end
    local perBlock = math.max(1, math.floor(65536 / math.max(1, #bytes)))
    while left > 0 do
        local count = math.min(left, perBlock)
        local ok, how, why = conn:send(bytes:rep(count))
        if not ok then return nil, how, why end
        left = left - count
    end
    return true
end

function actions.trickle(_, conn, step)
    local size = step.chunk or 1
    for first = 1, #step.trickle, size do
        local ok, how, why = conn:send(step.trickle:sub(first, first + size - 1))
        if not ok then return nil, how, why end
        ok, how, why = conn:stall(step.every or 0.01)
        if not ok then return nil, how, why end
    end
    return true
end

function actions.stall(_, conn, step)
    return conn:stall(type(step.stall) == "number" and step.stall or nil, step.deaf)
end

function actions.tls(run, conn, step)
    return conn:startTls(type(step.tls) == "table" and step.tls or run.tls)
end

function actions.effect(run, conn, step)
    run:effect(step.effect, conn)
    return true
end

local function come(run, wanted)
    if type(wanted) == "table" then return run:reached(wanted) end
    return run.signals[wanted]
end

-- Connections wait for one another, or for the spec, by the name of a signal, which stays given; or until so much has
-- been seen.
function actions.wait(run, _, step)
    while not come(run, step.wait) do run.changed:wait() end
    return true
end

-- Goes by what the last request says.
function actions.choose(run, conn, step)
    local value = said(conn, step.choose)
    local before = step.again and run:met(step.choose, value)
    local list = before and step.again or step.cases and step.cases[value] or step.steps or {}
    if #list == 0 then return true end
    return steps.perform(run, conn, list)
end

function actions.signal(run, _, step)
    run:signal(step.signal)
    return true
end

function actions.unlisten(run)
    run.server:unlisten()
    return true
end

actions["repeat"] = function(run, conn, step)
    local left = type(step["repeat"]) == "number" and step["repeat"] or math.huge
    while left > 0 do
        local ok, how, why = steps.perform(run, conn, step.steps)
        if not ok then return nil, how, why end
        left = left - 1
    end
    return true
end

-- These three end it.
for _, how in ipairs { "close", "cut", "reset" } do
    actions[how] = function(_, conn) return nil, conn:finish(how) end
end

-- Gives the name of the action that a step is for, or raises what is wrong with it.
local function actionOf(step)
    local found
    for field in pairs(step) do
        if actions[field] then
            if found and not (EXTRAS[found] and EXTRAS[found][field]) then
                error(("a step cannot be both %q and %q"):format(found, field), 0)
            end
            found = field
        end
    end
    if not found then error("a step without a known action: " .. tostring(next(step)), 0) end
    for field in pairs(step) do
        if field ~= found and not (EXTRAS[found] and EXTRAS[found][field]) then
            error(("the step %q knows no %q"):format(found, tostring(field)), 0)
        end
    end
    return found
end

-- Raises where a script is wrong, so that a typing mistake fails the spec and is not taken for a fault of the client.
function steps.check(list)
    if type(list) ~= "table" then error("want a list of steps", 0) end
    for _, step in ipairs(list) do
        if type(step) ~= "table" then error("a step is a table", 0) end
        local action = actionOf(step)
        if action == "repeat" then steps.check(step.steps) end
        if action == "choose" then
            for _, one in pairs(step.cases or {}) do steps.check(one) end
            steps.check(step.again or {})
            steps.check(step.steps or {})
        end
    end
end

function steps.perform(run, conn, list)
    for _, step in ipairs(list) do
        local ok, how, why = actions[actionOf(step)](run, conn, step)
        if not ok then return nil, how, why end
    end
    -- A list that never waits would keep the whole server busy when it is repeated.
    if #list == 0 then cqueues.sleep(0) end
    return true
end

return steps
