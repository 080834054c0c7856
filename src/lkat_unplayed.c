/* Interactions of cassettes that were not played yet, and their report when the process ends. The
 * text is kept in C memory, so that it is there after an os.exit too, which closes no Lua state, on
 * any Lua. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kat_curl.h"
#include "lkat.h"

static const char TYPE[] = "kataven.unplayed";

enum { FAILED = 1 }; /* the exit status */

typedef struct line {
    size_t at, len; /* in `text` */
    bool played;
} line;

/* Of one cassette. A userdata owns it; a watched account that is not done outlives the userdata,
 * until the process ends. */
typedef struct account {
    struct account *next; /* of those that are watched */
    pid_t owner;          /* a forked child does not answer for what its parent opened */
    kat_buf text;         /* the cassette's name, then a line for each interaction */
    kat_buf problem;      /* a recording's problem, if there was memory for its text */
    line *lines;
    size_t name_len, total, left;
    bool watched, strict;
    bool broken; /* there is something wrong with a recording */
} account;

typedef struct box {
    account *a;
} box;

/* Guards all accounts, and the two variables below. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static account *watched;
static bool registered;

/* Does not raise. */
static void destroy(account *a)
{
    kat_buf_free(&a->text);
    kat_buf_free(&a->problem);
    kat_free(a->lines);
    kat_free(a);
}

static bool is_done(const account *a)
{
    return a->left == 0 && !a->broken;
}

/* Appends what is to be said of an account that is not done. False when memory has run out. */
static bool describe(const account *a, kat_buf *out)
{
    char counts[96];
    size_t i;

    if (a->broken)
        return a->problem.len > 0 && kat_buf_add(out, a->problem.data, a->problem.len);
    snprintf(counts, sizeof counts, ": %zu of %zu interactions were never played:", a->left,
             a->total);
    if (!kat_buf_add(out, a->text.data, a->name_len) || !kat_buf_puts(out, counts))
        return false;
    for (i = 0; i < a->total; i++) {
        const line *l = &a->lines[i];

        if (!l->played &&
            (!kat_buf_puts(out, "\n  ") || !kat_buf_add(out, a->text.data + l->at, l->len)))
            return false;
    }
    return true;
}

static void say(const account *a)
{
    static const char SHORT[] =
        "kataven: a cassette is not done, and there is no memory to say more\n";
    kat_buf out = {0};
    bool whole = kat_buf_puts(&out, "kataven: ") && describe(a, &out) && kat_buf_addc(&out, '\n');

    /* Where nobody reads it, nothing is left to be done. */
    if (whole)
        (void)lkat_write(STDERR_FILENO, out.data, out.len, false);
    else
        (void)lkat_write(STDERR_FILENO, SHORT, sizeof SHORT - 1, false);
    kat_buf_free(&out);
}

