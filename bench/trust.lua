--- Has programs trust the benchmark's certificate through the system's own defaults, without the system being
--- touched: they run in a mount namespace of their own, where a copy of the certificates' folder lies over it.

local shell = require "spec.support.shell"

local trust = {}

local SYSTEM = "/etc/ssl/certs"

-- As root, or as an ordinary user where the kernel lets one be root in a namespace.
local function launcher()
    for _, flags in ipairs { "-m", "-rm" } do
        if shell.try("unshare " .. flags .. " true") == 0 then
            return "unshare " .. flags
        end
    end
end

--- `run(command)` runs a shell command that trusts the root, and gives what it wrote. Nil and why not, where that
--- cannot be.
---@param root string path of the authority's certificate
---@param copy string path for the copy, which is made anew
---@return { run: fun(command: string): string }?
---@return string? problem
function trust.open(root, copy)
    local unshare = launcher()
    if not unshare then
        return nil, "there can be no mount namespace here"
    elseif shell.try("test -e %s/ca-certificates.crt", SYSTEM) ~= 0 then
        return nil, "the system's certificates are not where Debian has them"
    end
    shell.run("rm -rf %s && cp -a %s %s", copy, SYSTEM, copy)
    shell.run("cat %s >>%s", root, copy .. "/ca-certificates.crt")
    shell.run("cp %s %s/$(openssl x509 -noout -subject_hash -in %s).0", root, copy, root)
    return {
        run = function(command)
            return shell.run(unshare .. " sh -c 'mount --bind \"$1\" \"$2\" && exec sh -c \"$3\"' sh %s %s %s", copy,
                SYSTEM, command)
        end,
    }
end

return trust
