--- `kataven widget-keys list`.

local kataven = require "kataven"
local keys = require "kataven.cli.keys"

local list = {}

-- An order that does not depend on the server's.
local function before(a, b)
    local first, second = tostring(a.name), tostring(b.name)
    if first ~= second then
        return first < second
    end
    return tostring(a.id) < tostring(b.id)
end

--- Writes the account's keys to stdout, by name.
---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function list.run(context, arguments)
    local all, err = context.client.widgetKeys.list()
    if not all then
        return context:fail(err)
    end
    local shown = {}
    for _, key in ipairs(all) do
        local disabled = key.disabled_at ~= nil
        if not (arguments.live and disabled or arguments.disabled and not disabled) then
            shown[#shown + 1] = key
        end
    end
    table.sort(shown, before)
    if context.json then
        context:outJson(kataven.array(shown))
    elseif #shown > 0 then
        context:out(keys.table(context, shown, all))
    else
        local which = arguments.live and "live " or arguments.disabled and "disabled " or ""
        context:say(("The account has no %swidget keys."):format(which))
    end
    return 0
end

return list
