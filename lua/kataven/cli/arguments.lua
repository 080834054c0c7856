--- The command's arguments, as argparse knows them. What it prints for `--help` and
--- what the shells complete comes from here, and docs/man/kataven.1 agrees with it.

local argparse = require "argparse"
local core = require "kataven.core"
local redis = require "kataven.cli.redis"
local version = require "kataven.version"

local arguments = {}

--- What the arguments came to.
---@class kataven.cli.Arguments
---@field command "list"|"create"|"update"|"revoke"|"delete"|"apply"|"snippet"|"completion"|"redis-worker"|"redis-functions"
---@field text? string to be printed in place of a command: the help, or the version
---@field json? boolean
---@field apiKeyFile? string
---@field account? string
---@field baseUrl? string
---@field timeout? number seconds
---@field noRetry? boolean
---@field verbose? boolean
---@field cassette? string
---@field live? boolean list
---@field disabled? boolean list
---@field name? string create, update
---@field domains? string[] create, update
---@field noDomains? boolean update
---@field agent? string create, update, snippet
---@field noAgent? boolean update
---@field id? string update, revoke, delete: an id, the beginning of one, or a name
---@field yes? boolean delete, apply
---@field file? string apply
---@field dryRun? boolean apply
---@field prune? boolean apply
---@field keysOut? string apply
---@field publicKey? string snippet
---@field init? boolean snippet
---@field shell? "bash"|"zsh"|"fish" completion
---@field redis? kataven.cli.RedisArguments redis-worker, redis-functions

-- Shells, each with where a user's completions are.
local SHELLS = {
    { "bash", "~/.local/share/bash-completion/completions/kataven" },
    { "zsh", "~/.zfunc/_kataven" },
    { "fish", "~/.config/fish/completions/kataven.fish" },
}
local WHICH = "The widget key: its id, the beginning of its id that no other has, or its name where no other has it."
local ELSEWHERE = "\n\nOptions that every command takes: kataven --help. All of it: man kataven."

local function seconds(text)
    local number = tonumber(text)
    if not number or number ~= number or number <= 0 or number == math.huge then
        return nil, ("--timeout wants a number of seconds greater than 0, got '%s'"):format(text)
    end
    return number
end

-- What goes into a request: JSON has no other text.
local function sent(what)
    return function(text)
        if not text:find "%S" then
            return nil, what .. " is empty"
        elseif not core.encode(text) then
            return nil, what .. " is not UTF-8"
        end
        return text
    end
end

-- Ends the parsing: there is something to be printed, and nothing else to be done.
local function ending(text)
    return function()
        error({ text = type(text) == "function" and text() .. "\n" or text }, 0)
    end
end

-- `--help` of a parser, without argparse's way to end the program.
local function helped(parser)
    parser:add_help { name = "-h --help", description = "Show this help, and end.", action = ending(function()
        return parser:get_help()
    end) }
    return parser:help_max_width(80):usage_max_width(80)
end

local function versionLine()
    local jit = rawget(_G, "jit")
    return ("kataven %s (%s, libcurl %s)\n"):format(version, jit and jit.version or _VERSION, core.curlVersion)
end

local function flag(parser, name, target, description)
    return parser:flag(name):target(target):description(description)
end

local function option(parser, name, argname, target, description)
    return parser:option(name):argname(argname):target(target):description(description)
end

local function globals(parser)
    flag(parser, "--json", "json", "Write JSON on a terminal too, and errors as JSON.")
    option(parser, "--api-key-file", "FILE", "apiKeyFile",
        "Read the API key from this file, or from standard input (-). Without it, KATAVEN_API_KEY has the key.")
    option(parser, "--account", "ID", "account", "The account, which a JSON Web Token needs (KATAVEN_ACCOUNT_ID).")
    option(parser, "--base-url", "URL", "baseUrl", "The Hub (KATAVEN_BASE_URL, else https://api.kataven.ai/v1).")
    option(parser, "--timeout", "SECONDS", "timeout", "For each attempt; 30.")
        :convert(seconds)
    flag(parser, "--no-retry", "noRetry", "Try each call once.")
    flag(parser, "-v --verbose", "verbose", "Say on stderr what goes over the wire, without secrets.")
    option(parser, "--cassette", "FILE", "cassette", "Play recorded answers from this file, and send nothing, "
        .. "unless KATAVEN_CASSETTE_MODE says otherwise.")
    flag(parser, "--version", "version", "Show the version, and end."):action(ending(versionLine()))
