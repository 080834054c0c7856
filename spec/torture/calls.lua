-- The calls of the allocation sweep, each with what it is to give and what it does on the hub.

local host, _, verdict = ...

local fail, show = verdict.fail, verdict.show

local function options(more)
    local all = { apiKey = verdict.TOKEN, baseUrl = "http://127.0.0.1:" .. host.port, retry = false, timeout = 20,
        connectTimeout = 20 }
    for name, value in pairs(more or {}) do
        all[name] = value
    end
    return all
end

local LISTED = {
    { id = "wk_1", name = "key 1", uses = 25, domain_allowlist = { "a.example", "*.a.example" } },
    { id = "wk_2", name = "k\195\169y \"2\"", domain_allowlist = {} },
}

local function listing(client)
    return {
        call = function()
            return client.widgetKeys.list()
        end,
        value = LISTED,
        status = 200,
    }
end

local function creation(client, kataven, digit)
    return {
        call = function()
            return client.widgetKeys.create { name = "key " .. digit, domain_allowlist = { "a.example" } }
        end,
        value = {
            id = "wk_" .. digit,
            name = "key " .. digit,
            key = "pk_live_" .. digit,
            domain_allowlist = {},
            limits = { day = 25, hour = { 1, 2.5, kataven.null } },
        },
        status = 201,
        effect = "posts",
        subject = digit,
    }
end

local function patched(digit)
    return { id = "wk_" .. digit, name = "key " .. digit, disabled_at = "2030" }
end

local function change(client, kataven)
    return {
        call = function()
            return client.widgetKeys.update("wk_4", { agent_id = kataven.null, disabled = true })
        end,
        value = patched(4),
        status = 200,
        effect = "patches",
        subject = 4,
    }
end

local function deletion(client)
    return {
        call = function()
            return client.widgetKeys.delete "wk_5"
        end,
        value = patched(5),
        status = 200,
        effect = "deletes",
        subject = 5,
    }
end

local function getting(client, path, more)
    local wanted = {
        call = function()
            return client:request { path = path }
        end,
        value = LISTED,
        status = 200,
    }
    for name, value in pairs(more or {}) do
        wanted[name] = value
    end
    return wanted
end

-- A later call of the same client.
local function follow(client, kataven)
    local wanted = listing(client)
    verdict.call(wanted, false, wanted.call())
    wanted = creation(client, kataven, 9)
    verdict.call(wanted, false, wanted.call())
end

local function finish(client)
    client:close()
    client:close()
    local value, err = client.widgetKeys.list()
    if value ~= nil or err.name ~= "ClosedError" then
        fail("a closed client gave", show(value), show(err))
    elseif host.strangers() > 0 then
        fail("a request went out without the token, or to a proxy")
    end
end

return {
    options = options,
    listing = listing,
    creation = creation,
    change = change,
    deletion = deletion,
    getting = getting,
    follow = follow,
    finish = finish,
}
