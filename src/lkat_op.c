/* One attempt as userdata. */
#include <math.h>

#include "kat_clock.h"
#include "lkat.h"

/* The longest that Lua gets no chance to run a hook. A signal that comes just
 * before a wait does not break it, and Ctrl-C sets a hook and nothing else. */
#define STRETCH 1.0

static const char TYPE[] = "kataven.op";

typedef struct op_box {
    kat_op op;     /* first, so that a pointer to one is a pointer to the other */
    kat_turn turn; /* of an attempt that brings its own; else outside of any gate */
} op_box;

static kat_op *check(lua_State *L)
{
    return luaL_checkudata(L, 1, TYPE);
}

static void leave(kat_op *op)
{
    kat_turn_leave(&((op_box *)(void *)op)->turn, kat_now());
}

/* __gc and __close: an attempt that nobody waits for any more is cancelled.
 * Does not raise. */
static int op_gc(lua_State *L)
{
    kat_op *op = check(L);

    kat_op_release(op);
    leave(op);
    return 0;
}

/* What a request is made of, from the arguments of an engine's method; its lines
 * are read last, by new_op. */
static kat_request request_at(lua_State *L)
{
    kat_request request = {0};

    lkat_engine(L, 1);
    request.method = luaL_checkstring(L, 2);
    request.url = luaL_checkstring(L, 3);
    lkat_lines(L, 4);
    request.body = luaL_optlstring(L, 5, NULL, &request.body_len);
    request.timeout = luaL_checknumber(L, 6);
    request.connect_timeout = luaL_checknumber(L, 7);
    request.direct = lua_toboolean(L, 8);
    return request;
}

/* Pushes an operation that is not started yet, and gives the engine that it may
 * be started with, NULL where there is none. */
static kat_engine *new_op(lua_State *L, kat_request *request, op_box **box)
{
    *box = lkat_newuserdata(L, sizeof **box);
    **box = (op_box){0};
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    /* Making the userdata may have collected garbage, and so run code that
     * closed the client: look only now. */
    request->lines = lkat_lines(L, 4);
    return request->lines ? lkat_engine(L, 1)
                          : NULL; /* else a finaliser's call, after the lines' own */
}

/* engine:start(method, url, lines, body | nil, timeout, connectTimeout, direct,
 * turn | nil) -> op | nil, kind, message */
int lkat_op_start(lua_State *L)
{
    kat_request request = request_at(L);
    const char *problem;
    kat_engine *engine;
    op_box *box;

    engine = new_op(L, &request, &box);
    problem = engine ? kat_start(engine, &box->op, &request) : "";
    if (engine && problem && kat_starved(engine)) {
        lua_gc(L, LUA_GCCOLLECT, 0);
        request.lines = lkat_lines(L, 4);
        engine = request.lines ? lkat_engine(L, 1) : NULL;
        problem = engine ? kat_start(engine, &box->op, &request) : "";
    }
    if (!problem) {
        kat_turn *turn = lua_isnoneornil(L, 9) ? NULL : lkat_turn(L, 9);

        if (turn && turn->gate) /* one that has left may go at any time */
            kat_op_tie(&box->op, turn);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, engine ? "connect" : "orphaned");
    lua_pushstring(L, engine ? problem : "the client is closed");
    return 3;
}

/* engine:begin(method, url, lines, body | nil, timeout, connectTimeout, direct)
 * -> op | nil: the same with a turn of its own, if one is free right now. Where
 * it cannot, engine:turn and engine:start find out why. */
int lkat_op_begin(lua_State *L)
{
    kat_request request = request_at(L);
    kat_engine *engine;
    op_box *box;

    engine = new_op(L, &request, &box);
    if (!engine || kat_check_fork(engine))
        return 0;
    kat_turn_enter(kat_engine_gate(engine), &box->turn);
    if (!kat_turn_ask(&box->turn, request.timeout + request.connect_timeout + 1, kat_now()) ||
        kat_start(engine, &box->op, &request) != NULL) {
        leave(&box->op);
        return 0;
    }
    kat_op_tie(&box->op, &box->turn);
    return 1;
}

static int push_finished(lua_State *L, const kat_op *op)
{
    lua_pushboolean(L, op->state != KAT_NEW && op->state != KAT_ACTIVE);
    return 1;
}

/* Collects garbage if descriptors ran out, since clients that were dropped without a
 * close hold some, and goes on. The engine may be gone afterwards. May raise, as a
 * finaliser may. */