end

local function which(parser)
    parser:argument("ID"):argname("ID"):target("id"):description(WHICH):convert(sent "ID")
end

local function domainOption(parser, description)
    return option(parser, "--domain", "DOMAIN", "domains", description):count("*"):convert(sent "--domain")
end

-- Each gets a parser of its own, with what it takes.
local DEFINE = {}

function DEFINE.list(parser)
    parser:description "List the account's widget keys."
    parser:mutex(
        flag(parser, "--live", "live", "Only those that are not disabled."),
        flag(parser, "--disabled", "disabled", "Only those that are."))
    parser:epilog("Examples:\n   kataven widget-keys list\n   kataven widget-keys list --live | jq -r '.[].name'"
        .. ELSEWHERE)
end

function DEFINE.create(parser)
    parser:description("Mint a widget key. Its text (pk_live_...) is shown this once and never again, and so is the "
        .. "secret key (sk_live_...) that it may be paired with.")
    parser:argument("NAME"):argname("NAME"):target("name"):description("What it is called."):convert(sent "NAME")
    domainOption(parser, "An origin that may load the widget (acme.com, *.acme.com, localhost:*); may be repeated.")
    option(parser, "--agent", "ID", "agent", "Pin this agent."):convert(sent "--agent")
    parser:epilog("Examples:\n   kataven widget-keys create acme.com --domain acme.com --domain '*.acme.com'\n"
        .. "   kataven widget-keys create shop --domain shop.example > shop.json" .. ELSEWHERE)
end

function DEFINE.update(parser)
    parser:description "Change a widget key. What is not named stays as it is."
    which(parser)
    option(parser, "--name", "NAME", "name", "A new name."):convert(sent "--name")
    parser:mutex(
        domainOption(parser, "An origin that may load the widget, in place of all before; may be repeated."),
        flag(parser, "--no-domains", "noDomains", "Allow no origin, which blocks the key."))
    parser:mutex(
        option(parser, "--agent", "ID", "agent", "Pin this agent."):convert(sent "--agent"),
        flag(parser, "--no-agent", "noAgent", "Unpin the agent."))
    parser:epilog("Examples:\n   kataven widget-keys update acme.com --domain acme.com --domain www.acme.com\n"
        .. "   kataven widget-keys update wk_4f --name 'acme.com (old)' --no-agent" .. ELSEWHERE)
end

function DEFINE.revoke(parser)
    parser:description "Disable a widget key. It stays in the list, and doing it again changes nothing."
    which(parser)
    parser:epilog("Example:\n   kataven widget-keys revoke acme.com" .. ELSEWHERE)
end

function DEFINE.delete(parser)
    parser:description "Delete a widget key that was never used; any other is disabled, and stays in the list."
    which(parser)
    flag(parser, "--yes", "yes", "Do not ask. Needed where there is no terminal to ask on.")
    parser:epilog("Examples:\n   kataven widget-keys delete acme.com\n   kataven widget-keys delete wk_4f --yes"
        .. ELSEWHERE)
end

function DEFINE.apply(parser)
    parser:description "Make the account look like a file."
    parser:argument("FILE"):argname("FILE"):target("file"):description "The widget keys, as JSON; - is standard input."
    flag(parser, "--dry-run", "dryRun", "Show what would be done, and end with 3 if there is anything.")
    flag(parser, "--prune", "prune", "Revoke the widget keys that the file does not name.")
    flag(parser, "--yes", "yes", "Do not ask. Needed with --prune where there is no terminal to ask on.")
    option(parser, "--keys-out", "FILE", "keysOut", "Add the text of each created key to this file, and that of a "
        .. "secret key that it is paired with.")
    parser:epilog("Examples:\n   kataven widget-keys apply keys.json --dry-run\n"
        .. "   kataven widget-keys apply keys.json --prune --yes --keys-out minted.jsonl" .. ELSEWHERE)
