-- What the target url asks of a client: where its requests would go. Gives whether
-- there is a client with this base URL, then for a path and for an id the URL, or
-- nothing and what was raised.

local kataven = require "kataven"
local redact = require "kataven.redact"

redact.keys "" -- makes what it searches by, once for the process

return function(baseUrl, path, id)
    local url
    local made, client = pcall(kataven.new, {
        apiKey = "sk_live_fuzz_0123456789",
        baseUrl = baseUrl,
        allowHttp = true,
        retry = false,
        transport = {
            send = function(_, request)
                url = request.url
                return { status = 204, headers = {}, body = "" }
            end,
        },
    })

    if not made then
        return false, nil, client
    end
    local function sent(call, ...)
        url = nil
        local ok, problem = pcall(call, ...)
        return ok and url or nil, problem
    end
    local forPath, pathProblem = sent(client.request, client, { path = path })
    local forId, idProblem = sent(client.widgetKeys.delete, id)
    client:close()
    return true, forPath, pathProblem, forId, idProblem
end
