--- A certificate authority for specs, by the openssl program: a root, and what it or another one issues, good or bad.
---
---   local ca = authority.new()
---   local leaf = ca:issue { san = "DNS:localhost", by = ca.root }      -- { cert, key }: paths, the chain in `cert`
---   ca:remove()

local process = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "servers/process.lua")

local authority = {}
authority.__index = authority

local CONFIG = [[
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = anything
[anything]
MinProtocol = None
CipherString = ALL@SECLEVEL=0
[ca]
default_ca = it
[it]
dir = %s
database = $dir/index
new_certs_dir = $dir
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
]]

local function write(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
end

local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
end

local function quoted(first, ...)
    if first ~= nil then return process.quote(first), quoted(...) end
end

function authority:run(command, ...)
    local log = process.quote(self.dir .. "/log")
    local line = ("OPENSSL_CONF=%s openssl %s >%s 2>&1"):format(process.quote(self.config),
        command:format(quoted(...)), log)
    if not process.succeeds(line) then error(line .. "\n" .. read(self.dir .. "/log"), 2) end
end

--- Issues a certificate: `san` as OpenSSL writes it, `cn`, `by` (what issued it; itself where there is none), `ca` (it
--- may issue others: true, or further basicConstraints), `extensions` (lines), `from` and `to` (days from now), `key`
--- ("rsa:2048"), `digest`, `bare` (the file has no chain).
function authority:issue(wanted)
    self.count = self.count + 1
    local stem = ("%s/%d"):format(self.dir, self.count)
    local issued = { cert = stem .. ".pem", key = stem .. ".key", only = stem .. ".crt", by = wanted.by }
    local lines = { "basicConstraints=critical,CA:" .. (wanted.ca and "TRUE" or "FALSE")
        .. (type(wanted.ca) == "string" and "," .. wanted.ca or "") }
    if wanted.san then lines[#lines + 1] = "subjectAltName=" .. wanted.san end
    if wanted.extensions then lines[#lines + 1] = wanted.extensions end
    write(stem .. ".ext", table.concat(lines, "\n") .. "\n")
    self:run("req -new -newkey " .. (wanted.key or "ec -pkeyopt ec_paramgen_curve:prime256v1")
        .. " -nodes -subj %s -keyout %s -out %s", "/CN=" .. (wanted.cn or "kataven-lua spec " .. self.count),
            issued.key,
        stem .. ".csr")
    local function day(offset)
        return os.date("!%y%m%d%H%M%SZ", os.time() + offset * 86400)
    end
    local by = wanted.by
    self:run("ca -batch -notext -config %s -in %s -out %s -extfile %s -startdate %s -enddate %s -md %s "
        .. (by and "-cert %s -keyfile %s" or "-selfsign -keyfile %s"), self.config, stem .. ".csr", issued.only,
        stem .. ".ext", day(wanted.from or -1), day(wanted.to or 2), wanted.digest or "sha256",
        by and by.only or issued.key, by and by.key or nil)
    -- What a server sends: itself and those between it and the root.
    local chain, link = { read(issued.only) }, by
    while link and link.by and not wanted.bare do
        chain[#chain + 1] = read(link.only)
        link = link.by
    end
    write(issued.cert, table.concat(chain))
    return issued
end

--- A directory that holds these certificates alone, by their hashes, as `caPath` takes it.
function authority:directory(...)
    self.count = self.count + 1
    local path = ("%s/%d.d"):format(self.dir, self.count)
    assert(process.succeeds("mkdir " .. process.quote(path)))
    for index, one in ipairs { ... } do
        write(("%s/%d.pem"):format(path, index), read(one.only))
    end
    self:run("rehash %s", path)
    return path
end

function authority:remove()
    process.succeeds("rm -r " .. process.quote(self.dir))
end

--- `config` is a configuration that lets a server be as weak as it likes.
function authority.new()
    local dir = os.tmpname()
    os.remove(dir)
    assert(process.succeeds("mkdir -m 700 " .. process.quote(dir)))
    local self = setmetatable({ dir = dir, config = dir .. "/openssl.cnf", count = 0 }, authority)
    write(self.config, CONFIG:format(dir))
    write(dir .. "/index", "")
    self.root = self:issue { ca = true, cn = "kataven-lua spec root" }
    return self
end

return authority
