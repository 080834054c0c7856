/* A Lua with kataven linked in that leaves it to a script when that is opened, and how: the table
 * `host` has open      kataven_open luaopen   luaopen_kataven cjson     luaopen_cjson requiref what
 * luaL_requiref makes of luaopen_kataven, where this Lua has that bare()    opens kataven in a
 * state without libraries, and gives what is said */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

#include "kataven.h"

int luaopen_cjson(lua_State *L);

#if LUA_VERSION_NUM >= 502
static int requiref(lua_State *L)
{
    int top = lua_gettop(L);

    luaL_requiref(L, "kataven", luaopen_kataven, 0);
    return lua_gettop(L) - top;
}
#endif

static int bare(lua_State *L)
{
    lua_State *other = luaL_newstate();
    int status;

    if (!other)
        return luaL_error(L, "no state");
    lua_pushcfunction(other, kataven_open);
    status = lua_pcall(other, 0, 1, 0);
    lua_pushstring(L, status == 0 ? "opened" : lua_tostring(other, -1));
    lua_close(other);
    return 1;
}

int main(int argc, char **argv)
{
    static const luaL_Reg functions[] = {
        {"open", kataven_open},
        {"luaopen", luaopen_kataven},
        {"cjson", luaopen_cjson},
#if LUA_VERSION_NUM >= 502
        {"requiref", requiref},
#endif
        {"bare", bare},
        {NULL, NULL},
    };
    const luaL_Reg *function;
    lua_State *L = luaL_newstate();
    int failed;

    if (argc != 2 || !L)
        return 2;
    luaL_openlibs(L);
    lua_newtable(L);
    for (function = functions; function->name; function++) {
        lua_pushcfunction(L, function->func);
        lua_setfield(L, -2, function->name);
    }
    lua_setglobal(L, "host");
    failed = luaL_loadfile(L, argv[1]) != 0 || lua_pcall(L, 0, 0, 0) != 0;
    if (failed)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return failed;
}
