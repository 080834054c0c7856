/* kataven.core: the C core as a Lua module. Private to kataven's own Lua
 * files; its functions check their arguments, but promise nothing to others. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "kat_clock.h"
#include "kat_curl.h"
#include "lkat.h"

LKAT_EXPORT int luaopen_kataven_core(lua_State *L);

/* now() -> monotonic seconds */
static int now(lua_State *L)
{
    lua_pushnumber(L, kat_now());
    return 1;
}

/* wait(seconds [, fd]): blocks until the time is over, the descriptor is
 * readable, or a signal came; so that the host's handlers run, it does not
 * go on by itself after one. */
static int block(lua_State *L)
{
    struct pollfd p = {-1, POLLIN, 0};
    long ms = kat_to_ms(luaL_checknumber(L, 1));

    p.fd = (int)luaL_optinteger(L, 2, -1);
    poll(&p, 1, (int)ms);
    return 0;
}

/* random() -> [0, 1), for jitter: nobody need be surprised by it, but two
 * processes that started together must not agree. */
static int random_number(lua_State *L)
{
    double t = kat_now() * 1e9;
    uint64_t x = (uint64_t)t ^ (uint64_t)(uintptr_t)L ^ ((uint64_t)getpid() << 40);

    /* The finaliser of SplitMix64: every bit of the input reaches all of them. */
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 31;
    lua_pushnumber(L, (double)(x >> 11) / 9007199254740992.0);
    return 1;
}

/* curlReady() -> whether libcurl was initialised by us */
static int curl_ready(lua_State *L)
{
    lua_pushboolean(L, kat_curl_ready());
    return 1;
}

/* yieldable() -> whether the caller may yield; absent where this Lua does not
 * tell. The same as coroutine.isyieldable, which LuaJIT loses in OpenResty. */
static int yieldable(lua_State *L)
{
    lua_pushboolean(L, lua_isyieldable(L));
    return 1;
}

/* environment(function) -> the table that it has its globals in; absent where that is
 * _ENV. Of the host, which may keep getfenv from us, it is not asked. */
#if LUA_VERSION_NUM < 502
static int environment(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_getfenv(L, 1);
    return 1;
}

/* requireIn(require, name, globals) -> the module. What it loads gets those globals,
 * whatever the running coroutine's are. Raises what `require` does. */
static int require_in(lua_State *L)
{
    int status;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    lua_insert(L, 1);
    lua_replace(L, LUA_GLOBALSINDEX);
    status = lua_pcall(L, 1, 1, 0);
    lua_insert(L, 1);
    lua_replace(L, LUA_GLOBALSINDEX);
    return status == 0 ? 1 : lua_error(L);
}
#endif

LKAT_EXPORT int luaopen_kataven_core(lua_State *L)
{
    static const luaL_Reg functions[] = {
#if LUA_VERSION_NUM < 502
        {"environment", environment},
        {"requireIn", require_in},
#endif
        {"now", now},
        {"wait", block},
        {"random", random_number},
        {"curlReady", curl_ready},
        {NULL, NULL}
    };
    char text[256];

    if (kat_curl_problem(kat_curl_version(), kat_curl_version_text(), text, sizeof text))
        return luaL_error(L, "%s", text);
    lua_newtable(L);
    lkat_setfuncs(L, functions);
    if (LKAT_YIELDABLE) {
        lua_pushcfunction(L, yieldable);
        lua_setfield(L, -2, "yieldable");
    }
    lkat_open_box(L);
    lkat_open_json(L);
    lkat_open_encode(L);
    lkat_open_policy(L);
    lkat_open_url(L);
    lkat_open_redact(L);
    lkat_open_file(L);
    lkat_open_append(L);
    lkat_open_engine(L);
    lkat_open_op(L);
    lkat_open_streams(L);
    lkat_open_turn(L);
    lkat_open_signals(L);
    lkat_open_unplayed(L);
    lua_pushstring(L, kat_curl_version_text());
    lua_setfield(L, -2, "curlVersion");
    if (kat_curl_tls_problem(kat_curl_tls(), text, sizeof text)) {
        lua_pushstring(L, text);
        lua_setfield(L, -2, "tlsProblem"); /* for the log of whoever makes a client */
    }
    lua_pushboolean(L, kat_has_fd());
    lua_setfield(L, -2, "descriptors"); /* whether engine:prepare() gives one */
    return 1;
}
