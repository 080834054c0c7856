/* Lua values to JSON text. Structure and numbers are written here, since
 * Debian's cjson has no empty array and cuts numbers at 14 digits; strings
 * as well, since it escapes every slash. Keys are sorted, so that the same
 * table always gives the same bytes. Metamethods are not asked.
 *
 * A finaliser may run wherever Lua makes something, and change a table that is
 * being written. So the names of each are kept in a table of our own, and no
 * lua_next loop makes anything but that table's growth, which runs no Lua. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kat_json.h"
#include "lkat.h"

static const char ARRAY[] = "kataven.array";

enum { MOST_NAMES = 1000 }; /* room is made for at once */

typedef struct key {
    const char *text; /* anchored by the table of names beside the one that is being written */
    size_t len;
} key;

/* Where in the value we are, for the message. */
typedef struct place {
    const char *key; /* anchored as above; NULL: an array's index */
    size_t len;
    int index;
} place;

typedef struct writer {
    kat_buf *out, *keys; /* both in boxes on the stack */
    int depth;           /* stays where it was when writing failed */
    const char *problem;
    place path[KAT_JSON_MAX_DEPTH + 1];
} writer;

static bool write_value(lua_State *L, writer *w);

static bool fail(writer *w, const char *problem)
{
    w->problem = problem;
    return false;
}

/* Raises when memory has run out: the boxes are anchored. */
static void need(lua_State *L, bool done)
{
    if (!done)
        lkat_nomem(L);
}

static int by_bytes(const void *a, const void *b)
{
    const key *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

    if (order != 0)
        return order;
    return x->len < y->len ? -1 : x->len > y->len;
}

static bool is_array(lua_State *L, int index)
{
    bool same = false;

    if (lua_getmetatable(L, index)) {
        luaL_getmetatable(L, ARRAY);
        same = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    return same;
}

static const char HIDDEN[] = "looks empty, but its metatable could hide content, as that of a "
                             "read-only proxy does: pass a plain table with the content itself";

/* Whether the table on top is empty, while its metatable may answer for what it
 * does not hold. Asks none of it. */
static bool hides(lua_State *L)
{
    static const char *const ways[] = {"__index", "__pairs", "__ipairs", "__len"};
    bool found = false;
    size_t i;

    if (is_array(L, lua_gettop(L)) || !lua_getmetatable(L, -1))
        return false;
    for (i = 0; i < sizeof ways / sizeof *ways && !found; i++) {
        lua_pushstring(L, ways[i]);
        lua_rawget(L, -2);
        found = !lua_isnil(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    if (found) {
        lua_pushnil(L);
        if (lua_next(L, -2)) {
            lua_pop(L, 2);
            return false;
        }
    }
    return found;
}

static bool write_string(lua_State *L, writer *w, const char *text, size_t len)
{
    if (kat_utf8_check(text, len) < len)
        return fail(w, "is not UTF-8");
    need(L, kat_json_add_string(w->out, text, len));
    return true;
}

/* The table on top, whose keys are 1 to `count`. */
static bool write_array(lua_State *L, writer *w, size_t count)
{
    size_t i;

    w->depth++;
    need(L, kat_buf_addc(w->out, '['));
    for (i = 1; i <= count; i++) {
        w->path[w->depth].key = NULL;
        w->path[w->depth].index = (int)i;
        if (i > 1)
            need(L, kat_buf_addc(w->out, ','));
        lua_rawgeti(L, -1, (int)i);
        if (!write_value(L, w))
            return false;
        lua_pop(L, 1);
    }
    need(L, kat_buf_addc(w->out, ']'));
    w->depth--;
    return true;
}

/* Number of entries of the table on top, up to `most`. */
static size_t count_entries(lua_State *L, size_t most)
{
    size_t count = 0;

    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        if (++count > most) {
            lua_pop(L, 1);
            break;
        }
    }
    return count;
}

/* Collects the keys of the table at `table`, all of them strings, behind what the
 * tables around it have put there, and in the table on top, which anchors them. */
static bool collect_keys(lua_State *L, writer *w, int table)
{
    int names = lua_gettop(L), count = 0;
    key entry;

    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            return fail(w, "mixes names with other keys (an array has 1, 2, 3 … only)");
        entry.text = lua_tolstring(L, -1, &entry.len);
        need(L, kat_buf_add(w->keys, &entry, sizeof entry));
        lua_pushvalue(L, -1);
        lua_rawseti(L, names, ++count);
    }
    return true;
}

static bool write_object(lua_State *L, writer *w)
{
    size_t start = w->keys->len, count, i;
    int table = lua_gettop(L);
    bool first = true;

    lua_createtable(L, (int)count_entries(L, MOST_NAMES), 0);
    if (!collect_keys(L, w, table))
        return false;
    w->depth++;
    count = (w->keys->len - start) / sizeof(key);
    if (count > 0)
        qsort(w->keys->data + start, count, sizeof(key), by_bytes);
    need(L, kat_buf_addc(w->out, '{'));
    for (i = 0; i < count; i++) {
        key entry;

        memcpy(&entry, w->keys->data + start + i * sizeof entry, sizeof entry);
        w->path[w->depth].key = entry.text;
        w->path[w->depth].len = entry.len;
        lua_pushlstring(L, entry.text, entry.len);
        lua_rawget(L, table);
        if (lua_isnil(L, -1)) { /* a finaliser has taken it away */
            lua_pop(L, 1);
            continue;
        }
        if (!first)
            need(L, kat_buf_addc(w->out, ','));
        first = false;
        if (!write_string(L, w, entry.text, entry.len)) {
            w->depth--; /* the place is the object: the name cannot be shown */
            return fail(w, "has a name that is not UTF-8");
        }
        need(L, kat_buf_addc(w->out, ':'));
        if (!write_value(L, w))
            return false;
        lua_pop(L, 1);
    }
    need(L, kat_buf_addc(w->out, '}'));
    lua_pop(L, 1);
    w->keys->len = start;
    w->depth--;
    return true;
}

static bool write_table(lua_State *L, writer *w)
{
    size_t len = lua_rawlen(L, -1);
    bool marked = is_array(L, lua_gettop(L));

    if (w->depth >= KAT_JSON_MAX_DEPTH)
        return fail(w, "is nested more than 128 deep (or holds itself)");
    luaL_checkstack(L, 8, "encoding JSON");
    if (hides(L))
        return fail(w, HIDDEN);
    if (marked || len > 0) {
        /* As many entries as its length, and each of 1 … length there: then
         * it has no holes and no other keys. */
        if (count_entries(L, len) != len)
            return fail(w, "is not an array: it has holes or other keys than 1, 2, 3 …");
        return write_array(L, w, len);
    }
    return write_object(L, w);
}

static bool write_number(lua_State *L, writer *w)
{
    lua_Number number = lua_tonumber(L, -1);
#if LKAT_INTEGERS
    char text[32];

    if (lua_isinteger(L, -1)) {
        snprintf(text, sizeof text, "%lld", (long long)lua_tointeger(L, -1));
        need(L, kat_buf_puts(w->out, text));
        return true;
    }
#endif
    if (number != number || number - number != 0)
        return fail(w, "is not a finite number");
    need(L, kat_json_add_number(w->out, number));
    return true;
}

/* Writes the value on top and leaves it there; above it what anchors the path when
 * writing failed. */
static bool write_value(lua_State *L, writer *w)
{
    const char *text;
    size_t len;

    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, -1, &len);
        return write_string(L, w, text, len);
    case LUA_TNUMBER:
        return write_number(L, w);
    case LUA_TBOOLEAN:
        need(L, kat_buf_puts(w->out, lua_toboolean(L, -1) ? "true" : "false"));
        return true;
    case LUA_TTABLE:
        return write_table(L, w);
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, -1)) {
            need(L, kat_buf_puts(w->out, "null"));
            return true;
        }
        return fail(w, "is a light userdata, which JSON has no form for");
    case LUA_TNIL:
        return fail(w, "is nil (kataven.null sends null)");
    case LUA_TFUNCTION:
        return fail(w, "is a function, which JSON has no form for");
    default:
        return fail(w, "is a userdata or a coroutine, which JSON has no form for");
    }
}

