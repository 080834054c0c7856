-- Every source and module is listed here, and spec/packaging_spec.lua holds the lists to what is there.
rockspec_format = "3.0"
package = "kataven"
version = "scm-1"
source = {
  url = "git+https://github.com/kataven/kataven-lua.git",
}
description = {
  summary = "A client for the Kataven Hub API's widget keys",
  detailed = [[
A client for the Kataven Hub API's widget keys: a C core over libcurl and lua-cjson, a Lua module on top whose methods
mirror the Node client, and a recorded-response transport for tests.
]],
  homepage = "https://github.com/kataven/kataven-lua",
  license = "MIT",
  labels = { "http", "sdk" },
}
dependencies = {
  "lua >= 5.1, < 5.5",
  "lua-cjson >= 2.1.0",
}
-- The library alone: Debian keeps curl's headers in a folder for the machine, where LuaRocks does not look.
external_dependencies = {
  CURL = { library = "curl" },
}
build = {
  type = "builtin",
  modules = {
    ["kataven.core"] = {
      sources = {
        "src/kat_base.c",
        "src/kat_buf.c",
        "src/kat_ca.c",
        "src/kat_clock.c",
        "src/kat_cloexec.c",
        "src/kat_curl.c",
        "src/kat_date.c",
        "src/kat_engine.c",
        "src/kat_epoll.c",
        "src/kat_fork.c",
        "src/kat_gate.c",
        "src/kat_headers.c",
        "src/kat_json.c",
        "src/kat_json_write.c",
        "src/kat_kind.c",
        "src/kat_lines.c",
        "src/kat_multi.c",
        "src/kat_op.c",
        "src/kat_perform.c",
        "src/kat_retry.c",
        "src/kat_sigpipe.c",
        "src/kat_slot.c",
        "src/kat_url.c",
        "src/lkat_box.c",
        "src/lkat_core.c",
        "src/lkat_encode.c",
        "src/lkat_engine.c",
        "src/lkat_file.c",
        "src/lkat_json.c",
        "src/lkat_op.c",
        "src/lkat_policy.c",
        "src/lkat_turn.c",
        "src/lkat_url.c",
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "curl", "m", "dl", "pthread" },
      incdirs = { "$(CURL_INCDIR)" },
      libdirs = { "$(CURL_LIBDIR)" },
    },
    kataven = "lua/kataven/init.lua",
    ["kataven.answer"] = "lua/kataven/answer.lua",
    ["kataven.base64"] = "lua/kataven/base64.lua",
    ["kataven.busted"] = "lua/kataven/busted.lua",
    ["kataven.call"] = "lua/kataven/call.lua",
    ["kataven.canceller"] = "lua/kataven/canceller.lua",
    ["kataven.cassette"] = "lua/kataven/cassette.lua",
    ["kataven.cassette.canon"] = "lua/kataven/cassette/canon.lua",
    ["kataven.cassette.default"] = "lua/kataven/cassette/default.lua",
    ["kataven.cassette.diff"] = "lua/kataven/cassette/diff.lua",
    ["kataven.cassette.file"] = "lua/kataven/cassette/file.lua",
    ["kataven.cassette.json"] = "lua/kataven/cassette/json.lua",
    ["kataven.cassette.lasting"] = "lua/kataven/cassette/lasting.lua",
    ["kataven.cassette.match"] = "lua/kataven/cassette/match.lua",
    ["kataven.cassette.options"] = "lua/kataven/cassette/options.lua",
    ["kataven.cassette.play"] = "lua/kataven/cassette/play.lua",
    ["kataven.cassette.record"] = "lua/kataven/cassette/record.lua",
    ["kataven.cassette.recorder"] = "lua/kataven/cassette/recorder.lua",
    ["kataven.cassette.secrets"] = "lua/kataven/cassette/secrets.lua",
    ["kataven.check"] = "lua/kataven/check.lua",
    ["kataven.client"] = "lua/kataven/client.lua",
    ["kataven.errors"] = "lua/kataven/errors.lua",
    ["kataven.failures"] = "lua/kataven/failures.lua",
    ["kataven.headers"] = "lua/kataven/headers.lua",
    ["kataven.log"] = "lua/kataven/log.lua",
    ["kataven.options"] = "lua/kataven/options.lua",
    ["kataven.redact"] = "lua/kataven/redact.lua",
    ["kataven.request"] = "lua/kataven/request.lua",
    ["kataven.transport"] = "lua/kataven/transport.lua",
    ["kataven.version"] = "lua/kataven/version.lua",
    ["kataven.widget_keys"] = "lua/kataven/widget_keys.lua",
  },
}