/* Reports every watched account that is not done. True if one of them is strict. */
static bool report(void)
{
    const account *a;
    bool failed = false;

    pthread_mutex_lock(&lock);
    for (a = watched; a; a = a->next) {
        if (a->owner != getpid() || is_done(a))
            continue;
        say(a);
        failed = failed || a->strict;
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

/* There is no other way to change the status of a process that is ending. It leaves out the
 * handlers that were registered before ours; the streams must not be among what is lost. */
static void fail(void)
{
    fflush(NULL);
    _exit(FAILED);
}

#ifdef __GLIBC__
/* A program that fails by itself keeps its own status. */
static void at_exit(int status, void *unused)
{
    (void)unused;
    if (report() && status == 0)
        fail();
}
#define REGISTER() on_exit(at_exit, NULL)
#else
static void at_exit(void)
{
    if (report())
        fail();
}
#define REGISTER() atexit(at_exit)
#endif

/* NULL once it was collected: a finaliser may still play then. */
static account *check(lua_State *L)
{
    return ((box *)luaL_checkudata(L, 1, TYPE))->a;
}

/* __gc, idempotent. Does not raise for one of ours. */
static int unplayed_gc(lua_State *L)
{
    box *b = luaL_checkudata(L, 1, TYPE);
    account *a = b->a, **at;

    b->a = NULL;
    if (!a)
        return 0;
    pthread_mutex_lock(&lock);
    if (a->watched && !is_done(a))
        a = NULL; /* it is said at the end */
    for (at = &watched; a && a->watched && *at; at = &(*at)->next)
        if (*at == a) {
            *at = a->next;
            break;
        }
    pthread_mutex_unlock(&lock);
    if (a)
        destroy(a);
    return 0;
}

/* Copies the name and the lines of the list at `index`, all of them strings. May raise; `a` is a
 * userdata's by then. */
static void copy_lines(lua_State *L, account *a, const char *name, size_t name_len, int index)
{
    size_t count = lua_rawlen(L, index), i;

    a->lines = count < SIZE_MAX / sizeof *a->lines ? kat_alloc(NULL, (count + 1) * sizeof *a->lines)
                                                   : NULL;
    if (!a->lines || !kat_buf_add(&a->text, name, name_len))
        lkat_nomem(L);
    a->name_len = name_len;
    for (i = 0; i < count; i++) {
        size_t len;
        const char *text;

        lua_rawgeti(L, index, (int)i + 1);
        text = luaL_checklstring(L, -1, &len);
        a->lines[i] = (line){a->text.len, len, false};
        if (!kat_buf_add(&a->text, text, len))
            lkat_nomem(L);
        a->total = a->left = i + 1;
        lua_pop(L, 1);
    }
}

/* unplayed(name, lines) -> account: what the cassette of this name has to play, a line for each
 * interaction. */
static int unplayed_new(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    box *b;

    luaL_checktype(L, 2, LUA_TTABLE);
    b = lkat_newuserdata(L, sizeof *b);
    b->a = NULL;
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    b->a = kat_alloc(NULL, sizeof *b->a);
    if (!b->a)
        return lkat_nomem(L);
    *b->a = (account){.owner = getpid()};
    copy_lines(L, b->a, name, len, 2);
    return 1;
}

/* account:played(index) */
static int unplayed_played(lua_State *L)
{
    account *a = check(L);
    lua_Integer index = luaL_checkinteger(L, 2);

    if (!a)
        return 0;
    luaL_argcheck(L, index >= 1 && (size_t)index <= a->total, 2, "no such interaction");
    pthread_mutex_lock(&lock);
    if (!a->lines[index - 1].played) {
        a->lines[index - 1].played = true;
        a->left--;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

/* account:problem(text|nil): a recording's, in place of lines. An answer is on its way to the
 * caller: does not raise for a string or nil. */
static int unplayed_problem(lua_State *L)
{
    account *a = check(L);
    size_t len = 0;
    const char *text = luaL_optlstring(L, 2, "", &len);

    if (!a)
        return 0;
    pthread_mutex_lock(&lock);
    a->broken = len > 0;
    kat_buf_reset(&a->problem, SIZE_MAX);
    if (!kat_buf_add(&a->problem, text, len))
        a->problem.len = 0;
    pthread_mutex_unlock(&lock);
    return 0;
}

/* account:text() -> what is left, in words; or nil */
static int unplayed_text(lua_State *L)
{
    account *a = check(L);
    kat_buf *out;

    if (!a || is_done(a))
        return 0;
    out = lkat_newbox(L);
    if (!describe(a, out))
        return lkat_nomem(L);
    lkat_pushbox(L, out);
    return 1;
}

/* account:watch(strict): reports on stderr, when the process ends, whatever is left by then. If
 * strict, a process that would end with 0 ends with 1. */
static int unplayed_watch(lua_State *L)
{
    account *a = check(L);
    bool strict = lua_toboolean(L, 2), done;

    if (!a)
        return 0;
    pthread_mutex_lock(&lock);
    if (!registered) {
        kat_curl_pin(); /* the handler must not be unmapped with the Lua state's libraries */
        registered = REGISTER() == 0;
    }
    done = registered;
    if (done && !a->watched) {
        account **last = &watched;

        while (*last)
            last = &(*last)->next;
        *last = a; /* in the order of their opening */
        a->watched = true;
    }
    a->strict = strict;
    pthread_mutex_unlock(&lock);
    return done ? 0 : lkat_nomem(L);
}

void lkat_open_unplayed(lua_State *L)
{
    static const luaL_Reg methods[] = {{"played", unplayed_played},
                                       {"problem", unplayed_problem},
                                       {"text", unplayed_text},
                                       {"watch", unplayed_watch},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {{"unplayed", unplayed_new}, {NULL, NULL}};

    lkat_newtype(L, TYPE, methods, unplayed_gc);
    lkat_setfuncs(L, functions);
}
