--- The default log: lines on stderr, switched on by KATAVEN_LOG=debug.

---@class kataven.LogEvent
---@field event "request"|"response"|"error"|"retry"|"warning" a warning comes as the client is made, and belongs to no call
---@field method? string
---@field path? string without the query
---@field attempt? integer counted from 1
---@field status? integer of the answer, where there was one
---@field elapsed? number seconds that the attempt took
---@field delay? number seconds until the next attempt
---@field error? string what went wrong, without secrets

local log = {}

--- One event as a line of text.
---@param event kataven.LogEvent
---@return string
function log.line(event)
    local parts = { event.method
        and ("kataven: %s %s attempt %d %s"):format(event.method, event.path, event.attempt, event.event)
        or "kataven: " .. event.event }
    if event.status then
        parts[#parts + 1] = ("status %d"):format(event.status)
    end
    if event.elapsed then
        parts[#parts + 1] = ("after %.3f s"):format(event.elapsed)
    end
    if event.delay then
        parts[#parts + 1] = ("next in %.3f s"):format(event.delay)
    end
    if event.error then
        parts[#parts + 1] = event.error
    end
    return table.concat(parts, ", ")
end

---@param event kataven.LogEvent
function log.stderr(event)
    io.stderr:write(log.line(event), "\n")
end

return log
