/* signals(name…) -> watch: for programs that end when they are asked to. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "kat_signals.h"
#include "lkat.h"

static const char TYPE[] = "kataven.signals";

typedef struct watch {
    int fd; /* -1: closed */
} watch;

static const struct {
    const char *name;
    int number;
} NAMES[] = {{"TERM", SIGTERM}, {"INT", SIGINT}, {"HUP", SIGHUP}, {"USR1", SIGUSR1}};

enum { NAME_COUNT = sizeof NAMES / sizeof *NAMES };

static int close_watch(lua_State *L)
{
    watch *self = luaL_checkudata(L, 1, TYPE);

    if (self->fd >= 0)
        kat_signals_close();
    self->fd = -1;
    return 0;
}

/* watch:fd() -> the descriptor, or nil once closed. It turns readable when a signal has come. */
static int watch_fd(lua_State *L)
{
    const watch *self = luaL_checkudata(L, 1, TYPE);

    if (self->fd < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, self->fd);
    return 1;
}

/* watch:take() -> the name of the oldest signal that was not taken yet, or nil */
static int take(lua_State *L)
{
    const watch *self = luaL_checkudata(L, 1, TYPE);
    int number = self->fd >= 0 ? kat_signals_take() : 0, i;

    for (i = 0; i < NAME_COUNT; i++)
        if (NAMES[i].number == number) {
            lua_pushstring(L, NAMES[i].name);
            return 1;
        }
    lua_pushnil(L);
    return 1;
}

static int number_of(lua_State *L, int index)
{
    const char *name = luaL_checkstring(L, index);
    int i;

    for (i = 0; i < NAME_COUNT; i++)
        if (strcmp(name, NAMES[i].name) == 0)
            return NAMES[i].number;
    return luaL_argerror(L, index, "no signal that can be watched");
}

/* signals(name…) -> watch | nil, problem. The names are TERM, INT, HUP and USR1. One at a time. */
static int signals(lua_State *L)
{
    int numbers[KAT_SIGNALS_MAX], count = lua_gettop(L), i;
    watch *self;

    luaL_argcheck(L, count >= 1 && count <= KAT_SIGNALS_MAX, 1, "from one to four names");
    for (i = 0; i < count; i++)
        numbers[i] = number_of(L, i + 1);
    self = lkat_newuserdata(L, sizeof *self);
    self->fd = -1;
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    self->fd = kat_signals_open(numbers, (size_t)count);
    if (self->fd < 0) {
        lua_pushnil(L);
        lua_pushstring(L, errno == EBUSY ? "signals are watched already" : strerror(errno));
        return 2;
    }
    return 1;
}

void lkat_open_signals(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"fd", watch_fd}, {"take", take}, {"close", close_watch}, {NULL, NULL}};

    lkat_newtype(L, TYPE, methods, close_watch);
    lua_pushcfunction(L, signals);
    lua_setfield(L, -2, "signals");
}
