/* The allocation sweep: every scenario of spec/torture, with its n-th request
 * for memory refused, for every n until it gets by without meeting the refusal;
 * once with that request alone refused, and once with all that follow. And every
 * scenario with a collector that never rests.
 *
 *     torture <directory for files> <part> <parts> [scenario [allocator [mode [n]]]]
 *
 * Each sweep is a process of its own, so that a crash or a leak has a name. With
 * all four words it runs one point, and shows where the request came from. Of
 * `parts` processes that share the work this is number `part`, from 0. */
#include <dirent.h>
#include <errno.h>
#include <lualib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "hub.h"
#include "meters.h"
#include "state.h"

#ifdef LUA_JITLIBNAME
#include <luajit.h>
enum { LUAJIT = 1 };
#else
enum { LUAJIT = 0 };
#endif
enum { POINT_S = 60, MOST_POINTS = 100000, SLOW_MS = 15000 };

typedef struct mode {
    const char *allocator, *name;
    meter *meter;
    refusal how;
} mode;

static const mode modes[] = {
    {"Lua", "once", &lua_meter, ONCE},      {"Lua", "onwards", &lua_meter, ONWARDS},
#if LUA_VERSION_NUM >= 502
    {"Lua", "retry", &lua_meter, RETRY},
#endif
    {"libcurl", "once", &curl_meter, ONCE}, {"libcurl", "onwards", &curl_meter, ONWARDS},
    {"collector", "restless", NULL, ONCE},  {"collector", "full", NULL, ONCE},
};

/* What a child tells its parent, also when it crashes. */
typedef struct report {
    long point, points;
    int left_by_cjson; /* blocks */
    int slowest;       /* milliseconds */
    bool done;
    char problem[2000];
} report;

static report *told;
static hub_counts *counts;
static int port;

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool fail(const char *what, long is, long was)
{
    snprintf(told->problem, sizeof told->problem, "%s: %ld, not %ld", what, is, was);
    return false;
}

/* Runs a scenario with the n-th request refused. False when something is wrong;
 * `hit` says whether it came to that request. */
static bool point(const char *scenario, const mode *m, long n, bool *hit)
{
    long curl_before = curl_meter.live;
    int fds_before = descriptors(), status, tries;
    lua_State *L;
    double began;
    bool good;

    alarm(POINT_S);
    memset(counts, 0, sizeof *counts);
    meter_arena = true;
    L = state_new(scenario);
    if (!L) {
        fail("there is no state for Lua's allocator of the sweep", 0, 1);
        return false;
    }
#ifdef LUA_JITLIBNAME
    /* Where memory runs out in compiled code, LuaJIT may go round in it for ever. */
    if (m->meter == &lua_meter)
        luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
#endif
    /* On the stack: what is run, and what judges it. */
    began = now();
    lua_pushvalue(L, -2);
    if (!m->meter)
        state_torment(L, strcmp(m->name, "full") == 0);
    else
        meter_arm(m->meter, m->how, n);
    meter_arena = false;
    status = lua_pcall(L, 0, LUA_MULTRET, 0);
    meter_arena = true;
    if (m->meter)
        *hit = meter_disarm(m->meter);
    else
        *hit = n <= state_relent(L);
    good = hub_settle(port) || fail("the hub does not answer", 0, 1);
    good = good && state_judge(L, status, m->meter && *hit, told->problem, sizeof told->problem);
    if ((int)((now() - began) * 1000) > told->slowest)
        told->slowest = (int)((now() - began) * 1000);
    lua_close(L);
    if (!good)
        return false;
    told->left_by_cjson += meter_clear_cjson();
    if (lua_meter.live != 0)
        return fail("blocks of Lua's are out after lua_close", lua_meter.live, 0);
    /* LuaJIT tells of wrong sizes after a refusal; all blocks come back to it. */
    if (lua_meter.bytes != 0 && !LUAJIT)
        return fail("bytes of Lua's are out after lua_close", lua_meter.bytes, 0);
    lua_meter.bytes = 0;
    for (tries = 0; curl_meter.live != curl_before && tries < 1000; tries++)
        poll(NULL, 0, 1); /* a resolver's thread may be about to end */
    if (curl_meter.live != curl_before)
        return fail("blocks of libcurl's and the engine's are out", curl_meter.live, curl_before);
    if (descriptors() != fds_before)
        return fail("descriptors are open", descriptors(), fds_before);
    if (m->meter && told->slowest > SLOW_MS)
        return fail("milliseconds it took", told->slowest, 0);
    return true;
}

