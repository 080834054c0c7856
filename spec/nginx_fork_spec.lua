-- A client that is made, and used, before nginx forks its workers: each worker has connections of its own, and no
-- answer goes to the wrong caller.

local nginx = require "spec.support.nginx"
local servers = require "spec.support.servers"

local missing = nginx.missing()
if missing then
    describe("a client made before the fork", function()
        pending(missing)
    end)
    return
end

local WORKERS = 4

-- The answer is the worker and the name of the key that came back.
local CREATE = [[
    local name = ngx.var.arg_name
    local key, err = client.widgetKeys.create { name = name }
    ngx.print(ngx.worker.pid(), " ", key and key.name or tostring(err))
]]

for _, scheme in ipairs { "http", "https" } do
    describe(("a client made before the fork, over %s,"):format(scheme), function()
        local hub, cert, server

        lazy_setup(function()
            cert = servers.certificate()
            hub = servers.hub { tls = scheme == "https" and cert or nil, limits = { inFlight = 0 } }
            server = nginx.start {
                workers = WORKERS,
                env = { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey },
                init = ([[
                    client = require("kataven").new { caFile = %q }
                    -- Several connections, which are kept.
                    local tasks = {}
                    for index = 1, 8 do
                        tasks[index] = function() return client.widgetKeys.create { name = "init" .. index } end
                    end
                    for _, result in ipairs(client:parallel(tasks)) do
                        assert(result.value, tostring(result.err))
                    end
                ]]):format(cert.cert),
                content = { ["/create"] = CREATE },
            }
        end)

        lazy_teardown(function()
            server:stop()
            hub:stop()
            cert:remove()
        end)

        -- Creates keys of the names from..to, all at once. Gives how many each worker made.
        local function create(from, to)
            local paths, workers = {}, {}
            for index = from, to do
                paths[#paths + 1] = "/create?name=n" .. index
            end
            for index, answer in ipairs(server:all(paths)) do
                local pid, name = answer.body:match "^(%d+) (.*)$"
                assert.equal("n" .. from + index - 1, name)
                workers[pid] = (workers[pid] or 0) + 1
            end
            return workers
        end

        local function count(map)
            local total = 0
            for _ in pairs(map) do
                total = total + 1
            end
            return total
        end

        it("gives every caller its own answer", function()
            assert.is_true(hub:stats().connections >= 1)
            local workers = {}
            for first = 1, 320, 80 do
                for pid in pairs(create(first, first + 79)) do
                    workers[pid] = true
                end
            end
            assert.equal(WORKERS, count(workers))
            assert.equal(320 + 8, hub:stats().creates)
        end)

        it("keeps the others' connections when a worker exits", function()
            -- One after the other, so that each worker needs one connection.
            local function one()
                local workers = {}
                for index = 1, 60 do
                    for pid in pairs(create(index, index)) do
                        workers[pid] = true
                    end
                end
                return workers
            end
            local before = one()
            assert.equal(WORKERS, count(before))
            local connections = hub:stats().connections
            one()
            assert.equal(connections, hub:stats().connections)

            local old = next(before)
            server:replace(old)
            server:awaitExit { old }
            server:await("a new worker", function()
                return #server:workers() == WORKERS
            end)
            local after = one()
            assert.is_nil(after[old])
            assert.equal(WORKERS, count(after))
            assert.equal(connections + 1, hub:stats().connections)
        end)

        it("works in the workers that a reload starts", function()
            local old = server:workers()
            server:replace()
            server:awaitExit(old)
            for pid in pairs(create(1, 40)) do
                for _, each in ipairs(old) do
                    assert.not_equal(each, pid)
                end
            end
        end)

        it("gives nginx nothing to complain of", function()
            assert.same({}, server:complaints())
        end)
    end)
end
