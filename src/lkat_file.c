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

/* Puts what a link points at in place of `path`, a buffer of PATH_MAX. False with errno set. */
static bool follow(char *path)
{
    char to[PATH_MAX];
    ssize_t len = readlink(path, to, sizeof to);
    char *slash = strrchr(path, '/');
    size_t base = len > 0 && to[0] != '/' && slash ? (size_t)(slash - path) + 1 : 0;

    if (len < 0)
        return false;
    if (base + (size_t)len >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(path + base, to, (size_t)len);
    path[base + (size_t)len] = '\0';
    return true;
}

/* The file that a path leads to, through links of which the last may point at nothing yet. Gives 0
 * or an errno. */
static int resolve(const char *path, char *real)
{
    enum { MOST_LINKS = 40 }; /* as Linux has it */
    struct stat st;
    int i;

    if (realpath(path, real))
        return 0;
    if (errno != ENOENT || strlen(path) >= PATH_MAX)
        return errno;
    if (stat(path, &st) == 0) /* /dev/stdout, say, of a pipe */
        return NOT_A_FILE;
    strcpy(real, path);
    for (i = 0; i < MOST_LINKS; i++) {
        if (lstat(real, &st) != 0)
            return errno == ENOENT ? 0 : errno;
        if (!S_ISLNK(st.st_mode))
            return 0;
        if (!follow(real))
            return errno;
    }
    return ELOOP;
}

/* nil, message */
static int refuse(lua_State *L, int problem)
{
    lua_pushnil(L);
    lua_pushstring(L, problem == NOT_A_FILE ? "it is not a regular file" : strerror(problem));
    return 2;
}

/* save(path, text) -> true | nil, message. A link is followed, so that it goes
 * on to point at the file, also where that is not there yet; a file that is
 * there keeps its mode. */
static int save(lua_State *L)
{
    static const char SUFFIX[] = ".XXXXXX";
    size_t len, target_len;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &len);
    char target[PATH_MAX], *temporary;
    int problem = resolve(path, target);

    if (problem == 0) {
        target_len = strlen(target);
        temporary = lkat_newuserdata(L, target_len + sizeof SUFFIX);
        memcpy(temporary, target, target_len);
        memcpy(temporary + target_len, SUFFIX, sizeof SUFFIX);
        problem = replace(temporary, target, text, len); /* nothing in there raises */
    }
    if (problem != 0)
        return refuse(L, problem);
    lua_pushboolean(L, 1);
    return 1;
}

/* makeFolder(path) -> true | nil, message: the folder that save(path) would write to, and
 * those above it, as `mkdir -p` makes them. */
static int make_folder(lua_State *L)
{
    char target[PATH_MAX], *slash, *next;
    struct stat st;
    int problem = resolve(luaL_checkstring(L, 1), target);

    slash = problem == 0 ? strrchr(target, '/') : NULL;
    if (slash && slash != target) {
        *slash = '\0';
        for (next = target; next && problem == 0;) {
            next = strchr(next + 1, '/');
            if (next)
                *next = '\0';
            if (mkdir(target, 0777) != 0 && stat(target, &st) != 0)
                problem = errno;
            else if (stat(target, &st) == 0 && !S_ISDIR(st.st_mode))
                problem = ENOTDIR;
            if (next && problem == 0)
                *next = '/';
        }
    }
    if (problem != 0)
        return refuse(L, problem);
    lua_pushboolean(L, 1);
    return 1;
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
    static const luaL_Reg functions[] = {
        {"save", save}, {"makeFolder", make_folder}, {"isFile", is_file}, {NULL, NULL}};

    lkat_setfuncs(L, functions);
}
