--- `kataven widget-keys snippet`.

local core = require "kataven.core"

local snippet = {}

-- As the embed guide has it.
local SCRIPT = '<script src="https://widget.kataven.ai/v1.js"></script>'

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- The attribute that tells the widget's script its key, as HTML.
---@param publicKey string
---@return string
function snippet.attribute(publicKey)
    return ('data-client-key="%s"'):format((publicKey:gsub("[&<>\"']", ENTITIES)))
end

-- A text as a string of JavaScript that may stand within a script element: nothing in it can end that, or a line. Nil
-- if it is not UTF-8.
local function quoted(text)
    local json = core.encode(text)
    return json and (json:gsub("[<>&]", function(char)
        return ("\\u%04X"):format(char:byte())
    end):gsub("\226\128[\168\169]", { ["\226\128\168"] = "\\u2028", ["\226\128\169"] = "\\u2029" }))
end

--- The two tags of the embed guide, as HTML; nil if one of the texts is not UTF-8.
---@param publicKey string
---@param agent? string for a key that no agent is pinned to
---@return string?
function snippet.init(publicKey, agent)
    local key, agentId = quoted(publicKey), quoted(agent or "")
    return key and agentId and ("%s\n<script>Kataven.init({ publicKey: %s%s })</script>"):format(
        SCRIPT, key, agent and ", agentId: " .. agentId or "")
end

local function printInit(context, arguments)
    local html = snippet.init(arguments.publicKey, arguments.agent)
    if not html then
        return context:misused "the widget key is not UTF-8"
    elseif arguments.json then
        context:outJson { html = html, key = arguments.publicKey, agent_id = arguments.agent }
    else
        context:out(html .. "\n")
    end
    context:say("Both tags go into the page." .. (arguments.agent and "" or " If no agent is pinned to the key, the "
        .. "second needs one: give --agent ID."))
    return 0
end

--- Prints the attribute, or with --init both tags: as text also where stdout is no terminal, since it is to be
--- pasted.
---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function snippet.run(context, arguments)
    local key = arguments.publicKey
    if key:find "[%s%c]" or not key:find "^pk_live_[a-z0-9][a-z0-9_-]*_." then
        return context:misused("a widget key reads pk_live_<account>_<more>, without blanks: "
            .. "it is in the answer to create, and nowhere else")
    end
    if arguments.init then
        return printInit(context, arguments)
    elseif arguments.agent then
        return context:misused("--agent goes with --init: the attribute holds the key alone")
    end
    local attribute = snippet.attribute(key)
    if arguments.json then
        context:outJson { attribute = attribute, key = key }
    else
        context:out(attribute .. "\n")
    end
    context:say("It goes into the widget's script tag, whose address (src) is your account's own.")
    return 0
end

return snippet
