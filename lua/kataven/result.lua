--- What became of a function that makes calls.

---@class kataven.Result what became of a task
---@field value? any the first value that it returned
---@field meta? any the second one: of a call, a kataven.Meta
---@field err? any what it raised, or its second value where the first is nil: of a call, a kataven.Error

local result = {}

--- Of what pcall or coroutine.resume gave.
---@param ok boolean
---@param value any
---@param second any
---@return kataven.Result
function result.of(ok, value, second)
    if not ok then
        return { err = value == nil and "the task raised nil" or value }
    elseif value == nil then
        return { err = second }
    end
    return { value = value, meta = second }
end

return result
