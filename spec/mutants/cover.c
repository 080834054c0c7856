/* Marks each line of the library that a Lua runs, in a file that is mapped: a process that is
 * killed has marked what it ran. MUTANTS_COVER names a folder with `files`, a name on each line,
 * and `marks`, LINES bytes for each of those. A hook in C, since coroutines inherit it. */
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { LINES = 2048, MAX_FILES = 1024, MAX_NAME = 128 };

static char names[MAX_FILES][MAX_NAME];
static size_t count;
static char *marks;

static size_t index_of(const char *source)
{
    const char *found = strstr(source, "lua/kataven/");
    const char *next;
    size_t i;

    while (found && (next = strstr(found + 1, "lua/kataven/")))
        found = next;
    for (i = 0; found && i < count; i++)
        if (strcmp(names[i], found) == 0)
            return i;
    return count;
}

static void mark(lua_State *L, lua_Debug *ar)
{
    static __thread const char *last;
    static __thread char copy[MAX_NAME];
    static __thread size_t at;

    if (!lua_getinfo(L, "S", ar) || ar->source[0] != '@' || strlen(ar->source) >= MAX_NAME)
        return;
    if (ar->source != last || strcmp(copy, ar->source) != 0) {
        last = ar->source;
        strcpy(copy, ar->source);
        at = index_of(copy);
    }
    if (at < count && ar->currentline > 0 && ar->currentline < LINES)
        marks[at * LINES + (size_t)ar->currentline] = 1;
}

int luaopen_cover(lua_State *L);
int luaopen_cover(lua_State *L)
{
    const char *folder = getenv("MUTANTS_COVER");
    char path[1024];
    FILE *list;
    int fd;

    if (!folder)
        return 0;
    if (!marks) {
        snprintf(path, sizeof path, "%s/files", folder);
        list = fopen(path, "r");
        if (!list)
            return luaL_error(L, "cannot read %s", path);
        while (count < MAX_FILES && fscanf(list, "%127s", names[count]) == 1)
            count++;
        fclose(list);
        snprintf(path, sizeof path, "%s/marks", folder);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0 || ftruncate(fd, (off_t)(count * LINES)) != 0)
            return luaL_error(L, "cannot write %s", path);
        marks = mmap(NULL, count * LINES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (marks == MAP_FAILED)
            return luaL_error(L, "cannot map %s", path);
    }
    lua_sethook(L, mark, LUA_MASKLINE, 0);
    return 0;
}
