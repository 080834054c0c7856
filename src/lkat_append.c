/* Adding to a file what must not be lost: each write is whole and on the disk
 * when it returns, or the file is as it was before. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lkat.h"

static const char TYPE[] = "kataven.appender";

typedef struct appender {
    int fd;       /* -1 once it is closed */
    bool regular; /* a file on a disk: it can be cut back, and has to be synced */
} appender;

static appender *check(lua_State *L)
{
    return luaL_checkudata(L, 1, TYPE);
}

static void close_fd(appender *a)
{
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}

/* close(), __gc and __close: idempotent. Does not raise for an appender. */
static int append_close(lua_State *L)
{
    close_fd(check(L));
    return 0;
}

/* nil, message */
static int refuse(lua_State *L, const char *message)
{
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

/* write(text) -> true | nil, message. Signals of a full limit and of a broken
 * pipe are errors like any other. */
static int append_write(lua_State *L)
{
    appender *a = check(L);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    struct stat before;
    bool known;
    int problem;

    if (a->fd < 0)
        return refuse(L, "it is closed");
    known = a->regular && fstat(a->fd, &before) == 0;
    if (lkat_write(a->fd, text, len, a->regular)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    problem = errno;
    /* Where even that fails, the reader can tell half a line from a whole one. */
    if (known && ftruncate(a->fd, before.st_size) != 0)
        known = false;
    return refuse(L, strerror(problem));
}

/* Brings a new file's name to the disk: without it what is in the file could
 * not be found after a crash. Where the directory cannot be read, or knows no
 * syncing, there is nothing to be done. */
static bool sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    bool done;
    int fd, problem;

    if (!directory)
        return false;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd < 0)
        return true;
    done = lkat_fsync(fd) || errno == EINVAL || errno == EROFS;
    problem = errno;
    close(fd);
    errno = problem;
    return done;
}

/* Opens, and finds out what it is. Gives NULL, or what is wrong; then what was
 * opened is still in `a`. */
static const char *open_path(appender *a, const char *path)
{
    /* A pipe that nobody reads yet could keep us for ever. */
    static const int HOW = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat st;
    bool made = false;

    a->fd = open(path, HOW);
    if (a->fd < 0 && errno == ENOENT) {
        a->fd = open(path, HOW | O_CREAT, S_IRUSR | S_IWUSR);
        made = a->fd >= 0;
    }
    if (a->fd < 0)
        return errno == ENXIO ? "it is a pipe that nobody reads" : strerror(errno);
    if (fcntl(a->fd, F_SETFL, O_APPEND) != 0 || fstat(a->fd, &st) != 0)
        return strerror(errno);
    if (S_ISCHR(st.st_mode) && isatty(a->fd) != 1)
        return "it is a device, which may keep nothing; name a file";
    a->regular = S_ISREG(st.st_mode);
    if (!a->regular)
        return NULL;
    if (st.st_uid != geteuid())
        return "it belongs to another user; name a file of your own";
    if (made && !sync_directory(path))
        return strerror(errno);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return "others than its owner may open it; chmod 600 it";
    if (flock(a->fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? "another run is writing to it" : strerror(errno);
    return NULL;
}

/* appender(path) -> appender | nil, message. A file is the owner's alone from
 * its first moment, and no other appender's while this one is open. */
static int append_new(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *problem;
    appender *a = lkat_newuserdata(L, sizeof *a);

    *a = (appender){.fd = -1};
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    problem = open_path(a, path);
    if (!problem)
        return 1;
    close_fd(a); /* and not when the collector comes by */
    return refuse(L, problem);
}

void lkat_open_append(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"write", append_write}, {"close", append_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"appender", append_new}, {NULL, NULL}};

    lkat_newtype(L, TYPE, methods, append_close);
    lkat_setfuncs(L, functions);
}
