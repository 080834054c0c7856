/* The engine and the header lines as userdata. */
#include <math.h>

#include "lkat.h"

static const char ENGINE[] = "kataven.engine";
static const char LINES[] = "kataven.lines";
static const char ON_CLOSE[] = "onClose"; /* a field of the engines' metatable */

/* The userdata stays valid when the engine is closed. */
typedef struct engine_box {
    kat_engine *engine; /* NULL once it was freed */
    bool closed;        /* to be treated as gone, though it may not be yet */
} engine_box;

typedef struct lines_box {
    kat_lines *lines;
} lines_box;

kat_engine *lkat_engine(lua_State *L, int index)
{
    engine_box *box = luaL_checkudata(L, index, ENGINE);

    return box->closed ? NULL : box->engine;
}

kat_lines *lkat_lines(lua_State *L, int index)
{
    lines_box *box = luaL_checkudata(L, index, LINES);

    return box->lines;
}

/* The function that onClose was given, called with a descriptor. */
static int tell(lua_State *L)
{
    const int *fd = lua_touserdata(L, 1);

    luaL_getmetatable(L, ENGINE);
    lua_getfield(L, -1, ON_CLOSE);
    if (lua_isnil(L, -1))
        return 0;
    lua_pushinteger(L, *fd);
    lua_call(L, 1, 0);
    return 0;
}

/* Tells the event loop that the descriptor is about to be closed. A loop that remembers
 * descriptors would take the next one of that number for it. The engine is freed even if
 * the function fails. Does not raise. */
static void tell_host(lua_State *L, kat_engine *engine)
{
    int fd = kat_watched_fd(engine);
#if LUA_VERSION_NUM < 502
    lua_Debug caller;

    /* Nobody calls where the state is closed, which unloads libraries in any order. */
    if (!lua_getstack(L, 1, &caller))
        return;
#endif

    if (fd < 0 || !lua_checkstack(L, 4))
        return;
#if LUA_VERSION_NUM < 502
    if (lua_cpcall(L, tell, &fd) != 0)
        lua_pop(L, 1);
#else
    lua_pushcfunction(L, tell);
    lua_pushlightuserdata(L, &fd);
    if (lua_pcall(L, 1, 0, 0) != 0)
        lua_pop(L, 1);
#endif
}

/* onClose(function): called with each descriptor that a host was given, before it is
 * closed; also by the collector, so it must not yield. */
static int on_close(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    luaL_getmetatable(L, ENGINE);
    lua_insert(L, 1);
    lua_setfield(L, 1, ON_CLOSE);
    return 0;
}

/* close([linger]), __gc and __close: idempotent. With `linger` the descriptor
 * stays open for those who wait on it, until close() is called again or the
 * userdata is collected. Does not raise. */
static int engine_close(lua_State *L)
{
    engine_box *box = luaL_checkudata(L, 1, ENGINE);
    kat_engine *engine = box->engine;
    bool linger = lua_isboolean(L, 2) && lua_toboolean(L, 2);

    box->closed = true;
    if (engine && linger) {
        kat_engine_quit(engine);
    } else {
        box->engine = NULL;
        if (engine)
            tell_host(L, engine);
        kat_engine_free(engine);
    }
    return 0;
}

/* A limit as a size; one that no memory could hold is as good as none. */
static size_t count_at(lua_State *L, int index)
{
    lua_Number number = luaL_checknumber(L, index);

    return number < 1e9 * (sizeof(size_t) > 4 ? 1e6 : 1) ? (size_t)number : SIZE_MAX / 4;
}

/* engine(caFile, caPath, proxy, maxBytes, maxConcurrent): nil where not given.
 * Opens no descriptor and initialises nothing. */
static int engine_new(lua_State *L)
{
    kat_config config = {0};
    engine_box *box;

    config.ca_file = luaL_optstring(L, 1, NULL);
    config.ca_path = luaL_optstring(L, 2, NULL);
    config.proxy = luaL_optstring(L, 3, NULL);
    config.max_bytes = count_at(L, 4);
    config.max_concurrent = count_at(L, 5);
    box = lkat_newuserdata(L, sizeof *box);
    *box = (engine_box){0};
    luaL_getmetatable(L, ENGINE);
    lua_setmetatable(L, -2);
    box->engine = kat_engine_new(&config);
    return box->engine ? 1 : lkat_nomem(L);
}

