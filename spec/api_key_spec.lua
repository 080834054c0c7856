-- A text that is not a key as it stands is refused wherever it comes from, and called by its slip, without being shown.

local command = require "spec.support.command"
local files = require "spec.support.files"
local kataven = require "kataven"
local misuse = require "spec.support.misuse"
local redis = require "spec.support.redis"
local spy = require "spec.support.spy"

local KEY = "sk_live_acme_Zz9Yy8Xx7"
local JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.Zz9YyWx-_Q"
local MARK = "Zz9Yy" -- in both, and in no message

local ALONE = "it must be the key alone (sk_live_...)"
local QUOTE = "holds a quotation mark; pass the text between the quotes"
local BOM = "holds a byte order mark (BOM)"
local UTF16 = "is UTF-16, or holds NUL bytes"
local INVISIBLE = "holds an invisible character"
local SCHEME = "begins with an authorization scheme"
local HEADER = "is a whole header; " .. ALONE
local NAMED = "has a name before it, as in NAME=value"
local NAME_ALONE = "is the name of a key and not its value; " .. ALONE
local PLACEHOLDER = "is a placeholder that nothing was put in for"
local SHORTENED = "is a shortened or masked key"
local NO_VALUE = "is a word for no value, such as undefined or null"
local LINE_BREAK = "ends with a line break: was it read from a file? Trim it first"
local CONTROL = "holds a control character, which could split a header"
local EDGE = "begins or ends with a blank; trim it first"
local NOT_ASCII = "holds a character that is not ASCII"

-- What stands around a key (or a JWT), and what it is called.
local AROUND = {
    { '"%s"', QUOTE }, { "'%s'", QUOTE }, { "`%s`", QUOTE }, { '%s"', QUOTE }, { "'%s", QUOTE },
    { '\\"%s\\"', QUOTE }, { "\226\128\156%s\226\128\157", QUOTE }, { "\226\128\152%s\226\128\153", QUOTE },
    { "\226\128\158%s\226\128\156", QUOTE }, { "\194\171%s\194\187", QUOTE }, { "\226\128\185%s\226\128\186", QUOTE },
    { "\239\187\191%s", BOM }, { "%s\239\187\191", BOM }, { "\239\187\191%s\n", BOM },
    { "\255\254%s", UTF16 }, { "\254\255%s", UTF16 },
    { "\194\160%s", INVISIBLE }, { "%s\194\160", INVISIBLE }, { "%s\226\128\139", INVISIBLE },
    { "\226\128\142%s", INVISIBLE }, { "%s\226\129\160", INVISIBLE }, { "%s\226\128\175", INVISIBLE },
    { "\227\128\128%s", INVISIBLE }, { "%s\194\173", INVISIBLE }, { "%s\226\128\168", INVISIBLE },
    { "%s\n", LINE_BREAK }, { "%s\r\n", LINE_BREAK }, { "%s\r", LINE_BREAK }, { '"%s"\n', LINE_BREAK },
    { "%s\0", CONTROL }, { "%s\127", CONTROL }, { "%s\27[0m", CONTROL }, { "%s\r\nX-Evil: 1", CONTROL },
    { " %s", EDGE }, { "%s ", EDGE }, { "\t%s", EDGE }, { "%s\t", EDGE },
    { "%s;", "ends with a comma or a semicolon" }, { "%s,", "ends with a comma or a semicolon" },
    { "Bearer %s", SCHEME }, { "bearer %s", SCHEME }, { "BEARER  %s", SCHEME }, { "Bearer\t%s", SCHEME },
    { " Bearer %s", SCHEME }, { "Bearer: %s", SCHEME }, { "Basic %s", SCHEME }, { "Token %s", SCHEME },
    { "Authorization: Bearer %s", HEADER }, { "authorization:%s", HEADER },
    { "-H Authorization: Bearer %s", HEADER }, { '{"Authorization":"Bearer %s"}', QUOTE },
    { "KATAVEN_API_KEY=%s", NAMED }, { "export KATAVEN_API_KEY=%s", NAMED }, { "set KATAVEN_API_KEY=%s", NAMED },
    { "$env:KATAVEN_API_KEY=%s", NAMED }, { "KATAVEN_API_KEY = %s", NAMED }, { "apiKey: %s", NAMED },
    { "api_key=%s", NAMED }, { "--api-key=%s", NAMED }, { "kataven.api-key: %s", NAMED },
    { "KATAVEN_API_KEY='%s'", QUOTE }, { '"apiKey": "%s",', QUOTE }, { "https://%s@api.kataven.ai", "is a URL" },
    { "<%s>", PLACEHOLDER }, { "${%s}", PLACEHOLDER }, { "{{ %s }}", PLACEHOLDER }, { "(%s)", PLACEHOLDER },
    { "%s...", SHORTENED }, { "%s\226\128\166", SHORTENED }, { "%s****", SHORTENED },
    { "%s\226\128\162\226\128\162", SHORTENED }, { "%s[redacted]", SHORTENED },
    { "%s two", "holds a blank" }, { "%s\t%s", "holds a blank" }, { "%s,%s", "holds a character that no key has" },
    { "%s%%2D", "holds percent-encoding" }, { "%s\195\169", NOT_ASCII }, { "%s\233", NOT_ASCII },
    { "%s\240\159\148\145", NOT_ASCII }, { "%s=x", NAMED }, { "%s!", "holds a character that no key has, at byte" },
    { "@%s", "holds a character that no key has, at byte 1; " .. ALONE },
}

