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
    for path, count in pairs {
        ["init.lua"] = 5,
        ["widget_keys.lua"] = 4,
        ["cassette.lua"] = 5,
        ["host.lua"] = 5,
        ["parallel.lua"] = 2,
        ["queue.lua"] = 3,
    } do
        it(path .. " describe every public function", function()
            local checked = 0
            for _, f in ipairs(functionsOf(path)) do
                assert.truthy(f.comment:find("%w%w.*[.:]"), f.name .. " has no sentence")
                for parameter in f.parameters:gmatch "[%w_]+" do
                    assert.truthy(f.comment:find("@param " .. parameter .. "%??[ \n]"), f.name .. ": " .. parameter)
                end
                if f.body:find("\n? *return [^\n]*[^ \n]") then
                    assert.truthy(f.comment:find "@return %S", f.name .. " has no @return")
                end
                checked = checked + 1
            end
            assert.is_true(checked >= count, "only " .. checked)
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