end

function DEFINE.snippet(parser)
    parser:description "Print what a page needs for a widget key: an attribute, or two tags. Makes no call."
    parser:argument("PUBLIC_KEY"):argname("PUBLIC_KEY"):target("publicKey"):description "The key's text (pk_live_...)."
    flag(parser, "--init", "init", "Print the tags that load the widget and start it, as the embed guide has them.")
    option(parser, "--agent", "ID", "agent", "With --init: the agent, where none is pinned to the key.")
        :convert(sent "--agent")
    parser:epilog("Examples:\n   kataven widget-keys snippet pk_live_acme_0123456789\n"
        .. "   kataven widget-keys snippet --init pk_live_acme_0123456789" .. ELSEWHERE)
end

-- The commands of `kataven widget-keys`, in the order of its help.
local WIDGET_KEYS = { "list", "create", "update", "revoke", "delete", "apply", "snippet" }

--- All of it, as argparse has it.
---@return table
function arguments.parser()
    local root = helped(argparse "kataven")
        :description "The widget keys of a Kataven account, from a shell."
        :epilog("Examples:\n   export KATAVEN_API_KEY=sk_live_...\n   kataven widget-keys list\n"
            .. "   kataven widget-keys create --help\n"
            .. "   kataven --json widget-keys list > keys.json\n\n"
            .. "Ends with 0 when it is done, 1 when a call failed, 2 for wrong usage, and\n"
            .. "3 when apply --dry-run found changes; 130 after Ctrl-C, 129 and 143 after SIGHUP\n"
            .. "and SIGTERM, 141 when nobody reads. All of it: man kataven.")
        :command_target "group"
    globals(root)

    local group = helped(root:command "widget-keys"):description "List, create, change and apply widget keys."
        :command_target "command"
        :epilog("Examples:\n   kataven widget-keys list --live\n   kataven widget-keys update --help" .. ELSEWHERE)
    for _, name in ipairs(WIDGET_KEYS) do
        DEFINE[name](helped(group:command(name)))
    end

    for _, name in ipairs(redis.COMMANDS) do
        redis.define[name](helped(root:command("redis-" .. name)), ELSEWHERE)
    end

    local completion = helped(root:command "completion"):description "Print what completes the command in a shell."
        :epilog("Example:\n   kataven completion bash > " .. SHELLS[1][2] .. ELSEWHERE)
    -- Commands, since argparse has shells complete those, and no argument's choices.
    completion:command_target "shell"
    for _, shell in ipairs(SHELLS) do
        helped(completion:command(shell[1])):description(("For %s."):format(shell[1]))
            :epilog(("Example:\n   kataven completion %s > %s"):format(shell[1], shell[2]) .. ELSEWHERE)
    end
    return root
end

--- Reads arguments. Gives what they came to, or what is wrong with them, in one line.
---@param given string[]
---@return kataven.cli.Arguments?
---@return string? problem
function arguments.read(given)
    local root = arguments.parser()

    -- As argparse has it: a parser's way to fail may be another.
    function root.error(parser, message)
        local name = parser:get_usage():match "^Usage: ([%w -]*%w)"
        local line = message:gsub("\nDid", "; did"):gsub("\n", " ")
        error({ problem = ("%s%s see %s --help"):format(line, line:find "%?$" and " Else" or ";", name) }, 0)
    end
    local ok, result = pcall(root.parse, root, given)
    if ok then
        result.command = result.command or result.group
        return result
    elseif type(result) ~= "table" then
        error(result, 0)
    end
    return result.text and result or nil, result.problem
end

return arguments