-- Texts that hold no key.
local WITHOUT = {
    [""] = "is blank; it should begin with sk_live_", ["  \t"] = "is blank", ["\n"] = "is blank",
    undefined = NO_VALUE, null = NO_VALUE, NULL = NO_VALUE, ["nil"] = NO_VALUE, None = NO_VALUE, NaN = NO_VALUE,
    ["true"] = NO_VALUE, False = NO_VALUE, sk_live_undefined = NO_VALUE, sk_live_nil = NO_VALUE, ["null="] = NO_VALUE,
    Bearer = SCHEME, ["Bearer "] = SCHEME, ["Bearer null"] = SCHEME,
    KATAVEN_API_KEY = NAME_ALONE, ["KATAVEN_API_KEY="] = NAME_ALONE, apiKey = NAME_ALONE, ["api-key:"] = NAME_ALONE,
    ["export KATAVEN_API_KEY="] = NAME_ALONE,
    ["KATAVEN_API_KEY=null"] = NAMED, ["${KATAVEN_API_KEY}"] = PLACEHOLDER, ["$KATAVEN_API_KEY"] = PLACEHOLDER,
    ["$(cat key)"] = PLACEHOLDER, ["%KATAVEN_API_KEY%"] = PLACEHOLDER, ["{{api_key}}"] = PLACEHOLDER,
    ["<your-key>"] = PLACEHOLDER, ["<your key>"] = PLACEHOLDER, ["your-api-key"] = PLACEHOLDER,
    YOUR_API_KEY = PLACEHOLDER, ["[object Object]"] = PLACEHOLDER, ["(null)"] = PLACEHOLDER,
    ["sk_live_..."] = SHORTENED, ["sk_live_acme_..."] = SHORTENED, ["sk_live_\226\128\166"] = SHORTENED,
    ["***"] = SHORTENED, ["[redacted]"] = SHORTENED, ["sk_live_[redacted]"] = SHORTENED, ["sk_live_"] = SHORTENED,
    pk_live_acme_1 = "is a widget key (pk_live_...), which is public and no credential", PK_LIVE_ACME_1 = "is a widget",
    ["s\0k\0_\0l\0"] = UTF16, ["\0s\0k"] = UTF16, ["sk_live_\0a"] = CONTROL, ["sk_live_a sk_live_b"] = "holds a blank",
    ["sk_live_ask_live_b"] = "has something before sk_live_, or is there twice",
    Bearersk_live_a = "has something before sk_live_",
}

-- The pattern with the key in it; string.format of 5.1 ends at a NUL byte.
local function around(pattern, key)
    return (pattern:gsub("%%(.)", function(letter)
        return letter == "s" and key or letter
    end))
end

