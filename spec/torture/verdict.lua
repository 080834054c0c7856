-- How the allocation sweep tells what came of a call.

local host, canary = ...

local TOKEN = "sk_live_torture"
local hasToken = canary.seeker(TOKEN)

local verdict = {}

local function fail(...)
    error(("%s"):rep(select("#", ...), " "):format(...), 0)
end

-- How a value reads in a complaint.
local function show(value)
    if type(value) ~= "table" then
        return type(value) == "string" and ("%q"):format(value) or tostring(value)
    end
    local parts = {}
    for key, member in pairs(value) do
        parts[#parts + 1] = tostring(key) .. " = " .. (type(member) == "table" and show(member) or tostring(member))
    end
    table.sort(parts)
    return "{ " .. table.concat(parts, ", ") .. " }"
end

local function same(got, wanted)
    if type(got) ~= "table" or type(wanted) ~= "table" then
        return got == wanted
    end
    for key, value in pairs(wanted) do
        if not same(got[key], value) then
            return false
        end
    end
    for key in pairs(got) do
        if wanted[key] == nil then
            return false
        end
    end
    return true
end

-- What is raised where memory has run out.
local OUT = "not enough memory"

-- What stands in an error then. The last two are what libcurl says for it.
local WORDS = { "emory", "Could not resolve host: 127.0.0.1",
    "getaddrinfo() thread failed to start" }

local function speaksOfMemory(text)
    for _, words in ipairs(WORDS) do
        if text:find(words, 1, true) then
            return true
        end
    end
    return false
end

local function judgeEffect(wanted)
    local done = wanted.effect and host.count(wanted.effect, wanted.subject) or 0
    if done > 1 then
        fail(done, "effects of one call")
    end
    return done
end

-- Nobody is to see the token, which the hub gives back in what it refuses.
function verdict.clean(what, value)
    local text = hasToken(value)
    if text then
        fail("the token is in", what .. ":", text)
    end
end

-- One call's `value, meta` or `nil, err`; what was raised is judged elsewhere.
function verdict.call(wanted, hit, value, result)
    local done = judgeEffect(wanted)
    if value ~= nil then
        if wanted.error then
            fail("gave", show(value), "where", wanted.error, "is due")
        elseif not same(value, wanted.value) then
            fail("a wrong value:", show(value))
        elseif wanted.effect and done ~= 1 and not wanted.recorded then
            fail("success without effect")
        elseif type(result) ~= "table" or result.status ~= wanted.status or result.attempts == nil
            or type(result.headers) ~= "table" or result.headers["content-type"] ~= "application/json" then
            fail("a wrong meta:", show(result))
        end
        return true
    elseif type(result) ~= "table" or not result.is or not result:is "KatavenError" then
        fail("nil, and no error of ours:", show(result))
    end
    verdict.clean("the error", result)
    local text = tostring(result)
    if result.name == wanted.error then
        if result.maybeApplied ~= (wanted.maybeApplied or false) then
            fail("maybeApplied is", result.maybeApplied)
        end
    elseif not hit then
        fail("an error without a cause:", text)
    elseif not speaksOfMemory(text) then
        fail("an error that does not speak of memory:", text)
    elseif done == 1 and result.maybeApplied ~= true then
        fail("it was carried out, and maybeApplied is", result.maybeApplied, "in", text)
    elseif not wanted.effect and result.maybeApplied then
        fail("a read that may have been applied:", text)
    end
    return false
end

local function judgeRaise(hit, status, message)
    if not hit then
        fail("raised without a cause:", show(message))
    elseif message ~= OUT then
        fail("status", status, "raised something else:", show(message))
    end
end

verdict.TOKEN, verdict.OUT = TOKEN, OUT
verdict.fail, verdict.show, verdict.same = fail, show, same
verdict.effect, verdict.raised = judgeEffect, judgeRaise

return verdict
