/* JSON texts: what is accepted, and the value, against a second library,
 * Jansson; and back to text again. The input is the text.
 *
 * Where the two differ by right:
 * - here at most 128 levels, there 2048;
 * - Jansson refuses a number beyond a double's range (here it is infinite, as in
 *   JavaScript) and U+0000 in a member's name;
 * - Jansson loses a NUL byte behind a number; no JSON text has one;
 * - numbers are doubles in both, and whole ones up to 2^53 integers here;
 * - Jansson refuses half a surrogate pair, which is U+FFFD here: it is given the
 *   text with that in its place;
 * - null members of objects are left out here, unless they are asked to be kept. */
#include <jansson.h>
#include <math.h>

#include "kat_json.h"
#include "state.h"

enum { FLAGS = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL };

static json_t *reference(const char *text, size_t len, size_t flags, int *problem)
{
    json_error_t error;
    json_t *value = json_loadb(text, len, FLAGS | flags, &error);

    *problem = value ? 0 : (int)json_error_code(&error);
    return value;
}

/* The four digits at p as a number, or -1. */
static long unit_at(const char *p, const char *end)
{
    char digits[5] = {0};

    if (end - p < 4 || strspn(memcpy(digits, p, 4), "0123456789abcdefABCDEF") < 4)
        return -1;
    return strtol(digits, NULL, 16);
}

/* Writes \ufffd over every half of a surrogate pair, whatever else is in the text:
 * a slow and simple reader, which knows of nothing but backslashes. */
static void replace_halves(char *text, size_t len)
{
    const char *end = text + len;
    char *p = text;

    while (p + 1 < end) {
        long unit = *p == '\\' && p[1] == 'u' ? unit_at(p + 2, end) : -1, next = -1;

        if (end - p >= 12 && p[6] == '\\' && p[7] == 'u')
            next = unit_at(p + 8, end);
        if (unit >= 0xD800 && unit <= 0xDBFF && next >= 0xDC00 && next <= 0xDFFF) {
            p += 12;
            continue;
        }
        if (unit >= 0xD800 && unit <= 0xDFFF)
            memcpy(p, "\\ufffd", 6);
        p += *p == '\\' ? 2 : 1;
    }
}

