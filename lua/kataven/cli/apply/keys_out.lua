--- The file that created keys are kept in, `--keys-out`: JSON Lines, added to and
--- never rewritten, its owner's alone. Around each create it holds two lines, so
--- that the next run can tell what became of one that was cut off:
---
---     {"creating":"acme.com","time":"2026-11-24T09:30:00Z"}
---     {"created":"acme.com","id":"…","key":"pk_live_…","row":{…},"time":"…"}
---
--- with `secret_key` too, if the server paired one with it; or, if surely no key was
--- made, `{"not_created":"acme.com","why":"…","time":"…"}`.
--- A `creating` that nothing follows means: a key of that name may have been minted,
--- and its plaintext was never written.

local cassetteFile = require "kataven.cassette.file"
local core = require "kataven.core"
local json = require "kataven.cli.json"

---@class kataven.cli.KeysOut
---@field path string
---@field open kataven.cli.OpenCreate[] creates that nothing was heard of, in the file's order
local KeysOut = {}
KeysOut.__index = KeysOut

---@class kataven.cli.OpenCreate
---@field name string
---@field line integer

local keysOut = {}

local KINDS = { "creating", "created", "not_created" }

-- Of the pieces of lines that a full disk, or the end of a process, can leave.
local function isPiece(line)
    for _, kind in ipairs(KINDS) do
        local start = ('{"%s":'):format(kind)
        if line:sub(1, #start) == start:sub(1, #line) then
            return true
        end
    end
    return false
end

-- The kind and the name of a line; nil for a piece of one, false for anything else.
local function readLine(line)
    local value = core.decode(line)
    if type(value) ~= "table" then
        return isPiece(line) and nil
    end
    for _, kind in ipairs(KINDS) do
        if type(value[kind]) == "string" then
            return kind, value[kind]
        end
    end
    return false
end

-- What is open at the end of a text. Gives a problem where somebody else wrote it.
local function readText(text)
    local last, order, number = {}, {}, 0
    for line in (text .. "\n"):gmatch "([^\n]*)\n" do
        number = number + 1
        local kind, name
        if line ~= "" then
            kind, name = readLine(line)
        end
        if kind == false then
            return nil, ("line %d is none that apply wrote; name a file of its own"):format(number)
        elseif kind then
            last[name] = { kind = kind, line = number }
            order[#order + 1] = name
        end
    end
    local open, seen = {}, {}
    for _, name in ipairs(order) do
        if last[name].kind == "creating" and not seen[name] then
            open[#open + 1] = { name = name, line = last[name].line }
        end
        seen[name] = true
    end
    return open
end

-- The text of a file that is there; "" of none, and of what is no file on a disk.
local function existing(path)
    if core.isFile(path) ~= true then
        return ""
    end
    return cassetteFile.read(path)
end

-- Opens for adding, which makes the file where there is none.
local function appenderFor(path)
    local appender, problem = core.appender(path)
    if not appender then
        return nil, ("%s: %s"):format(path, problem)
    end
    return appender
end

--- Opens a file, and finds out what earlier runs left open in it.
---@param path string
---@param readOnly? boolean for a dry run: makes and locks nothing
---@return kataven.cli.KeysOut?
---@return string? problem
function keysOut.open(path, readOnly)
    local appender, problem
    if not readOnly then
        appender, problem = appenderFor(path)
        if not appender then
            return nil, problem
        end
    end
    local text, open
    text, problem = existing(path)
    if text then
        open, problem = readText(text)
        problem = problem and ("%s: %s"):format(path, problem)
    end
    if not open then
        if appender then
            appender:close()
        end
        return nil, problem
    end
    return setmetatable({
        path = path,
        open = open,
        appender = appender,
        torn = text ~= "" and text:sub(-1) ~= "\n",
    }, KeysOut)
end

local function add(self, line)
    line.time = os.date "!%Y-%m-%dT%H:%M:%SZ"
    local done, problem = self.appender:write((self.torn and "\n" or "") .. json.line(line) .. "\n")
    if done then
        self.torn = false
        return true
    end
    return nil, problem
end

--- Says that a key is about to be made. Proves that the file can be written.
---@param name string
---@return true?
---@return string? problem
function KeysOut:creating(name)
    return add(self, { creating = name })
end

--- Keeps a key that was made; it is on the disk when this returns.
---@param name string
---@param row kataven.WidgetKey all that the server sent
---@param plaintext? string
---@param secret? string of the secret key that the answer paired with it
---@return true?
---@return string? problem
function KeysOut:created(name, row, plaintext, secret)
    return add(self, { created = name, id = row.id, key = plaintext, secret_key = secret, row = row })
end

--- Says that surely no key was made.
---@param name string
---@param why string
---@return true?
---@return string? problem
function KeysOut:notCreated(name, why)
    return add(self, { not_created = name, why = why })
end

function KeysOut:close()
    if self.appender then
        self.appender:close()
    end
end

return keysOut
