/* kataven for hosts that link it in: the module, of files that lie in memory.
 * Only the static library has this; the shared object has its files on disk.
 * Constants and Lua's own memory are all that it takes. */
#include "kataven.h"

#include "lkat.h"
#include "lkat_files.h"

/* Runs the file that is the upvalue with the arguments that require gave. */
static int run_file(lua_State *L)
{
    const lkat_file *file = &lkat_files[lua_tointeger(L, lua_upvalueindex(1))];

    if (luaL_loadbuffer(L, (const char *)file->text, file->size, file->chunk) != 0)
        return lua_error(L);
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static void push_file(lua_State *L, int index)
{
    lua_pushinteger(L, index);
    lua_pushcclosure(L, run_file, 1);
}

/* Pushes package.loaded, where require looks for it. */
static void push_loaded(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
}

/* Pushes package.preload. The way through `loaded` is the one that every Lua
 * has, and scripts that change the global `package` do not bar it. */
static void push_preload(lua_State *L)
{
    bool found = false;

    push_loaded(L);
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "package");
        if (lua_istable(L, -1)) {
            lua_getfield(L, -1, "preload");
            lua_replace(L, -3);
            found = lua_istable(L, -2);
        }
        lua_pop(L, 1);
    }
    lua_getglobal(L, "require");
    if (!found || !lua_isfunction(L, -1))
        luaL_error(L, "kataven needs Lua's package library, with its 'require' and 'preload'; "
                      "call luaL_openlibs, or open it, before kataven");
    lua_pop(L, 1);
}

/* Puts the function on top into the table below it, where that has nothing
 * under the name. */
static void offer(lua_State *L, const char *name)
{
    lua_getfield(L, -2, name);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_setfield(L, -2, name);
    } else {
        lua_pop(L, 2);
    }
}

int luaopen_kataven(lua_State *L)
{
    int i;

#if LUA_VERSION_NUM >= 502
    luaL_checkversion(L);
#endif
    luaL_checkstack(L, 8, "kataven");
    push_preload(L);
    lua_pushcfunction(L, luaopen_kataven);
    offer(L, lkat_files[0].module);
    for (i = 1; i < lkat_file_count; i++) {
        push_file(L, i);
        offer(L, lkat_files[i].module);
    }
    lua_pushcfunction(L, luaopen_kataven_core);
    offer(L, "kataven.core");

    push_loaded(L);
    lua_getfield(L, -1, lkat_files[0].module);
    /* While require is at it, Lua 5.1 and LuaJIT keep marks of their own there, of
     * various types; never a table. */
    if (lua_istable(L, -1))
        return 1;
    push_file(L, 0);
    lua_pushstring(L, lkat_files[0].module);
    lua_call(L, 1, 1);
    return 1;
}

int kataven_open(lua_State *L)
{
    luaL_checkstack(L, 4, "kataven");
    lua_pushcfunction(L, luaopen_kataven);
    lua_pushstring(L, lkat_files[0].module);
    lua_call(L, 1, 1);
    push_loaded(L);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, lkat_files[0].module);
    lua_pop(L, 1);
    return 1;
}
