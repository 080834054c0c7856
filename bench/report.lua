--- What was measured: limits with their figures, and tables beside them; printed, and as Markdown.

local figures = require "bench.figures"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local Report = {}
Report.__index = Report

local report = {}

function report.new()
    return setmetatable({ limits = {}, tables = {}, notes = {}, missed = 0, columns = {}, titles = {} }, Report)
end

--- Holds a figure against its limit. `pass` is nil where it could not be measured; `figure` says why then.
---@param given { what: string, limit: string, figure: string, pass?: boolean }
function Report:judge(given)
    given.verdict = given.pass == nil and "not measured" or given.pass and "pass" or "MISSED"
    if given.pass == false then
        self.missed = self.missed + 1
    end
    self.limits[#self.limits + 1] = given
    print(("%-12s %s: %s (limit: %s)"):format(given.verdict, given.what, given.figure, given.limit))
    io.flush()
end

--- A limit that is a greatest value.
---@param what string
---@param value number
---@param most number
---@param figure string
---@param unit? string behind the limit
---@param below? boolean the limit itself is too much
function Report:most(what, value, most, figure, unit, below)
    self:judge {
        what = what, figure = figure, pass = below and value < most or not below and value <= most,
        limit = ("%s %g%s"):format(below and "under" or "at most", most, unit or ""),
    }
end

--- A table that is no limit of itself.
---@param title string
---@param rows string[][] the first are the headings
function Report:table(title, rows)
    self.tables[#self.tables + 1] = { title = title, rows = rows }
    print("\n" .. title)
    local widths = {}
    for _, row in ipairs(rows) do
        for column, cell in ipairs(row) do
            widths[column] = math.max(widths[column] or 0, #cell)
        end
    end
    for _, row in ipairs(rows) do
        local cells = {}
        for column, cell in ipairs(row) do
            cells[column] = cell .. (" "):rep(widths[column] - #cell)
        end
        print("  " .. (table.concat(cells, "  "):gsub("%s+$", "")))
    end
    print ""
    io.flush()
end

--- A column of the summary: how many times kataven's figure each of the others took.
---@param heading string
---@param peers table[] in the order of tables
---@param results table<string, number[]> of the same rounds, by the peers' names
function Report:summarize(heading, peers, results)
    local cells = {}
    for _, peer in ipairs(peers) do
        if peer.name ~= "kataven" then
            if not self.titles[peer.title] then
                self.titles[#self.titles + 1], self.titles[peer.title] = peer.title, true
            end
            local ratio = figures.ratio(results[peer.name], results.kataven).median
            cells[peer.title] = (ratio < 1 and "%.2f" or ratio < 10 and "%.1f" or "%.0f"):format(ratio)
        end
    end
    self.columns[#self.columns + 1] = { heading = heading, cells = cells }
end

-- The README shows it.
local function summary(self)
    local rows = { { "" } }
    for index, column in ipairs(self.columns) do
        rows[1][index + 1] = column.heading
    end
    for _, title in ipairs(self.titles) do
        local row = { title }
        for index, column in ipairs(self.columns) do
            row[index + 1] = column.cells[title] or ""
        end
        rows[#rows + 1] = row
    end
    return rows
end

--- A sentence for below the tables.
function Report:note(text)
    self.notes[#self.notes + 1] = text
    print("Note: " .. text)
end

local function line(cells)
    return "| " .. table.concat(cells, " | ") .. " |"
end

local function markdownTable(lines, rows)
    lines[#lines + 1] = line(rows[1])
    lines[#lines + 1] = "|" .. (" --- |"):rep(#rows[1])
    for index = 2, #rows do
        lines[#lines + 1] = line(rows[index])
    end
    lines[#lines + 1] = ""
end

local function output(command, ...)
    local code, text = shell.try(command, ...)
    return code == 0 and (text:match "^%s*(.-)%s*\n" or text) or nil
end

-- What it ran on, and with: no names of hosts or places.
local function machine()
    local cpu = (files.read "/proc/cpuinfo" or ""):match "model name%s*:%s*([^\n]+)" or "an unknown processor"
    local system = (files.read "/etc/os-release" or ""):match 'PRETTY_NAME="([^"]*)"' or "an unknown system"
    local parts = {
        ("%s cores, %s"):format(output "getconf _NPROCESSORS_ONLN" or "?", cpu),
        system,
        output("%s -v", os.getenv "LUA_BIN" or "lua"):match "^%S+ %S+",
        "libcurl " .. (output "curl-config --version" or "?"):gsub("^libcurl ", ""),
        ((output "PATH=$PATH:/usr/sbin nginx -v" or "nginx"):gsub("^nginx version: ", "")),
        output "node --version" and "Node " .. output "node --version" or nil,
        output "python3 --version",
    }
    local said = {}
    for index = 1, 7 do
        said[#said + 1] = parts[index]
    end
    return table.concat(said, "; ")
end

--- The whole as Markdown.
---@param seconds number how long it took
---@param quick boolean
---@return string
function Report:markdown(seconds, quick)
    local lines = {
        "# What it costs",
        "",
        ("Written by `make bench` on %s, in %.0f s. kataven-lua %s."):format(os.date "!%Y-%m-%d", seconds,
            dofile "lua/kataven/version.lua"),
        "",
        machine() .. ".",
        "",
        "Server and client share one core, on loopback. Figures are medians, with quartiles in brackets. Absolute "
            .. "times say little on another machine; what counts are ratios, taken within rounds in which all took "
            .. "their turns in random order.",
        "",
    }
    if quick then
        lines[#lines + 1] = "**This was a quick run: too short for its figures to mean much.**"
        lines[#lines + 1] = ""
    end
    local rows = { { "what", "limit", "measured", "" } }
    for _, given in ipairs(self.limits) do
        rows[#rows + 1] = { given.what, given.limit, given.figure, given.verdict }
    end
    lines[#lines + 1] = "## Limits\n"
    markdownTable(lines, rows)
    if #self.columns > 0 then
        lines[#lines + 1] = "## How many times kataven's figure the others took\n"
        markdownTable(lines, summary(self))
    end
    for _, each in ipairs(self.tables) do
        lines[#lines + 1] = ("## %s\n"):format(each.title)
        markdownTable(lines, each.rows)
    end
    if #self.notes > 0 then
        lines[#lines + 1] = "## Notes\n"
        for _, note in ipairs(self.notes) do
            lines[#lines + 1] = "- " .. note
        end
        lines[#lines + 1] = ""
    end
    return table.concat(lines, "\n")
end

return report
