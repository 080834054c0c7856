/* Hiding secrets in texts, and the undoing of escapes. */
#include "kat_redact.h"
#include "lkat.h"

static const char TYPE[] = "kataven.redactor";

typedef struct redactor {
    kat_redactor forms;
    bool gone; /* it was collected; a finaliser may still use it */
} redactor;

/* __gc and __close: idempotent. */
static int redactor_gc(lua_State *L)
{
    redactor *r = luaL_checkudata(L, 1, TYPE);

    kat_redactor_free(&r->forms);
    r->gone = true;
    return 0;
}

/* redactor:text(text) -> the text without its secrets; once it was collected, it
 * knows none, and hides everything */
static int redactor_text(lua_State *L)
{
    redactor *r = luaL_checkudata(L, 1, TYPE);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    /* The call's own: a finaliser that runs meanwhile may hide texts, too. */
    kat_buf *out = lkat_newbox(L);
    int found;

    if (r->gone) {
        lua_pushliteral(L, KAT_REDACT_MASK);
        return 1;
    }
    if (!kat_redact(&r->forms, text, len, out, &found))
        return lkat_nomem(L);
    if (found == 0)
        lua_settop(L, 2);
    else
        lkat_pushbox(L, out);
    return 1;
}

/* redactor:find(text) -> the number of the first form that is in the text, -1
 * for a key, or nil */
static int redactor_find(lua_State *L)
{
    redactor *r = luaL_checkudata(L, 1, TYPE);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    kat_buf out = {0};
    bool done;
    int found;

    if (r->gone)
        return luaL_error(L, "what finds secrets was collected");
    done = kat_redact(&r->forms, text, len, &out, &found);
    kat_buf_free(&out);
    if (!done)
        return lkat_nomem(L);
    if (found == 0)
        return 0;
    lua_pushinteger(L, found);
    return 1;
}

/* Pushes a redactor without forms, with room behind it. */
static redactor *push_redactor(lua_State *L, size_t room)
{
    redactor *r = lkat_newuserdata(L, sizeof *r + room);

    *r = (redactor){0};
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    return r;
}

/* redactor(forms, keys) -> userdata; `keys`: hide what looks like a key, too. It is made
 * apart and then moved into Lua's memory: one that a finaliser makes while the state is
 * closed is never collected, and would be lost. */
static int redactor_new(lua_State *L)
{
    bool keys = lua_toboolean(L, 2);
    redactor *made, *r;
    int i, count;

    luaL_checktype(L, 1, LUA_TTABLE);
    count = (int)lua_rawlen(L, 1);
    made = push_redactor(L, 0);
    for (i = 1; i <= count; i++) {
        size_t len;
        const char *form;

        lua_rawgeti(L, 1, i);
        form = luaL_checklstring(L, -1, &len);
        if (!kat_redactor_add(&made->forms, form, len))
            return lkat_nomem(L);
        lua_pop(L, 1);
    }
    if ((keys && !kat_redactor_add_keys(&made->forms)) || !kat_redactor_link(&made->forms))
        return lkat_nomem(L);
    r = push_redactor(L, kat_redactor_size(&made->forms));
    kat_redactor_move(&r->forms, r + 1, &made->forms);
    return 1;
}

/* unescape(text) -> the text with its percent and JSON escapes undone once */
static int unescape(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    kat_buf *out = lkat_newbox(L);

    if (!kat_unescape(out, text, len))
        return lkat_nomem(L);
    lkat_pushbox(L, out);
    return 1;
}

void lkat_open_redact(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"text", redactor_text}, {"find", redactor_find}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"redactor", redactor_new}, {"unescape", unescape}, {NULL, NULL}};

    lkat_newtype(L, TYPE, methods, redactor_gc);
    lkat_setfuncs(L, functions);
}
