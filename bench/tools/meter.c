/* What a Lua script can find out of its own cost: a module for the benchmark's scripts. */
#include <dlfcn.h>
#include <lauxlib.h>
#include <lua.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Seconds of a clock that only goes forward. */
static int meter_now(lua_State *L)
{
    lua_pushnumber(L, seconds(CLOCK_MONOTONIC));
    return 1;
}

/* Seconds of processor time of all threads. */
static int meter_cpu(lua_State *L)
{
    lua_pushnumber(L, seconds(CLOCK_PROCESS_CPUTIME_ID));
    return 1;
}

/* How often somebody else was given the processor although there was more to do. */
static int meter_preempted(lua_State *L)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    lua_pushnumber(L, (double)usage.ru_nivcsw);
    return 1;
}

/* Bytes that the allocator has given out: Lua's own and libcurl's. */
static int meter_heap(lua_State *L)
{
    struct mallinfo2 info = mallinfo2();

    lua_pushnumber(L, (double)(info.uordblks + info.hblkhd));
    return 1;
}

/* KiB that are resident, by the name of a line in /proc/self/status. */
static int meter_status(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            sscanf(line + strlen(name), ": %lf", &kib);
    if (file)
        fclose(file);
    lua_pushnumber(L, kib);
    return 1;
}

static int meter_sleep(lua_State *L)
{
    double left = luaL_checknumber(L, 1);
    struct timespec pause;

    if (left > 0) {
        pause.tv_sec = (time_t)left;
        pause.tv_nsec = (long)((left - (double)pause.tv_sec) * 1e9);
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* How often libcurl was asked to begin: counter.c has to be preloaded. */
static int meter_counted(lua_State *L)
{
    int (*counted)(void);

    *(void **)&counted = dlsym(RTLD_DEFAULT, "bench_counted");
    if (!counted)
        return luaL_error(L, "the counter is not preloaded");
    lua_pushnumber(L, counted());
    return 1;
}

int luaopen_meter(lua_State *L);

int luaopen_meter(lua_State *L)
{
    static const luaL_Reg ALL[] = {
        {"now", meter_now},         {"cpu", meter_cpu},       {"preempted", meter_preempted},
        {"heap", meter_heap},       {"status", meter_status}, {"sleep", meter_sleep},
        {"counted", meter_counted},
    };
    size_t i;

    lua_newtable(L);
    for (i = 0; i < sizeof ALL / sizeof *ALL; i++) {
        lua_pushcfunction(L, ALL[i].func);
        lua_setfield(L, -2, ALL[i].name);
    }
    return 1;
}
