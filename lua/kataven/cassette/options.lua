--- The options of `kataven.cassette.open`: what there is, what it may hold, and
--- which mode is in force once the environment has had its say.

local check = require "kataven.check"
local globals = require "kataven.globals"

---@class kataven.cassette.Options
---@field mode "replay"|"record"|"append"|"once"|nil
---@field matchHeaders string[]|nil names of request headers that must agree too
---@field match kataven.cassette.MatchFunction|nil decides in place of the built-in comparison
---@field allowRepeats boolean|nil a request that comes again gets the last match again
---@field redact kataven.cassette.RedactFunction|nil changes what is recorded, after the secrets were hidden

---@class kataven.cassette.Settings
---@field mode "replay"|"record"|"append"|"once"
---@field ci boolean is it "replay" because of CI=true?
---@field names string[] of `matchHeaders`, lower-case, sorted, each once
---@field match kataven.cassette.MatchFunction|nil
---@field allowRepeats boolean
---@field redact kataven.cassette.RedactFunction|nil
---@field strict boolean must all of it be played when the program ends?

local OPTIONS = { "allowRepeats", "match", "matchHeaders", "mode", "redact" }
local MODES = { replay = true, record = true, append = true, once = true }
local MODE_WANTED = 'must be "replay", "record", "append" or "once"'

local environment = globals.getenv

-- The mode that is in force, and whether CI decided it; or nil and what is wrong. A continuous integration
-- run replays whatever is asked for, so that it can never reach the network.
local function modeOf(given)
    if given ~= nil and not MODES[given] then
        return nil, ("mode %s, got %s"):format(MODE_WANTED, check.describe(given))
    end
    if environment "CI" == "true" then
        return "replay", true
    end
    local override = environment "KATAVEN_CASSETTE_MODE"
    if override and not MODES[override] then
        return nil, ("the environment variable KATAVEN_CASSETTE_MODE %s, got %s"):format(MODE_WANTED,
            check.name(override))
    end
    return override or given or "replay", false
end

local STRICT = { ["1"] = true, ["true"] = true, ["0"] = false, ["false"] = false }

-- Whether KATAVEN_CASSETTE_STRICT is on; or nil and what is wrong with it.
local function strictness()
    local value = environment "KATAVEN_CASSETTE_STRICT" or "0"

    if STRICT[value] == nil then
        return nil, "the environment variable KATAVEN_CASSETTE_STRICT must be 1, or 0 or empty, got "
            .. check.name(value)
    end
    return STRICT[value]
end

-- The names of `matchHeaders` in lower case and in order, each once; or nil and
-- what is wrong.
local function headerNames(given)
    local names, seen, count = {}, {}, 0

    if type(given) ~= "table" then
        return nil, "matchHeaders must be a list of header names, got " .. check.describe(given)
    end
    local hidden = check.hidden("matchHeaders", given)
    if hidden then
        return nil, hidden
    end
    for _ in next, given do
        count = count + 1
    end
    for i = 1, count do
        local name = rawget(given, i)
        if name == nil then
            return nil, 'matchHeaders must be a list of header names, such as { "X-Trace" }, and nothing else'
        end
        if type(name) ~= "string" or not name:find("^[^%s:%c]+$") then
            return nil, ("matchHeaders[%d] must be a header's name, got %s"):format(i, check.describe(name))
        end
        if not seen[name:lower()] then
            seen[name:lower()] = true
            names[#names + 1] = name:lower()
        end
    end
    table.sort(names)
    return names
end

--- Checks the options. Never raises: where the caller's line is, `open` knows.
---@param options kataven.cassette.Options|nil
---@return kataven.cassette.Settings|nil
---@return string|nil problem
return function(options)
    if options == nil then
        options = {}
    elseif type(options) ~= "table" then
        return nil, "options must be a table, got " .. check.describe(options)
    end

    local problem = check.hidden("the table of options", options)
        or check.unknown(options, OPTIONS, "option")
        or check.type("allowRepeats", options.allowRepeats, "boolean")
    if problem then
        return nil, problem
    elseif options.match ~= nil and not check.callable(options.match) then
        return nil, "match must be a function (request, recorded), got " .. check.describe(options.match)
    elseif options.redact ~= nil and not check.callable(options.redact) then
        return nil, "redact must be a function (interaction), got " .. check.describe(options.redact)
    end

    local names
    local mode, ci = modeOf(options.mode)
    if not mode then
        return nil, ci
    end
    names, problem = headerNames(options.matchHeaders == nil and {} or options.matchHeaders)
    if not names then
        return nil, problem
    end
    local strict
    strict, problem = strictness()
    if strict == nil then
        return nil, problem
    end
    return {
        mode = mode,
        strict = strict,
        ci = ci,
        names = names,
        match = options.match,
        allowRepeats = options.allowRepeats or false,
        redact = options.redact,
    }
end
