--- Checks what misuse raises: a string, at the line of whoever called.

local assert = require "luassert"

--- Calls a function that misuses something on its own lines. Gives the message
--- without its position, after checking that the position is in the function.
---@param run function
---@return string message
return function(run)
    local where = debug.getinfo(run, "S")
    local ok, message = pcall(run)

    assert.is_false(ok, "nothing was raised")
    assert.equal("string", type(message))
    local file, line, text = message:match("^(.-):(%d+): (.*)$")
    assert.equal(where.short_src, file, message)
    assert.is_true(tonumber(line) >= where.linedefined and tonumber(line) <= where.lastlinedefined, message)
    return text
end
