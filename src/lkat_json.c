/* JSON text to Lua values: checked here, parsed by lua-cjson, and brought
 * into the form that the contract promises. */
#include <math.h>
#include <string.h>

#include "kat_json.h"
#include "lkat.h"

#define MAX_WHOLE 9007199254740992.0 /* 2^53 */

#if LKAT_INTEGERS
/* Replaces the number on top by the form it has in the contract: an integer
 * where it is whole and not beyond 2^53. True when it changed. Does not raise. */
static bool fix_number(lua_State *L)
{
    lua_Number number = lua_tonumber(L, -1);

    /* The check has left cjson no integer beyond 2^53. */
    if (lua_isinteger(L, -1) || number != floor(number) || fabs(number) > MAX_WHOLE)
        return false;
    lua_pop(L, 1);
    lua_pushinteger(L, (lua_Integer)number);
    return true;
}
#else
/* Every number is a double, which is what cjson makes of it. */
static bool fix_number(lua_State *L)
{
    (void)L;
    return false;
}
#endif

static bool is_null(lua_State *L, int index)
{
    return lua_islightuserdata(L, index) && !lua_touserdata(L, index);
}

/* Walks the table on top, whose depth the check has limited; brings numbers into
 * their form and, where there are any left, drops null members: an array's keys
 * are no strings. Assigning to a field that exists is allowed while lua_next is
 * at work. */
static void walk(lua_State *L, bool nulls_left)
{
    luaL_checkstack(L, 5, "decoding JSON");
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        bool changed = false;

        if (lua_istable(L, -1)) {
            walk(L, nulls_left);
        } else if (lua_type(L, -1) == LUA_TNUMBER) {
            changed = fix_number(L);
        } else if (nulls_left && is_null(L, -1) && lua_type(L, -2) == LUA_TSTRING) {
            lua_pop(L, 1);
            lua_pushnil(L);
            changed = true;
        }
        if (changed) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, -4);
        } else {
            lua_pop(L, 1);
        }
    }
}

/* Brings the numbers of the table on top that are members named at `first` and
 * above into their form. */
static void fix_members(lua_State *L, int first, unsigned count)
{
    int table = lua_gettop(L), i;

    for (i = first; i < first + (int)count; i++) {
        lua_pushvalue(L, i);
        lua_rawget(L, table);
        if (lua_type(L, -1) == LUA_TNUMBER && fix_number(L)) {
            lua_pushvalue(L, i);
            lua_insert(L, -2);
            lua_rawset(L, table);
        } else {
            lua_pop(L, 1);
        }
    }
}

/* Brings what cjson made, on top, into the contract's form. A walk over all of it
 * costs a tenth of decoding it, so where nulls are gone and the numbers' names are
 * known (at `first` and above), only those are looked at. */
static void fix(lua_State *L, const kat_json_info *info, int first)
{
    bool numbers = LKAT_INTEGERS && info->numbers;
    int i, count;

    if (!numbers && !info->nulls_left)
        return;
    if (!lua_istable(L, -1)) {
        fix_number(L);
    } else if (info->scattered || info->nulls_left) {
        walk(L, info->nulls_left);
    } else if (info->top == '{') {
        fix_members(L, first, info->name_count);
    } else {
        count = (int)lua_rawlen(L, -1);
        for (i = 1; i <= count; i++) {
            lua_rawgeti(L, -1, i);
            if (lua_istable(L, -1))
                fix_members(L, first, info->name_count);
            lua_pop(L, 1);
        }
    }
}

/* Leaves the names that fix() wants on the stack. Gives the first one's place. */
static int push_names(lua_State *L, const kat_json_info *info)
{
    int first = lua_gettop(L) + 1;
    unsigned i;

    luaL_checkstack(L, KAT_JSON_NAMES + 8, "decoding JSON");
    for (i = 0; LKAT_INTEGERS && i < info->name_count; i++)
        lua_pushlstring(L, info->names[i].text, info->names[i].len);
    return first;
}