/* Collects garbage, since clients that were dropped without a close hold descriptors.
 * Returns the engine at index 1, or NULL if a finaliser has closed it. May raise, as a
 * finaliser may. */
static kat_engine *relieve(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return lkat_engine(L, 1);
}

/* step(): on behalf of others, who are to hear of it even if the caller ends. */
static int engine_step(lua_State *L)
{
    kat_engine *engine = lkat_engine(L, 1);

    if (engine)
        kat_step(engine);
    if (engine && kat_starved(engine)) {
        engine = relieve(L);
        if (engine)
            kat_step(engine);
    }
    if (engine)
        kat_settle(engine);
    return 0;
}

/* poll(seconds): blocks until there is something to do, the time is over, or
 * a signal came; then steps. */
static int engine_poll(lua_State *L)
{
    kat_engine *engine = lkat_engine(L, 1);
    double seconds = luaL_checknumber(L, 2);

    if (engine)
        kat_poll(engine, seconds);
    if (engine && kat_starved(engine)) {
        engine = relieve(L);
        if (engine)
            kat_step(engine);
    }
    return 0;
}

/* news() -> the id of a turn whose caller ought to go on | nil, each named once */
static int engine_news(lua_State *L)
{
    kat_engine *engine = lkat_engine(L, 1);
    uint64_t id = engine ? kat_gate_news(kat_engine_gate(engine)) : 0;

    if (id == 0)
        return 0;
    lua_pushnumber(L, (lua_Number)id);
    return 1;
}

/* prepare(seconds) -> fd | nil: to be called before a host waits for a turn or a
 * back-off; brings the descriptor up to date, which has to be open for that. */
static int engine_prepare(lua_State *L)
{
    kat_engine *engine = lkat_engine(L, 1);
    double seconds = luaL_checknumber(L, 2);
    int fd = engine ? kat_fd(engine) : -1;

    if (engine && kat_starved(engine)) {
        engine = relieve(L);
        fd = engine ? kat_fd(engine) : -1;
    }
    if (fd < 0)
        return 0;
    kat_prepare_wait(engine, NULL, seconds, true);
    lua_pushinteger(L, fd);
    return 1;
}

/* __gc and __close. Does not raise. */
static int lines_gc(lua_State *L)
{
    lines_box *box = luaL_checkudata(L, 1, LINES);

    kat_lines_unref(box->lines);
    box->lines = NULL;
    return 0;
}

/* close(): the same at once, to be called after the engine was closed. Where
 * an attempt that a fork left behind, or an answer that is being read, still
 * refers to the lines, they are empty. Idempotent; does not raise. */
static int lines_close(lua_State *L)
{
    lines_box *box = luaL_checkudata(L, 1, LINES);

    if (box->lines)
        kat_lines_wipe(box->lines);
    return lines_gc(L);
}

/* lines{name, value, name, value, …} */
static int lines_new(lua_State *L)
{
    lines_box *box;
    int i, count;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    box = lkat_newuserdata(L, sizeof *box);
    box->lines = NULL;
    luaL_getmetatable(L, LINES);
    lua_setmetatable(L, -2);
    box->lines = kat_lines_new();
    if (!box->lines)
        return lkat_nomem(L);
    count = (int)lua_rawlen(L, 1);
    for (i = 1; i < count; i += 2) {
        lua_rawgeti(L, 1, i);
        lua_rawgeti(L, 1, i + 1);
        if (!kat_lines_add(box->lines, luaL_checkstring(L, -2), luaL_checkstring(L, -1)))
            return lkat_nomem(L);
        lua_pop(L, 2);
    }
    return 1;
}

void lkat_open_engine(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"start", lkat_op_start},    {"begin", lkat_op_begin}, {"turn", lkat_turn_new},
        {"step", engine_step},       {"poll", engine_poll},    {"news", engine_news},
        {"prepare", engine_prepare}, {"close", engine_close},  {NULL, NULL}};
    static const luaL_Reg lines[] = {{"close", lines_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"engine", engine_new}, {"lines", lines_new}, {"onClose", on_close}, {NULL, NULL}};

    lkat_newtype(L, ENGINE, methods, engine_close);
    lkat_newtype(L, LINES, lines, lines_gc);
    lkat_setfuncs(L, functions);
}
