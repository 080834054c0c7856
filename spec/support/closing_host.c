/* A host that lives longer than its Lua: opens a state, runs a script in it and
 * closes it, twice over, and then lets slow resolvers answer (see slow_dns.c)
 * and waits until it has no other thread any more. It says how many there were
 * when a state had just been closed. */
#include <dirent.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 2, PATIENCE_S = 60 };

static int threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    while (dir && (entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

static void let_go(void)
{
    const char *path = getenv("SLOW_DNS_GO");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (file)
        fclose(file);
}

static int run(const char *script)
{
    lua_State *L = luaL_newstate();
    int failed;

    if (!L)
        return 1;
    luaL_openlibs(L);
    failed = luaL_loadfile(L, script) || lua_pcall(L, 0, 0, 0);
    if (failed)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return failed;
}

int main(int argc, char **argv)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    time_t limit = time(NULL) + PATIENCE_S;
    int round;

    for (round = 0; round < ROUNDS; round++) {
        if (argc != 2 || run(argv[1]) != 0)
            return 1;
        printf("%d\n", threads() - 1);
    }
    let_go();
    while (threads() > 1 && time(NULL) < limit)
        nanosleep(&pause, NULL);
    printf("%d\nalive\n", threads() - 1);
    return 0;
}
