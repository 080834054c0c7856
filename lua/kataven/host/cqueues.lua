--- cqueues: a wait watches the client's descriptor. Outside of a controller,
--- where nothing else could run, calls block.

local cqueues = require "cqueues"
local host = require "kataven.host"

local function wait(seconds, fd)
    if fd then
        cqueues.poll({ pollfd = fd, events = "r" }, seconds)
    else
        cqueues.sleep(math.min(seconds, host.LONGEST_SLEEP))
    end
end

local function here()
    if not cqueues.running() then
        return "block"
    end
    return host.outside("cqueues", "controller:wrap(function() ... end)")
end

---@return kataven.Host
return function()
    return { wait = wait, watches = true, here = here, probes = host.PROBES }
end
