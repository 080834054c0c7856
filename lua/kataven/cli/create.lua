--- `kataven widget-keys create`.

local json = require "kataven.cli.json"
local kataven = require "kataven"
local keys = require "kataven.cli.keys"
local snippet = require "kataven.cli.snippet"

local create = {}

-- The key's text must not be lost with the output: it is shown this once.
local function unwritten(context, key, message)
    local shown, secret = kataven.plaintext(key)
    local texts = shown and "its text, shown this once, is " .. shown or "the answer has no text of it"
    if secret then
        texts = ("%s; its secret key, %s, is %s"):format(texts, keys.SECRET, secret)
    end
    return context:fail({
        name = "OutputError",
        message = ("cannot write the output (%s), but the widget key %s was created; %s"):format(message,
            keys.called(key), texts),
        created = key,
    })
end

-- Says how to use the texts that were shown.
local function explain(context, key)
    local shown, secret = kataven.plaintext(key)
    if shown then
        context:say(("%s In a page: %s"):format(
            keys.isReplayed(shown) and keys.REPLAYED or "Keep it: it is shown this once.", snippet.attribute(shown)))
    end
    if secret and not keys.isReplayed(secret) then
        context:say(("The secret key (sk_live_...) is %s. It does not go into a page."):format(keys.SECRET))
    end
    if keys.isBlocked(key) then
        context:say(("No page can load it yet: kataven widget-keys update %s --domain DOMAIN"):format(key.id))
    end
end

--- Mints a key and writes it to stdout, with its text and a paired secret's.
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
        explain(context, key)
    end
    return 0
end

return create
