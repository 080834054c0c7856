-- The published limits: requests per minute, hour and day, and requests in flight at once.
--
-- Windows are fixed, and begin with the first request after the last one ended. A refused request is not counted: the
-- hub did nothing for it. There is one set of limits for the whole hub, since it serves one account in practice.

local limits = {}
limits.__index = limits

-- Longest first: where several are exceeded, the answer must name the wait after which a request can pass.
local WINDOWS = {
    { field = "day", seconds = 86400 },
    { field = "hour", seconds = 3600 },
    { field = "minute", seconds = 60 },
}

limits.PUBLISHED = { minute = 60, hour = 1000, day = 10000, inFlight = 20 }

-- `values` holds minute, hour, day and inFlight; 0 switches one off, and one that is absent is as published.
function limits.new(values, now)
    local self = setmetatable({ now = now, inFlight = 0 }, limits)
    self:reset(values)
    return self
end

-- New values and empty windows. What is in flight stays counted, since it will still `leave`.
function limits:reset(values)
    self.allowed, self.windows, self.mostInFlight = {}, {}, self.inFlight
    for field, default in pairs(limits.PUBLISHED) do
        self.allowed[field] = values[field] or default
    end
end

function limits:window(kind)
    local window = self.windows[kind.field]
    if not window or self.now() >= window.ends then
        window = { count = 0, ends = self.now() + kind.seconds }
        self.windows[kind.field] = window
    end
    return window
end

local function exceeded(label, allowed)
    return ("rate_limited: %s (%d) exceeded"):format(label, allowed)
end

-- Lets one request in, to be followed by `leave`; or gives nil, the text to answer, and the seconds to wait.
-- The text for requests in flight is not published; it follows the form of the others.
function limits:enter()
    local most = self.allowed.inFlight
    if most > 0 and self.inFlight >= most then
        return nil, exceeded("in-flight", most), 1
    end
    for _, kind in ipairs(WINDOWS) do
        local allowed = self.allowed[kind.field]
        local window = self:window(kind)
        if allowed > 0 and window.count >= allowed then
            return nil, exceeded("per-" .. kind.field, allowed), math.max(1, math.ceil(window.ends - self.now()))
        end
    end
    for _, kind in ipairs(WINDOWS) do
        local window = self:window(kind)
        window.count = window.count + 1
    end
    self.inFlight = self.inFlight + 1
    self.mostInFlight = math.max(self.mostInFlight, self.inFlight)
    return true
end

function limits:leave()
    self.inFlight = self.inFlight - 1
end

return limits
