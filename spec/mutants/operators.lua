--- The mutants of a text: each is one small change in one place, of Lua or of C. And the picking of some of them.

local operators = {}

---@class Mutant
---@field line integer
---@field from integer the first byte that is replaced
---@field to integer
---@field with string
---@field file? string

local SWAPPED = {
    lua = { ["=="] = "~=", ["~="] = "==", ["and"] = "or", ["or"] = "and" },
    c = { ["=="] = "!=", ["!="] = "==", ["&&"] = "||", ["||"] = "&&", ["+="] = "-=", ["-="] = "+=",
        ["++"] = "--", ["--"] = "++" },
}
local SWAPPED_IN_BOTH = { ["<"] = "<=", ["<="] = "<", [">"] = ">=", [">="] = ">", ["true"] = "false",
    ["false"] = "true" }
-- A sign and the C pointer's asterisk stand beside a blank on one side only.
local BINARY = { ["+"] = "-", ["-"] = "+", ["*"] = "/", ["/"] = "*" }
local LONG_TOKENS = { "...", "<<=", ">>=", "->", "<<", ">>", "<=", ">=", "==", "~=", "!=", "&&", "||", "+=", "-=", "*=",
    "/=", "|=", "&=", "++", "--", "..", "::" }
local NOT_ASSIGNED = { ["local"] = true, ["return"] = true, ["if"] = true, ["elseif"] = true, ["for"] = true,
    ["while"] = true, ["until"] = true, ["function"] = true, ["repeat"] = true, ["else"] = true, ["end"] = true,
    ["break"] = true, ["continue"] = true, ["goto"] = true, ["static"] = true, ["typedef"] = true, ["assert"] = true,
    ["case"] = true, ["do"] = true }

-- Every byte but line ends becomes a blank, so that places stay.
local function blank(text)
    return (text:gsub("[^\n]", " "))
end

-- A string keeps its quotes, so that it is still seen that there is a value.
local function hollow(text)
    return text:sub(1, 1) .. blank(text:sub(2, -2)) .. text:sub(-1)
end

-- Where the string ends that begins at `from`.
local function string_end(text, from)
    local quote, index = text:sub(from, from), from + 1
    while index <= #text do
        local byte = text:sub(index, index)
        if byte == quote then
            return index
        end
        index = index + (byte == "\\" and 2 or 1)
    end
    return #text
end

-- Where the long bracket ends that begins at `from`, or nil when there is none.
local function bracket_end(text, from)
    local level = text:match("^%[(=*)%[", from)
    return level and select(2, text:find("]" .. level .. "]", from, true))
end

