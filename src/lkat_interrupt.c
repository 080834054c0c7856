/* Signals that ask a program to end, as a question that it can ask: for a
 * program that must not be torn out of what it is doing. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "lkat.h"

static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};

enum { COUNT = sizeof SIGNALS / sizeof SIGNALS[0] };

/* Handlers are the process's, and so is this. */
static volatile sig_atomic_t caught;
static struct sigaction before[COUNT];
static bool catching;

static void on_signal(int number)
{
    caught = number;
}

/* catchInterrupts(): from now on such a signal ends a wait, and nothing else.
 * One that the process ignores stays ignored. */
static int catch_interrupts(lua_State *L)
{
    struct sigaction action;
    int i;

    (void)L;
    if (catching)
        return 0;
    caught = 0;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART; /* of what is written; poll breaks all the same */
    sigemptyset(&action.sa_mask);
    for (i = 0; i < COUNT; i++)
        if (sigaction(SIGNALS[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
            sigaction(SIGNALS[i], &action, NULL);
    catching = true;
    return 0;
}

/* releaseInterrupts(): handles them as before. */
static int release_interrupts(lua_State *L)
{
    int i;

    (void)L;
    for (i = 0; i < COUNT && catching; i++)
        sigaction(SIGNALS[i], &before[i], NULL);
    catching = false;
    return 0;
}

/* interrupted() -> the number of the signal that came last, or nil */
static int interrupted(lua_State *L)
{
    if (caught == 0)
        return 0;
    lua_pushinteger(L, caught);
    return 1;
}

void lkat_open_interrupt(lua_State *L)
{
    static const luaL_Reg functions[] = {{"catchInterrupts", catch_interrupts},
                                         {"releaseInterrupts", release_interrupts},
                                         {"interrupted", interrupted},
                                         {NULL, NULL}};

    lkat_setfuncs(L, functions);
}
