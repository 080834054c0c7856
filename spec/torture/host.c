/* What the scenarios have of the world: the hub's counts, a wait, their files. */
#include "host.h"

#include <dirent.h>
#include <lauxlib.h>
#include <poll.h>
#include <string.h>

#include "kataven.h"

static const char *directory;
static int hub_port;
static hub_counts *hub;

void host_prepare(const char *where, int port, hub_counts *counts)
{
    directory = where;
    hub_port = port;
    hub = counts;
}

/* count(kind, subject) -> how often the hub has done that */
static int count(lua_State *L)
{
    const char *kind = luaL_checkstring(L, 1);
    int subject = (int)luaL_checkinteger(L, 2);

    luaL_argcheck(L, subject >= 0 && subject < HUB_SUBJECTS, 2, "a digit");
    lua_pushinteger(L, strcmp(kind, "posts") == 0     ? hub->posts[subject]
                       : strcmp(kind, "patches") == 0 ? hub->patches[subject]
                                                      : hub->deletes[subject]);
    return 1;
}

static int requests(lua_State *L)
{
    lua_pushinteger(L, hub->requests);
    return 1;
}

static int strangers(lua_State *L)
{
    lua_pushinteger(L, hub->strangers);
    return 1;
}

/* files() -> how many there are in the directory */
static int files(lua_State *L)
{
    DIR *dir = opendir(directory);
    int found = -2; /* . and .. */

    while (dir && readdir(dir))
        found++;
    if (dir)
        closedir(dir);
    lua_pushinteger(L, found);
    return 1;
}

/* wait(seconds [, fd]): as a host's loop would. Allocates nothing. */
static int wait(lua_State *L)
{
    struct pollfd p = {(int)luaL_optinteger(L, 2, -1), POLLIN, 0};
    double ms = luaL_checknumber(L, 1) * 1000;

    poll(&p, 1, ms > 10000 ? 10000 : (int)ms + 1);
    return 0;
}

void host_push(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", kataven_open},
                                         {"count", count},
                                         {"requests", requests},
                                         {"files", files},
                                         {"strangers", strangers},
                                         {"wait", wait},
                                         {NULL, NULL}};
    const luaL_Reg *f;

    lua_newtable(L);
    for (f = functions; f->name; f++) {
        lua_pushcfunction(L, f->func);
        lua_setfield(L, -2, f->name);
    }
    lua_pushinteger(L, hub_port);
    lua_setfield(L, -2, "port");
    lua_pushstring(L, directory);
    lua_setfield(L, -2, "directory");
}