local function skip_in_lua(text, index)
    if text:find("^%-%-", index) then
        return bracket_end(text, index + 2) or (text:find("\n", index, true) or #text + 1) - 1, blank
    end
    local long = bracket_end(text, index)
    if long then
        return long, hollow
    end
end

local function skip_in_c(text, index)
    if text:find("^/%*", index) then
        return select(2, text:find("*/", index, true)) or #text, blank
    elseif text:find("^//", index) then
        return (text:find("\n", index, true) or #text + 1) - 1, blank
    elseif text:find("^#", index) and text:sub(1, index - 1):find "^%s*$" or text:find("^\n%s*#", index - 1) then
        local last = index
        repeat
            last = text:find("\n", last + 1, true) or #text + 1
        until text:sub(last - 1, last - 1) ~= "\\"
        return last - 1, blank
    end
end

--- The text without comments, the insides of strings and, in C, directives, as long as it was.
function operators.bare(text, language)
    local skip = language == "lua" and skip_in_lua or skip_in_c
    local parts, index, taken = {}, 1, 1
    while true do
        index = text:find("[\"'%-%[/#]", index)
        if not index then
            break
        end
        local last, cover = skip(text, index)
        if not last and text:find("^[\"']", index) then
            last, cover = string_end(text, index), hollow
        end
        if last then
            parts[#parts + 1] = text:sub(taken, index - 1)
            parts[#parts + 1] = cover(text:sub(index, last))
            taken = last + 1
        end
        index = (last or index) + 1
    end
    return table.concat(parts) .. text:sub(taken)
end

local function token_at(line, index)
    local word = line:match("^[%a_][%w_]*", index) or line:match("^0[xX]%x+", index)
        or line:match("^%d+%.?%d*[%a]*", index)
    if word then
        return word
    end
    for _, long in ipairs(LONG_TOKENS) do
        if line:sub(index, index + #long - 1) == long then
            return long
        end
    end
    return line:sub(index, index)
end

local function other_number(token)
    if token:find "^0[xX]" then
        return ("0x%x"):format(tonumber(token) + 1)
    end
    local whole, rest = token:match "^(%d+)(.*)$"
    return (whole == "1" and "0" or ("%d"):format(whole + 1)) .. rest
end

-- The changes of single tokens.
local function tokens(line, language, add)
    local index = 1
    while true do
        index = line:find("%S", index)
        if not index then
            return
        end
        local token = token_at(line, index)
        local last = index + #token - 1
        local with = SWAPPED_IN_BOTH[token] or SWAPPED[language][token]
        if BINARY[token] and line:sub(1, index - 1):find "[%w_%)%]] $" and line:find("^ ", last + 1) then
            with = BINARY[token]
        elseif token:find "^%d" then
            with = other_number(token)
        elseif token == "not" or token == "!" then
            with, last = "", line:find("%S", last + 1) - 1
        elseif token == "break" or token == "continue" and language == "c" then
            with = ""
        end
        if with then
            add(index, last, with)
        end
        index = index + #token
    end
end

-- A condition that becomes its opposite.
local function negations(line, language, add)
    local index = 1
    while true do
        local from, to
        if language == "c" then
            from, to = line:match("%f[%w_]if ()%b()()", index)
            if not from then
                from, to = line:match("%f[%w_]while ()%b()()", index)
            end
        else
            from, to = line:match("%f[%w_]if ().-() then%f[^%w_]", index)
            if not from then
                from, to = line:match("%f[%w_]while ().-() do%f[^%w_]", index)
            end
        end
        if not from then
            return
        end
        local condition = line:sub(from, to - 1)
        local joined = condition:find "[&|][&|]" or condition:find "%f[%w_]and%f[^%w_]"
            or condition:find "%f[%w_]or%f[^%w_]"
        -- Else the swapped comparison, or the dropped `not`, is the same change.
        if joined or not condition:find "[=!<>~]" and not condition:find "^not " then
            add(from, to - 1, language == "c" and "(!%s)" or "not (%s)", true)
        end
        index = to
    end
end

-- What a function gives back, dropped.
local function returns(line, language, add)
    local from, to
    if language == "c" then
        from, to = line:match "%f[%w_]return ()[^;]+();"
    else
        from, to = line:match "%f[%w_]return ()[^;]-() end%f[^%w_].*$"
        if not from then
            from, to = line:match "%f[%w_]return ()[^;]-()%s*$"
        end
    end
    local value = from and line:sub(from, to - 1) or ""
    if value ~= "" and value ~= "nil" and value ~= "true" and value ~= "false" and not value:find "^[%d.]+$" then
        add(from, to - 1, language == "c" and "0" or "nil")
    end
end

-- A statement on a line of its own, left out.
local function deletions(line, before, language, add)
    local first = line:match "^%s*%(?%*?([%a_][%w_]*)" or line:match "^%s+[+-][+-]([%a_][%w_]*)"
    if not first or NOT_ASSIGNED[first] then
        return
    end
    local from, to = line:find "%S.*%S"
    if language == "c" then
        local declares = line:find "^%s+[%a_][%w_ ]* %**[%a_][%w_]* ="
        local begins = before:find "[;{}%):]%s*$" or before:find "else%s*$"
        if begins and line:find "^ .*[=%(+-].*;%s*$" and not declares then
            add(from, to, ";")
        end
    elseif line:find "^[^=]*[^=~<>] = " or line:find "^%s*[%a_][%w_.:%[%]\"]* ?%b()$"
        or line:find "^%s*[%a_][%w_.:]* ?[\"{].*[\"}]$" then
        add(from, to, "")
    end
end

--- The mutants of a text, in the order of their places.
---@param language "lua"|"c"
---@return Mutant[]
function operators.mutants(text, language)
    local found, start, number, before = {}, 1, 0, ";"
    for line in (operators.bare(text, language) .. "\n"):gmatch "(.-)\n" do
        number = number + 1
        local offset = start - 1
        local function add(from, to, with, holds)
            from, to = from + offset, to + offset
            with = holds and with:format((text:sub(from, to):gsub("%%", "%%%%"))) or with
            found[#found + 1] = { line = number, from = from, to = to, with = with }
        end
        if line:find "%S" and not line:find "^%s*assert%(" then
            tokens(line, language, add)
            negations(line, language, add)
            returns(line, language, add)
            deletions(line, before, language, add)
            before = line
        end
        start = start + #line + 1
    end
    return found
end

--- The text with one change.
---@param mutant Mutant
function operators.apply(text, mutant)
    return text:sub(1, mutant.from - 1) .. mutant.with .. text:sub(mutant.to + 1)
end

--- The list in an order that the seed decides: the same on every machine and Lua.
function operators.shuffle(list, seed)
    local state = (seed * 7919 + 12345) % 2147483646 + 1
    for index = #list, 2, -1 do
        state = state * 16807 % 2147483647
        local other = state % index + 1
        list[index], list[other] = list[other], list[index]
    end
    return list
end

return operators
