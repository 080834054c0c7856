/* Eight threads, each with a Lua state and a client of its own, make calls at the same time; every
 * one checks that the answers it gets are its own. Its argument is how many calls each makes.
 *
 * `make embed-examples` builds it. It wants KATAVEN_BASE_URL and KATAVEN_API_KEY: `make hub` starts
 * a local hub, which takes 60 requests a minute, and prints both. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "kataven.h"

int luaopen_cjson(lua_State *L); /* lua-cjson, linked in; it has no header for this */

enum { THREADS = 8 };

static const char script[] =
    "local thread, calls = ...\n"
    "local client = require('kataven').new {}\n"
    "local good, problem = 0, nil\n"
    "for index = 1, calls do\n"
    "  local name = ('thread %d, call %d'):format(thread, index)\n"
    "  local key, err = client.widgetKeys.create { name = name }\n"
    "  if key and key.name == name then\n"
    "    good = good + 1\n"
    "  else\n"
    "    problem = ('%s: %s'):format(name, tostring(key and key.name or err))\n"
    "  end\n"
    "end\n"
    "client:close()\n"
    "return good, problem\n";

typedef struct worker {
    pthread_t thread;
    int number;
    int calls;
    int good; /* answers that were the thread's own */
} worker;

/* Runs in protected mode, for everything here may raise. */
static int work(lua_State *L)
{
    const worker *w = (const worker *)lua_touserdata(L, 1);

    luaL_openlibs(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_cjson);
    lua_setfield(L, -2, "cjson");
    kataven_open(L);
    if (luaL_loadbuffer(L, script, sizeof script - 1, "=script") != 0)
        return lua_error(L);
    lua_pushinteger(L, w->number);
    lua_pushinteger(L, w->calls);
    lua_call(L, 2, 2);
    return 2;
}

/* A state is made, used and closed by the same thread. */
static void *run(void *argument)
{
    worker *w = (worker *)argument;
    lua_State *L = luaL_newstate();

    if (!L)
        return NULL;
    lua_pushcfunction(L, work);
    lua_pushlightuserdata(L, w);
    if (lua_pcall(L, 1, 2, 0) == 0)
        w->good = (int)lua_tointeger(L, -2);
    if (lua_isstring(L, -1))
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return NULL;
}

int main(int argc, char **argv)
{
    worker workers[THREADS];
    int calls = argc > 1 ? atoi(argv[1]) : 5;
    int i, started, good = 0;

    if (!getenv("KATAVEN_BASE_URL") || !getenv("KATAVEN_API_KEY")) {
        fprintf(stderr, "Set KATAVEN_BASE_URL and KATAVEN_API_KEY; `make hub` starts a local hub "
                        "and prints both.\n");
        return 2;
    }
    if (calls < 1) {
        fprintf(stderr, "usage: threads [calls that each makes]\n");
        return 2;
    }
    for (started = 0; started < THREADS; started++) {
        workers[started].number = started + 1;
        workers[started].calls = calls;
        workers[started].good = 0;
        if (pthread_create(&workers[started].thread, NULL, run, &workers[started]) != 0)
            break;
    }
    for (i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        good += workers[i].good;
    }
    printf("%d threads, %d calls, %d answers of their own\n", started, THREADS * calls, good);
    return good == THREADS * calls ? 0 : 1;
}
