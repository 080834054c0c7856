--- Cassettes for specs that busted runs, in one line:
---
---     describe("minting", function()
---         local cassette = require("kataven.busted").cassette "spec/cassettes/mint.json"
---
---         it("mints", function()
---             local client = cassette.client {}
---             ...
---
--- Every test of the block plays the file from its beginning, and fails when it
--- has left some of it unplayed. A test that fails by itself says nothing else.
--- Nothing else in kataven needs busted.

local busted = require "busted"
local cassetteOf = require "kataven.cassette"
local check = require "kataven.check"
local default = require "kataven.cassette.default"
local lasting = require "kataven.cassette.lasting"
local kataven = require "kataven"

local helper = {}

-- What is played by the test that runs: a block's within that of the block
-- around it, whose cassette is out of place meanwhile.
local playing = {}

-- The files that a test of this run has recorded, in this spec file or another.
local recorded = lasting.table "recorded"

-- Makes a test fail by what it left, as its last step and so only if it came
-- that far: what it fails by itself stays the one thing that is reported.
busted.subscribe({ "test", "start" }, function(element)
    local mine, run = {}, element.run

    for i, current in ipairs(playing) do
        mine[i] = current
    end
    if #mine > 0 then
        element.run = function(...)
            element.run = run
            run(...)
            for i = #mine, 1, -1 do
                local problem = mine[i].cassette:problem()
                if problem then
                    -- At the test's line: none of its statements is to blame.
                    busted.fail(("%s:%d: %s"):format(element.trace.short_src, element.trace.currentline, problem), 0)
                end
            end
        end
    end
    return nil, true
end)

local function begin(path, options)
    local cassette, problem = cassetteOf.try(path, options, false)

    if cassette and cassette.mode == "record" and recorded[lasting.path(path)] then
        cassette = nil
        problem = ("%s was recorded by another test of this run, which this one would overwrite; give each "
            .. "describe its own cassette and one test, or record with mode append"):format(path)
    end
    if not cassette then
        error(problem, 0)
    end
    playing[#playing + 1] = { cassette = cassette, clients = {}, before = default.place(cassette) }
end

local function finish(path)
    local current = table.remove(playing)

    if not current then
        return -- it never began
    end
    default.place(current.before)
    for _, client in ipairs(current.clients) do
        client:close()
    end
    if current.cassette.mode == "record" then
        recorded[lasting.path(path)] = true
    end
end

---@class kataven.busted.Handle
---@field client fun(options: kataven.Options|nil): kataven.Client a client of this test, closed after it
---@field current fun(): kataven.Cassette the cassette of this test

--- Plays a cassette to every test of the block where this is called; with
--- `KATAVEN_CASSETTE_MODE=record` it records the file instead. While a test runs, a
--- `kataven.new` without a transport uses its cassette, wherever it is called.
---@param path string
---@param options kataven.cassette.Options|nil
---@return kataven.busted.Handle
function helper.cassette(path, options)
    local handle, current = {}, nil

    busted.before_each(function()
        begin(path, options)
        current = playing[#playing]
    end)

    busted.after_each(function()
        if current then
            current = nil
            finish(path)
        end
    end)

    --- The cassette of the test that runs. Raises where none does.
    ---@return kataven.Cassette
    function handle.current()
        if not current then
            error("there is a cassette only while a test runs", 2)
        end
        return current.cassette
    end

    --- Makes a client over it, closed after the test. Raises where none runs, or an
    --- option is wrong.
    ---@param given kataven.Options|nil
    ---@return kataven.Client
    function handle.client(given)
        if not current then
            error("there is a cassette only while a test runs: make the client in a test, or in before_each", 2)
        end
        local problem = check.hidden("the table of options for kataven.new", given)
        if problem then
            error(problem, 2)
        end
        local o = check.copy(given or {})
        if o.transport == nil then
            o.transport = current.cassette
        end
        if o.apiKey == nil and current.cassette.mode == "replay" then
            o.apiKey = default.PLACEHOLDER_KEY
        end
        local ok, made = pcall(kataven.new, o)
        if not ok then
            error(made, 2)
        end
        current.clients[#current.clients + 1] = made
        return made
    end

    return handle
end

return helper
