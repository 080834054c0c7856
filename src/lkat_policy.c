/* The engine's decisions, as functions of Lua tables. */
#include <math.h>
#include <string.h>

#include "kat_clock.h"
#include "kat_retry.h"
#include "lkat.h"

static double number_field(lua_State *L, int index, const char *name, double otherwise)
{
    double value = otherwise;

    lua_getfield(L, index, name);
    if (!lua_isnil(L, -1))
        value = luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static bool flag_field(lua_State *L, int index, const char *name)
{
    bool value;

    lua_getfield(L, index, name);
    value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* {safe=, kind=, sent=, status=}: kind is nil where the server answered. */
static kat_outcome outcome_at(lua_State *L, int index)
{
    kat_outcome outcome = {0};

    luaL_checktype(L, index, LUA_TTABLE);
    outcome.safe = flag_field(L, index, "safe");
    outcome.sent = flag_field(L, index, "sent");
    outcome.status = (int)number_field(L, index, "status", 0);
    lua_getfield(L, index, "kind");
    if (!lua_isnil(L, -1))
        outcome.kind = kat_kind_of(luaL_checkstring(L, -1));
    lua_pop(L, 1);
    return outcome;
}

/* retryAfter(text | nil [, date [, wall]]) -> seconds | nil */
static int retry_after(lua_State *L)
{
    double wall = luaL_optnumber(L, 3, kat_wall());
    size_t len = 0;
    const char *text = luaL_optlstring(L, 1, NULL, &len);
    double seconds = kat_retry_after(text, luaL_optstring(L, 2, NULL), wall);

    if (text && strlen(text) != len) /* no header has a NUL: nothing in it is to be believed */
        return 0;

    if (seconds < 0)
        return 0;
    /* Digits, or the difference of two dates that have no fractions: whole,
     * unless it was counted from this machine's clock. */
    if (LKAT_INTEGERS && seconds == floor(seconds))
        lua_pushinteger(L, (lua_Integer)seconds);
    else
        lua_pushnumber(L, seconds);
    return 1;
}

/* retryDelay(policy, outcome, retries, told | nil, random, left) -> seconds | nil */
static int retry_delay(lua_State *L)
{
    kat_retry_policy policy;
    kat_outcome outcome;
    double delay;

    luaL_checktype(L, 1, LUA_TTABLE);
    policy.max = number_field(L, 1, "max", 0);
    policy.base_delay = number_field(L, 1, "baseDelay", 0);
    policy.max_delay = number_field(L, 1, "maxDelay", 0);
    policy.max_wait = number_field(L, 1, "maxWait", 0);
    outcome = outcome_at(L, 2);
    delay = kat_retry_delay(&policy, &outcome, luaL_checknumber(L, 3), luaL_optnumber(L, 4, -1),
                            luaL_checknumber(L, 5), luaL_optnumber(L, 6, HUGE_VAL));
    if (delay < 0)
        return 0;
    lua_pushnumber(L, delay);
    return 1;
}

/* maybeApplied(outcome, refused) -> boolean */
static int maybe_applied(lua_State *L)
{
    kat_outcome outcome = outcome_at(L, 1);

    lua_pushboolean(L, kat_maybe_applied(&outcome, lua_toboolean(L, 2)));
    return 1;
}

void lkat_open_policy(lua_State *L)
{
    static const luaL_Reg functions[] = {{"retryAfter", retry_after},
                                         {"retryDelay", retry_delay},
                                         {"maybeApplied", maybe_applied},
                                         {NULL, NULL}};

    lkat_setfuncs(L, functions);
}
