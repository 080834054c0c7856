#include "state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "kataven.h"
#include "lkat_files.h"
#include "meters.h"

enum { INSTRUCTIONS = 5, MOST_FILES = 100 };

int luaopen_cjson(lua_State *L);
void *__real_realloc(void *block, size_t size);

typedef struct code {
    char *bytes;
    size_t size;
} code;

/* Run in this order: each gets the host's functions and what those before gave. */
static const char *const scenario_files[] = {"spec/support/canary.lua", "spec/torture/verdict.lua",
                                             "spec/torture/calls.lua", "spec/torture/scenarios.lua",
                                             "spec/torture/cassettes.lua"};
enum { SCENARIO_FILES = sizeof scenario_files / sizeof *scenario_files, SCENARIOS = 3 };

/* Modules, and behind them the scenarios. */
static code compiled[MOST_FILES + SCENARIO_FILES];
static long torments;

static int write_code(lua_State *L, const void *part, size_t size, void *data)
{
    code *to = data;
    char *bytes = __real_realloc(to->bytes, to->size + size);

    (void)L;
    if (!bytes)
        return 1;
    memcpy(bytes + to->size, part, size);
    to->bytes = bytes;
    to->size += size;
    return 0;
}

static bool dump(lua_State *L, code *to)
{
#if LUA_VERSION_NUM >= 503
    return lua_dump(L, write_code, to, 0) == 0;
#else
    return lua_dump(L, write_code, to) == 0;
#endif
}

static int run_code(lua_State *L)
{
    const code *c = &compiled[lua_tointeger(L, lua_upvalueindex(1))];

    if (luaL_loadbuffer(L, c->bytes, c->size, "=") != 0)
        return lua_error(L);
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* Has Lua make the metatable of its own buffers: where memory runs out in the
 * midst of that, Lua 5.4 keeps one without methods, and no long string can be
 * made in that state any more. */
static void warm(lua_State *L)
{
    luaL_Buffer buffer;
    int i;

    luaL_buffinit(L, &buffer);
    for (i = 0; i < 4096; i++)
        luaL_addchar(&buffer, 'x');
    luaL_pushresult(&buffer);
    lua_pop(L, 1);
}

/* Leaves the list of scenarios on top, and nothing of what was there before. */
static void set_up(lua_State *L)
{
    int i;

    luaL_openlibs(L);
    warm(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_cjson);
    lua_setfield(L, -2, "cjson");
    for (i = 1; i < lkat_file_count && compiled[i].bytes; i++) {
        lua_pushinteger(L, i);
        lua_pushcclosure(L, run_code, 1);
        lua_setfield(L, -2, lkat_files[i].module);
    }
    lua_settop(L, 0);
    host_push(L);
    for (i = 0; i < SCENARIO_FILES; i++) {
        int value;

        lua_pushinteger(L, MOST_FILES + i);
        lua_pushcclosure(L, run_code, 1);
        for (value = 1; value <= i + 1; value++)
            lua_pushvalue(L, value);
        lua_call(L, i + 1, 1);
    }
    lua_settop(L, SCENARIOS + 2);
}

static int list(lua_State *L)
{
    set_up(L);
    return 1;
}

static int panic(lua_State *L)
{
    fprintf(stderr, "torture: an error that nobody catches: %s\n", lua_tostring(L, -1));
    return 0;
}

static lua_State *fresh(void)
{
    lua_State *L = lua_newstate(meter_lua_alloc, &lua_meter);

    if (L)
        lua_atpanic(L, panic);
    return L;
}

bool state_prepare(const char *where, int port, hub_counts *counts)
{
    static const char *const astray[] = {"KATAVEN_API_KEY",
                                         "KATAVEN_ACCOUNT_ID",
                                         "KATAVEN_BASE_URL",
                                         "KATAVEN_LOG",
                                         "KATAVEN_CASSETTE",
                                         "KATAVEN_CASSETTE_MODE",
                                         "CI",
                                         "no_proxy",
                                         "NO_PROXY",
                                         "SSL_CERT_FILE",
                                         "SSL_CERT_DIR"};
    lua_State *L = luaL_newstate();
    char proxy[64];
    bool done = L && lkat_file_count <= MOST_FILES;
    size_t n;
    int i;

    host_prepare(where, port, counts);
    for (n = 0; n < sizeof astray / sizeof *astray; n++)
        unsetenv(astray[n]);
    /* Nothing may go through it: the hub would tell. */
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", port);
    setenv("http_proxy", proxy, 1);
    setenv("all_proxy", proxy, 1);
    for (i = 0; done && i < lkat_file_count; i++) {
        done = luaL_loadbuffer(L, (const char *)lkat_files[i].text, lkat_files[i].size,
                               lkat_files[i].chunk) == 0 &&
               dump(L, &compiled[i]);
        lua_settop(L, 0);
    }
    for (i = 0; done && i < SCENARIO_FILES; i++) {
        done = luaL_loadfile(L, scenario_files[i]) == 0;
        if (!done)
            fprintf(stderr, "%s\n", lua_tostring(L, -1));
        done = done && dump(L, &compiled[MOST_FILES + i]);
        lua_settop(L, 0);
    }
    if (L)
        lua_close(L);
    return done;
}

bool state_scenario(int number, char *name, size_t size)
{
    lua_State *L = luaL_newstate();
    bool found = false;

    lua_pushcfunction(L, list);
    if (lua_pcall(L, 0, 1, 0) != 0) {
        fprintf(stderr, "torture: %s\n", lua_tostring(L, -1));
        lua_close(L);
        return false;
    }
    lua_rawgeti(L, -1, number);
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "name");
        found = snprintf(name, size, "%s", lua_tostring(L, -1)) > 0;
    }
    lua_close(L);
    return found;
}

