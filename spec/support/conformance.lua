--- What every transport promises, as a list of cases: what the other side says, and what `send` must make of it.
---
--- A case has `says`, an exchange in words that any transport can be given: `{status, headers, body}`, or a fault:
--- `{fault = "lost" | "refused" | "stall" | "tooLarge"}`. `check(ask)` looks at it: `ask(wait, changes)` makes
--- one attempt and gives what `send` does.

local conformance = {}

--- The most that an answer may hold, for "tooLarge".
conformance.LIMIT = 1024 * 1024

local function noWait() end

local function same(expected, got)
    require("luassert").same(expected, got)
end

local function everyByte()
    local bytes = {}
    for code = 0, 255 do
        bytes[#bytes + 1] = string.char(code)
    end
    return table.concat(bytes)
end

local function answered(status, headers, body, check)
    return {
        says = { status = status, headers = headers, body = body },
        check = function(ask)
            local response, failure = ask()
            same({ nil, "table" }, { failure, type(response) })
            same("number", type(response.status))
            same({ status, body }, { response.status, response.body })
            for name, value in pairs(response.headers) do
                same({ name:lower(), "string" }, { name, type(value) })
            end
            for name, value in pairs(headers) do
                same(value, response.headers[name:lower()])
            end
            if check then
                check(response)
            end
        end,
    }
end

local function failed(fault, kind, sent, changes)
    return {
        says = { fault = fault },
        check = function(ask)
            local response, failure = ask(nil, changes)
            same({ nil, "table" }, { response, type(failure) })
            same({ kind, sent, "string" }, { failure.kind, failure.sent, type(failure.message) })
        end,
    }
end

conformance.cases = {
    ["gives status, headers and body"] = answered(200, { ["Content-Type"] = "application/json" }, '{"a": [ ]}'),
    ["gives header names in lower case and their values as they are"] =
        answered(201, { ["X-REQUEST-Id"] = "Req-1", ["X-odd"] = 'a "b"; C=d' }, "x"),
    ["gives an empty body as an empty string"] = answered(200, {}, ""),
    ["gives every byte of a body"] = answered(200, { ["Content-Type"] = "application/octet-stream" }, everyByte()),
    ["takes a client's fault for an answer"] = answered(404, { ["Content-Type"] = "text/plain" }, "not found"),
    ["takes a server's fault for an answer"] = answered(503, { ["Retry-After"] = "7" }, "later"),
    ["does not follow a redirect"] = answered(307, { Location = "http://127.0.0.1:9/elsewhere" }, ""),
    ["says that an answer was lost after the request had gone out"] = failed("lost", "connection", true),
    ["says that nothing was sent where nobody listens"] = failed("refused", "connect", false),
    ["says that the time ran out"] = failed("stall", "timeout", true, { timeout = 0.2, connectTimeout = 0.2 }),
    ["says that an answer is too large"] = failed("tooLarge", "tooLarge", true),

    ["gives a table of its own each time"] = {
        says = { status = 200, headers = { ["X-A"] = "1" }, body = "[]" },
        times = 2,
        check = function(ask)
            local first = ask()
            first.headers["x-a"], first.body = "changed", "changed"
            local second = ask()
            same({ "1", "[]" }, { second.headers["x-a"], second.body })
        end,
    },

    ["leaves the request as it is"] = {
        says = { status = 200, headers = {}, body = "[]" },
        check = function(ask)
            local before, after = {}, nil
            ask(nil, nil, function(request)
                for name, value in pairs(request) do
                    before[name] = value
                end
                before.headers = {}
                for name, value in pairs(request.headers) do
                    before.headers[name] = value
                end
                after = request
            end)
            same(before, after)
        end,
    },

    ["ends when its wait says that the call is over"] = {
        says = { fault = "stall", delay = 20 },
        check = function(ask)
            local waits = 0
            local response, failure = ask(function()
                waits = waits + 1
                return true
            end)
            same({ nil, "cancelled", 1 }, { response, failure.kind, waits })
        end,
    },

    ["lets its wait yield, and asks it for sane times"] = {
        says = { status = 200, headers = {}, body = "[]" },
        check = function(ask)
            local response
            local thread = coroutine.create(function()
                response = ask(coroutine.yield)
            end)
            while coroutine.status(thread) ~= "dead" do
                local ok, seconds, fd = coroutine.resume(thread)
                assert(ok, seconds)
                if coroutine.status(thread) ~= "dead" then
                    same("number", type(seconds))
                    same(true, seconds >= 0 and seconds < math.huge)
                    same(true, fd == nil or type(fd) == "number")
                end
            end
            same("[]", response.body)
        end,
    },
}

--- Registers every case as a test.
---@param make fun(says: table, times: integer): kataven.Transport, string, fun() a transport, a base URL, and its end
function conformance.run(make)
    local busted = require "busted"
    local names = {}
    for name in pairs(conformance.cases) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local case = conformance.cases[name]

        busted.it(name, function()
            local transport, base, stop = make(case.says, case.times or 1)
            local ok, problem = pcall(case.check, function(wait, changes, look)
                local request = {
                    method = "POST",
                    url = base .. "/api/v1/widget-keys?a=1",
                    path = "/api/v1/widget-keys",
                    headers = { ["Content-Type"] = "application/json", ["X-A"] = "b" },
                    body = '{"name":"a"}',
                    timeout = 10,
                    connectTimeout = 10,
                }
                for field, value in pairs(changes or {}) do
                    request[field] = value
                end
                if look then
                    look(request)
                end
                return transport:send(request, wait or noWait)
            end)
            stop()
            if not ok then
                error(problem, 0)
            end
        end)
    end
end

return conformance
