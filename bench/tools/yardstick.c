/* The yardstick: the least that a Lua module over libcurl and lua-cjson can cost.
 *
 *   local call = require("yardstick").new(cjson.decode, url [, body])
 *   local value = call()
 *
 * It checks nothing but libcurl's own result. */
#include "transfer.h"

#include <lauxlib.h>
#include <lua.h>

static const char TYPE[] = "bench.transfer";

/* Upvalues: the transfer, and cjson.decode. */
static int call(lua_State *L)
{
    transfer *t = lua_touserdata(L, lua_upvalueindex(1));
    CURLcode code = transfer_run(t);

    if (code != CURLE_OK)
        return luaL_error(L, "%s", curl_easy_strerror(code));
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushlstring(L, t->text, t->len);
    lua_call(L, 1, 1);
    return 1;
}

static int collect(lua_State *L)
{
    transfer_close(luaL_checkudata(L, 1, TYPE));
    return 0;
}

static int new_call(lua_State *L)
{
    const char *url = luaL_checkstring(L, 2), *body = luaL_optstring(L, 3, NULL);
    transfer *t = lua_newuserdata(L, sizeof *t);

    *t = (transfer){0};
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    if (!transfer_open(t, url, body))
        return luaL_error(L, "out of memory");
    lua_pushvalue(L, 1);
    if (body) { /* an upvalue that only keeps the text alive */
        lua_pushvalue(L, 3);
        lua_pushcclosure(L, call, 3);
    } else
        lua_pushcclosure(L, call, 2);
    return 1;
}

int luaopen_yardstick(lua_State *L);

int luaopen_yardstick(lua_State *L)
{
    luaL_newmetatable(L, TYPE);
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);
    lua_pushcfunction(L, new_call);
    lua_setfield(L, -2, "new");
    return 1;
}
