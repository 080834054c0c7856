--- What this process holds: memory and descriptors.

local measure = {}

--- Figures after the garbage is gone: `rss` in KiB (resident, as the system counts it), `lua` in KiB, and `fds`, a
--- count that is nil where there is no /proc.
---@return { rss: integer, lua: integer, fds: integer? }
function measure.now()
    local jit = rawget(_G, "jit")
    if jit then
        jit.flush() -- compiled code counts as memory in use
    end
    collectgarbage()
    collectgarbage()
    -- The command's parent is this process. What the pipe itself takes is there each time.
    local pipe = assert(io.popen "ps -o rss= -p $PPID; ls /proc/$PPID/fd 2>/dev/null | wc -l")
    local rss, fds = pipe:read("*n", "*n")
    pipe:close()
    return { rss = assert(rss, "ps gave no number"), lua = math.floor(collectgarbage "count"),
        fds = fds and fds > 0 and fds or nil }
end

--- A line of text.
---@param when string
---@param figures { rss: integer, lua: integer, fds: integer? }
---@return string
function measure.line(when, figures)
    return ("      %-22s RSS %6d KiB, Lua %5d KiB, %s descriptors"):format(when, figures.rss, figures.lua,
        figures.fds or "?")
end

--- Whether memory grew by no more than `slack` KiB. The allocator's own pages come and go with what was fragmented
--- last, by a few hundred KiB where many calls were side by side; the smallest block that it gives, 32 bytes, lost in
--- each round of a full run would be more.
---@param before { rss: integer, lua: integer, fds: integer? }
---@param after { rss: integer, lua: integer, fds: integer? }
---@param rounds integer
---@param slack integer
---@return boolean
---@return string
function measure.settled(before, after, rounds, slack)
    local grown = after.rss - before.rss
    return grown <= slack, ("%+d KiB, %.2f bytes for each of %d"):format(grown, grown * 1024 / rounds, rounds)
end

return measure
