--- REDIS_URL: redis[s]://[user[:password]@]host[:port][/database], and
--- unix://[user[:password]@]/path[?db=1].

local url = {}

---@class kataven.redis.Address
---@field scheme "redis"|"rediss"|"unix"
---@field host? string without the brackets of an IPv6 address
---@field port? integer
---@field path? string of a local socket
---@field user? string
---@field password? string
---@field database integer
---@field text string for messages, without the password

local DEFAULT_PORT = 6379
local FORMS = "redis://, rediss:// (TLS) or unix://"

local function decoded(text)
    return (text:gsub("%%(%x%x)", function(hex)
        return string.char(tonumber(hex, 16))
    end))
end

-- A number of a database, or nil.
local function number(text)
    return text:find "^%d+$" and #text <= 9 and math.floor(tonumber(text)) or nil
end

-- What stands before the @: redis-cli's rule is that a lone word is a user, and an empty user the default one.
local function credentials(self, text)
    if not text then
        return
    end
    local user, password = text:match "^([^:]*):(.*)$"
    user = decoded(user or text)
    self.user = user ~= "" and user or nil
    self.password = password and password ~= "" and decoded(password) or nil
end

local function readLocal(self, rest, query)
    if not rest:find "^/." then
        return "a unix:// URL needs the absolute path of a socket: unix:///run/redis/redis.sock"
    end
    self.path = decoded(rest)
    local name, value = query:match "^(%w+)=(.*)$"
    if query ~= "" then
        self.database = name == "db" and number(value)
        if not self.database then
            return "of a query it takes db=<number> alone"
        end
    end
    self.text = "unix://" .. rest
end

local function readRemote(self, rest, query)
    local where, database = rest:match "^([^/]*)/?(.*)$"
    local host, port = where:match "^%[([%x:.]+)%]:?(.*)$"
    if not host then
        host, port = where:match "^([^:%[%]]*):?([^:]*)$"
    end
    if not host or host:find "[%z\1-\32\127]" then
        return "it has no host that can be read"
    end
    self.host = host ~= "" and host:lower() or "127.0.0.1"
    self.port = port == "" and DEFAULT_PORT or number(port)
    if not self.port or self.port < 1 or self.port > 65535 then
        return "its port must be a number from 1 to 65535"
    elseif query ~= "" then
        return "it takes no query"
    end
    self.database = database == "" and 0 or number(database)
    if not self.database then
        return "its database must be a number, as in redis://127.0.0.1:6379/1"
    end
    self.text = ("%s://%s:%d%s"):format(self.scheme, self.host:find(":", 1, true) and "[" .. self.host .. "]"
        or self.host, self.port, self.database ~= 0 and "/" .. self.database or "")
end

--- Reads one. A problem shows no part of the URL, which may hold a password.
---@param text any
---@return kataven.redis.Address?
---@return string? problem
function url.parse(text)
    if type(text) ~= "string" then
        return nil, ("it must be a string, got a %s"):format(type(text))
    end
    local scheme, rest = text:match "^(%a+)://(.*)$"
    scheme = scheme and scheme:lower()
    if scheme ~= "redis" and scheme ~= "rediss" and scheme ~= "unix" then
        return nil, "it must begin with " .. FORMS
    elseif rest:find "#" then
        return nil, "it holds a #, which stands for nothing here (in a password, write %23)"
    end
    local self = { scheme = scheme, database = 0 }
    -- A password may hold an @ that nobody has encoded.
    local before, behind = rest:match "^([^/]*)@([^@]*)$"
    credentials(self, before)
    local address, query = (behind or rest):match "^([^?]*)%??(.*)$"
    local problem = (scheme == "unix" and readLocal or readRemote)(self, address, query)
    if problem then
        return nil, problem
    end
    return self
end

return url
