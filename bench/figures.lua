--- Figures out of many runs: medians, spreads, and ratios within one round.

local figures = {}

local function sorted(values)
    local copy = {}
    for index, value in ipairs(values) do
        copy[index] = value
    end
    table.sort(copy)
    return copy
end

--- The value below which a share of them lie, the nearest one.
---@param values number[]
---@param share number from 0 to 1
---@return number
function figures.quantile(values, share)
    local all = sorted(values)
    return all[math.max(1, math.min(#all, math.ceil(share * #all)))]
end

---@param values number[]
---@return number
function figures.median(values)
    local all = sorted(values)
    local half = math.floor(#all / 2)
    return #all % 2 == 1 and all[half + 1] or (all[half] + all[half + 1]) / 2
end

--- The median of what is divided within each round, and its quartiles: what the machine does to one round it does to
--- both.
---@param values number[]
---@param others number[] of the same rounds
---@return { median: number, low: number, high: number }
function figures.ratio(values, others)
    local ratios = {}
    for index, value in ipairs(values) do
        ratios[index] = value / others[index]
    end
    return figures.spread(ratios)
end

--- The median and the quartiles.
---@param values number[]
---@return { median: number, low: number, high: number }
function figures.spread(values)
    return {
        median = figures.median(values),
        low = figures.quantile(values, 0.25),
        high = figures.quantile(values, 0.75),
    }
end

--- The same as text: "1.08 (1.05 to 1.11)".
---@param spread { median: number, low: number, high: number }
---@param format? string for one number
---@return string
function figures.text(spread, format)
    format = format or "%.2f"
    return (format .. " (" .. format .. " to " .. format .. ")"):format(spread.median, spread.low, spread.high)
end

--- A shuffled copy.
---@param list any[]
---@return any[]
function figures.shuffled(list)
    local copy = {}
    for index, value in ipairs(list) do
        copy[index] = value
    end
    for index = #copy, 2, -1 do
        local other = math.random(index)
        copy[index], copy[other] = copy[other], copy[index]
    end
    return copy
end

--- Runs each of some names once a round, in an order of its own each time. Gives the lists of what `run` gave.
---@param names string[]
---@param rounds integer
---@param run fun(name: string): number
---@return table<string, number[]>
function figures.interleave(names, rounds, run)
    local results = {}
    for _, name in ipairs(names) do
        results[name] = {}
    end
    for round = 1, rounds do
        for _, name in ipairs(figures.shuffled(names)) do
            results[name][round] = run(name)
        end
    end
    return results
end

return figures
