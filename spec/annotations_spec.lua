-- The comments that editors read: everything public has to have them.

local METHODS = {
    list = { "GET /api/v1/widget-keys", "BadRequestError", "AuthenticationError", "ServerError" },
    create = { "POST /api/v1/widget-keys", "BadRequestError", "AuthenticationError", "ServerError" },
    update = { "PATCH /api/v1/widget-keys/{id}", "BadRequestError", "AuthenticationError", "NotFoundError",
        "ServerError" },
    delete = { "DELETE /api/v1/widget-keys/{id}", "AuthenticationError", "NotFoundError", "ServerError" },
}

local function linesOf(path)
    local lines = {}
    for line in io.lines("lua/kataven/" .. path) do
        lines[#lines + 1] = line
    end
    return lines
end

-- The public functions of a file (neither local nor metamethods): name,
-- parameters, the comment above, and the body.
local function functionsOf(path)
    local lines, found = linesOf(path), {}
    for index, line in ipairs(lines) do
        local indent, name, parameters = line:match("^( *)function ([%w_.:]+)%((.-)%)")
        if name and not name:find("__", 1, true) then
            local comment, at = {}, index - 1
            while lines[at] and lines[at]:find("^ *%-%-%-") do
                table.insert(comment, 1, (lines[at]:gsub("^ *%-%-%-", "")))
                at = at - 1
            end
            local body, stop = {}, index + 1
            while lines[stop] and lines[stop] ~= indent .. "end" do
                body[#body + 1] = lines[stop]
                stop = stop + 1
            end
            found[#found + 1] = {
                name = name,
                parameters = parameters,
                comment = table.concat(comment, "\n"),
                body = table.concat(body, "\n"),
            }
        end
    end
    return found
end

local function textOf(path)
    return table.concat(linesOf(path), "\n")
end

describe("the annotations of", function()
    -- What has to be among the functions that are found.
    for path, names in pairs {
        ["init.lua"] = { "kataven.new", "kataven.assert", "kataven.array", "kataven.canceller", "kataven.plan" },
        ["widget_keys.lua"] = { "widgetKeys.list", "widgetKeys.create", "widgetKeys.update", "widgetKeys.delete" },
        ["cassette.lua"] = { "cassette.open", "cassette.try", "Cassette:send", "Cassette:remaining", "Cassette:problem",
            "Cassette:assertDone" },
        ["host.lua"] = { "host.named", "host.canYield" },
        ["parallel.lua"] = { "parallel.run" },
        ["plan.lua"] = { "plan.of" },
        ["queue.lua"] = { "Queue:push", "Queue:stats", "queue.new" },
        ["busted.lua"] = { "helper.cassette" },
        ["redis/functions.lua"] = { "functions.library", "functions.snippet" },
        ["redis/worker.lua"] = { "worker.new", "Worker:run", "Worker:stop" },
    } do
        it(path .. " describe every public function", function()
            local found = {}
            for _, f in ipairs(functionsOf(path)) do
                assert.truthy(f.comment:find("%w%w.*[.:]"), f.name .. " has no sentence")
                for parameter in f.parameters:gmatch "[%w_]+" do
                    assert.truthy(f.comment:find("@param " .. parameter .. "%??[ \n]"), f.name .. ": " .. parameter)
                end
                if f.body:find("\n? *return [^\n]*[^ \n]") then
                    assert.truthy(f.comment:find "@return %S", f.name .. " has no @return")
                end
                found[f.name] = true
            end
            for _, name in ipairs(names) do
                assert.is_true(found[name], name .. " is not there")
            end
        end)
    end

    -- Where the names of all options stand, and the class that describes them.
    for path, row in pairs {
        ["cassette/options.lua"] = { "local OPTIONS", "kataven.cassette.Options" },
        ["plan.lua"] = { "local OPTIONS", "kataven.PlanOptions" },
        ["redis/functions.lua"] = { "local OPTIONS", "kataven.redis.FunctionOptions" },
        ["redis/settings.lua"] = { "settings.KNOWN", "kataven.redis.WorkerOptions" },
    } do
        it(path .. " describe every option, and no other", function()
            local text = textOf(path)
            local known, described = {}, {}
            for name in text:match(row[1] .. " = (%b{})"):gmatch '"(%w+)"' do
                known[#known + 1] = name
            end
            local class = text:match("@class " .. row[2] .. "\n(.-)\n\n")
            for name, rest in class:gmatch "%-%-%-@field (%w+)([^\n]*)" do
                assert.truthy(rest:find "^%? %S" or rest:find "|nil", name .. " may be left out")
                described[#described + 1] = name
            end
            table.sort(known)
            table.sort(described)
            assert.same(known, described)
        end)
    end

    it("client.lua describe what a client has", function()
        local text = textOf "client.lua"

        assert.matches("@class kataven%.Client\n", text)
        for _, field in ipairs { "widgetKeys kataven.WidgetKeys", "request fun(self: kataven.Client, ",
            "close fun(self: kataven.Client)", "parallel kataven.Parallel",
            "queue fun(self: kataven.Client, options?: kataven.QueueOptions): kataven.Queue" } do
            assert.truthy(text:find("---@field " .. field, 1, true), field)
        end
    end)

    it("canceller.lua describe what a canceller has", function()
        local class = textOf("canceller.lua"):match "@class kataven%.Canceller\n(.-)\nlocal "

        assert.truthy(class:find("---@field cancelled boolean", 1, true))
        assert.truthy(class:find("---@field cancel fun(self: kataven.Canceller)", 1, true))
    end)

    it("client.lua describe every option, and no other", function()
        local options = textOf "options.lua"
        local known = options:match "CLIENT_KNOWN = (%b{})"
        local class = textOf("client.lua"):match "@class kataven%.Options\n(.-)\n\n"
        local count = 0

        for name in known:gmatch '"(%w+)"' do
            assert.truthy(class:find("---@field " .. name .. "? ", 1, true), name)
            count = count + 1
        end
        local _, fields = class:gsub("%-%-%-@field ", "")
        assert.equal(count, fields)
        assert.equal(18, count)
    end)

    it("the options of a call describe each of them", function()
        local known = textOf("options.lua"):match "CALL_KNOWN = (%b{})"
        local class = textOf("widget_keys.lua"):match "@class kataven%.CallOptions\n(.-)\n\n"

        for name in known:gmatch '"(%w+)"' do
            assert.truthy(class:find("---@field " .. name .. "? ", 1, true), name)
        end
    end)

    it("widgetKeys name each method's endpoint and errors", function()
        local seen = 0
        for _, f in ipairs(functionsOf "widget_keys.lua") do
            local method = METHODS[f.name:match "%w+$"]
            for _, word in ipairs(method) do
                assert.truthy(f.comment:find(word, 1, true), f.name .. " does not name " .. word)
            end
            seen = seen + 1
        end
        assert.equal(4, seen)
    end)

    it("errors describe every field", function()
        local class = textOf("errors.lua"):match "@class kataven%.Error\n(.-)\n\n"

        for _, name in ipairs { "name", "message", "status", "headers", "body", "data", "retryAfter", "requestId",
            "method", "path", "attempts", "elapsed", "maybeApplied", "is" } do
            assert.truthy(class:find("@field " .. name .. "%?? "), name)
        end
    end)
end)
