/* A C host with kataven linked in. Its own loop moves calls along, each in a coroutine that never
 * blocks it; then it closes a Lua state whose calls are still in flight, and goes on with another
 * one.
 *
 * `make embed-examples` builds it. It wants KATAVEN_BASE_URL and KATAVEN_API_KEY: `make hub` starts
 * a local hub and prints both. It is C99, and C++ as well. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int luaopen_cjson(lua_State *L); /* lua-cjson, linked in; it has no header for this */
#ifdef __cplusplus
}
#endif

#include "kataven.h"

enum { CALLS = 3, FRAME = 16 /* milliseconds */ };

/* What the host's scripts might hold. The client hands each wait over to the host: at most so many
 * seconds, or until the descriptor is readable, which is the client's, one for all of its calls (-1
 * where the system has no epoll). */
static const char script[] =
    "local kataven = require 'kataven'\n"
    "local client = kataven.new {\n"
    "  wait = function(seconds, fd) coroutine.yield(seconds, fd or -1) end,\n"
    "}\n"
    "return {\n"
    "  create = function(name)\n"
    "    local key, err = client.widgetKeys.create { name = name }\n"
    "    return key ~= nil, key and 'minted ' .. key.name or tostring(err)\n"
    "  end,\n"
    "  list = function()\n"
    "    local keys, err = client.widgetKeys.list()\n"
    "    return keys ~= nil, keys and ('listed %d'):format(#keys) or tostring(err)\n"
    "  end,\n"
    "}\n";

/* Runs in protected mode, for everything here may raise. Gives the script's table. */
static int set_up(lua_State *L)
{
    luaL_openlibs(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_cjson);
    lua_setfield(L, -2, "cjson");
    kataven_open(L);
    if (luaL_loadbuffer(L, script, sizeof script - 1, "=script") != 0)
        return lua_error(L);
    lua_call(L, 0, 1);
    return 1;
}

/* A state whose only value on the stack is the script's table. */
static lua_State *open_state(void)
{
    lua_State *L = luaL_newstate();

    if (!L)
        exit(1);
    lua_pushcfunction(L, set_up);
    if (lua_pcall(L, 0, 1, 0) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(1);
    }
    return L;
}

/* A call under way: a coroutine, held in the registry so that it is not collected. */
typedef struct call {
    lua_State *thread;
    int reference;
    int running;
    int good;
} call;

/* Makes a call of one of the script's functions; the first step starts it. */
static void start(lua_State *L, call *c, const char *function, const char *argument)
{
    c->thread = lua_newthread(L);
    c->reference = luaL_ref(L, LUA_REGISTRYINDEX);
    c->running = 1;
    c->good = 0;
    lua_getfield(L, 1, function);
    lua_pushstring(L, argument);
    lua_xmove(L, c->thread, 2);
}

/* lua_resume has changed twice. */
static int resume(lua_State *thread, lua_State *L, int arguments)
{
#if LUA_VERSION_NUM >= 504
    int results;
    return lua_resume(thread, L, arguments, &results);
#elif LUA_VERSION_NUM >= 502
    return lua_resume(thread, L, arguments);
#else
    (void)L;
    return lua_resume(thread, arguments);
#endif
}

/* Lets one call go on until it waits again or ends. Shortens the host's own wait to what the call
 * asks for. */
static void step(lua_State *L, call *c, struct pollfd *watched, int *milliseconds)
{
    int first = lua_status(c->thread) != LUA_YIELD;
    int status = resume(c->thread, L, first ? lua_gettop(c->thread) - 1 : 0);
    const char *text;

    if (status == LUA_YIELD) {
        double wanted = lua_tonumber(c->thread, -2) * 1000;

        watched->fd = (int)lua_tointeger(c->thread, -1);
        if (wanted < *milliseconds)
            *milliseconds = wanted < 1 ? 1 : (int)wanted;
        lua_pop(c->thread, 2);
        return;
    }
    c->good = status == 0 && lua_toboolean(c->thread, -2);
    text = lua_tostring(c->thread, -1);
    printf("%s\n", text ? text : "(an error that is no text)");
    c->running = 0;
    luaL_unref(L, LUA_REGISTRYINDEX, c->reference);
}

/* One round of the host's loop; gives how many calls are still running. */
static int frame(lua_State *L, call *calls, int count)
{
    struct pollfd watched = {-1, POLLIN, 0};
    int i, running = 0, milliseconds = FRAME;

    for (i = 0; i < count; i++) {
        if (calls[i].running)
            step(L, &calls[i], &watched, &milliseconds);
        running += calls[i].running;
    }
    /* A game would draw here, a server would watch its sockets as well. */
    if (running > 0)
        poll(&watched, 1, milliseconds);
    return running;
}

int main(void)
{
    lua_State *L;
    call calls[CALLS];
    char name[32];
    int i, running, good = 1;

    if (!getenv("KATAVEN_BASE_URL") || !getenv("KATAVEN_API_KEY")) {
        fprintf(stderr, "Set KATAVEN_BASE_URL and KATAVEN_API_KEY; `make hub` starts a local hub "
                        "and prints both.\n");
        return 2;
    }

    L = open_state();
    for (i = 0; i < CALLS; i++) {
        snprintf(name, sizeof name, "host-%d", i + 1);
        start(L, &calls[i], "create", name);
    }
    while (frame(L, calls, CALLS) > 0)
        ;
    for (i = 0; i < CALLS; i++)
        good = good && calls[i].good;

    /* The level ends, the script is reloaded: whatever is under way goes with its state. */
    for (i = 0; i < CALLS; i++)
        start(L, &calls[i], "list", NULL);
    running = frame(L, calls, CALLS);
    printf("closing the state with %d calls in flight\n", running);
    lua_close(L);
    printf("closed; the host lives on\n");

    L = open_state();
    start(L, &calls[0], "list", NULL);
    while (frame(L, calls, 1) > 0)
        ;
    good = good && calls[0].good;
    lua_close(L);
    return good ? 0 : 1;
}
