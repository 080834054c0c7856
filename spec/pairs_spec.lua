-- A create that answers with a pair: the secret is not lost, and shown nowhere that was not asked for.

local apply = require "spec.support.apply"
local child = require "spec.support.child"
local command = require "spec.support.command"
local files = require "spec.support.files"
local json = require "dkjson"
local kataven = require "kataven"
local servers = require "spec.support.servers"
local shell = require "spec.support.shell"

local PUBLIC, SECRET = "pk_live_acme_0123456789", "sk_live_acme_9876543210"
local BODY = ('{"id":"wk_1","name":"a","public_key":"%s","secret_key":"%s"}'):format(PUBLIC, SECRET)

-- Neither text, nor the part of it that tells.
local function hidesBoth(text)
    assert.is_nil(text:find("0123456789", 1, true), text)
    assert.is_nil(text:find("9876543210", 1, true), text)
end

describe("an error with a pair in its answer", function()
    local events

    -- Creates a key over this answer.
    local function create(answer)
        events = {}
        local client = kataven.new { apiKey = "sk_live_test_x", retry = false, transport = {
            send = function() return answer end,
        }, log = function(event) events[#events + 1] = json.encode(event) end }
        return client.widgetKeys.create { name = "a" }
    end

    for name, answer in pairs {
        ["refused as no object"] = { status = 201, headers = {}, body = "[" .. BODY .. "]" },
        ["broken"] = { status = 201, headers = { ["content-type"] = "application/json" }, body = BODY .. "," },
        ["of another type"] = { status = 201, headers = { ["content-type"] = "text/html" }, body = "<p>" .. BODY },
        ["a server's error"] = { status = 500, headers = {}, body = "made, but: " .. BODY },
        ["a conflict"] = { status = 409, headers = {}, body = BODY:gsub('"', '\\"') },
        ["cut within a key"] = { status = 502, headers = {}, body = ("x"):rep(485) .. SECRET .. PUBLIC },
        ["in its content type"] = { status = 201, headers = { ["content-type"] = SECRET .. "/" .. PUBLIC },
            body = "x" },
    } do
        it("shows it in no message or log event, and keeps it in the body: " .. name, function()
            local key, err = create(answer)
            assert.is_nil(key)
            assert.equal(answer.body, err.body)
            hidesBoth(err.message)
            hidesBoth(tostring(err))
            assert.is_true(#events > 0)
            hidesBoth(table.concat(events))
        end)
    end

    it("is where the key can still be found", function()
        local _, err = create { status = 500, headers = {}, body = BODY }
        assert.same({ PUBLIC, SECRET }, { kataven.plaintext(err.data) })
    end)
end)

describe("a recorded pair", function()
    it("is not in the file, and reads redacted in a replay", function()
        local hub = servers.hub { pairs = true }
        local path = apply.nowhere()
        finally(function()
            os.remove(path)
            hub:stop()
        end)
        local script = [[
            local kataven = require "kataven"
            local key = kataven.assert(kataven.new({}).widgetKeys.create { name = "a" })
            print(kataven.plaintext(key))
        ]]
        local live = child.run(script, { KATAVEN_CASSETTE = path, KATAVEN_CASSETTE_MODE = "record",
            KATAVEN_BASE_URL = hub.url, KATAVEN_API_KEY = hub.apiKey, KATAVEN_LOG = "debug" })
        local public, secret = live:match "^(pk_live_%w+_%x+)\t(sk_live_%w+_%x+)\n$"
        local text = files.read(path)
        assert.is_nil(text:find(public:sub(-16), 1, true))
        assert.is_nil(text:find(secret:sub(-16), 1, true))
        assert.equal("pk_live_[redacted]\tsk_live_[redacted]\n", (child.run(script, { KATAVEN_CASSETTE = path })))
    end)
end)

apply.describe("the command with pairs", function(desk)
    local function environment()
        return { KATAVEN_BASE_URL = desk.hub.url, KATAVEN_API_KEY = desk.hub.apiKey, NO_COLOR = "1" }
    end

    -- Runs it within this process.
    local function inside(words, terminal)
        return command.inside(words, { environment = environment(), terminal = terminal and command.TERMINAL })
    end

    local CREATE = { "widget-keys", "create", "acme.com", "--domain", "acme.com" }

    it("names the secret as one where create shows it on a terminal", function()
        local out, err, code = inside(CREATE, true)
        assert.equal(0, code)
        local public = out:match "\npublic_key +(pk_live_local_%x+)\n"
        assert.matches("\nsecret_key +sk_live_local_%x+  %(secret: for your backend only, shown this once%)\n", out)
        assert.equal(('Keep it: it is shown this once. In a page: data-client-key="%s"\n'):format(public)
            .. "The secret key (sk_live_...) is for your backend only, shown this once. It does not go into a page.\n",
            err)
        out, err = inside({ "widget-keys", "list" }, true)
        assert.is_nil((out .. err):find("_live_", 1, true))
    end)

    it("writes both as data where create is piped, and nothing of them elsewhere", function()
        local out, err, code = inside(command.joined(CREATE, { "--verbose" }))
        assert.equal(0, code)
        local key = json.decode(out)
        assert.matches("^pk_live_local_%x+$", key.public_key)
        assert.matches("^sk_live_local_%x+$", key.secret_key)
        assert.is_nil(err:find("_live_", 1, true))
        assert.truthy(err:find("status 201", 1, true))
    end)

    it("loses neither where create cannot write", function()
        local _, err, code = command.inside(CREATE, { environment = environment(), broken = { "No space left", 28 } })
        assert.equal(1, code)
        assert.matches("its text, shown this once, is pk_live_local_%x+; its secret key, for your backend only, shown "
            .. "this once, is sk_live_local_%x+\n$", err)
    end)

    for _, form in ipairs { "a document", "text" } do
        it(("keeps both in the file of --keys-out, and shows neither, as %s"):format(form), function()
            desk:wanted { { name = "a" }, { name = "b" } }
            local out, err, code = inside({ "widget-keys", "apply", desk.file, "--keys-out", desk.out, "--verbose" },
                form == "text")
            assert.equal(0, code)
            assert.is_nil((out .. err):find("_live_", 1, true))
            assert.truthy(out:find(form == "text" and "its key is in " .. desk.out or '"unchanged"', 1, true))
            local kept = 0
            for line in files.read(desk.out):gmatch "[^\n]+" do
                local value = json.decode(line)
                if value.created then
                    kept = kept + 1
                    assert.matches("^pk_live_local_%x+$", value.key)
                    assert.matches("^sk_live_local_%x+$", value.secret_key)
                    assert.equal(value.row.secret_key, value.secret_key)
                    assert.equal(apply.live(desk.hub)[value.created][1].last8, value.key:sub(-8))
                end
            end
            assert.equal(2, kept)
        end)
    end

    it("has both in apply's output where there is no such file", function()
        desk:wanted { { name = "a" } }
        local document = json.decode((inside { "widget-keys", "apply", desk.file }))
        assert.matches("^pk_live_local_%x+$", document.done[1].key)
        assert.matches("^sk_live_local_%x+$", document.done[1].secret_key)
        desk:wanted { { name = "b" } }
        local out, err = inside({ "widget-keys", "apply", desk.file }, true)
        assert.matches("created b %b()  pk_live_local_%x+\n    its secret key, for your backend only, shown this once: "
            .. "sk_live_local_%x+\n", out)
        assert.is_nil(err:find("_live_", 1, true))
    end)

    it("loses neither where the file of --keys-out takes no more", function()
        desk:wanted { { name = "a" }, { name = "b" } }
        local output, errors, status = apply.run(desk.hub, { desk.file, "--keys-out", desk.out }, { before = [[
            local core = require "kataven.core"
            local appender = core.appender
            core.appender = function(path)
                local real, problem = appender(path)
                return real and {
                    write = function(_, text)
                        if text:find("pk_live_", 1, true) then
                            return nil, "No space left on device"
                        end
                        return real:write(text)
                    end,
                    close = function() real:close() end,
                }, problem
            end
        ]] })
        assert.equal(1, status)
        local public, secret = errors:match("KEEP IT NOW, it is shown this once: (pk_live_local_%x+); and its secret "
            .. "key, for your backend only, shown this once: (sk_live_local_%x+)\n")
        assert.truthy(secret, errors)
        local done = json.decode(output).done[1]
        assert.same({ public, secret }, { done.key, done.secret_key })
    end)

    it("says of a replay that it holds no key, once", function()
        desk:wanted { { name = "a" }, { name = "b" } }
        local path = apply.nowhere()
        local words = { "widget-keys", "apply", desk.file, "--cassette", path, "--keys-out" }
        local recording = environment()
        recording.KATAVEN_CASSETTE_MODE = "record"
        assert.equal(0, (select(3, command.run(command.joined(words, { desk.out }), recording))))
        assert.is_nil(files.read(path):find("_live_local_", 1, true))
        local again = apply.nowhere()
        finally(function()
            shell.run("rm -f %s %s", path, again)
        end)
        local _, errors, status = command.run(command.joined(words, { again }), {})
        assert.equal(0, status, errors)
        assert.equal(1, select(2, errors:gsub("This is a replay: %[redacted%] stands for the key, which no cassette "
            .. "holds%.\n", "")))
        assert.truthy(files.read(again):find('"key":"pk_live_[redacted]"', 1, true))
        assert.truthy(files.read(again):find('"secret_key":"sk_live_[redacted]"', 1, true))
    end)
end, { pairs = true })
