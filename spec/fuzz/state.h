/* A Lua state with kataven in it, for targets that go through Lua. Its files are
 * those of the static library. */
#ifndef SPEC_FUZZ_STATE_H
#define SPEC_FUZZ_STATE_H

#include <time.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "fuzz.h"
#include "kataven.h"

/* libFuzzer sees which branches of C were taken, but not of Lua. These counters
 * are its own: a hook counts the steps from one line to another in them. Where
 * one is counted goes by names and lines alone, so that a run can be had again. */
#ifdef FUZZING
static uint8_t fuzz_lines[1 << 14] __attribute__((section("__libfuzzer_extra_counters")));

/* Lua takes the seed of its hashes, which decides the order of pairs(), from it. */
time_t time(time_t *at)
{
    if (at)
        *at = 1700000000;
    return 1700000000;
}

static inline void fuzz_on_line(lua_State *L, lua_Debug *ar)
{
    static uint32_t before;
    uint32_t here, at;
    const char *c;

    if (!lua_getinfo(L, "S", ar))
        return;
    here = (uint32_t)ar->currentline * 40503u;
    for (c = ar->short_src; *c; c++)
        here = (here ^ (uint8_t)*c) * 16777619u;
    at = (here ^ before) % sizeof fuzz_lines;
    fuzz_lines[at] = (uint8_t)(fuzz_lines[at] + (fuzz_lines[at] < 255));
    before = here >> 1;
}
#endif

/* Opens a state, and leaves what a script returns as its only value. The script
 * is the target's own: it raises at no input. */
static inline lua_State *fuzz_state(const char *file)
{
    lua_State *L = luaL_newstate();

    kat_alloc = fuzz_alloc;
    MUST(L, "out of memory");
    luaL_openlibs(L);
    lua_pushcfunction(L, kataven_open);
    MUST(lua_pcall(L, 0, 0, 0) == 0, "%s", lua_tostring(L, -1));
    MUST(luaL_loadfile(L, file) == 0, "%s (run it at the root of the repository)",
         lua_tostring(L, -1));
    MUST(lua_pcall(L, 0, 1, 0) == 0, "%s", lua_tostring(L, -1));
#ifdef FUZZING
    lua_sethook(L, (lua_Hook)fuzz_on_line, LUA_MASKLINE, 0);
#endif
    return L;
}

/* Calls the function below `arguments` values on the stack. */
static inline void fuzz_call(lua_State *L, int arguments, int results)
{
    int status = lua_pcall(L, arguments, results, 0);

    MUST(status == 0, "raised: %s", lua_tostring(L, -1));
}

#endif
