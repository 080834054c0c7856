/* A call's place at the gate, as userdata: collected with its call, so that a
 * coroutine that was killed keeps nobody waiting. A finaliser may bring that
 * coroutine back to life, but not its turn: its memory goes unannounced. */
#include "kat_clock.h"
#include "lkat.h"

static const char TYPE[] = "kataven.turn";

typedef struct turn_box {
    kat_turn turn; /* first, so that a pointer to one is a pointer to the other */
    bool left;     /* for good */
} turn_box;

kat_turn *lkat_turn(lua_State *L, int index)
{
    return luaL_checkudata(L, index, TYPE);
}

/* leave(), __gc and __close. Does not raise. */
static int turn_leave(lua_State *L)
{
    turn_box *box = luaL_checkudata(L, 1, TYPE);

    box->left = true;
    kat_turn_untie(&box->turn);
    kat_turn_leave(&box->turn, kat_now());
    return 0;
}

int lkat_turn_new(lua_State *L)
{
    turn_box *box;
    kat_engine *engine;

    luaL_checkany(L, 1);
    box = lkat_newuserdata(L, sizeof *box);
    *box = (turn_box){0};
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    engine = lkat_engine(L, 1);
    if (engine) {
        kat_check_fork(engine); /* turns held in the parent do not count here */
        kat_turn_enter(kat_engine_gate(engine), &box->turn);
    }
    return 1;
}

/* ask(engine, seconds) -> true when it is this call's turn; nil when it never
 * will be, since the turn has left or the engine was closed */
static int turn_ask(lua_State *L)
{
    turn_box *box = luaL_checkudata(L, 1, TYPE);
    kat_turn *turn = &box->turn;
    kat_engine *engine = lkat_engine(L, 2);
    double lease = luaL_checknumber(L, 3);

    if (box->left || !engine)
        return 0;
    /* A fork has put every turn outside: come in again. */
    if (turn->state == KAT_TURN_OUTSIDE)
        kat_turn_enter(kat_engine_gate(engine), turn);
    lua_pushboolean(L, kat_turn_ask(turn, lease, kat_now()));
    return 1;
}

/* rest(): also counts as a look */
static int turn_rest(lua_State *L)
{
    kat_turn *turn = lkat_turn(L, 1);

    kat_turn_rest(turn, kat_now());
    kat_turn_look(turn);
    return 0;
}

/* id() -> the number that engine:news() names it by */
static int turn_id(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)lkat_turn(L, 1)->id);
    return 1;
}

static int turn_poke(lua_State *L)
{
    kat_turn_poke(lkat_turn(L, 1));
    return 0;
}

static int turn_look(lua_State *L)
{
    kat_turn_look(lkat_turn(L, 1));
    return 0;
}

/* isFirst() -> whether it is the first of those that wait */
static int turn_is_first(lua_State *L)
{
    const kat_turn *turn = lkat_turn(L, 1);

    lua_pushboolean(L, turn->state == KAT_TURN_WAITING && turn->gate->waiting.first == turn);
    return 1;
}

void lkat_open_turn(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"ask", turn_ask}, {"rest", turn_rest},   {"poke", turn_poke},        {"look", turn_look},
        {"id", turn_id},   {"leave", turn_leave}, {"isFirst", turn_is_first}, {NULL, NULL}};

    lkat_newtype(L, TYPE, methods, turn_leave);
}
