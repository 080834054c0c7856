/* The standard streams, as a command has to know them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lkat.h"

/* isTerminal(fd) -> boolean */
static int is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)) == 1);
    return 1;
}

/* columns(fd) -> the width of a terminal in characters; nil where it has none */
static int columns(lua_State *L)
{
    struct winsize size;

    if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 0;
    lua_pushinteger(L, size.ws_col);
    return 1;
}

/* othersMayRead(path) -> whether it is a regular file that is not its owner's
 * alone; nil where nothing can be seen */
static int others_may_read(lua_State *L)
{
    struct stat st;

    if (stat(luaL_checkstring(L, 1), &st) != 0)
        return 0;
    lua_pushboolean(L, S_ISREG(st.st_mode) && (st.st_mode & (S_IRGRP | S_IROTH)) != 0);
    return 1;
}

/* guardStreams(): for a process that is the command's own. A stream that was
 * closed is opened, so that no socket takes its place and is written to; writing
 * to it still fails. A pipe that nobody reads, and a limit on a file's size, are
 * errors of the write and not the end of the process. */
static int guard_streams(lua_State *L)
{
    int fd;

    (void)L;
    for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return luaL_error(L, "cannot open /dev/null");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return 0;
}

/* isWritable(fd) -> whether it was opened for writing */
static int is_writable(lua_State *L)
{
    int flags = fcntl((int)luaL_checkinteger(L, 1), F_GETFL);

    lua_pushboolean(L, flags >= 0 && (flags & O_ACCMODE) != O_RDONLY);
    return 1;
}

/* put(fd, text) -> true | nil, why, errno: all of it, or not. Lua's own streams do
 * not do: LuaJIT's compiled code calls a flush that failed once more, and that one
 * goes well, since the C library has thrown away by then what did not go out. */
static int put(lua_State *L)
{
    size_t len;
    int fd = (int)luaL_checkinteger(L, 1), problem;
    const char *text = luaL_checklstring(L, 2, &len);

    if (lkat_write(fd, text, len, false)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    problem = errno;
    lua_pushnil(L);
    lua_pushstring(L, strerror(problem));
    lua_pushinteger(L, problem);
    return 3;
}

void lkat_open_streams(lua_State *L)
{
    static const luaL_Reg functions[] = {{"isTerminal", is_terminal},
                                         {"isWritable", is_writable},
                                         {"columns", columns},
                                         {"othersMayRead", others_may_read},
                                         {"guardStreams", guard_streams},
                                         {"put", put},
                                         {NULL, NULL}};

    lkat_setfuncs(L, functions);
}
