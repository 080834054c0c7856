--- `kataven completion`.

local completion = {}

--- Prints a shell's completion, as argparse makes it of the arguments.
---@param context kataven.cli.Context
---@param arguments kataven.cli.Arguments
---@return integer
function completion.run(context, arguments)
    local parser = require("kataven.cli.arguments").parser()
    context:out(parser[("get_%s_complete"):format(arguments.shell)](parser))
    return 0
end

return completion
