-- What starts the servers: ports for specs, and no process that outlives its spec.

local socket = require "socket"
local servers = require "spec.support.servers"

describe("ports", function()
    it("can refuse, and be kept from others", function()
        local port = servers.refusing()
        assert.equal("connection refused", select(2, socket.connect("127.0.0.1", port.port)))
        assert.is_nil(socket.tcp4():bind("127.0.0.1", port.port))
        port:stop()
    end)

    it("can leave a client waiting for its connection", function()
        local port = servers.silent()
        local connection = socket.tcp4()
        connection:settimeout(0.05)
        assert.equal("timeout", select(2, connection:connect("127.0.0.1", port.port)))
        connection:close()
        port:stop()
        port:stop()
    end)

    it("can be free", function()
        local port = servers.freePort()
        local tcp = servers.tcp { port = port, { { read = "request" }, { send = servers.answer { status = 204 } } } }
        assert.equal(port, tcp.port)
        assert.equal(204, servers.http("GET", tcp.url .. "/").status)
        tcp:stop()
    end)
end)

-- A line of the shell, its output, and the process that it became.
local function spawn(command)
    local output = assert(io.popen("echo $$; exec " .. command .. " 2>&1", "r"))
    return output, output:read("*l")
end

local function waitUntilRefused(port)
    local deadline = socket.gettime() + 10
    repeat
        local connection, why = socket.connect("127.0.0.1", port)
        if connection then connection:close() end
        assert.is_true(socket.gettime() < deadline, "the server is still there")
    until not connection and why == "connection refused"
end

describe("no server is left behind", function()
    it("by a spec that was killed", function()
        local output, pid = spawn([[lua5.1 -e '
            local servers = require "spec.support.servers"
            local hub, tcp = servers.hub(), servers.tcp {}
            print(hub.port, tcp.port)
            io.stdout:flush()
            tcp:wait { connections = 2, timeout = 60 }']])
        local hubPort, tcpPort = output:read("*l"):match("^(%d+)%s+(%d+)$")
        os.execute("kill -9 " .. pid)
        waitUntilRefused(hubPort)
        waitUntilRefused(tcpPort)
        output:close()
    end)

    it("by Ctrl-C, which leaves no traceback either", function()
        local output, pid = spawn("lua5.1 spec/support/hub.lua")
        for _ = 1, 3 do output:read("*l") end
        os.execute("kill -INT " .. pid)
        assert.equal("stopped\n", output:read("*a"))
        output:close()
    end)

    it("by with_hub.sh, which runs a command and gives its status", function()
        local output = io.popen([[spec/support/with_hub.sh --limit-minute 5 -- \
            sh -c 'echo "$KATAVEN_BASE_URL $KATAVEN_API_KEY $1"; exit 3' sh "it's" 2>&1; echo $?]])
        local port, rest = output:read("*l"):match("^http://127.0.0.1:(%d+) (.*)$")
        assert.equal("sk_live_local_demo it's", rest)
        assert.equal("3", output:read("*l"))
        output:close()
        waitUntilRefused(port)
    end)
end)
