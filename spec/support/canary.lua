--- Secrets that are sent through everything, and the search for them in what comes out: by other means than those that
--- hide them, and in every form that a server may give them back in.

local canary = {}

local function escaped(text, pattern, format)
    return (text:gsub(pattern, function(c) return format:format(c:byte()) end))
end

--- A secret in the forms that are promised to be found.
---@param secret string
---@return string[]
function canary.forms(secret)
    local base64 = require "kataven.base64"
    local all = {
        secret,
        escaped(secret, ".", "%%%02X"),
        escaped(secret, "[^%w]", "%%%02x"),
        escaped(secret, "[^%w_]", "%%%02X"), -- what most of Lua's URL encoders do
        escaped(secret, "-", "\\u%04x"),
        escaped(secret, ".", "\\u%04x"),
        escaped(secret, "[_./]", "\\u%04X"),
        (secret:gsub("/", "\\/")),
    }
    for before = 0, 2 do
        local text = base64.encode(("<"):rep(before) .. secret .. ":")
        all[#all + 1] = text
        all[#all + 1] = (text:gsub("%+", "-"):gsub("/", "_"))
        all[#all + 1] = (text:gsub("=", ""))
        all[#all + 1] = escaped(text, "[^%w]", "%%%02X")
    end
    return all
end

-- The text with percent and JSON escapes undone, until nothing changes.
local function plainly(text)
    local before
    repeat
        before = text
        text = text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
            :gsub("\\+u00(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
            :gsub('\\+(["/\\])', "%1")
    until text == before
    return text
end

--- Where a part of a secret is to be seen, or nil: as it is, in lower case, escaped, or in Base64.
---@param text string
---@param part string
---@return string?
function canary.found(text, part)
    local mime = require "mime"
    local plain = plainly(text)
    local at = plain:find(part, 1, true) or plain:lower():find(part:lower(), 1, true)
    if at then
        return "plainly: " .. plain:sub(math.max(1, at - 300), at + 60)
    end
    for run in plain:gmatch "[%w+/_-]+" do
        local standard = run:gsub("-", "+"):gsub("_", "/")
        for offset = 1, 4 do
            local decoded = mime.unb64(standard:sub(offset)) or ""
            if #run >= 8 and decoded:find(part, 1, true) then
                return "in Base64: " .. run
            end
        end
    end
end

--- All strings that somebody can get at from a value with `pairs`, `next`, `tostring` and `getmetatable`. What a
--- function has closed over cannot be got at without `debug`.
---@param value any
---@return string[]
function canary.strings(value)
    local texts, seen = {}, {}

    local function walk(v)
        if type(v) == "string" then
            texts[#texts + 1] = v
            texts[#texts + 1] = ("%q"):format(v)
        elseif (type(v) == "table" or type(v) == "userdata") and not seen[v] then
            seen[v] = true
            texts[#texts + 1] = tostring(v)
            walk(getmetatable(v))
            if type(v) == "table" then
                for name, member in pairs(v) do
                    walk(name)
                    walk(member)
                end
                for name, member in next, v do
                    walk(name)
                    walk(member)
                end
            end
        end
    end

    walk(value)
    return texts
end

--- A search that is quick enough for values by the thousand: a function that gives where in a value's strings the
--- secret is to be seen, as it is or in Base64, or nil.
---@param secret string ten bytes or more
---@return fun(value: any): string?
function canary.seeker(secret)
    local wanted
    return function(value)
        if not wanted then
            local base64 = require "kataven.base64"
            wanted = { secret }
            for before = 0, 2 do
                -- Without the ends, in which neighbours have a part.
                wanted[#wanted + 1] = base64.encode(("<"):rep(before) .. secret):sub(before > 0 and 5 or 1, -5)
            end
        end
        local text = table.concat(canary.strings(value), "\n")
        for _, form in ipairs(wanted) do
            local at = text:find(form, 1, true)
            if at then
                return text:sub(math.max(1, at - 200), at + 60)
            end
        end
    end
end

return canary
