--- Times as people read them.

local time = {}

local MINUTE, HOUR, DAY = 60, 3600, 86400

-- Days from 1970-01-01 to a date of the Gregorian calendar; March comes first, so that
-- a leap day is a year's last.
local function days(year, month, day)
    if month <= 2 then
        year, month = year - 1, month + 12
    end
    return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
        + math.floor((153 * (month - 3) + 2) / 5) + day - 719469
end

--- Seconds since 1970 of a time as RFC 3339 has it; nil where it is something else.
---@param value any
---@return integer?
function time.read(value)
    if type(value) ~= "string" then
        return nil
    end
    local year, month, day, hour, minute, second, zone =
        value:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)%.?%d*(.*)$"
    local sign, offsetHour, offsetMinute = (zone or ""):match "^([+-])(%d%d):?(%d%d)$"
    if not year or not sign and zone ~= "Z" and zone ~= "z" then
        return nil
    end
    local offset = sign and (offsetHour * HOUR + offsetMinute * MINUTE) * (sign == "-" and -1 or 1) or 0
    return math.floor(days(tonumber(year), tonumber(month), tonumber(day)) * DAY
        + hour * HOUR + minute * MINUTE + second - offset)
end

local function ago(count, unit)
    return ("%d %s%s ago"):format(count, unit, count == 1 and "" or "s")
end

--- How long ago it was, or the day where that is a month and more. What is no time, and
--- what a clock elsewhere has in the future, stays as it is.
---@param value any of the server's
---@param now integer seconds since 1970
---@return string
function time.since(value, now)
    local at = time.read(value)
    local passed = at and now - at
    if not at or passed <= -MINUTE then
        return tostring(value)
    elseif passed < MINUTE then
        return "just now"
    elseif passed < HOUR then
        return ago(math.floor(passed / MINUTE), "minute")
    elseif passed < DAY then
        return ago(math.floor(passed / HOUR), "hour")
    elseif passed < 30 * DAY then
        return ago(math.floor(passed / DAY), "day")
    end
    return os.date("%Y-%m-%d", at)
end

--- The time of day where the reader is, and how long ago it was.
---@param value any
---@param now integer
---@return string
function time.full(value, now)
    local at = time.read(value)
    if not at then
        return tostring(value)
    end
    local moment, since = os.date("%Y-%m-%d %H:%M:%S", at), time.since(value, now)
    return since:find "^%d%d%d%d" and moment or ("%s (%s)"):format(moment, since)
end

return time
