--- What runs inside Redis to queue a request: its check and its entry. The text
--- of a chunk that gives a table of functions; it goes into the library of
--- functions, and into scripts that queue requests themselves (see
--- kataven.redis.functions). Lua 5.1, with Redis's own cjson.

return [==[
    local MAX = $max -- requests that a stream may hold
    local MOST = 65536 -- bytes of one request: what is bounded in number alone is not bounded
    local FIELDS = {
        create = { "name", "domain_allowlist", "agent_id" },
        update = { "name", "domain_allowlist", "agent_id", "disabled" },
    }
    local OPTIONS = { "timeout", "deadline" } -- both in seconds

    -- A value as it reads in a sentence.
    local function describe(value)
        local kind = type(value)
        if kind == "number" or kind == "boolean" then
            return ("a %s (%s)"):format(kind, tostring(value))
        elseif kind == "string" and not value:find("k_live_", 1, true) and not value:find "^%s*eyJ" then
            return ("a string (%q)"):format(#value > 40 and value:sub(1, 40) .. "..." or value)
        elseif value == cjson.null then
            return "null"
        end
        return kind == "nil" and "nothing" or "a " .. kind
    end

    -- What follows each first byte of a letter that is not ASCII's.
    local LETTERS = {
        "[\194-\223][\128-\191]", "\224[\160-\191][\128-\191]", "[\225-\236\238\239][\128-\191][\128-\191]",
        "\237[\128-\159][\128-\191]", "\240[\144-\191][\128-\191][\128-\191]",
        "[\241-\243][\128-\191][\128-\191][\128-\191]", "\244[\128-\143][\128-\191][\128-\191]",
    }

    local function isUtf8(text)
        for _, letter in ipairs(text:find "[\128-\255]" and LETTERS or {}) do
            text = text:gsub(letter, " ")
        end
        return not text:find "[\128-\255]"
    end

    -- How many letters are to be added, taken away, changed, or swapped with a neighbour.
    local function distance(a, b)
        local rows = { [0] = {} }
        for j = 0, #b do
            rows[0][j] = j
        end
        for i = 1, #a do
            rows[i] = { [0] = i }
            for j = 1, #b do
                local same = a:byte(i) == b:byte(j)
                rows[i][j] = math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (same and 0 or 1))
                if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
                    rows[i][j] = math.min(rows[i][j], rows[i - 2][j - 2] + 1)
                end
            end
        end
        return rows[#a][#b]
    end

    local function plain(name)
        return (name:lower():gsub("[_%-]", ""))
    end

    -- The first key that is not among the known ones, as a problem.
    local function unknown(given, known, what)
        local set = {}
        for _, name in ipairs(known) do
            set[name] = true
        end
        for key in pairs(given) do
            if not set[key] then
                local word = plain(tostring(key))
                local nearest, least, alike = nil, math.max(1, math.floor(#word / 3)) + 1, nil
                for _, name in ipairs(known) do
                    local far = #word <= 40 and distance(word, plain(name)) or least
                    if far < least then
                        nearest, least = name, far
                    elseif #word >= 4 and #word <= 40 and word:sub(1, 4) == plain(name):sub(1, 4) then
                        alike = alike or name
                    end
                end
                nearest = nearest or alike
                return ("unknown %s %s; %s"):format(what, describe(key):gsub("^a string %((.*)%)$", "%1"),
                    nearest and ('did you mean "%s"?'):format(nearest) or "known are " .. table.concat(known, ", "))
            end
        end
    end

    -- A table, or the JSON text of an object, as a table; or nil and a problem.
    local function object(given, what)
        if type(given) == "table" then
            return given
        elseif type(given) ~= "string" or not given:find "^%s*{" then
            return nil, ("%s, got %s"):format(what, describe(given))
        end
        local read, value = pcall(cjson.decode, given)
        if not read then
            return nil, ("%s, got broken JSON: %s"):format(what, tostring(value):gsub("^.-:%d+: ", ""))
        end
        -- cjson reads numbers that are none in JSON: 0x10, inf.
        local bare = given:gsub("\\.", ""):gsub('"[^"]*"', ""):gsub("true", ""):gsub("false", ""):gsub("null", "")
        if bare:find "[^%s%deE+.,:{}%[%]-]" then
            return nil, ("%s, got broken JSON: a number in it is none"):format(what)
        end
        return value
    end

    -- The JSON text of an allowlist, or nil and a problem. cjson would write {} for an empty one, which it also reads
    -- as it does []: both are the empty list here.
    local function allowlist(list)
        if type(list) ~= "table" then
            return nil, ("domain_allowlist must be an array of strings, got %s"):format(describe(list))
        end
        local count, texts = 0, {}
        for key in pairs(list) do
            count = count + 1
            if type(key) ~= "number" or key % 1 ~= 0 or key < 1 then
                return nil, ("domain_allowlist must be an array of strings, got the key %s"):format(describe(key))
            end
        end
        for index = 1, count do
            if list[index] == nil then
                return nil, ("domain_allowlist must be an array of strings, but entry %d is missing"):format(index)
            elseif type(list[index]) ~= "string" then
                return nil, ("domain_allowlist[%d] must be a string, got %s"):format(index, describe(list[index]))
            elseif not isUtf8(list[index]) then
                return nil, ("domain_allowlist[%d] is not UTF-8"):format(index)
            end
            texts[index] = cjson.encode(list[index])
        end
        return "[" .. table.concat(texts, ",") .. "]"
    end

    -- The JSON text of create's input or update's patch, or nil and a problem: what has been checked is what goes.
    local function body(method, given)
        local fields, problem = object(given, ("kataven_%s takes a JSON object of fields (%s)"):format(
            method, table.concat(FIELDS[method], ", ")))
        problem = problem or unknown(fields, FIELDS[method], "field")
        if problem then
            for _, option in ipairs(fields and OPTIONS or {}) do
                if fields[option] ~= nil then
                    problem = ('unknown field "%s": the options of a request go into a JSON object of their own, '
                        .. "the last argument"):format(option)
                end
            end
            if method == "create" and fields and fields.disabled ~= nil then
                problem = 'unknown field "disabled": a key is born live; kataven_update can revoke it'
            end
            return nil, problem
        end
        local parts = {}
        if fields.name ~= nil and type(fields.name) ~= "string" then
            return nil, ("name must be a string, got %s"):format(describe(fields.name))
        elseif fields.name == nil and method == "create" then
            return nil, 'name is missing: kataven_create needs {"name":"..."}'
        elseif fields.agent_id ~= nil and fields.agent_id ~= cjson.null and type(fields.agent_id) ~= "string" then
            return nil, ("agent_id must be a string or null, got %s"):format(describe(fields.agent_id))
        elseif fields.disabled ~= nil and type(fields.disabled) ~= "boolean" then
            return nil, ("disabled must be a boolean, got %s"):format(describe(fields.disabled))
        end
        for _, name in ipairs { "name", "agent_id", "disabled" } do
            if type(fields[name]) == "string" and not isUtf8(fields[name]) then
                return nil, name .. " is not UTF-8"
            elseif fields[name] ~= nil then
                parts[#parts + 1] = ('"%s":%s'):format(name, cjson.encode(fields[name]))
            end
        end
        if fields.domain_allowlist ~= nil then
            local text
            text, problem = allowlist(fields.domain_allowlist)
            if not text then
                return nil, problem
            end
            parts[#parts + 1] = '"domain_allowlist":' .. text
        end
        return "{" .. table.concat(parts, ",") .. "}"
    end

    local function idProblem(method, id)
        if type(id) ~= "string" then
            return ("kataven_%s takes a key's id, a string, got %s"):format(method, describe(id))
        elseif id == "" then
            return "id is empty: it must be the id of a key, as list gives it"
        elseif id == "." or id == ".." then
            return ('id must not be "%s", which a server may read as another path'):format(id)
        elseif id:find "[%z\1-\31\127]" then
            return "id holds a control character: it must be the id of a key, as list gives it"
        end
    end

    -- Adds the options of a request to its entry. Gives a problem with them.
    local function addOptions(entry, given)
        if given == nil or given == "" then
            return nil
        end
        local chosen, problem = object(given, ("the options must be a JSON object (%s)"):format(
            table.concat(OPTIONS, ", ")))
        problem = problem or unknown(chosen, OPTIONS, "option")
        if problem then
            return problem
        end
        for _, name in ipairs(OPTIONS) do
            local value = chosen[name]
            if value ~= nil and (type(value) ~= "number" or not (value > 0 and value < math.huge)) then
                return ("%s must be a finite number greater than 0, got %s"):format(name, describe(value))
            elseif value ~= nil then
                entry[#entry + 1], entry[#entry + 2] = name, ("%.14g"):format(value)
            end
        end
    end

    -- Adds a request to a stream. Gives its id; or nil, the code of an error, and what is wrong. Never trims: a
    -- stream that is full takes none.
    local function enqueue(stream, method, id, given, options)
        if type(stream) ~= "string" or stream == "" then
            return nil, "KATAVEN", ("the stream's name must be a text, got %s"):format(describe(stream))
        end
        local entry, problem = { "method", method }, nil
        if method == "update" or method == "delete" then
            problem = idProblem(method, id)
            entry[3], entry[4] = "id", id
        end
        if not problem and FIELDS[method] then
            local text
            text, problem = body(method, given)
            entry[#entry + 1], entry[#entry + 2] = "body", text
        end
        problem = problem or addOptions(entry, options)
        if problem then
            return nil, "KATAVEN", problem
        end
        local bytes = 0
        for _, text in ipairs(entry) do
            bytes = bytes + #text
        end
        if bytes > MOST then
            return nil, "KATAVEN", ("a request may have %d bytes, and this one has %d"):format(MOST, bytes)
        end
        local held = redis.call("XLEN", stream)
        if held >= MAX then
            return nil, "KATAVENFULL", ("%s holds %d requests, as many as it may, so this one was not added; "
                .. "try again later"):format(stream, held)
        end
        return redis.call("XADD", stream, "*", unpack(entry))
    end

    -- For scripts: raises what is wrong.
    local function must(id, code, problem)
        if not id then
            error({ err = code .. " " .. problem })
        end
        return id
    end

    return {
        enqueue = enqueue,
        list = function(stream, options)
            return must(enqueue(stream, "list", nil, nil, options))
        end,
        create = function(stream, input, options)
            return must(enqueue(stream, "create", nil, input, options))
        end,
        update = function(stream, id, patch, options)
            return must(enqueue(stream, "update", id, patch, options))
        end,
        delete = function(stream, id, options)
            return must(enqueue(stream, "delete", id, nil, options))
        end,
    }
]==]
