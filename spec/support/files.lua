--- Whole files, for specs.

local files = {}

--- A file's contents, or nil where there is none.
---@param path string
---@return string?
function files.read(path)
    local handle = io.open(path, "rb")
    local text = handle and handle:read "*a"
    if handle then
        handle:close()
    end
    return text
end

---@param path string
---@param text string
function files.write(path, text)
    local handle = assert(io.open(path, "wb"))
    handle:write(text)
    handle:close()
end

return files
