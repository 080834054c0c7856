-- What was recorded is what is replayed: values, errors, meta, retries.

local files = require "spec.support.files"
local kataven = require "kataven"
local json = require "kataven.cassette.json"
local servers = require "spec.support.servers"
local talk = require "spec.support.talk"

local read = files.read

local function noPlan() end

describe("a recording", function()
    local path

    before_each(function()
        path = os.tmpname()
        os.remove(path)
    end)

    after_each(function()
        os.remove(path)
    end)

    describe("of the local hub", function()
        local hub, stopped

        before_each(function()
            hub, stopped = servers.hub {}, false
        end)

        after_each(function()
            if not stopped then
                hub:stop()
            end
        end)

        local function hold(mode, plan, options)
            local names = options and options.matchHeaders
            local cassette = kataven.cassette.open(path, { mode = mode, matchHeaders = names })
            local notes, note, log = talk.notes()
            local client = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url, transport = cassette, log = log }
            talk.withHub(client, note, plan)
            cassette:assertDone()
            client:close()
            return notes, cassette
        end

        local function record(options)
            hub:reset()
            return hold("record", function(faults) hub:next(faults) end, options)
        end

        it("gives equal values, errors, meta and retries with the hub stopped", function()
            local live, cassette = record()
            assert.matches("^kataven.cassette %(record, .-, %d+ recorded%)$", tostring(cassette))
            assert.equal(0, cassette:remaining())
            hub:stop()
            stopped = true

            local replayed = hold("replay", noPlan)
            for i, result in ipairs(live.results) do
                assert.same(result, replayed.results[i])
            end
            assert.same(live, replayed)
            -- It was a conversation worth the name.
            assert.equal(19, #live.results)
            assert.equal(2, live.results[11].extra.attempts)
            assert.equal("RateLimitError", live.results[12].extra.name)
            assert.equal(7, live.results[12].extra.retryAfter)
            assert.equal(3, live.results[13].extra.attempts)
            assert.is_true(live.results[14].extra.maybeApplied)
            assert.equal("ResponseError", live.results[15].extra.name)
        end)

        it("differs the second time only where the server did", function()
            record { matchHeaders = { "X-Trace", "Authorization", "X-Account-ID" } }
            local first = json.decodeExact(read(path)).interactions
            record { matchHeaders = { "X-Trace", "Authorization", "X-Account-ID" } }
            local second = json.decodeExact(read(path)).interactions

            assert.equal(#first, #second)
            for i, interaction in ipairs(first) do
                -- Ids are the server's, and a client says them again.
                if not interaction.request.path:find "%x%x%x%x%x%x%x%x%-" then
                    assert.same(interaction.request, second[i].request)
                end
                assert.equal(interaction.response.status, second[i].response.status)
            end
        end)

        it("adds to a file, or leaves it alone", function()
            local function lists(mode)
                local cassette = kataven.cassette.open(path, { mode = mode })
                local client = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url, transport = cassette }
                local rows, meta = client.widgetKeys.list()
                client:close()
                return cassette, meta, rows
            end
            local function count()
                return #json.decodeExact(read(path)).interactions
            end

            local cassette, recorded = lists "once"
            assert.equal("record", cassette.mode)
            assert.equal(1, count())
            local text = read(path)
            local replayed
            cassette, replayed = lists "once"
            assert.equal("replay", cassette.mode)
            assert.equal(recorded.requestId, replayed.requestId)
            assert.equal(text, read(path))
            cassette = lists "append"
            assert.equal("append", cassette.mode)
            assert.equal(2, count())
            lists "record"
            assert.equal(1, count())
            os.remove(path)
            lists "append"
            assert.equal(1, count())
        end)

        it("keeps the order of the requests, whatever that of the answers", function()
            hub:next { { n = 1, delay = 0.1 }, { n = 1 } }
            local cassette = kataven.cassette.open(path, { mode = "record" })
            local client = kataven.new { apiKey = hub.apiKey, baseUrl = hub.url, transport = cassette,
                wait = function() coroutine.yield() end }
            local finished, threads = {}, {}
            for i = 1, 2 do
                threads[i] = coroutine.create(function()
                    assert(client.widgetKeys.create { name = "n" .. i })
                    finished[#finished + 1] = i
                end)
            end
            assert(coroutine.resume(threads[1]))
            hub:control("GET", "stats") -- the first is under way
            while #finished < 2 do
                for _, thread in ipairs(threads) do
                    if coroutine.status(thread) ~= "dead" then
                        assert(coroutine.resume(thread))
                    end
                end
            end
            client:close()
            local list = json.decodeExact(read(path)).interactions
            assert.same({ "n1", "n2" }, { list[1].request.json.name, list[2].request.json.name })
        end)
    end)

    describe("of faults", function()
        -- Records calls against a script, and plays them with the server gone.
        local function twice(script, calls, options)
            local tcp = servers.tcp(script)
            local url = tcp.url
            local function hold(mode)
                local cassette = kataven.cassette.open(path, { mode = mode })
                local notes, note, log = talk.notes()
                local all = { apiKey = "sk_live_test_x", baseUrl = url, transport = cassette, log = log,
                    retry = { baseDelay = 0.001 } }
                for name, value in pairs(options or {}) do
                    all[name] = value
                end
                local client = kataven.new(all)
                calls(client.widgetKeys, note)
                client:close()
                cassette:assertDone()
                return notes
            end
            local live = hold "record"
            tcp:stop()
            assert.same(live, hold "replay")
            return live
        end

        local function response(status, body, headers)
            local bytes = servers.answer { status = status, body = body, headers = headers }
            return { { read = "request" }, { send = bytes } }
        end

        it("plays lost answers, cut ones, garbage and refusals", function()
            local live = twice({
                { { read = "request" }, { reset = true } },
                { { read = "request" }, { send = servers.answer { status = 201, body = '{"id":', length = 99 } } },
                { { read = "request" }, { send = "junk\r\n\r\n" } },
                { { read = "request" }, { reset = true } },
                response(200, "[]"),
                { { read = "request" }, { send = servers.answer { body = ("x"):rep(5000) } } },
                { { read = "request" }, { unlisten = true } },
            }, function(keys, note)
                note(keys.create { name = "a" })
                note(keys.create { name = "b" })
                note(keys.create { name = "c" })
                note(keys.list())
                note(keys.create { name = "d" })
                note(keys.create { name = "e" })
                note(keys.create { name = "f" })
            end, { maxResponseBytes = 1000 })

            local names = {}
            for i, result in ipairs(live.results) do
                names[i] = result.extra.name or "ok"
            end
            assert.same({ "ConnectionError", "ConnectionError", "ConnectionError", "ok", "ResponseError",
                "ConnectionError", "ConnectionError" }, names)
            assert.is_true(live.results[1].extra.maybeApplied)
            assert.equal(201, live.results[2].extra.status)
            assert.equal(2, live.results[4].extra.attempts)
            assert.is_false(live.results[7].extra.maybeApplied)
            assert.equal(4, live.results[7].extra.attempts)
        end)

        it("plays a timeout, and a deadline that leaves no time for another attempt", function()
            local live = twice({
                { { read = "request" }, { stall = true } },
                { { read = "request" }, { stall = true } },
            }, function(keys, note)
                note(keys.create({ name = "a" }, { timeout = 0.2 }))
                note(keys.list { deadline = 0.2 })
            end)

            assert.same({ "TimeoutError", true, 1 }, { live.results[1].extra.name, live.results[1].extra.maybeApplied,
                live.results[1].extra.attempts })
            assert.same({ "TimeoutError", 1 }, { live.results[2].extra.name, live.results[2].extra.attempts })
        end)

        it("counts Retry-After's date from the same moment", function()
            local future = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 3000)
            local live = twice({
                response(429, "slow", { ["Retry-After"] = future }),
                response(429, "slow", { ["Retry-After"] = "Wed, 21 Oct 2015 07:28:07 GMT",
                    Date = "Wed, 21 Oct 2015 07:28:00 GMT" }),
            }, function(keys, note)
                note(keys.list { retry = false })
                note(keys.list { retry = false })
            end)

            local first = live.results[1].extra.retryAfter
            assert.is_true(first > 2900 and first <= 3001)
            assert.equal(7, live.results[2].extra.retryAfter)
        end)
    end)

    describe("beside another of the same file", function()
        local inner, sent

        before_each(function()
            sent = 0
            inner = { send = function()
                sent = sent + 1
                return { status = 200, headers = {}, body = "{}" }
            end }
        end)

        local function open(mode, name)
            local cassette = kataven.cassette.open(name or path, { mode = mode })
            local over = cassette:over(inner)
            return cassette, function()
                return over:send({ method = "GET", path = "/p", headers = {} }, function() end)
            end
        end

        local function count()
            return #json.decodeExact(read(path)).interactions
        end

        it("sends nothing more once the other is opened", function()
            for _, mode in ipairs { "record", "append" } do
                for _, name in ipairs { path, (path:gsub("/([^/]*)$", "/./%1")), "/.." .. path } do
                    os.remove(path)
                    sent = 0
                    local _, first = open(mode)
                    local second, answer = open(mode, name)
                    local response, failure = first()
                    assert.is_nil(response)
                    assert.equal("cassette", failure.kind)
                    assert.is_false(failure.sent)
                    assert.truthy(failure.message:find("another cassette was opened to record " .. path, 1, true))
                    assert.equal(0, sent)
                    assert.truthy(answer())
                    second:assertDone()
                    assert.equal(1, count())
                end
            end
        end)

        it("tells when what it saved is gone, and only then", function()
            local first, ask = open "record"
            assert.truthy(ask())
            local second, again = open "append"
            assert.truthy(again())
            first:assertDone()
            second:assertDone()
            assert.equal(2, count())

            local _, anew = open "record"
            first:assertDone() -- the file is still the old one
            assert.truthy(anew())
            assert.equal(1, count())
            assert.error_matches(function() second:assertDone() end, "recorded anew by another cassette")
            assert.error_matches(function() first:assertDone() end, "recorded anew by another cassette")
        end)

        it("keeps an answer that came too late for the file, and says so", function()
            local first = kataven.cassette.open(path, { mode = "record" })
            local over = first:over { send = function()
                open "record"
                return { status = 200, headers = {}, body = "{}" }
            end }
            assert.truthy(over:send({ method = "GET", path = "/p", headers = {} }, function() end))
            assert.is_nil(read(path))
            assert.error_matches(function() first:assertDone() end, "another cassette was opened to record")
        end)

        it("records again, one after the other", function()
            for _ = 1, 3 do
                local cassette, ask = open "record"
                assert.truthy(ask())
                cassette:assertDone()
                assert.equal(1, count())
                assert.equal(1, kataven.cassette.open(path):remaining())
            end
        end)
    end)

    it("knows a file by all the names of its path", function()
        local name = require("kataven.cassette.lasting").path
        assert.equal(name "x", name "./x")
        assert.equal(name "x", name "a/../x")
        assert.equal(name "d/x", name "d//x")
        assert.equal("/x", name "/../a/./../x")
        assert.not_equal(name "x", name "../x")
        local directory = os.getenv "PWD"
        if directory then
            assert.equal(name "x", name(directory .. "/x"))
        end
    end)

    it("wants a client to send through", function()
        local cassette = kataven.cassette.open(path, { mode = "record" })
        local _, failure = cassette:send({ method = "GET", path = "/p" }, function() end)
        assert.equal("cassette", failure.kind)
        assert.matches("give it to kataven.new", failure.message)
    end)
end)
