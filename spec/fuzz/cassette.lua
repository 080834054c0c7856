-- What the target cassette asks of a file: a function of its name that gives
-- nothing, or what is wrong.

local kataven = require "kataven"
local errors = require "kataven.errors"
local file = require "kataven.cassette.file"
local json = require "kataven.cassette.json"

local KINDS = { connect = true, connection = true, timeout = true, tls = true, tooLarge = true, cassette = true }
local KEY = "sk_live_fuzz_0123456789"

-- What would run something, or change a file, raises from now on, whoever calls it.
-- `require` stays: some modules are loaded when they are needed first.
local tripped

local function trip(t, name)
    t[name] = t[name] and function()
        tripped = name
        error(name .. " was called")
    end
end

for _, name in ipairs { "execute", "exit", "remove", "rename", "setlocale", "tmpname" } do
    trip(os, name)
end
for _, name in ipairs { "input", "output", "popen", "tmpfile" } do
    trip(io, name)
end
for _, name in ipairs { "dofile", "load", "loadfile", "loadstring" } do
    trip(_G, name)
end

local function headersProblem(headers)
    for name, value in pairs(headers) do
        if type(name) ~= "string" or name ~= name:lower() or type(value) ~= "string" then
            return "a header that is none"
        end
    end
end

-- What is wrong with what `send` gave.
local function answerProblem(response, failure, path)
    if response then
        return not errors.isStatus(response.status) and "no status"
            or type(response.body) ~= "string" and "no body"
            or headersProblem(response.headers)
    elseif type(failure) ~= "table" or not KINDS[failure.kind] then
        return "neither an answer nor a failure"
    elseif type(failure.sent) ~= "boolean" then
        return "nobody knows whether it was sent"
    elseif type(failure.message) ~= "string" then
        return "no message"
    elseif failure.status and not errors.isStatus(failure.status) then
        return "a status that is none"
    elseif failure.kind == "cassette" and not failure.message:find(path, 1, true) then
        return "the message does not name the file: " .. failure.message
    end
end

local function wait()
end

-- The same request, as another program would write it: the query in another
-- order, JSON with blanks.
local function rewritten(query, body)
    local pairsOf = {}

    for pair in query:gmatch "[^&]+" do
        table.insert(pairsOf, 1, pair)
    end
    local value = body and body ~= "" and json.decodeExact(body)
    if value then
        body = json.pretty(value) or body
    end
    return table.concat(pairsOf, "&"), body
end

-- Every interaction answers its own request.
local function replay(cassette, interactions, path, strict)
    for i, interaction in ipairs(interactions) do
        local recorded = interaction.request
        local query, body = recorded.query, recorded.body

        if not strict then
            query, body = rewritten(query, body)
        end
        local response, failure = cassette:send({
            method = recorded.method,
            path = recorded.path,
            url = "http://127.0.0.1/?" .. query,
            headers = strict and recorded.headers or nil,
            body = body,
            timeout = 30,
        }, wait)
        local problem = answerProblem(response, failure, path)

        if not problem and failure and failure.kind == "cassette" then
            problem = "its own request does not match: " .. failure.message
        end
        if problem then
            return ("interactions[%d]: %s"):format(i, problem)
        end
    end
    if cassette:remaining() ~= 0 or cassette:problem() then
        return "some were not played"
    end
    local response, failure = cassette:send({ method = "GET", path = "/none" }, wait)
    if response or failure.kind ~= "cassette" then
        return "an answer from nowhere"
    end
    return answerProblem(response, failure, path)
end

local function callProblem(value, err)
    if value ~= nil then
        return nil
    elseif type(err) ~= "table" or not err.is or not err:is "KatavenError" then
        return "neither a value nor an error: " .. tostring(err)
    elseif type(err.maybeApplied) ~= "boolean" then
        return "nobody knows whether it was carried out"
    elseif tostring(err):find(KEY, 1, true) then
        return "the key is in an error"
    end
end

-- A client's calls, whatever they find there.
local function call(path)
    local client = kataven.new {
        apiKey = KEY,
        baseUrl = "http://127.0.0.1:1",
        transport = kataven.cassette.open(path),
    }
    local keys = client.widgetKeys
    local problem = callProblem(keys.list())
        or callProblem(keys.create { name = "a" })
        or callProblem(keys.update("k1", {}))
        or callProblem(keys.delete "k1")
        or callProblem(client:request { path = "/" })
        or callProblem(client:request { method = "POST", path = "/", body = "{}" })

    client:close()
    return problem
end

-- What can be played can be added to. Nothing is written before something is sent.
local function append(path, count)
    local good, cassette = pcall(kataven.cassette.open, path, { mode = "append" })

    if not good then
        return "nothing can be added: " .. tostring(cassette)
    elseif not tostring(cassette):find((", %d recorded)"):format(count), 1, true) then
        return "another number of interactions: " .. tostring(cassette)
    end
end

local function play(path)
    local interactions, problem = file.parse(assert(file.read(path)))
    local good, cassette = pcall(kataven.cassette.open, path)

    if not good and interactions then
        return "it is good, and yet refused: " .. tostring(cassette)
    elseif not good then
        local wanted = ("kataven.cassette.open: the cassette %s: %s"):format(path, problem)
        return cassette ~= wanted and "it is refused otherwise: " .. tostring(cassette) or nil
    elseif not interactions then
        return "it is bad, and yet opens: " .. problem
    elseif cassette:remaining() ~= #interactions then
        return "another number of interactions"
    end
    local strict = kataven.cassette.open(path, { matchHeaders = { "x-a", "authorization" } })
    return replay(cassette, interactions, path, false) or replay(strict, interactions, path, true)
        or append(path, #interactions) or call(path)
end

return function(path)
    local problem = play(path)

    return tripped and tripped .. " was called" or problem
end