-- All of them: { text, slip }.
local cases = {}
for text, slip in pairs(WITHOUT) do
    cases[#cases + 1] = { text, slip }
end
for _, row in ipairs(AROUND) do
    for _, key in ipairs { KEY, JWT } do
        cases[#cases + 1] = { around(row[1], key), row[2] }
    end
end

-- Checks a message: it begins like this, and shows nothing of a key.
local function isSlip(beginning, message, text)
    assert.equal(beginning, message:sub(1, #beginning), ("%q"):format(text))
    assert.is_nil(message:find(MARK, 1, true), message)
    assert.is_nil(message:find "[^ -~]", message)
end

describe("an API key that is none as it stands", function()
    it("is called by its slip", function()
        for _, case in ipairs(cases) do
            local message = misuse(function()
                kataven.new { apiKey = case[1], accountId = "acme" }
            end)
            isSlip("apiKey " .. case[2], message, case[1])
        end
    end)

    it("is called by it in KATAVEN_API_KEY too, where nothing is no key", function()
        local value
        local getenv = stub(os, "getenv").invokes(function(name)
            return name == "KATAVEN_API_KEY" and value or nil
        end)
        finally(function() getenv:revert() end)
        for _, case in ipairs(cases) do
            value = case[1]
            local ok, message = pcall(kataven.new, { accountId = "acme" })
            assert.is_false(ok)
            isSlip("apiKey " .. (value == "" and "is missing" or case[2]), message:match "^.-:%d+: (.*)$" or message,
                value)
        end
    end)

    it("is called by it in the command, from a file, standard input or the environment", function()
        local path = os.tmpname()
        finally(function() os.remove(path) end)
        local LIST = { "widget-keys", "list", "--account", "acme" }

        local function isRefused(case, given, options)
            local out, err, code = command.inside(command.joined(LIST, given), options)
            assert.same({ "", 2 }, { out, code }, err)
            local slip = given[1] and (not case[1]:find "%S" or case[1]:find "%S%s+%S")
                and ("--api-key-file %s: it should hold the API key (sk_live_...) and nothing else"):format(given[2])
                or case[1] == "" and "there is no API key" or "the API key " .. case[2]
            isSlip("kataven: " .. slip, err:gsub("\n$", ""), case[1])
        end
        for _, case in ipairs(cases) do
            isRefused(case, {}, { environment = { KATAVEN_API_KEY = case[1] } })
            -- Blanks around the key are a file's own.
            if case[2] ~= EDGE and case[2] ~= LINE_BREAK then
                isRefused(case, { "--api-key-file", "-" }, { input = case[1] })
                files.write(path, case[1] .. "\n")
                isRefused(case, { "--api-key-file", path })
            end
        end
    end)

    it("is refused by a worker of Redis's", function()
        local missing = redis.missing()
        if missing then
            return pending(missing)
        end
        local worker = require "kataven.redis.worker"
        for _, case in ipairs(cases) do
            local message = misuse(function()
                worker.new { client = { apiKey = case[1], accountId = "acme" } }
            end)
            isSlip("apiKey " .. case[2], message, case[1])
        end
    end)
end)

describe("an API key of any length", function()
    it("is looked through in a moment", function() -- by the square it would be minutes
        for _, text in ipairs { " ", "a ", "=", "a.", ":", "a=", "bearer", "authorization ", "%", ".", "\"", "\194" } do
            local message = misuse(function()
                kataven.new { apiKey = text:rep(100000) .. "!" }
            end)
            assert.matches("^apiKey ", message)
        end
    end)
end)

describe("an API key that is one", function()
    it("is sent as it is, and hidden in an answer that has it", function()
        for _, key in ipairs {
            KEY, JWT, "sk_live_x", "opaque-token", "a", "nullify", "trueish", "My_Key", "abc.DEF~1+2/3-4_5==", "x=",
            "eyJhbGciOiJIUzI1NiJ9.sk_live_.x", "A1B2C3", "..", "-._~+/9",
        } do
            local transport = spy.new(spy.text("who is " .. key .. "?", 400))
            local client = kataven.new { apiKey = key, accountId = "acme", transport = transport }
            local _, err = client.widgetKeys.list()
            assert.equal("Bearer " .. key, transport.requests[1].headers.Authorization)
            assert.matches("%[redacted%]", err.body)
            assert.is_nil(#key > 4 and err.body:find(key, 1, true) or nil, err.body)
        end
    end)
end)