/* Calls one of cjson's switches, if this build of it has it. */
static void configure(lua_State *L, const char *name, int number)
{
    lua_getfield(L, -1, name);
    if (!lua_isfunction(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    if (number >= 0)
        lua_pushinteger(L, number);
    else
        lua_pushboolean(L, 0);
    lua_call(L, 1, 0);
}

/* Pushes cjson's null, and the decoder of an instance of our own: what the host
 * sets on its cjson does not reach us, and what we set does not reach the host.
 * The module cjson is at `index`. */
static void push_decoder(lua_State *L, int index)
{
    lua_getfield(L, index, "new");
    if (!lua_isfunction(L, -1))
        luaL_error(L, "kataven needs lua-cjson 2.1.0 or later: this cjson has no 'new'");
    lua_call(L, 0, 1);
    configure(L, "decode_invalid_numbers", -1);
    configure(L, "decode_max_depth", KAT_JSON_MAX_DEPTH + 1);
    configure(L, "decode_array_with_array_mt", -1);
    lua_getfield(L, -1, "null");
    lua_getfield(L, -2, "decode");
    lua_remove(L, -3);
}

/* Where this state keeps what push_decoder gave, and the module. */
static const char DECODER = 'd', MODULE = 'm';

static void push_kept(lua_State *L, const char *key)
{
    lua_pushlightuserdata(L, (void *)(intptr_t)key);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

/* Keeps the value on top. */
static void keep(lua_State *L, const char *key)
{
    lua_pushlightuserdata(L, (void *)(intptr_t)key);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

/* Replaces the text on top by its value; or, false, by what cjson says against
 * it. It takes whatever passed the check, but for one case: an instance knows
 * the decimal point of the locale in which it was made, so after the host has
 * set another, a new one is wanted. */
static bool parse(lua_State *L)
{
    int round, status = 0;

    for (round = 0; round < 2; round++) {
        push_kept(L, &DECODER);
        lua_pushvalue(L, -2);
        status = lua_pcall(L, 1, 1, 0);
        if (status == 0) {
            lua_remove(L, -2);
            return true;
        }
        if (status == LUA_ERRMEM)
            lua_error(L);
        if (round == 0) {
            lua_pop(L, 1);
            push_kept(L, &MODULE);
            push_decoder(L, lua_gettop(L));
            keep(L, &DECODER);
            lua_pop(L, 2);
        }
    }
    lua_remove(L, -2);
    return false;
}

size_t lkat_max_values(lua_State *L, int index)
{
    lua_Number number = luaL_optnumber(L, index, MAX_WHOLE);

    /* No text has more than memory could hold. */
    return number < MAX_WHOLE && number < (lua_Number)SIZE_MAX ? (size_t)number : SIZE_MAX;
}

/* decode(text [, keepNulls [, maxValues]]) -> value, kind, rows | nil, problem,
 * crowded
 * `kind` is the first byte of the value ("{", "[", …): an empty array and an
 * empty object look the same in Lua. `rows`: an array of nothing but objects.
 * `crowded`: it has more than maxValues values. */
static int decode(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    kat_json_rules rules = {lkat_max_values(L, 3), lua_toboolean(L, 2)};
    kat_json_info info;
    kat_buf *altered;
    int names;

    lua_settop(L, 1);
    altered = lkat_newbox(L);
    if (!kat_json_normalise(text, len, &rules, &info, altered)) {
        if (info.problem == KAT_JSON_NOMEM)
            return lkat_nomem(L);
        lua_pushnil(L);
        lua_pushfstring(L, "%s, at byte %d", info.problem, (int)info.at + 1);
        lua_pushboolean(L, info.problem == KAT_JSON_CROWDED);
        return 3;
    }
    names = push_names(L, &info);
    if (altered->len > 0)
        lkat_pushbox(L, altered);
    else
        lua_pushvalue(L, 1);
    if (!parse(L)) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    fix(L, &info, names);
    lua_pushlstring(L, &info.top, 1);
    lua_pushboolean(L, info.rows);
    return 3;
}

bool lkat_pushjson(lua_State *L, kat_buf *body, kat_buf *spare, char top, size_t max_values)
{
    kat_json_rules rules = {max_values, false};
    kat_json_info info;
    const kat_buf *text = body;
    int place = lua_gettop(L) + 1, names;

    if (body->len == 0)
        return false;
    if (!kat_json_normalise(body->data, body->len, &rules, &info, spare)) {
        if (info.problem == KAT_JSON_NOMEM)
            lkat_nomem(L);
        return false;
    }
    if (info.top != top || (top == '[' && !info.rows))
        return false;
    names = push_names(L, &info);
    if (spare->len > 0)
        text = spare;
    lua_pushlstring(L, text->data, text->len);
    /* A large answer's memory goes before its tables take as much again. */
    kat_buf_reset(body, KAT_KEEP_BYTES);
    kat_buf_reset(spare, KAT_KEEP_BYTES);
    if (!parse(L))
        luaL_error(L, "lua-cjson refuses good JSON: %s", lua_tostring(L, -1));
    fix(L, &info, names);
    lua_insert(L, place);
    lua_settop(L, place);
    return true;
}

/* () -> the module cjson. A sandbox may hide `require` from C, or raise where it is
 * read: then whoever loaded it before us has left it in package.loaded. */
static int find_cjson(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_getfield(L, -1, "cjson");
    if (lua_istable(L, -1))
        return 1;
    lua_getglobal(L, "require");
    lua_pushliteral(L, "cjson");
    lua_call(L, 1, 1);
    return 1;
}

void lkat_open_json(lua_State *L)
{
    int status;

    lua_pushcfunction(L, find_cjson);
    status = lua_pcall(L, 0, 1, 0);
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (status != 0)
        luaL_error(L,
                   "kataven needs the module 'cjson' for this Lua "
                   "(lua-cjson: apt-get install lua-cjson, or luarocks install lua-cjson; "
                   "a host that links it in sets package.preload.cjson to luaopen_cjson "
                   "before it opens kataven):\n%s",
                   lua_tostring(L, -1));
    push_decoder(L, lua_gettop(L));
    keep(L, &DECODER);
    lua_setfield(L, -3, "null");
    keep(L, &MODULE);
    lua_pushcfunction(L, decode);
    lua_setfield(L, -2, "decode");
}
