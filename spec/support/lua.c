/* A stand-in for `lua`, for the specs under a sanitizer: its runtime has to be in the program from
 * the start, and so is linked into this one. Preloaded into the stock interpreter it would get into
 * every compiler, shell and server that a spec starts as well, and report what those leak. It runs
 * a script with its arguments, and knows no options. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

typedef struct line {
    int count;
    char **words;
} line;

static lua_State *main_state; /* for the signal's handler, which gets no data */

static void stop(lua_State *L, lua_Debug *activation)
{
    (void)activation;
    lua_sethook(L, NULL, 0, 0);
    luaL_error(L, "interrupted!");
}

/* As in the stock interpreter: lua_sethook may be called by a signal's handler. */
static void on_interrupt(int number)
{
    signal(number, SIG_DFL);
    lua_sethook(main_state, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static int explain(lua_State *L)
{
    if (!lua_isstring(L, 1)) {
        if (!luaL_callmeta(L, 1, "__tostring"))
            lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
        lua_replace(L, 1);
    }
    lua_getglobal(L, "debug");
    lua_getfield(L, -1, "traceback");
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

static int run(lua_State *L)
{
    const line *given = (const line *)lua_touserdata(L, 1);
    int i;

    luaL_openlibs(L);
    lua_createtable(L, given->count, 1);
    for (i = 0; i < given->count; i++) {
        lua_pushstring(L, given->words[i]);
        lua_rawseti(L, -2, i - 1);
    }
    lua_setglobal(L, "arg");
    if (luaL_loadfile(L, given->words[1]) != 0)
        return lua_error(L);
    for (i = 2; i < given->count; i++)
        lua_pushstring(L, given->words[i]);
    lua_call(L, given->count - 2, 0);
    return 0;
}

int main(int argc, char **argv)
{
    line given = {argc, argv};
    lua_State *L = luaL_newstate();
    int failed;

    if (!L || argc < 2) {
        fprintf(stderr, "usage: %s script [arguments]\n", argv[0]);
        return EXIT_FAILURE;
    }
    lua_pushcfunction(L, explain);
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, &given);
    main_state = L;
    signal(SIGINT, on_interrupt);
    failed = lua_pcall(L, 1, 0, 1);
    if (failed)
        fprintf(stderr, "%s: %s\n", argv[0], lua_tostring(L, -1));
    lua_close(L);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