static int depth_of(json_t *value)
{
    int deepest = 0;
    const char *name;
    json_t *member;
    size_t i;

    json_object_foreach(value, name, member)
    {
        int depth = depth_of(member);

        deepest = depth > deepest ? depth : deepest;
    }
    json_array_foreach(value, i, member)
    {
        int depth = depth_of(member);

        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + (json_is_object(value) || json_is_array(value));
}

static void compare_number(lua_State *L, json_t *wanted)
{
    double here = lua_tonumber(L, -1), there = json_real_value(wanted);

    MUST(lua_type(L, -1) == LUA_TNUMBER, "a %s for a number", luaL_typename(L, -1));
    MUST(!(here < there) && !(here > there), "%.17g for %.17g", here, there);
#if LUA_VERSION_NUM >= 503
    {
        int whole = floor(there) >= there && fabs(there) <= 9007199254740992.0;

        MUST(lua_isinteger(L, -1) == whole, "%.17g: an integer? %d", there, !whole);
    }
#endif
}

static void compare(lua_State *L, json_t *wanted, int keep);

static void compare_object(lua_State *L, json_t *wanted, int keep)
{
    size_t here = 0, there = 0;
    const char *name;
    json_t *member;

    MUST(lua_istable(L, -1), "a %s for an object", luaL_typename(L, -1));
    luaL_checkstack(L, 4, "comparing");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        here++;
    json_object_foreach(wanted, name, member)
    {
        if (json_is_null(member) && !keep)
            continue;
        there++;
        lua_getfield(L, -1, name);
        compare(L, member, keep);
        lua_pop(L, 1);
    }
    MUST(here == there, "%zu members for %zu", here, there);
}

static void compare_array(lua_State *L, json_t *wanted, int keep)
{
    size_t here = 0, i;
    json_t *member;

    MUST(lua_istable(L, -1), "a %s for an array", luaL_typename(L, -1));
    luaL_checkstack(L, 4, "comparing");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        here++;
    MUST(here == json_array_size(wanted), "%zu entries for %zu", here, json_array_size(wanted));
    json_array_foreach(wanted, i, member)
    {
        lua_rawgeti(L, -1, (int)i + 1);
        compare(L, member, keep);
        lua_pop(L, 1);
    }
}

/* The value on top against Jansson's. */
static void compare(lua_State *L, json_t *wanted, int keep)
{
    switch (json_typeof(wanted)) {
    case JSON_OBJECT:
        compare_object(L, wanted, keep);
        break;
    case JSON_ARRAY:
        compare_array(L, wanted, keep);
        break;
    case JSON_STRING: {
        size_t len;
        const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;

        MUST(text, "a %s for a string", luaL_typename(L, -1));
        MUST(len == json_string_length(wanted) && memcmp(text, json_string_value(wanted), len) == 0,
             "another string");
        break;
    }
    case JSON_NULL:
        MUST(lua_islightuserdata(L, -1) && !lua_touserdata(L, -1), "a %s for null",
             luaL_typename(L, -1));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        MUST(lua_isboolean(L, -1) && lua_toboolean(L, -1) == json_is_true(wanted),
             "another boolean");
        break;
    default:
        compare_number(L, wanted);
    }
}

/* Calls a function of the script with the `arguments` values on top, which two
 * results replace. */
static void call(lua_State *L, const char *function, int arguments)
{
    lua_getfield(L, 1, function);
    lua_insert(L, -1 - arguments);
    fuzz_call(L, arguments, 2);
}

/* canonical and pretty give another text for the same value, empty arrays and
 * nulls included; and of that, the same text again. `wanted` is NULL where
 * Jansson cannot tell. */
static void check_rewriting(lua_State *L, const char *function, const char *text, size_t len,
                            json_t *wanted)
{
    const char *once, *twice;
    size_t once_len, twice_len;
    json_t *value;
    int problem;

    lua_pushlstring(L, text, len);
    call(L, function, 1);
    once = lua_tolstring(L, -2, &once_len);
    if (wanted) {
        MUST(once, "%s gives nothing", function);
        value = reference(once, once_len, 0, &problem);
        MUST(value && json_equal(value, wanted), "%s gives another value: %s", function, once);
        json_decref(value);
        lua_pushvalue(L, -2);
        call(L, function, 1);
        twice = lua_tolstring(L, -2, &twice_len);
        MUST(twice && twice_len == once_len && memcmp(once, twice, once_len) == 0,
             "%s of its own text gives another: %s", function, twice ? twice : "(none)");
    }
    lua_settop(L, 1);
}

/* The decoded value is on top. Its text must give it back, to Jansson and here;
 * but for empty arrays, which have become objects, as they have in Lua. */
static void check_encoding(lua_State *L)
{
    int value = lua_gettop(L), problem;
    const char *text;
    size_t len;
    json_t *again;

    lua_pushvalue(L, value);
    call(L, "encode", 1);
    text = lua_tolstring(L, value + 1, &len);
    MUST(text, "what was decoded cannot be encoded: %s", lua_tostring(L, value + 2));
    again = reference(text, len, 0, &problem);
    MUST(again, "Jansson refuses what was encoded: %s", text);
    lua_pushvalue(L, value);
    compare(L, again, 1);
    lua_pushvalue(L, value + 1);
    lua_pushboolean(L, 1);
    call(L, "decode", 2);
    lua_settop(L, -2);
    MUST(!lua_isnil(L, -1), "what was encoded cannot be decoded: %s", text);
    compare(L, again, 1);
    json_decref(again);
    lua_settop(L, value);
}

/* nil and a message are on top. */
static void check_refusal(lua_State *L, const char *text, size_t len)
{
    kat_json_info info;
    const char *message = lua_tostring(L, -1);
    char place[64];

    MUST(!kat_json_check(text, len, &info), "only Lua refuses it: %s", message);
    MUST(info.problem && info.at <= len, "byte %zu of %zu", info.at, len);
    snprintf(place, sizeof place, ", at byte %zu", info.at + 1);
    MUST(message && strstr(message, info.problem) == message && strstr(message, place),
         "another message: %s", message ? message : "(none)");
}

static void check_decoding(lua_State *L, int keep, const char *text, size_t len, json_t *wanted,
                           int problem)
{
    lua_pushlstring(L, text, len);
    lua_pushboolean(L, keep);
    call(L, "decode", 2);
    if (lua_isnil(L, -2)) {
        check_refusal(L, text, len);
        MUST(!wanted || depth_of(wanted) > KAT_JSON_MAX_DEPTH, "Jansson takes it: %s",
             lua_tostring(L, -1));
    } else if (wanted) {
        const char *kind = lua_tostring(L, -1);
        size_t blanks = 0; /* the text does not end with a NUL */

        while (memchr(" \t\r\n", text[blanks], 4))
            blanks++;
        MUST(kind[0] == text[blanks], "the kind is %s", kind);
        MUST(depth_of(wanted) <= KAT_JSON_MAX_DEPTH, "%d levels", depth_of(wanted));
        lua_pop(L, 1);
        compare(L, wanted, keep);
        check_encoding(L);
    } else {
        MUST(problem == json_error_numeric_overflow || problem == json_error_null_byte_in_key,
             "it should be refused (Jansson's code is %d)", problem);
    }
    lua_settop(L, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    char *text = fuzz_copy(data, size), *whole = fuzz_copy(data, size);
    json_t *wanted;
    int problem = 0;

    if (!L)
        L = fuzz_state("spec/fuzz/json.lua");
    replace_halves(whole, size);
    wanted = size > 0 && memchr(text, 0, size) ? NULL : reference(whole, size, 0, &problem);
    free(whole);
    check_decoding(L, 0, text, size, wanted, problem);
    check_decoding(L, 1, text, size, wanted, problem);
    if (wanted && depth_of(wanted) > KAT_JSON_MAX_DEPTH) {
        json_decref(wanted);
        wanted = NULL;
    }
    check_rewriting(L, "canonical", text, size, wanted);
    check_rewriting(L, "pretty", text, size, wanted);
    json_decref(wanted);
    free(text);
    if (fuzz_blocks > 0)
        lua_gc(L, LUA_GCCOLLECT, 0);
    MUST(fuzz_blocks == 0, "%ld blocks are left", fuzz_blocks);
    return 0;
}
