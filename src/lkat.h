/* The binding's inside: Lua's versions made alike, and what its files share.
 *
 * Rules that every function here keeps: userdata first, then its metatable,
 * and only then a resource; no raw heap held across a call that may raise;
 * no lua_State stored. A function "may raise" (Lua errors are longjmps)
 * unless its comment says that it does not. */
#ifndef LKAT_H
#define LKAT_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#ifdef LUA_JITLIBNAME
#include <luajit.h>
#endif

#include "kat_buf.h"
#include "kat_engine.h"

#if LUA_VERSION_NUM < 502
#define lua_rawlen(L, i) lua_objlen(L, i)
#endif
#if LUA_VERSION_NUM >= 503
#define LKAT_INTEGERS 1
#else
#define LKAT_INTEGERS 0
#endif
/* Whether the running Lua tells where one may yield. LuaJIT 2.1 does and PUC Lua 5.1 does
 * not, and both load the same file: so there it is looked for as late as that. */
#if LUA_VERSION_NUM >= 503
#define LKAT_YIELDABLE true
#elif LUA_VERSION_NUM == 501 && (defined(__GNUC__) || defined(__clang__))
#ifndef LUA_JITLIBNAME
extern int lua_isyieldable(lua_State *L);
#endif
#pragma weak lua_isyieldable
#define LKAT_YIELDABLE (lua_isyieldable != NULL)
#else
#define LKAT_YIELDABLE false
#define lua_isyieldable(L) 0
#endif
#if LUA_VERSION_NUM >= 504
#define lkat_newuserdata(L, size) lua_newuserdatauv(L, size, 0)
#else
#define lkat_newuserdata(L, size) lua_newuserdata(L, size)
#endif

#if defined(__GNUC__) || defined(__clang__)
#define LKAT_EXPORT __attribute__((visibility("default")))
#else
#define LKAT_EXPORT
#endif

KAT_BEGIN_DECLS

/* Makes the metatable for a kind of userdata: its methods, and one function
 * for __gc and __close. Leaves the stack as it was. */
void lkat_newtype(lua_State *L, const char *type, const luaL_Reg *methods, lua_CFunction gc);

/* Registers functions into the table on top. */
void lkat_setfuncs(lua_State *L, const luaL_Reg *functions);

/* A buffer owned by a userdata, which it leaves on top of the stack: freed by
 * its __gc if an error jumps over its user. */
kat_buf *lkat_newbox(lua_State *L);

/* Pushes the box's contents as a string and frees the memory. */
void lkat_pushbox(lua_State *L, kat_buf *box);

/* Raises "not enough memory" as Lua itself would. Does not return. */
int lkat_nomem(lua_State *L);

/* Pushes the value of a body that is JSON as promised: its first byte is `top`,
 * an array holds nothing but objects, and it has no more than `max_values` values.
 * Leaves the body empty then. False where it is anything else: nothing was pushed
 * and the body is as it was. `spare` is empty, and room to work in; both must
 * outlive what Lua may do. */
bool lkat_pushjson(lua_State *L, kat_buf *body, kat_buf *spare, char top, size_t max_values);

/* The most values that a JSON text may have, from a number at an index; no limit
 * where there is none. */
size_t lkat_max_values(lua_State *L, int index);

/* Writes all of a text and, where asked, has it on the disk; or false, with errno
 * set. No signal ends the process. Does not raise. */
bool lkat_write(int fd, const char *text, size_t len, bool sync);

/* fsync(), which a signal does not end. Or false, with errno set. Does not raise. */
bool lkat_fsync(int fd);

/* Each adds its functions to the table on top. */
void lkat_open_box(lua_State *L);
void lkat_open_json(lua_State *L);   /* decode; needs lua-cjson */
void lkat_open_encode(lua_State *L); /* encode, array, isArray */
void lkat_open_policy(lua_State *L); /* retryAfter, retryDelay, maybeApplied */
void lkat_open_url(lua_State *L);    /* base, join, escape */
void lkat_open_redact(lua_State *L); /* redactor, unescape */
void lkat_open_file(lua_State *L);   /* save, makeFolder, isFile */
void lkat_open_append(lua_State *L); /* appender */
void lkat_open_engine(lua_State *L); /* engine, lines */
void lkat_open_op(lua_State *L);
void lkat_open_streams(lua_State *L); /* of the standard streams */
void lkat_open_turn(lua_State *L);
void lkat_open_signals(lua_State *L);  /* signals */
void lkat_open_unplayed(lua_State *L); /* unplayed */

/* The engine behind a userdata, or NULL once it was closed. */
kat_engine *lkat_engine(lua_State *L, int index);

/* engine:start(…) and engine:begin(…), in lkat_op.c. */
int lkat_op_start(lua_State *L);
int lkat_op_begin(lua_State *L);

/* engine:turn() -> turn, in lkat_turn.c. */
int lkat_turn_new(lua_State *L);
kat_turn *lkat_turn(lua_State *L, int index);

/* The header lines at an index, or NULL once they were collected. */
kat_lines *lkat_lines(lua_State *L, int index);

KAT_END_DECLS

#endif
