--- `kataven widget-keys snippet`.

local snippet = {}

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- The attribute that tells the widget's script its key, as HTML.
---@param publicKey string
---@return string
function snippet.attribute(publicKey)
    return ('data-client-key="%s"'):format((publicKey:gsub("[&<>\"']", ENTITIES)))
end

--- Prints the attribute: as text also where stdout is no terminal, since it is to be
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