/* In a child. Its exit is LeakSanitizer's turn. */
static int sweep(const char *scenario, const mode *m, long only)
{
    bool hit = true;
    long n;

    if (!meter_libcurl())
        return !fail("libcurl could not be initialised", 0, 1);
    if (only > 0) {
        /* As in a sweep, where libcurl is initialised at the first point. */
        if (only > 1 && !point(scenario, m, MOST_POINTS, &hit))
            return 1;
        told->point = only;
        meter_traces = true;
        return !point(scenario, m, only, &hit);
    }
    for (n = 1; n < MOST_POINTS; n++) {
        told->point = n;
        if (!point(scenario, m, n, &hit))
            return 1;
        if (!m->meter) { /* every allocation of one run */
            told->points = state_relented();
            break;
        }
        if (!hit)
            break;
        told->points = n;
    }
    told->done = true;
    return 0;
}

static void end_with_parent(void)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

/* One test. */
static bool run(const char *scenario, const mode *m, long only)
{
    double began = now();
    int status = 0;
    pid_t pid;
    bool good;

    fflush(NULL);
    memset(told, 0, sizeof *told);
    pid = fork();
    if (pid == 0) {
        end_with_parent();
        alarm(POINT_S);
        exit(sweep(scenario, m, only));
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(told->problem, sizeof told->problem, "it hangs");
    else if (WIFSIGNALED(status))
        snprintf(told->problem, sizeof told->problem, "killed by signal %d", WTERMSIG(status));
    else if (told->problem[0] == '\0' && WEXITSTATUS(status) != 0)
        snprintf(told->problem, sizeof told->problem, "ended with %d: see above",
                 WEXITSTATUS(status));
    else if (told->problem[0] == '\0' && told->points == 0 && only == 0)
        snprintf(told->problem, sizeof told->problem, "not a single point was swept");
    good = pid > 0 && told->problem[0] == '\0' && (told->done || only > 0);
    printf("%-5s %-14s %-9s %-8s %6ld points %5.1f s, slowest %4d ms", good ? "ok" : "FAIL",
           scenario, m->allocator, m->name, told->points, now() - began, told->slowest);
    if (told->left_by_cjson > 0)
        printf(", lua-cjson left %d blocks", told->left_by_cjson);
    printf("\n");
    if (!good)
        printf("      at point %ld: %s\n", told->point, told->problem);
    return good;
}

/* A word of the command line: absent, or this. */
static bool chosen(int argc, char **argv, int index, const char *word)
{
    return argc <= index || strcmp(argv[index], word) == 0;
}

int main(int argc, char **argv)
{
    long passed = 0, failed = 0, points = 0;
    char name[64];
    size_t i;
    int number, part, parts, turn = 0;

    if (argc < 4 || (parts = atoi(argv[3])) < 1)
        return 2;
    part = atoi(argv[2]);
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    counts = hub_start(&port);
    if (told == MAP_FAILED || !counts || !state_prepare(argv[1], port, counts)) {
        fprintf(stderr, "torture: there is no memory, no hub or no scenarios\n");
        return 2;
    }
    for (number = 1; state_scenario(number, name, sizeof name); number++)
        for (i = 0; i < sizeof modes / sizeof *modes; i++) {
            const mode *m = &modes[i];

            if (!chosen(argc, argv, 4, name) || !chosen(argc, argv, 5, m->allocator) ||
                !chosen(argc, argv, 6, m->name) || !state_wants(name, m->allocator) ||
                !state_wants(name, m->name) || turn++ % parts != part)
                continue;
            if (run(name, m, argc > 7 ? atol(argv[7]) : 0))
                passed++;
            else
                failed++;
            points += told->points;
        }
    printf("%ld points, %ld passed, %ld failed\n", points, passed, failed);
    return failed > 0;
}
