-- What completes the command, in the shells themselves.

local command = require "spec.support.command"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local WIDGET_KEYS = { "apply", "create", "delete", "list", "revoke", "snippet", "update" }

describe("kataven completion", function()
    local directory

    before_each(function()
        directory = shell.run "mktemp -d":gsub("\n$", "")
    end)

    after_each(function()
        shell.run("rm -rf %s", directory)
    end)

    -- Puts it where the shell can read it, if there is such a shell.
    local function written(name, as)
        if shell.try("command -v %s", name) ~= 0 then
            pending("there is no " .. name)
            return nil
        end
        local out, err, code = command.inside { "completion", name }
        assert.equal("", err)
        assert.equal(0, code)
        local path = directory .. "/" .. (as or "kataven")
        files.write(path, out)
        return path
    end

    local function has(list, word)
        for _, other in ipairs(list) do
            if other == word then
                return true
            end
        end
        return false
    end

    -- The same for bash and fish: `complete(line)` gives the words that are offered, sorted.
    local function completes(complete)
        assert.same({ "completion", "redis-functions", "redis-worker", "widget-keys" }, complete "kataven ")
        assert.same(WIDGET_KEYS, complete "kataven widget-keys ")
        assert.same({ "revoke" }, complete "kataven widget-keys re")
        assert.same({ "bash", "fish", "zsh" }, complete "kataven completion ")
        assert.same({ "create" }, complete "kataven --timeout 3 widget-keys cr")
        local offered = complete "kataven widget-keys update x --"
        for _, option in ipairs { "--name", "--domain", "--no-domains", "--agent", "--no-agent", "--json", "--help" } do
            assert.is_true(has(offered, option), option)
        end
        assert.is_false(has(offered, "--yes"))
        assert.is_true(has(complete "kataven widget-keys delete x --", "--yes"))
    end

    it("for bash", function()
        local path = written "bash"
        if not path then
            return
        end
        completes(function(line)
            return shell.lines(shell.run([==[bash --norc --noprofile -c '
                source "$1"
                line=$2
                read -r -a COMP_WORDS <<<"$line"
                [[ $line != *" " ]] || COMP_WORDS+=("")
                COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                _kataven
                for word in "${COMPREPLY[@]}"; do echo "$word"; done | sort -u
            ' bash %s %s]==], path, line))
        end)
    end)

    it("for fish", function()
        local path = written("fish", "kataven.fish")
        if not path then
            return
        end
        completes(function(line)
            return shell.lines(shell.run([[HOME=%s XDG_CONFIG_HOME=%s fish --no-config -c '
                source $argv[1]; complete -C $argv[2]' %s %s | cut -f 1]], directory, directory, path, line))
        end)
    end)

    it("for zsh", function()
        local path = written("zsh", "_kataven")
        if not path then
            return
        elseif shell.try "command -v expect" ~= 0 then
            return pending "there is no expect"
        end
        -- What is typed, and what is to stand there after the tab. ^U empties the line.
        files.write(directory .. "/typing.exp", [[
            set timeout 60
            set stty_init "columns 200 rows 50"
            set env(TERM) dumb
            spawn -noecho zsh -f -i
            send "PS1=; fpath=($::env(FILES) \$fpath); autoload -Uz compinit; compinit -u -d $::env(FILES)/dump\r"
            send "PS1='READ''Y '\r"
            expect -ex "READY "
            foreach {typed wanted} {
                "kataven widget-keys rev\t" "kataven widget-keys revoke "
                "kataven compl\t" "kataven completion "
                "kataven completion f\t" "kataven completion fish "
                "kataven widget-keys update x --no-d\t" "--no-domains "
                "kataven widget-keys delete x --y\t" "--yes "
                "kataven --acc\t" "--account "
                "kataven widget-keys list --disa\t" "--disabled "
            } {
                send -- "\025$typed"
                expect {
                    -ex $wanted {}
                    timeout { puts stderr "in vain: $typed"; exit 1 }
                    eof { puts stderr "it ended at: $typed"; exit 1 }
                }
            }
            send_user "all of them\n"
        ]])
        local output = shell.run("FILES=%s expect %s", directory, directory .. "/typing.exp")
        assert.matches("all of them\n$", output)
    end)
end)
