-- Registers customers in Redis, and has a widget key minted for each, in one transaction: there is no customer whose
-- key was not asked for, and no key for a customer who is not there. A worker has to run beside it:
--
--     export REDIS_URL=redis://127.0.0.1:6379
--     kataven redis-worker &
--     lua5.1 examples/redis.lua acme.com shop.example

local cjson = require "cjson"
local functions = require "kataven.redis.functions"
local kataven = require "kataven"
local redis = require "redis"

local STREAM = "{kataven}"
local PATIENCE = 30

-- Runs inside Redis. What is refused there (a wrong name, a full stream) ends it before anything is written.
local REGISTER = functions.snippet() .. [[
    local request = kataven.create(KEYS[1],
        { name = ARGV[1], domain_allowlist = { ARGV[1], "*." .. ARGV[1] } }, { deadline = 30 })
    redis.call("HSET", KEYS[2], "name", ARGV[1], "request", request)
    return request
]]

local server = redis.connect(os.getenv "REDIS_URL" or "redis://127.0.0.1:6379")

local function register(name)
    local customer = STREAM .. ":customer:" .. name
    local request = server:eval(REGISTER, 2, STREAM, customer, name)
    local answer = server:blpop(STREAM .. ":reply:" .. request, PATIENCE)
    if not answer then
        return nil, ("no worker has answered %s within %d s"):format(request, PATIENCE)
    end
    local reply = cjson.decode(answer[2])
    if not reply.ok then
        return nil, reply.error.message
    end
    server:hset(customer, "widget_key", reply.value.id)
    return (kataven.plaintext(reply.value))
end

for _, name in ipairs(arg) do
    local key, problem = register(name)
    print(name, key or "failed: " .. tostring(problem))
end
