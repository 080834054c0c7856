-- The hub's widget keys, in memory: what each call does to the rows, and nothing about HTTP.
--
-- Rows come out as copies, ready for dkjson: `json.null` for what is unset, arrays that stay arrays when empty. The
-- names `last8` and `key` are this hub's own choice, since the API does not publish them; a client must not depend on
-- them.

local json = require "dkjson"
local hex = require "hub.random"

local store = {}
store.__index = store

-- The API prints times, but does not say in which form; ISO 8601 in UTC is what its answers look like elsewhere.
local function timestamp(seconds)
    return os.date("!%Y-%m-%dT%H:%M:%SZ", seconds)
end

local function newId()
    return (hex(16):gsub("^(........)(....)(....)(....)(............)$", "%1-%2-%3-%4-%5"))
end

-- The plaintext is left out of what goes into the table of rows, so that it cannot leak from there.
local function public(row)
    return {
        id = row.id,
        last8 = row.last8,
        name = row.name,
        domain_allowlist = row.domain_allowlist,
        agent_id = row.agent_id,
        created_at = row.created_at,
        disabled_at = row.disabled_at,
    }
end

-- `now` gives the seconds since 1970; the hub passes a clock that specs can move. With `pairs` a create answers with
-- `public_key` and `secret_key`, as the embed guide has it, in place of `key`.
function store.new(now, pairs)
    return setmetatable({ now = now, pairs = pairs, rows = {}, order = {} }, store)
end

-- A row of another account is as good as absent.
function store:find(account, id)
    local row = self.rows[id]
    return row and row.account == account and row or nil
end

function store:list(account)
    local found = setmetatable({}, { __jsontype = "array" })
    for _, id in ipairs(self.order) do
        local row = self:find(account, id)
        if row then found[#found + 1] = public(row) end
    end
    return found
end

-- `input` has been checked. An allowlist that was left out is stored as empty, which blocks the key: what the real
-- service does then is not published, and a key that nobody allowed anywhere should not open.
function store:create(account, input)
    local plaintext = ("pk_live_%s_%s"):format(account, hex(16))
    local row = {
        id = newId(),
        account = account,
        last8 = plaintext:sub(-8),
        name = input.name,
        domain_allowlist = input.domain_allowlist or setmetatable({}, { __jsontype = "array" }),
        agent_id = input.agent_id or json.null,
        created_at = timestamp(self.now()),
        disabled_at = json.null,
        used = false,
    }
    self.rows[row.id] = row
    self.order[#self.order + 1] = row.id
    local answer = public(row)
    if self.pairs then
        answer.public_key, answer.secret_key = plaintext, ("sk_live_%s_%s"):format(account, hex(16))
    else
        answer.key = plaintext
    end
    return answer
end

-- Gives the row, or nil for an unknown id. Revoking twice keeps the first time, as published. What `disabled = false`
-- does is not published: here it does nothing, since a revoked key that comes back to life is the worse surprise.
function store:update(account, id, patch)
    local row = self:find(account, id)
    if not row then return nil end
    for _, field in ipairs { "name", "domain_allowlist", "agent_id" } do
        if patch[field] ~= nil then row[field] = patch[field] end
    end
    if patch.disabled == true then self:revoke(row) end
    return public(row)
end

function store:revoke(row)
    if row.disabled_at == json.null then row.disabled_at = timestamp(self.now()) end
end

-- Gives "gone" for a key that was never used, the kept row for one that was, nil for an unknown id.
function store:delete(account, id)
    local row = self:find(account, id)
    if not row then return nil end
    if row.used then
        self:revoke(row)
        return public(row)
    end
    self.rows[id] = nil
    for i, other in ipairs(self.order) do
        if other == id then
            table.remove(self.order, i)
            break
        end
    end
    return "gone"
end

-- Marks a key as used, as a page that loads the widget would. False for an unknown id.
function store:use(id)
    local row = self.rows[id]
    if not row then return false end
    row.used = true
    return true
end

function store:count()
    return #self.order
end

return store
