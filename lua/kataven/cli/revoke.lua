--- `kataven widget-keys revoke`.

local update = require "kataven.cli.update"

local revoke = {}

--- Disables a key, and writes it to stdout as it is now.
---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function revoke.run(context, arguments)
    return update.apply(context, arguments.id, { disabled = true })
end

return revoke