static void relieve(lua_State *L, kat_op *op)
{
    if (!op->engine || !kat_starved(op->engine))
        return;
    lua_gc(L, LUA_GCCOLLECT, 0);
    if (op->engine)
        kat_step(op->engine);
}

/* step() -> true when there is something to take */
static int op_step(lua_State *L)
{
    kat_op *op = check(L);

    kat_op_step(op);
    relieve(L, op);
    return push_finished(L, op);
}

/* poll() -> the same, after blocking until there is, or a signal may have come */
static int op_poll(lua_State *L)
{
    kat_op *op = check(L);
    double end = kat_now() + STRETCH;

    while (op->state == KAT_ACTIVE) {
        bool whole = kat_poll(op->engine, STRETCH);

        relieve(L, op);
        if (!whole || kat_now() >= end)
            break;
    }
    return push_finished(L, op);
}

/* look(watcher) -> nil when there is something to take; else seconds, fd | nil:
 * what to wait for before the next look. `watcher`: the host wakes up when the
 * descriptor turns readable. */
static int op_look(lua_State *L)
{
    kat_op *op = check(L);
    int fd = -1;

    kat_op_step(op);
    relieve(L, op);
    if (op->state != KAT_ACTIVE)
        return 0;
    fd = kat_fd(op->engine);
    if (op->engine && kat_starved(op->engine)) {
        lua_gc(L, LUA_GCCOLLECT, 0);
        fd = op->engine ? kat_fd(op->engine) : -1;
    }
    if (!op->engine) { /* the process forked since the last step */
        lua_pushnumber(L, 0);
        return 1;
    }
    lua_pushnumber(L,
                   kat_prepare_wait(op->engine, op, op->timeout, fd >= 0 && lua_toboolean(L, 2)));
    if (fd < 0)
        return 1;
    lua_pushinteger(L, fd);
    return 2;
}

static int op_cancel(lua_State *L)
{
    kat_op_cancel(check(L));
    return 0;
}

static void push_headers(lua_State *L, const kat_headers *headers)
{
    size_t count = kat_headers_count(headers), i;

    lua_createtable(L, 0, (int)count);
    for (i = 0; i < count; i++) {
        const kat_header *header = kat_headers_at(headers, i);

        if (header->joined)
            continue;
        lua_pushlstring(L, headers->text.data + header->name, header->name_len);
        lua_pushlstring(L, headers->text.data + header->value, header->value_len);
        lua_rawset(L, -3);
    }
}

static const char *failure_name(const kat_op *op)
{
    switch (op->state) {
    case KAT_ORPHANED:
        return "orphaned";
    case KAT_DONE:
        return kat_kind_name(op->kind);
    case KAT_CLAIMED:
        return "claimed";
    default:
        return "cancelled";
    }
}

/* take([top, maxValues]) -> status, headers, body | status, headers, nil, value |
 * nil, kind, message, sent, status
 * With `top` the value of a 2xx answer's JSON, where it is what lkat_pushjson
 * wants of it: a text that nobody asks for is never made. To push may collect
 * garbage, and with it run a finaliser that closes the client: so the answer is
 * held until it was copied. */
static int op_take(lua_State *L)
{
    kat_op *op = check(L);
    const char *top = luaL_optstring(L, 2, NULL);
    size_t max_values = lkat_max_values(L, 3);
    const char *message = kat_op_message(op), *kind = failure_name(op);
    bool whole = op->state == KAT_DONE && op->kind == KAT_NONE;
    int results = 5;

    luaL_checkstack(L, 8, "an answer");
    kat_op_hold(op);
    if (whole) {
        kat_buf *body = kat_op_body(op);

        lua_pushinteger(L, op->status);
        push_headers(L, kat_op_headers(op));
        results = 3;
        if (top && op->status / 100 == 2 &&
            lkat_pushjson(L, body, kat_op_spare(op), *top, max_values)) {
            lua_pushnil(L);
            lua_insert(L, -2);
            results = 4;
        } else {
            lua_pushlstring(L, body->len > 0 ? body->data : "", body->len);
        }
    } else {
        lua_pushnil(L);
        lua_pushstring(L, kind);
        lua_pushstring(L, message);
        lua_pushboolean(L, op->sent);
        lua_pushinteger(L, op->status);
    }
    kat_op_claim(op);
    leave(op);
    return results;
}

void lkat_open_op(lua_State *L)
{
    static const luaL_Reg methods[] = {{"step", op_step},     {"poll", op_poll}, {"look", op_look},
                                       {"cancel", op_cancel}, {"take", op_take}, {NULL, NULL}};

    lkat_newtype(L, TYPE, methods, op_gc);
}
