--- OpenResty: a wait is an ngx.sleep. nginx gives no descriptor to watch, so the
--- core says how long, from 1 ms to 10 ms while a request is in flight.

local host = require "kataven.host"

local BLOCKS = { init = true, init_worker = true }
-- In ssl_client_hello and ssl_session_fetch a wait breaks the handshake, unless
-- nginx and OpenSSL have OpenResty's patches, which one cannot ask for.
local CANNOT = {
    set = true, header_filter = true, body_filter = true, log = true, balancer = true, exit_worker = true,
    ssl_client_hello = true, ssl_session_fetch = true, ssl_session_store = true,
}

local function wait(seconds)
    ngx.sleep(math.min(seconds, host.LONGEST_SLEEP))
end

local function here()
    local phase = ngx.get_phase and ngx.get_phase() or "(unknown)"
    if BLOCKS[phase] then
        return "block"
    elseif CANNOT[phase] then
        return nil, ("OpenResty cannot wait in the phase %s: %s"):format(phase, phase == "exit_worker"
            and "make the call before the worker exits" or "put the call into a queue (client:queue), or make it in "
            .. "rewrite, access, content or a timer (ngx.timer.at)")
    elseif host.inCoroutine() and not host.canYield() then
        return nil, ("OpenResty cannot wait at this place of the phase %s: a C function is between the call and its "
            .. "coroutine (a callback of string.gsub or table.sort, require)"):format(phase)
    end
end

---@return kataven.Host
return function()
    return { wait = wait, here = here, probes = host.PROBES }
end