bool state_wants(const char *scenario, const char *word)
{
    lua_State *L = luaL_newstate();
    bool wants = true;
    int i;

    lua_pushcfunction(L, list);
    lua_call(L, 0, 1);
    for (i = 1; wants; i++) {
        lua_rawgeti(L, 1, i);
        if (!lua_istable(L, -1))
            break;
        lua_getfield(L, -1, "name");
        lua_getfield(L, -2, "without");
        wants = strcmp(lua_tostring(L, -2), scenario) != 0 || !lua_isstring(L, -1) ||
                !strstr(lua_tostring(L, -1), word);
        lua_settop(L, 1);
    }
    lua_close(L);
    return wants;
}

/* prepare(name) -> run, judge */
static int prepare(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    int i;

    set_up(L);
    for (i = 1;; i++) {
        lua_rawgeti(L, -1, i);
        luaL_checktype(L, -1, LUA_TTABLE);
        lua_getfield(L, -1, "name");
        if (strcmp(lua_tostring(L, -1), name) == 0)
            break;
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
    lua_getfield(L, -1, "start");
    lua_insert(L, -2);
    lua_call(L, 1, 2);
    return 2;
}

lua_State *state_new(const char *scenario)
{
    lua_State *L = fresh();
    static char name[64];

    if (!L)
        return NULL;
    snprintf(name, sizeof name, "%s", scenario); /* set_up clears the stack */
    lua_pushcfunction(L, prepare);
    lua_pushstring(L, name);
    if (lua_pcall(L, 1, 2, 0) != 0) {
        fprintf(stderr, "torture: %s: %s\n", name, lua_tostring(L, -1));
        lua_close(L);
        return NULL;
    }
    return L;
}

bool state_judge(lua_State *L, int status, bool hit, char *problem, size_t size)
{
    int results = lua_gettop(L) - 2;

    if (!lua_checkstack(L, 8))
        return false;
    lua_pushvalue(L, 2);
    lua_insert(L, 3);
    lua_pushboolean(L, hit);
    lua_insert(L, 4);
    lua_pushinteger(L, status);
    lua_insert(L, 5);
    if (lua_pcall(L, results + 2, 0, 0) == 0)
        return true;
    snprintf(problem, size, "%s", lua_tostring(L, -1) ? lua_tostring(L, -1) : "raised no text");
    return false;
}

static void collect_all(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    torments++;
    lua_gc(L, LUA_GCCOLLECT, 0);
}

static void collect_more(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    torments++;
    lua_gc(L, LUA_GCSTEP, 0);
}

void state_torment(lua_State *L, bool full)
{
    torments = 0;
    lua_gc(L, LUA_GCSETPAUSE, 0);
    lua_gc(L, LUA_GCSETSTEPMUL, 1000);
    lua_sethook(L, full ? collect_all : collect_more, LUA_MASKCOUNT, full ? INSTRUCTIONS : 1);
}

long state_relent(lua_State *L)
{
    lua_sethook(L, NULL, 0, 0);
    return torments;
}

long state_relented(void)
{
    return torments;
}
