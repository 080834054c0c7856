--- `kataven widget-keys delete`.

local keys = require "kataven.cli.keys"

local delete = {}

--- Deletes a key, once that is agreed to.
---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function delete.run(context, arguments)
    if not arguments.yes and not context:canAsk() then
        return context:misused("there is no terminal to ask on: give --yes to delete without being asked")
    end
    local key, err = keys.find(context, arguments.id)
    if not key then
        return context:fail(err)
    end
    if not arguments.yes and not context:ask(("Delete the widget key %s?"):format(keys.called(key))) then
        return context:fail({ name = "DeclinedError", message = "nothing was deleted" })
    end
    context.doing = "delete the key"
    local deleted
    deleted, err = context.client.widgetKeys.delete(key.id)
    if not deleted then
        return context:fail(err)
    end
    context.doing = nil
    if context.json then
        context:outJson(deleted == true and { id = key.id, deleted = true } or deleted)
        return 0
    end
    if deleted ~= true and deleted.disabled_at ~= nil then
        context:say "It has been used, so it is disabled and stays in the list."
    end
    context:out(deleted == true and ("deleted %s\n"):format(keys.called(key)) or keys.record(context, deleted))
    return 0
end

return delete
