--- `kataven widget-keys update`.

local kataven = require "kataven"
local keys = require "kataven.cli.keys"

local update = {}

local function patchOf(arguments)
    local patch = { name = arguments.name }
    if arguments.noDomains then
        patch.domain_allowlist = {}
    elseif arguments.domains[1] then
        patch.domain_allowlist = arguments.domains
    end
    patch.agent_id = arguments.agent
    if arguments.noAgent then
        patch.agent_id = kataven.null
    end
    return patch
end

--- Changes a key, and writes it to stdout as it is now.
---@param context kataven.cli.Context
---@param id string as keys.find takes it
---@param patch kataven.WidgetKeyPatch
---@return integer
function update.apply(context, id, patch)
    local key, err = keys.find(context, id)
    if not key then
        return context:fail(err)
    end
    context.doing = "change the key"
    key, err = context.client.widgetKeys.update(key.id, patch)
    if not key then
        return context:fail(err)
    end
    context.doing = nil
    keys.show(context, key)
    return 0
end

---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function update.run(context, arguments)
    local patch = patchOf(arguments)
    if next(patch) == nil then
        return context:misused("nothing is to be changed: give --name, --domain, --no-domains, --agent or --no-agent; "
            .. "see kataven widget-keys update --help")
    end
    return update.apply(context, arguments.id, patch)
end

return update
