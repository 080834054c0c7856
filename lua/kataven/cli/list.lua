--- `kataven widget-keys list`.

local kataven = require "kataven"
local list = {}

--- Writes the account's keys to stdout.
---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function list.run(context, arguments)
    local keys, err = context.client.widgetKeys.list()
    if not keys then
        return context:fail(err)
    end
    local shown = {}
    for _, key in ipairs(keys) do
        local disabled = key.disabled_at ~= nil
        if not (arguments.live and disabled or arguments.disabled and not disabled) then
            shown[#shown + 1] = key
        end
    end
    if context.json then
        context:outJson(kataven.array(shown))
    end
    return 0
end

return list
