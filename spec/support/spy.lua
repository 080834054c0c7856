--- A transport for specs that look at requests: it remembers what it was sent,
--- answers from a list, and lives by a clock of its own, so that nothing sleeps.

local kataven = require "kataven"

local spy = {}

--- The credential of every spec; no part of it occurs anywhere by accident.
spy.TOKEN = "sk_live_test_4fA9xQ2vT7bW"

--- A response with a JSON body.
function spy.json(text, status)
    return { status = status or 200, headers = { ["content-type"] = "application/json" }, body = text }
end

--- A response with a text body, as the Hub's errors are.
function spy.text(text, status, headers)
    local all = { ["content-type"] = "text/plain" }
    for name, value in pairs(headers or {}) do
        all[name] = value
    end
    return { status = status, headers = all, body = text }
end

-- A response of its own for each request: what is returned is the client's.
local function copy(response)
    local headers = {}
    for name, value in pairs(response.headers or {}) do
        headers[name] = value
    end
    return { status = response.status, headers = headers, body = response.body or "" }
end

--- A transport over a list of answers. Each is a response, a failure (it has a
--- `kind`), or a function of the request and its wait; the last one answers
--- whatever follows. Its `requests` are those that came, and `time` is what its
--- clock shows.
function spy.over(answers)
    local self = { requests = {}, time = 0 }

    function self.send(_, request, wait)
        self.requests[#self.requests + 1] = request
        local answer = answers[math.min(#self.requests, #answers)]
        if type(answer) == "function" then
            return answer(request, wait)
        elseif answer.kind then
            return nil, answer
        end
        return copy(answer)
    end

    local clock = {
        now = function()
            return self.time
        end,
        advance = function(seconds)
            self.time = self.time + seconds
        end,
    }

    function self.clock()
        return clock
    end

    return self
end

--- A transport over these answers.
function spy.new(...)
    return spy.over { ... }
end

--- A client over a transport, with the spec's token. `options` are laid over.
function spy.client(transport, options)
    local all = { apiKey = spy.TOKEN, baseUrl = "https://api.kataven.ai/v1", transport = transport }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    local client = kataven.new(all)
    return client
end

return spy
