-- What a recording leaves on the disk, and when.

local base64 = require "kataven.base64"
local child = require "spec.support.child"
local compiled = require "spec.support.compiled"
local core = require "kataven.core"
local files = require "spec.support.files"
local kataven = require "kataven"
local json = require "kataven.cassette.json"

local read, write = files.read, files.write

describe("the file of a recording", function()
    local path

    before_each(function()
        path = os.tmpname()
        os.remove(path)
    end)

    after_each(function()
        os.remove(path)
    end)

    -- A cassette in the mode, and a client whose transport is a table of answers.
    local function over(mode, answers, options)
        options = options or {}
        options.mode = mode
        local cassette = kataven.cassette.open(path, options)
        local sent = {}
        local view = cassette:over {
            send = function(_, request)
                sent[#sent + 1] = request
                return answers[math.min(#sent, #answers)]
            end,
        }
        local client = kataven.new { apiKey = "sk_live_test_x", transport = view, retry = false }
        return client, cassette, sent
    end

    local function answer()
        return { status = 200, headers = { ["content-type"] = "application/json" }, body = "[]" }
    end

    it("is pretty JSON with sorted names, and without the client's own headers", function()
        local client = over("record", { answer() })
        client.widgetKeys.list({ headers = { ["X-Trace"] = "t" } })

        assert.equal([[
{
  "interactions": [
    {
      "request": {
        "headers": {
          "X-Trace": "t"
        },
        "method": "GET",
        "path": "/api/v1/widget-keys"
      },
      "response": {
        "headers": {
          "content-type": "application/json"
        },
        "json": [],
        "status": 200
      }
    }
  ],
  "version": 1
}
]], read(path))
    end)

    it("is saved after every exchange, and not before the first", function()
        write(path, "the old one")
        local client = over("record", { answer() })
        assert.equal("the old one", read(path))
        for i = 1, 3 do
            client.widgetKeys.list()
            assert.equal(i, #json.decodeExact(read(path)).interactions)
        end
    end)

    it("stays the old one when a request never ends", function()
        write(path, "the old one")
        local cassette = kataven.cassette.open(path, { mode = "record" })
        local view = cassette:over { send = function() error("interrupted", 0) end }
        local client = kataven.new { apiKey = "sk_live_test_x", transport = view }
        assert.error_matches(function() client.widgetKeys.list() end, "^interrupted$")
        assert.equal("the old one", read(path))
        assert.is_nil(cassette:problem())
    end)

    it("keeps the mode of the file that it takes the place of, through a link", function()
        write(path, "{}")
        os.execute(("chmod 640 %s; ln -s %s %s.link"):format(path, path, path))
        local real = path
        path = path .. ".link"
        over("record", { answer() }).widgetKeys.list()
        local pipe = io.popen(("ls -l %s %s | cut -c1-10"):format(real, path))
        local modes = pipe:read "*a"
        pipe:close()
        os.remove(path)
        path = real
        assert.equal("-rw-r-----\nlrwxrwxrwx\n", modes)
        assert.equal(1, #json.decodeExact(read(path)).interactions)
    end)

    describe("behind links", function()
        local folder

        before_each(function()
            folder = path .. ".folder"
            os.execute(("mkdir -p %s/a"):format(folder))
        end)

        after_each(function()
            os.execute("rm -rf " .. folder)
        end)

        -- Records through a link, and gives what the shell says of it and what is at `target`.
        local function through(link, target, before)
            os.execute(("cd %s && %s"):format(folder, before))
            path = folder .. "/" .. link
            local client, cassette = over("record", { answer() })
            client.widgetKeys.list()
            assert.is_nil(cassette:problem())
            local pipe = io.popen(("readlink %s"):format(path))
            local to = pipe:read "*l"
            pipe:close()
            assert.equal(1, #json.decodeExact(assert(read(folder .. "/" .. target))).interactions)
            pipe = io.popen(("find %s -mindepth 1 -name '*.??????'"):format(folder))
            assert.equal("", pipe:read "*a") -- no temporary file
            pipe:close()
            return to
        end

        it("is made where a link to nothing points", function()
            assert.equal("real.json", through("x.json", "real.json", "ln -s real.json x.json"))
            assert.equal("a/real.json", through("y.json", "a/real.json", "ln -s a/real.json y.json"))
            assert.equal(folder .. "/z", through("z.json", "z", ("ln -s %s/z z.json"):format(folder)))
            assert.equal("two", through("one", "a/three", "ln -s two one; ln -s a/three two"))
            assert.equal("../b.json", through("a/b.json", "b.json", "ln -s ../b.json a/b.json"))
        end)

        it("is made in a folder that is not there yet", function()
            local target = "new/deep/real.json"
            assert.equal(target, through("x.json", target, ("ln -s %s x.json"):format(target)))
        end)

        it("is not made of what is no file", function()
            os.execute(("cd %s && mkfifo pipe && ln -s pipe x.json && ln -s a y.json"):format(folder))
            for _, name in ipairs { "pipe", "x.json", "y.json" } do
                path = folder .. "/" .. name
                local client, cassette = over("record", { answer() })
                client.widgetKeys.list()
                assert.matches("could not be saved: it is not a regular file", cassette:problem())
            end
            -- Through a link that names no file, as the system's are.
            local script = [[
                local core = require "kataven.core"
                io.stderr:write(tostring(select(2, core.save("/dev/stdout", "x"))))
            ]]
            if io.open("/dev/stdout", "ab") then
                assert.same({ "", "it is not a regular file" }, { child.run(script) })
            end
        end)

        it("is not made where links go in a circle", function()
            os.execute(("cd %s && ln -s b x && ln -s x b"):format(folder))
            path = folder .. "/x"
            local problem = select(2, kataven.cassette.try(path, { mode = "record" }))
            assert.matches("cannot record .*: its folder cannot be made: ", problem)
            assert.is_nil(read(path))
        end)
    end)

    it("has its folder made, as mkdir -p would", function()
        local folder = path
        finally(function()
            path = folder
            os.execute("rm -rf " .. folder)
        end)
        for index, mode in ipairs { "record", "append", "once" } do
            path = ("%s/%d/b//c/./x.json"):format(folder, index)
            local client, cassette = over(mode, { answer() })
            client.widgetKeys.list()
            cassette:assertDone()
            assert.equal(1, #json.decodeExact(read(path)).interactions)
        end
        local pipe = io.popen(("umask; stat -c %%a %s %s/1/b 2>/dev/null || true"):format(folder, folder))
        local mask, outer, inner = pipe:read("*l", "*l", "*l")
        pipe:close()
        if mask == "0022" and outer then -- where stat(1) knows -c
            assert.same({ "755", "755" }, { outer, inner })
        end
        -- A replay makes none.
        assert.is_nil((kataven.cassette.try(folder .. "/none/x.json")))
        assert.is_nil(io.open(folder .. "/none"))
    end)

    it("has its folder made from where the program stands", function()
        local folder = path
        finally(function() os.execute("rm -rf " .. folder) end)
        os.execute("mkdir " .. folder)
        local script = [[
            local cassette = require("kataven").cassette.open("spec/cassettes/x.json", { mode = "record" })
            local view = cassette:over { send = function() return { status = 200, headers = {}, body = "[]" } end }
            require("kataven").new({ apiKey = "sk_live_test_x", transport = view }).widgetKeys.list()
        ]]
        local pipe = io.popen "pwd"
        local here = pipe:read "*l"
        pipe:close()
        local function absolute(text)
            return (text:gsub("[^;]+", function(place)
                return place:sub(1, 1) ~= "/" and here .. "/" .. place or nil
            end))
        end
        local _, errors = child.run(("package.path, package.cpath = %q, %q\n%s"):format(absolute(package.path),
            absolute(package.cpath), script), nil, { "sh", "-c", 'cd "$0" && exec "$@"', folder })
        assert.equal("", errors)
        assert.truthy(read(folder .. "/spec/cassettes/x.json"))
    end)

    it("that cannot be written costs no answer, and the next call says so before it sends", function()
        -- A directory in its place: nothing can be renamed over it.
        os.execute(("mkdir -p %s/full"):format(path))
        local client, cassette, sent = over("record", { answer() })
        assert.same({}, (client.widgetKeys.list()))
        local value, err = client.widgetKeys.delete "k1"
        assert.is_nil(value)
        assert.equal("CassetteError", err.name)
        assert.is_false(err.maybeApplied)
        assert.matches("nothing more is sent, since .- could not be saved: ", err.message)
        assert.equal(1, #sent)
        assert.error_matches(function() cassette:assertDone() end, "could not be saved")
        local pipe = io.popen(("ls -d %s*"):format(path))
        assert.equal(path .. "\n", pipe:read "*a") -- no temporary file is left
        pipe:close()
        os.execute(("rm -r %s"):format(path))
        -- When the way is free again, nothing is missing.
        client.widgetKeys.list()
        assert.equal(2, #json.decodeExact(read(path)).interactions)
        cassette:assertDone()
    end)

    if files.read "/proc/self/stat" then
        describe("on a disk", function()
            local shim

            lazy_setup(function()
                shim = compiled.build("full_disk", "-shared")
            end)

            lazy_teardown(function()
                os.remove(shim)
            end)

            -- Records a large answer; gives the cassette's problem, the file, and what else lies beside it.
            local function recorded(how, launcher)
                write(path, "the old one")
                local output, errors = child.complete([[
                    local kataven = require "kataven"
                    local cassette = kataven.cassette.open(os.getenv "FILE", { mode = "record" })
                    local client = kataven.new { apiKey = "sk_live_test_x", transport = cassette:over {
                        send = function() return { status = 200, headers = {}, body = ("x"):rep(4096) } end,
                    } }
                    assert(client:request { path = "/p" })
                    io.write(tostring(cassette:problem()))
                ]], { FILE = path, LD_PRELOAD = shim, FAULT_FILE = path, FAULT_AT = "1", FAULT_HOW = how }, launcher)
                assert.equal("", errors)
                local pipe = io.popen(("ls -d %s.* 2>&1"):format(path))
                local beside = pipe:read "*a"
                pipe:close()
                assert.matches("No such file", beside)
                return output, read(path)
            end

            it("that cannot keep it, the old one stays, and nothing beside", function()
                for how, why in pairs { sync = "Input/output error", full = "No space left on device" } do
                    local problem, text = recorded(how)
                    assert.equal(("%s could not be saved: %s"):format(path, why), problem)
                    assert.equal("the old one", text)
                end
            end)

            it("that wants to be asked again, or a signal in the midst of it, it is whole", function()
                local problem, text = recorded "again"
                assert.equal("nil", problem)
                assert.equal(1, #json.decodeExact(text).interactions)
            end)
        end)
    end

    it("is not added to when it is damaged", function()
        write(path, '{"version":1,"interactions":[{"request":{}}]}')
        assert.error_matches(function() kataven.cassette.open(path, { mode = "append" }) end,
            "interactions%[1%]: expected either")
        assert.error_matches(function() kataven.cassette.open(path, { mode = "once" }) end,
            "interactions%[1%]: expected either")
    end)

    it("has nothing of a call that was cancelled", function()
        local cassette = kataven.cassette.open(path, { mode = "record" })
        local view = cassette:over {
            send = function() return nil, { kind = "cancelled", sent = true, message = "x" } end,
        }
        kataven.new({ apiKey = "sk_live_test_x", transport = view }).widgetKeys.list()
        assert.is_nil(read(path))
        cassette:assertDone()
    end)

    it("holds odd paths, headers and bodies", function()
        local deep = '{"a":' .. ("["):rep(126) .. ("]"):rep(126) .. "}"
        local a = answer()
        a.headers["x-a"], a.body = "caf\233", deep
        local client = over("record", { a })
        local paths = { "/a b", "/é", "/\255", "/a%zz", "/a?", "/a[b]", "/%2fx%7e?q=%zz&é" }
        for _, odd in ipairs(paths) do
            assert(client:request { method = "POST", path = odd, body = deep })
        end
        local cassette = kataven.cassette.open(path)
        client = kataven.new { apiKey = "sk_live_test_x", transport = cassette }
        for _, odd in ipairs(paths) do
            local value, meta = assert(client:request { method = "POST", path = odd, body = deep })
            assert.equal("table", type(value.a))
            assert.equal("caf\233", meta.headers["x-a"])
        end
        cassette:assertDone()
    end)

    it("holds headers of any bytes, and hides secrets in them", function()
        local a = answer()
        a.headers["x-latin"], a.headers["x-utf8"] = "caf\233 \128\255", "café"
        a.headers["x-secret"] = "\255 pk_live_acme_0123456789 sk_live_acme_0123456789"
        local client = over("record", { a })
        assert(client.widgetKeys.list { headers = { ["X-Mine"] = "na\239ve", ["X-Plain"] = "plain" } })
        local interaction = json.decodeExact(read(path)).interactions[1]
        assert.same({ ["X-Plain"] = "plain" }, interaction.request.headers)
        assert.same({ ["X-Mine"] = "bmHvdmU=" }, interaction.request.headersBase64)
        assert.equal("Y2Fm6SCA/w==", interaction.response.headersBase64["x-latin"])
        assert.equal("café", interaction.response.headers["x-utf8"])

        local seen
        local cassette = kataven.cassette.open(path, { match = function(_, recorded)
            seen = recorded.headers
            return true
        end })
        client = kataven.new { apiKey = "sk_live_test_x", transport = cassette }
        local _, meta = assert(client.widgetKeys.list())
        assert.equal("na\239ve", seen["x-mine"])
        assert.equal("caf\233 \128\255", meta.headers["x-latin"])
        assert.equal("café", meta.headers["x-utf8"])
        assert.equal("\255 pk_live_[redacted] sk_live_[redacted]", meta.headers["x-secret"])
    end)

    it("is not saved with a secret that redact put into a header of bytes", function()
        local secret = "sk_live_acme_0123456789"
        local client, cassette = over("record", { { status = 200, headers = { ["x-a"] = "\255" }, body = '[]' } }, {
            redact = function(interaction)
                if interaction.response then
                    interaction.response.headersBase64["x-a"] = base64.encode("\255" .. secret)
                end
            end,
        })
        client.widgetKeys.list { headers = { ["X-B"] = secret } }
        assert.is_nil(read(path))
        assert.matches("still holds a secret key", cassette:problem())
    end)

    describe("is not saved with a secret that redact brought back", function()
        local SECRET = "sk_live_acme-co_0123456789ABCDEF"

        -- Records an answer with this body, in which `put` changes the response.
        local function refused(body, put)
            local client, cassette = over("record", {
                { status = 200, headers = { ["content-type"] = "text/plain" }, body = body },
            }, { redact = function(interaction)
                if interaction.response then
                    put(interaction.response)
                end
            end })
            client:request { method = "GET", path = "/x" }
            assert.is_nil(read(path))
            assert.matches("still holds a secret key", cassette:problem())
        end

        local function percent(text)
            return (text:gsub("[_-]", function(char) return ("%%%02x"):format(char:byte()) end))
        end

        it("percent-encoded, within Base64", function()
            refused("it is " .. SECRET, function(response)
                response.body, response.bodyBase64 = nil, base64.encode("\255" .. percent(SECRET))
            end)
        end)

        it("in Base64 that was broken into lines", function()
            refused("it is " .. SECRET, function(response)
                response.body = base64.encode(SECRET):gsub(("."):rep(12), "%0\r\n")
            end)
            refused("it is " .. SECRET, function(response)
                response.body = base64.encode(SECRET):gsub(("."):rep(12), "%0 ")
            end)
        end)

        it("when it came encoded twice", function()
            refused("it is " .. percent(SECRET):gsub("%%", "%%25"), function(response)
                response.headers["x-note"] = SECRET
            end)
        end)
    end)

    it("compares headers that are not UTF-8", function()
        local options = { headers = { ["X-Trace"] = "caf\233" } }
        local client = over("record", { answer() }, { matchHeaders = { "X-Trace" } })
        assert(client.widgetKeys.list(options))

        local cassette = kataven.cassette.open(path, { matchHeaders = { "X-Trace" } })
        client = kataven.new { apiKey = "sk_live_test_x", transport = cassette }
        assert(client.widgetKeys.list(options))
        cassette:assertDone()
    end)

    it("holds numbers that JSON reads and cannot write", function()
        local huge = '{ "n": 1e400 }'
        local a = answer()
        a.body = huge
        local client, recording = over("record", { a })
        assert.equal(math.huge, assert(client:request { method = "POST", path = "/n", body = huge }).n)
        assert.is_nil(recording:problem())
        local interaction = json.decodeExact(read(path)).interactions[1]
        assert.equal(huge, interaction.request.body)
        assert.equal(huge, interaction.response.body)

        local cassette = kataven.cassette.open(path)
        client = kataven.new { apiKey = "sk_live_test_x", transport = cassette }
        assert.equal(math.huge, assert(client:request { method = "POST", path = "/n", body = huge }).n)
        cassette:assertDone()
    end)

    it("holds the bytes of what the client does not take for JSON", function()
        local types = { "application/json-seq", "application/jsonl", "text/plain; profile=a+json" }
        local answers = {}
        for i, contentType in ipairs(types) do
            answers[i] = { status = 200, headers = { ["content-type"] = contentType }, body = '{ "a": 1 }' }
        end
        local client = over("record", answers)
        for _ in ipairs(types) do
            assert.equal('{ "a": 1 }', (client:request { method = "GET", path = "/t" }))
        end

        local cassette = kataven.cassette.open(path)
        client = kataven.new { apiKey = "sk_live_test_x", transport = cassette }
        for _ in ipairs(types) do
            assert.equal('{ "a": 1 }', (client:request { method = "GET", path = "/t" }))
        end
        cassette:assertDone()
    end)

    it("holds the bytes of a list whose items are no objects", function()
        local a = answer()
        a.body = "[[ 1 ]]"
        local client = over("record", { a })
        local _, live = client.widgetKeys.list()
        assert.equal("[[ 1 ]]", live.body)

        client = kataven.new { apiKey = "sk_live_test_x", transport = kataven.cassette.open(path) }
        local _, replayed = client.widgetKeys.list()
        assert.equal("[[ 1 ]]", replayed.body)
    end)

    it("has a Date to count Retry-After's from, in place of one that cannot be read", function()
        local function dates(told, date)
            os.remove(path)
            local a = { status = 429, headers = { ["retry-after"] = told, date = date }, body = "" }
            over("record", { a }).widgetKeys.list()
            return json.decodeExact(read(path)).interactions[1].response.headers.date
        end
        local told, good = "Wed, 21 Oct 2065 07:28:00 GMT", "Wed, 21 Oct 2065 07:27:00 GMT"

        assert.matches("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", dates(told, nil))
        assert.matches("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", dates(told, "junk"))
        assert.equal(good, dates(told, good))
        assert.equal("junk", dates("7", "junk"))
        assert.is_nil(dates("7", nil))
    end)

    it("is shaped by redact, in the recording and in the replay", function()
        local function redact(interaction)
            if interaction.request.method == "DELETE" then
                return false
            end
            if interaction.request.json then
                interaction.request.json.name = "somebody"
            end
            if interaction.response then
                interaction.response.headers["x-secret"] = nil
            end
        end
        local a = answer()
        a.headers["x-secret"] = "s"
        a.body = '{"id":"k1"}'
        local client, cassette = over("record", { a }, { redact = redact })
        client.widgetKeys.create { name = "Ada" }
        client.widgetKeys.delete "k1"
        cassette:assertDone()
        assert.is_nil(read(path):find "Ada")
        assert.is_nil(read(path):find "secret")
        assert.equal(1, #json.decodeExact(read(path)).interactions)

        cassette = kataven.cassette.open(path, { redact = redact })
        client = kataven.new { apiKey = "sk_live_test_x", transport = cassette }
        assert.equal("k1", assert(client.widgetKeys.create { name = "Bob" }).id)
        cassette:assertDone()
    end)

    it("is not saved when redact fails, and no answer is lost", function()
        for problem, redact in pairs {
            ["redact failed: .*oops"] = function() error "oops" end,
            ["redact must change the interaction"] = function() return 5 end,
            ["could not be read again: interactions%[1%]"] = function(i) i.request = nil end,
            ["cannot be written: "] = function(i) i.request.json = print end,
        } do
            local client, cassette, sent = over("record", { answer() }, { redact = redact })
            assert.same({}, (client.widgetKeys.list()))
            local _, err = client.widgetKeys.list()
            assert.equal("CassetteError", err.name)
            assert.matches(problem, err.message)
            assert.equal(1, #sent)
            assert.matches(problem, cassette:problem())
            assert.is_nil(read(path))
        end
    end)

    it("is never a device or a pipe", function()
        os.execute("mkfifo '" .. path .. "'")
        local ok, message = core.save(path, "x")
        assert.is_nil(ok)
        assert.equal("it is not a regular file", message)
        assert.is_false(core.isFile(path))
        assert.is_nil(core.isFile(path .. ".absent"))
        for _, mode in ipairs { "replay", "append", "once" } do
            local opened, why = pcall(kataven.cassette.open, path, { mode = mode })
            assert.is_false(opened)
            assert.matches("not a regular file", why)
        end
    end)

    it("stays whole, and so does the process, under a limit on the size of files", function()
        local script = path .. ".lua"
        write(path, "the old one")
        write(script, [[
            local ok, message = require("kataven.core").save(arg[1], ("x"):rep(100000))
            io.write(tostring(ok), " ", tostring(message))
        ]])
        local pipe = io.popen(("ulimit -f 8; LUA_PATH='%s' LUA_CPATH='%s' '%s' '%s' '%s' 2>&1"):format(
            package.path, package.cpath, child.interpreter(), script, path))
        local output = pipe:read("*a")
        pipe:close()
        os.remove(script)
        assert.matches("^nil File too large", output)
        assert.equal("the old one", read(path))
    end)
end)
