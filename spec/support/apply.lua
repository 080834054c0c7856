--- Runs `kataven widget-keys apply` against a local hub, and looks at what came of
--- it: on the hub's side, and in the file of created keys.

local assert = require "luassert"
local busted = require "busted"
local child = require "spec.support.child"
local core = require "kataven.core"
local files = require "spec.support.files"
local json = require "dkjson"
local servers = require "spec.support.servers"

local apply = {}

--- A file of wanted keys, in a temporary place.
---@param list table[] dkjson.null is null; an empty allowlist is marked
---@return string path
function apply.file(list)
    local path = os.tmpname()
    files.write(path, json.encode({ widget_keys = setmetatable(list, { __jsontype = "array" }) }))
    return path
end

--- A path where there is no file yet.
---@return string path
function apply.nowhere()
    local path = os.tmpname()
    os.remove(path)
    return path
end

--- Starts the command, and gives the child (see spec.support.child). Options:
--- `before`, Lua code that runs first; `environment`; `launcher`.
---@param hub table
---@param words string[] the arguments after `apply`
---@param options? { before?: string, environment?: table<string, string>, launcher?: string|string[] }
---@return table
function apply.start(hub, words, options)
    options = options or {}
    local quoted = {}
    for index, word in ipairs(words) do
        quoted[index] = ("%q"):format(word)
    end
    local environment = { KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey }
    for name, value in pairs(options.environment or {}) do
        environment[name] = value
    end
    return child.start(([[
        arg = { "widget-keys", "apply", %s }
        %s
        os.exit(require("kataven.cli").main(arg), true)
    ]]):format(table.concat(quoted, ", "), options.before or ""),
        { environment = environment, launcher = options.launcher })
end

--- Runs it to its end.
---@return string stdout
---@return string stderr
---@return integer status
function apply.run(hub, words, options)
    return apply.start(hub, words, options):wait()
end

local function headersOf(hub)
    return { Authorization = "Bearer " .. hub.apiKey }
end

--- The hub's rows; a null is absent.
---@param hub table
---@return table[]
function apply.rows(hub)
    return json.decode(servers.http("GET", hub.url .. "/api/v1/widget-keys", { headers = headersOf(hub) }).body)
end

--- Makes a key past the command, and gives its row.
function apply.mint(hub, input)
    return json.decode(servers.http("POST", hub.url .. "/api/v1/widget-keys",
        { headers = headersOf(hub), body = input }).body)
end

--- Revokes a key past the command.
function apply.revoke(hub, id)
    local answer = servers.http("PATCH", hub.url .. "/api/v1/widget-keys/" .. id,
        { headers = headersOf(hub), body = { disabled = true } })
    assert.equal(200, answer.status)
end

--- The live rows by name, each an array.
---@param hub table
---@return table<string, table[]>
function apply.live(hub)
    local names = {}
    for _, row in ipairs(apply.rows(hub)) do
        if not row.disabled_at then
            names[row.name] = names[row.name] or {}
            table.insert(names[row.name], row)
        end
    end
    return names
end

--- The plaintexts in a file of created keys, by the id of their rows. Half a line is
--- none.
---@param path string
---@return table<string, string>
function apply.kept(path)
    local keys = {}
    for line in (files.read(path) or ""):gmatch "[^\n]+" do
        local value = json.decode(line)
        if value and value.created then
            assert.is_nil(keys[value.id], "kept twice: " .. value.id)
            keys[value.id] = value.key
        end
    end
    return keys
end

--- Comes back when the hub's counts (see hub:stats) have come so far; raises after a
--- minute.
---@param hub table
---@param what string
---@param count integer
function apply.await(hub, what, count)
    for _ = 1, 600 do
        if hub:stats()[what] >= count then
            return
        end
        os.execute "sleep 0.1"
    end
    error(("the hub has not seen %d %s, but %s"):format(count, what, json.encode(hub:stats())), 2)
end

--- Runs it again and again, and does what it advises in between, until it has
--- nothing left to do. Gives the ids that it had revoked, and the number of runs.
---@param hub table
---@param words string[]
---@return string[] revoked
---@return integer runs
function apply.finish(hub, words)
    local revoked = {}
    for run = 1, 4 do
        local _, errors, status = apply.run(hub, words)
        if status == 0 then
            return revoked, run
        end
        assert.equal(1, status, errors)
        local advised
        for id in errors:gmatch "kataven widget%-keys revoke (%x[%x-]+)" do
            apply.revoke(hub, id)
            revoked[#revoked + 1] = id
            advised = true
        end
        assert.is_true(advised, "no advice in: " .. errors)
    end
    error("it does not come to an end", 2)
end

--- The changes of a document as short lines.
---@param changes table[]
---@return string[]
function apply.short(changes)
    local lines = {}
    for index, change in ipairs(changes) do
        lines[index] = change.action .. " " .. change.name
    end
    return lines
end

local Desk = {}
Desk.__index = Desk

--- Makes the file of wanted keys, `desk.file`.
---@return string path
function Desk:wanted(list)
    if self.file then
        os.remove(self.file)
    end
    self.file = apply.file(list)
    return self.file
end

--- Runs it where it goes well, and gives its document and its messages.
function Desk:done(words, options)
    local output, errors, status = apply.run(self.hub, words, options)
    assert.equal(0, status, errors)
    local document, stop = json.decode(output, 1, json.null)
    assert.equal("\n", output:sub(stop), "more than one document")
    assert(core.decode(output)) -- dkjson does without commas
    return document, errors
end

--- Runs it where it ends with this status; gives its messages and its output.
function Desk:refused(status, words, options)
    local output, errors, code = apply.run(self.hub, words, options)
    assert.equal(status, code, errors)
    return errors, output
end

--- Describes something with a hub, `desk.hub`, which every test finds empty, and
--- a path, `desk.out`, where there is no file yet. That and `desk.file` are removed.
---@param title string
---@param tests fun(desk: table)
---@param options? table the hub's
function apply.describe(title, tests, options)
    busted.describe(title, function()
        local desk = setmetatable({}, Desk)

        busted.lazy_setup(function()
            desk.hub = servers.hub(options or {})
        end)

        busted.lazy_teardown(function()
            desk.hub:stop()
        end)

        busted.before_each(function()
            desk.hub:reset()
            desk.out = apply.nowhere()
        end)

        busted.after_each(function()
            os.remove(desk.out)
            if desk.file then
                os.remove(desk.file)
                desk.file = nil
            end
        end)

        tests(desk)
    end)
end

return apply
