--- The examples in a Markdown file, so that specs can run them.

local examples = {}

--- Reads a whole file.
---@param path string
---@return string
function examples.read(path)
    local handle = assert(io.open(path, "rb"))
    local text = handle:read("*a")
    handle:close()
    return text
end

--- The fenced blocks, with the line each begins at, its language, and the name of the file that it shows: one in
--- backticks, alone with its colon on the line before.
---@param text string
---@param language? string all where not given
---@return { line: integer, language: string, name?: string, text: string }[]
function examples.blocks(text, language)
    local found, line, current, before = {}, 0, nil, ""
    for row in text:gmatch("([^\n]*)\n") do
        line = line + 1
        local opened = row:match("^```(%w+)$")
        if current and row == "```" then
            if not language or current.language == language then
                found[#found + 1] = current
            end
            current = nil
        elseif current then
            current.text = current.text .. row .. "\n"
        elseif opened then
            current = { line = line, language = opened, name = before:match("^`([%w/_.-]+)`:$"), text = "" }
        end
        before = row
    end
    return found
end

return examples
