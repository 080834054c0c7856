--- Plays one recorded interaction: gives the answer, or the failure, that the
--- file describes, after the delay that it describes, on a clock of its own.

local play = {}

--- Time in a replay. It starts at 0 and moves only when somebody waits, so that
--- specs do not sleep: the client reads it in place of the system's clock, and
--- advances it for each wait.
---@class kataven.cassette.Clock
---@field now fun(): number seconds since the cassette was opened
---@field advance fun(seconds: number)

---@return kataven.cassette.Clock
function play.clock()
    local time = 0

    return {
        now = function()
            return time
        end,
        advance = function(seconds)
            if type(seconds) ~= "number" or not (seconds >= 0 and seconds < math.huge) then
                error("advance: seconds must be a number of 0 or more, got " .. tostring(seconds), 2)
            end
            time = time + seconds
        end,
    }
end

-- Waits on the replay's clock. A client's `wait` moves that clock itself, a bare
-- function does not: only what is missing afterwards is made up for, so that
-- the time never passes twice. True when the wait says that the call is over.
local function pass(seconds, wait, clock)
    local goal = clock.now() + seconds
    local cancelled = wait(seconds)

    if not cancelled and clock.now() < goal then
        clock.advance(goal - clock.now())
    end
    return cancelled
end

local DEFAULT_MESSAGES = {
    connect = "the connection was refused",
    connection = "the connection was lost",
    timeout = "the time ran out",
    tls = "the TLS handshake failed",
    tooLarge = "the answer is too large",
}

-- The limit on an attempt that gets this far: the connecting has its own.
local function limitOf(request, sent)
    local limit = request.timeout or math.huge

    return sent and limit or math.min(limit, request.connectTimeout or math.huge)
end

--- Gives the answer of an interaction. What it returns belongs to the caller.
---@param interaction kataven.cassette.Interaction
---@param request kataven.Request
---@param wait fun(seconds: number, fd: integer?): boolean?
---@param clock kataven.cassette.Clock
---@param file string the cassette's path, for messages
---@return kataven.Response|nil
---@return kataven.Failure|nil
function play.interaction(interaction, request, wait, clock, file)
    local response, fault = interaction.response, interaction.error
    local sent = not fault or fault.sent
    local delay = (response or fault).delay

    local function failed(kind, wasSent, status, message)
        local place = (" (recorded: %s, interactions[%d])"):format(file, interaction.index)

        return nil, { kind = kind, sent = wasSent, status = status, message = message .. place }
    end

    if fault and fault.kind == "timeout" and delay == 0 then
        -- Who was timed out had waited: through the same wait as for a delay, so
        -- that time-outs side by side pass together.
        local limit = limitOf(request, sent)

        if limit < math.huge and pass(limit, wait, clock) then
            return failed("cancelled", sent, nil, "cancelled before the time ran out")
        end
    elseif delay > 0 then
        local limit = limitOf(request, sent)

        if pass(math.min(delay, limit), wait, clock) then
            return failed("cancelled", sent, nil, "cancelled during the delay")
        elseif delay > limit then
            return failed("timeout", sent, nil, ("no answer within %g s"):format(limit))
        end
    end
    if fault and fault.message then
        return nil, { kind = fault.kind, sent = sent, status = fault.status, message = fault.message }
    elseif fault then
        return failed(fault.kind, sent, fault.status, DEFAULT_MESSAGES[fault.kind])
    elseif response.truncated then
        local message = ("the answer ends after %d bytes of its body"):format(#response.body)

        return failed("connection", true, response.status, message)
    end

    local headers = {}
    for name, value in pairs(response.headers) do
        headers[name] = value
    end
    return { status = response.status, headers = headers, body = response.body }
end

return play
