--- `kataven widget-keys create`.

local json = require "kataven.cli.json"
local keys = require "kataven.cli.keys"
local snippet = require "kataven.cli.snippet"

local create = {}

-- The key's text must not be lost with the output: it is shown this once.
local function unwritten(context, key, message)
    local shown = keys.plaintext(key)
    return context:fail({
        name = "OutputError",
        message = ("cannot write the output (%s), but the widget key %s was created; %s"):format(message,
            keys.called(key), shown and "its text, shown this once, is " .. shown or "the answer has no text of it"),
        created = key,
    })
end

--- Mints a key and writes it to stdout, its text included.
---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function create.run(context, arguments)
    if not context.host.isWritable "stdout" then
        return context:misused("stdout is closed, and the key's text, shown this once, would be lost: no key was made")
    end
    local client = context.client
    local input = { name = arguments.name, agent_id = arguments.agent }
    if arguments.domains[1] then
        input.domain_allowlist = arguments.domains
    end
    context.doing = "create the key"
    local key, err = client.widgetKeys.create(input)
    if not key then
        return context:fail(err)
    end
    local ok, message = context:write(context.json and json.document(key) or keys.record(context, key))
    if not ok then
        return unwritten(context, key, message)
    end
    context.doing = nil
    if not context.json then
        local shown = keys.plaintext(key)
        if shown then
            context:say("Keep it: it is shown this once. In a page: " .. snippet.attribute(shown))
        end
        if keys.isBlocked(key) then
            context:say(("No page can load it yet: kataven widget-keys update %s --domain DOMAIN"):format(key.id))
        end
    end
    return 0
end

return create
