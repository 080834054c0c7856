--- Bytes that have come and were not read yet, taken off as lines and lengths. A
--- long answer comes in many pieces, which are put together once, when they are all
--- there.

local input = {}

-- Bytes: the lines of Redis's protocol are short. One without an end would be put
-- together again with every piece that comes.
local LONGEST_LINE = 64 * 1024

---@class kataven.redis.Input
local Input = {}
Input.__index = Input

---@return kataven.redis.Input
function input.new()
    return setmetatable({
        text = "", -- what was put together
        at = 1, -- where its unread part begins
        pieces = {}, -- what came after it
        size = 0, -- of all that is unread
    }, Input)
end

local function join(self)
    if #self.pieces > 0 then
        self.text, self.at = self.text:sub(self.at) .. table.concat(self.pieces), 1
        self.pieces = {}
    end
end

---@param bytes string
function Input:add(bytes)
    self.pieces[#self.pieces + 1] = bytes
    self.size = self.size + #bytes
end

--- Takes bytes off; nil where there are not so many yet.
---@param count integer
---@return string?
function Input:take(count)
    if count > self.size then
        return nil
    elseif count < 0 then
        error(("a length of %d"):format(count), 0)
    end
    if self.at + count - 1 > #self.text then
        join(self)
    end
    local bytes = self.text:sub(self.at, self.at + count - 1)
    self.at, self.size = self.at + count, self.size - count
    return bytes
end

--- Takes a line off, without its end; nil where it has not ended yet.
---@return string?
function Input:line()
    local stop = self.text:find("\r\n", self.at, true)
    if not stop then
        join(self)
        stop = self.text:find("\r\n", self.at, true)
        if not stop and self.size > LONGEST_LINE then
            error(("a line of more than %d bytes"):format(LONGEST_LINE), 0)
        end
    end
    return stop and self:take(stop + 2 - self.at):sub(1, -3)
end

function Input:isEmpty()
    return self.size == 0
end

return input
