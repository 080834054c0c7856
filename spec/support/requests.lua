-- Many HTTP requests at once to one port of loopback, on a connection each: written by hand, since what the specs
-- compare a client with must not be a client's work.

local socket = require "socket"

local requests = {}

local PATIENCE = 20

local function parse(text)
    local head, body = text:match "^(.-\r\n)\r\n(.*)$"
    local status = head and tonumber(head:match "^HTTP/%S+ (%d%d%d)")
    if not status then
        return nil
    end
    return { status = status, head = head, body = body }
end

--- A connection on which a request was sent.
---@param port integer
---@param path string
function requests.open(port, path)
    local connection = assert(socket.tcp4())
    connection:settimeout(PATIENCE)
    assert(connection:connect("127.0.0.1", port))
    -- 1.0, so that the body comes without chunks.
    assert(connection:send(("GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"):format(path)))
    return connection
end

--- The answers to GETs that are all sent before the first is read: {status, head, body, seconds, order}; `order` says
--- which came first. One that came to nothing is {status = 0, body = what was wrong}.
---@param port integer
---@param paths string[]
---@return table[]
function requests.all(port, paths)
    local waiting, indices, answers, texts = {}, {}, {}, {}
    local began, order = socket.gettime(), 0
    for index, path in ipairs(paths) do
        local connection = requests.open(port, path)
        connection:settimeout(0)
        waiting[index], indices[connection], texts[index] = connection, index, ""
    end
    while #waiting > 0 do
        local ready, _, why = socket.select(waiting, nil, PATIENCE)
        if why then
            for _, connection in ipairs(waiting) do
                answers[indices[connection]] = { status = 0, body = "no answer: " .. why, seconds = PATIENCE }
                connection:close()
            end
            break
        end
        for _, connection in ipairs(ready) do
            local index = indices[connection]
            local text, problem, partial = connection:receive "*a"
            texts[index] = texts[index] .. (text or partial or "")
            if text or problem ~= "timeout" then
                connection:close()
                order = order + 1
                answers[index] = parse(texts[index]) or { status = 0, body = tostring(problem) .. ": " .. texts[index] }
                answers[index].seconds, answers[index].order = socket.gettime() - began, order
                for place, each in ipairs(waiting) do
                    if each == connection then
                        table.remove(waiting, place)
                        break
                    end
                end
            end
        end
    end
    return answers
end

return requests
