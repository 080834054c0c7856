--- Shell commands, for specs.

local shell = {}

---@param text string
---@return string
function shell.quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a command, with each %s replaced by a word; gives its exit code, and all that it wrote.
---@param command string
---@param ... string
---@return integer
---@return string
function shell.try(command, ...)
    local words, index = { ... }, 0
    command = command:gsub("%%s", function()
        index = index + 1
        return shell.quote(words[index])
    end)
    local pipe = io.popen("(" .. command .. ") 2>&1; echo \"=$?\"")
    local output = pipe:read "*a"
    pipe:close()
    local text, code = output:match "^(.*)=(%d+)\n$"
    return tonumber(code), text
end

--- The same for a command that has to go well; gives what it wrote.
---@param command string
---@param ... string
---@return string
function shell.run(command, ...)
    local code, text = shell.try(command, ...)
    assert(code == 0, text)
    return text
end

--- The lines of a text, sorted.
---@param text string
---@return string[]
function shell.lines(text)
    local all = {}
    for line in text:gmatch "[^\n]+" do
        all[#all + 1] = line
    end
    table.sort(all)
    return all
end

return shell
