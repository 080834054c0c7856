--- libcurl is not initialised before the first request.

local shell = require "spec.support.shell"

return function(context)
    local required, made, called = shell.run("LD_PRELOAD=%s %s bench/scripts/require.lua %s",
        context.build .. "/counter.so", os.getenv "LUA_BIN", context.server.base "25"):match "(%d+) (%d+) (%d+)"
    assert(tonumber(called) > 0, "the counter does not count")
    for _, step in ipairs { { '`require "kataven"`', required }, { "`kataven.new`", made } } do
        context.report:judge {
            what = step[1] .. ", initialisations of libcurl", limit = "none before the first request",
            figure = ("%d, and %d after the first request"):format(step[2], called), pass = tonumber(step[2]) == 0,
        }
    end
end
