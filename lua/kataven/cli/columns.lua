--- Tables for a terminal: columns side by side, as wide as what is in them, and cut
--- where the terminal is too narrow.

local text = require "kataven.cli.text"

local columns = {}

local GAP = "  "

---@class kataven.cli.Column
---@field title string
---@field cell fun(row: any): string, string? the text of a row, and its colour
---@field least? integer how narrow it may get, in places; never cut without it
---@field short? fun(row: any): string what a row's cell may be where it is too wide

-- No column is filled up further. One server's text of a mebibyte would take as much
-- in every other line.
local MOST_FILLED = 200

--- The blanks that fill a text up to a width.
---@param what string what text.plain gave
---@param width integer
---@return string
function columns.pad(what, width)
    return (" "):rep(math.min(width, MOST_FILLED) - text.width(what))
end

local function widest(cells)
    local width = 0
    for _, cell in ipairs(cells) do
        width = math.max(width, text.width(cell.text))
    end
    return width
end

-- The cells of a column, their widths known, from the title on.
local function read(column, rows)
    local cells = { { text = column.title, colour = "bold" } }
    for index, row in ipairs(rows) do
        local shown, colour = column.cell(row)
        cells[index + 1] = { text = text.plain(shown), colour = colour }
    end
    return { cells = cells, width = widest(cells) }
end

-- Cuts a column by what is too much; gives what is left of that.
local function narrow(column, made, excess)
    local least = column.least and math.max(column.least, text.width(column.title))
    if excess <= 0 or not least or made.width <= least then
        return excess
    end
    local width = math.max(least, made.width - excess)
    for _, cell in ipairs(made.cells) do
        cell.text = text.cut(cell.text, width)
    end
    return excess - (made.width - width)
end

local function shorten(column, rows)
    return read({ title = column.title, cell = column.short }, rows)
end

--- The table, a line for each row. Where it is too wide, short cells come first, and
--- then the last of the columns that may be cut.
---@param given kataven.cli.Column[]
---@param rows any[]
---@param paint fun(colour: string, what: string): string
---@param most integer|nil the terminal's width; nil where it is not known
---@return string
function columns.table(given, rows, paint, most)
    local made, total = {}, (#given - 1) * #GAP
    for index, column in ipairs(given) do
        made[index] = read(column, rows)
        total = total + made[index].width
    end
    local excess = most and total - most or 0
    for index, column in ipairs(given) do
        if excess > 0 and column.short then
            local short = shorten(column, rows)
            excess = excess - (made[index].width - short.width)
            made[index] = short
        end
    end
    for index = #given, 1, -1 do
        excess = narrow(given[index], made[index], excess)
    end

    local lines, widths = {}, {}
    for index, column in ipairs(made) do
        widths[index] = widest(column.cells)
    end
    for line = 1, #rows + 1 do
        local parts = {}
        for index, column in ipairs(made) do
            local cell = column.cells[line]
            local pad = index < #made and columns.pad(cell.text, widths[index]) or ""
            parts[index] = (cell.colour and paint(cell.colour, cell.text) or cell.text) .. pad
        end
        lines[line] = (table.concat(parts, GAP):match "^.*%S" or "") .. "\n"
    end
    return table.concat(lines)
end

return columns
