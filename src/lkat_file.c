/* Saving a file so that whoever looks finds the old one or the new one, whole. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lkat.h"

enum { NOT_A_FILE = -1 };

/* Makes `temporary`, a template of mkstemp, and renames it over `target`. Gives
 * 0, NOT_A_FILE, or an errno; nothing is left behind then. */
static int replace(char *temporary, const char *target, const char *text, size_t len)
{
    struct stat old;
    bool there = stat(target, &old) == 0;
    int fd, problem = 0;

    if (there && !S_ISREG(old.st_mode))
        return NOT_A_FILE;   /* a device must not become a file */
    fd = mkstemp(temporary); /* O_EXCL, and the owner's alone */
    if (fd < 0)
        return errno;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if ((there && fchmod(fd, old.st_mode & 07777) != 0) || !lkat_write(fd, text, len, true))
        problem = errno;
    if (close(fd) != 0 && problem == 0)
        problem = errno;
    if (problem == 0 && rename(temporary, target) != 0)
        problem = errno;
    if (problem != 0)
        unlink(temporary);
    return problem;
}

/* save(path, text) -> true | nil, message. A link is followed, so that it goes
 * on to point at the file; a file that is there keeps its mode. */
static int save(lua_State *L)
{
    static const char SUFFIX[] = ".XXXXXX";
    size_t len, target_len;
    const char *target = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &len);
    char real[PATH_MAX], *temporary;
    int problem;

    if (realpath(target, real))
        target = real;
    target_len = strlen(target);
    temporary = lkat_newuserdata(L, target_len + sizeof SUFFIX);
    memcpy(temporary, target, target_len);
    memcpy(temporary + target_len, SUFFIX, sizeof SUFFIX);
    problem = replace(temporary, target, text, len); /* nothing in there raises */
    if (problem == 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, problem == NOT_A_FILE ? "it is not a regular file" : strerror(problem));
    return 2;
}

/* isFile(path) -> whether it is a regular file; nil where nothing can be seen */
static int is_file(lua_State *L)
{
    struct stat st;

    if (stat(luaL_checkstring(L, 1), &st) != 0)
        return 0;
    lua_pushboolean(L, S_ISREG(st.st_mode));
    return 1;
}

void lkat_open_file(lua_State *L)
{
    static const luaL_Reg functions[] = {{"save", save}, {"isFile", is_file}, {NULL, NULL}};

    lkat_setfuncs(L, functions);
}
