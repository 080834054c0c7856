-- Replaying a cassette with a match function of one's own; its time, and the faults that it holds.

local play = require "spec.support.play"

local TOKEN = play.TOKEN
local ask, interaction, noWait, open, request = play.ask, play.interaction, play.noWait, play.open, play.request
local raised = require "spec.support.misuse"

describe("kataven.cassette, played,", function()
    local getenv

    before_each(function()
        getenv = stub(os, "getenv") -- nothing is set
    end)

    after_each(function()
        getenv:revert()
        play.removeFiles()
    end)

    describe("a match function", function()
        local recorded = { interaction("GET", "/a", "1", [[,"query":"x=1","headers":{"X-A":"v"},"body":"b"]]),
            interaction("GET", "/b", "2"), interaction("GET", "/c", "3") }

        it("decides in place of the comparison, in order, each once", function()
            local c = open({ match = function() return true end }, recorded[1], recorded[2])

            assert.equal("1", ask(c, "PUT", "/z"))
            assert.equal("2", ask(c, "PUT", "/z"))
            assert.is_nil((ask(c, "PUT", "/z")))
        end)

        it("sees both sides", function()
            local seen
            local c = open({
                match = function(got, rec)
                    seen = { got, rec }
                    return true
                end,
            }, recorded[1])
            ask(c, "POST", "/z", { url = "http://h/z?q=1", body = "x", headers = { ["X-B"] = "w" } })

            assert.same({
                { method = "POST", path = "/z", query = "q=1", body = "x", headers = { ["X-B"] = "w" } },
                { method = "GET", path = "/a", query = "x=1", body = "b", headers = { ["x-a"] = "v" } },
            }, seen)
        end)

        it("may play out of order, and is not shown what was played", function()
            local shown = {}
            local c = open({
                match = function(got, rec)
                    shown[#shown + 1] = rec.path
                    return got.path == rec.path
                end,
            }, recorded[1], recorded[2], recorded[3])

            assert.equal("2", ask(c, "GET", "/b"))
            assert.equal("3", ask(c, "GET", "/c"))
            assert.equal("1", ask(c, "GET", "/a"))
            assert.is_nil((ask(c, "GET", "/a")))
            assert.same({ "/a", "/b", "/a", "/c", "/a" }, shown)
        end)

        it("repeats the last that it accepts, when asked to", function()
            local c = open({
                allowRepeats = true,
                match = function(got, rec) return got.path == rec.path end,
            }, recorded[1], recorded[2], recorded[3])

            for _, path in ipairs { "/b", "/a", "/b", "/b", "/a" } do
                assert.equal(path == "/a" and "1" or "2", ask(c, "GET", path))
            end
            assert.equal(1, c:remaining())
        end)

        it("gives its reasons to the error", function()
            local c = open({ match = function() return false, "wrong day of " .. TOKEN end }, recorded[1])
            local _, failure = ask(c, "GET", "/a")

            assert.matches("match says: wrong day of sk_live_%[redacted%]", failure.message)
        end)

        it("raises to the caller, and may yield", function()
            assert.error_matches(function()
                ask(open({ match = function() error("oops", 0) end }, recorded[1]), "GET", "/a")
            end, "^oops$")

            -- Two calls meet in the function, and only one gets the interaction.
            local c = open({
                match = function()
                    coroutine.yield()
                    return true
                end,
            }, recorded[1], recorded[2])
            local answers, threads = {}, {}
            for i = 1, 2 do
                threads[i] = coroutine.create(function() answers[i] = ask(c, "GET", "/a") end)
            end
            for i = 1, 6 do
                coroutine.resume(threads[i % 2 + 1])
            end
            table.sort(answers)
            assert.same({ "1", "2" }, answers)
        end)
    end)

    describe("time", function()
        local function delayed(delay)
            return ([[{"request":{"method":"GET","path":"/p"},"response":{"status":200,"delay":%s}}]]):format(delay)
        end

        it("begins at 0 and moves by what is waited", function()
            local clock = open(nil):clock()

            assert.equal(0, clock.now())
            clock.advance(1.5)
            clock.advance(0)
            assert.equal(1.5, clock.now())
            assert.matches("seconds must be a number of 0 or more", raised(function() clock.advance(-1) end))
            assert.matches("seconds must be", raised(function() clock.advance("1") end))
        end)

        it("passes once for a delay, whether the wait moves the clock or not", function()
            local c = open(nil, delayed(2), delayed(2), delayed(2))
            local clock, waited = c:clock(), {}

            assert.equal(clock, c:clock())
            c:send(request("GET", "/p"), function(seconds) waited[#waited + 1] = seconds end)
            assert.equal(2, clock.now())
            c:send(request("GET", "/p"), function(seconds) clock.advance(seconds) end)
            assert.equal(4, clock.now())
            c:send(request("GET", "/p"), function(seconds) clock.advance(seconds / 2) end)
            assert.equal(6, clock.now())
            assert.same({ 2 }, waited)
        end)

        it("takes none where the file says nothing of a delay", function()
            local c = open(nil, interaction("GET", "/p", ""))

            c:send(request("GET", "/p"), error)
            assert.equal(0, c:clock().now())
        end)

        it("runs out at the request's timeout", function()
            local c = open(nil, delayed(40), delayed(30))
            local answer, failure = c:send(request("GET", "/p"), noWait)

            assert.is_nil(answer)
            assert.equal("timeout", failure.kind)
            assert.is_true(failure.sent)
            assert.matches("no answer within 30 s .-interactions%[1%]", failure.message)
            assert.equal(30, c:clock().now())
            assert.equal(200, c:send(request("GET", "/p"), noWait).status)
            assert.equal(60, c:clock().now())
        end)

        it("passes once for time-outs side by side", function()
            local fault = [[{"request":{"method":"GET","path":"/p"},"error":{"kind":"timeout","sent":true}}]]
            local c = open(nil, fault, fault)
            local waited, failures, threads = {}, {}, {}
            local function yielding(seconds)
                waited[#waited + 1] = seconds
                coroutine.yield()
            end

            for i = 1, 2 do
                threads[i] = coroutine.create(function()
                    local _, failure = c:send(request("GET", "/p"), yielding)
                    failures[i] = failure.kind
                end)
            end
            for _ = 1, 2 do
                for i = 1, 2 do
                    if coroutine.status(threads[i]) ~= "dead" then
                        assert(coroutine.resume(threads[i]))
                    end
                end
            end
            assert.same({ "timeout", "timeout" }, failures)
            assert.same({ 30, 30 }, waited)
            assert.equal(30, c:clock().now())
        end)

        it("of a recorded time-out ends where the call is cancelled", function()
            local c = open(nil, [[{"request":{"method":"GET","path":"/p"},"error":{"kind":"timeout","sent":true}}]])
            local _, failure = c:send(request("GET", "/p"), function() return true end)

            assert.same({ "cancelled", true, 0 }, { failure.kind, failure.sent, c:clock().now() })
        end)

        it("runs out at the connect timeout for what was never sent", function()
            local c = open(nil,
                [[{"request":{"method":"GET","path":"/p"},"error":{"kind":"connect","delay":12}}]])
            local _, failure = c:send(request("GET", "/p"), noWait)

            assert.same({ "timeout", false, 10 }, { failure.kind, failure.sent, c:clock().now() })
        end)

        it("ends where the call is cancelled", function()
            local c = open(nil, delayed(2))
            local answer, failure = c:send(request("GET", "/p"), function() return true end)

            assert.is_nil(answer)
            assert.same({ "cancelled", true, 0 }, { failure.kind, failure.sent, c:clock().now() })
        end)
    end)

    describe("recorded faults", function()
        it("come as failures", function()
            local function fault(text)
                local c = open(nil, '{"request":{"method":"GET","path":"/p"},' .. text .. "}")
                local answer, failure = c:send(request("GET", "/p"), noWait)

                assert.is_nil(answer)
                return failure, c
            end

            local failure = fault [["error":{"kind":"timeout","sent":true}]]
            assert.same({ "timeout", true }, { failure.kind, failure.sent })
            assert.matches("the time ran out %(recorded: .-, interactions%[1%]%)", failure.message)
            assert.same({ kind = "connect", sent = false, message = "refused" },
                (fault [["error":{"kind":"connect","message":"refused"}]]))
            failure = fault [["response":{"status":200,"body":"[{","truncated":true}]]
            assert.same({ "connection", true }, { failure.kind, failure.sent })
            assert.matches("the answer ends after 2 bytes", failure.message)
            assert.equal(200, failure.status)
            assert.equal(206, fault([["error":{"kind":"connection","sent":true,"status":206}]]).status)

            local _, c = fault [["error":{"kind":"tls","delay":3}]]
            assert.equal(3, c:clock().now())
        end)
    end)
end)
