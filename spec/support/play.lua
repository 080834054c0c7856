-- Cassette files of a few interactions, made of JSON texts, and what they answer.
--
--   local play = require "spec.support.play"
--   local tape = play.open(nil, play.interaction("GET", "/a", "1"))
--   assert.equal("1", play.ask(tape, "GET", "/a"))
--   play.removeFiles()

local cassette = require "kataven.cassette"

local play = {
    KEYS = "/api/v1/widget-keys",
    TOKEN = "sk_live_test_4fA9",
}

local paths = {}

--- A cassette file with these interactions (JSON texts); gives its path.
function play.fileOf(...)
    local path = os.tmpname()
    local handle = assert(io.open(path, "wb"))

    handle:write('{"version":1,"interactions":[', table.concat({ ... }, ","), "]}")
    handle:close()
    paths[#paths + 1] = path
    return path
end

function play.removeFiles()
    for _, path in ipairs(paths) do
        os.remove(path)
    end
    paths = {}
end

--- A cassette with these interactions.
function play.open(options, ...)
    return cassette.open(play.fileOf(...), options)
end

--- An interaction: a request, and a response whose body is `answer`.
function play.interaction(method, path, answer, more)
    return ([[{"request":{"method":"%s","path":"%s"%s},"response":{"status":200,"body":"%s"}}]]):format(
        method, path, more or "", answer)
end

--- A request as the client hands it to a transport.
function play.request(method, path, more)
    local r = {
        method = method,
        path = path,
        url = "http://127.0.0.1:8080" .. path,
        headers = { ["Authorization"] = "Bearer " .. play.TOKEN, ["X-Trace"] = "t1" },
        timeout = 30,
        connectTimeout = 10,
    }

    for k, v in pairs(more or {}) do
        r[k] = v
    end
    return r
end

function play.noWait() end

--- The body that answers, or nil and the failure.
function play.ask(c, method, path, more)
    local answer, failure = c:send(play.request(method, path, more), play.noWait)

    return answer and answer.body, failure
end

return play