/* Pushes "a.b[3]", or "" for the value itself. */
static void push_place(lua_State *L, const writer *w)
{
    kat_buf *text = lkat_newbox(L);
    int i;

    for (i = 1; i <= w->depth; i++) {
        const place *p = &w->path[i];

        if (p->key) {
            need(L, (i == 1 || kat_buf_addc(text, '.')) && kat_buf_add(text, p->key, p->len));
        } else {
            char index[32];

            snprintf(index, sizeof index, "[%d]", p->index);
            need(L, kat_buf_puts(text, index));
        }
    }
    lkat_pushbox(L, text);
}

/* encode(value) -> text | nil, place, problem */
static int encode(lua_State *L)
{
    writer w;

    luaL_checkany(L, 1);
    lua_settop(L, 1);
    w.out = lkat_newbox(L);
    w.keys = lkat_newbox(L);
    w.depth = 0;
    w.problem = NULL;
    lua_pushvalue(L, 1);
    if (!write_value(L, &w)) {
        push_place(L, &w);
        lua_pushnil(L);
        lua_insert(L, -2);
        lua_pushstring(L, w.problem);
        return 3;
    }
    kat_buf_free(w.keys);
    lkat_pushbox(L, w.out);
    return 1;
}

/* array(table) -> the same table, marked */
static int array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (lua_getmetatable(L, 1)) {
        lua_pop(L, 1);
        if (is_array(L, 1))
            return 1;
        return luaL_argerror(L, 1, "the table has a metatable of its own");
    }
    luaL_getmetatable(L, ARRAY);
    lua_setmetatable(L, 1);
    return 1;
}

static int is_marked(lua_State *L)
{
    lua_pushboolean(L, lua_istable(L, 1) && is_array(L, 1));
    return 1;
}

/* hidden(table) -> why it may not be taken for an empty one, or nil */
static int hidden(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (!hides(L))
        return 0;
    lua_pushstring(L, HIDDEN);
    return 1;
}

void lkat_open_encode(lua_State *L)
{
    static const luaL_Reg functions[] = {{"encode", encode},
                                         {"array", array},
                                         {"isArray", is_marked},
                                         {"hidden", hidden},
                                         {NULL, NULL}};

    luaL_newmetatable(L, ARRAY);
    lua_pop(L, 1);
    lkat_setfuncs(L, functions);
}
