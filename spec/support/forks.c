/* A Lua module of what Lua lacks for a script that forks: fork() gives a number,
 * 0 in the child; wait(number) gives the child's exit status, or nil where a
 * signal ended it. */
#include <lauxlib.h>
#include <lua.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int fork_process(lua_State *L)
{
    pid_t pid = fork();

    if (pid < 0)
        return luaL_error(L, "fork failed");
    lua_pushinteger(L, pid);
    return 1;
}

static int wait_process(lua_State *L)
{
    int status = 0;

    if (waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0) < 0)
        return luaL_error(L, "waitpid failed");
    if (!WIFEXITED(status))
        return 0;
    lua_pushinteger(L, WEXITSTATUS(status));
    return 1;
}

int luaopen_forks(lua_State *L);

int luaopen_forks(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, fork_process);
    lua_setfield(L, -2, "fork");
    lua_pushcfunction(L, wait_process);
    lua_setfield(L, -2, "wait");
    return 1;
}
