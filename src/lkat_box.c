#include "lkat.h"

static const char TYPE[] = "kataven.box";

static int box_gc(lua_State *L)
{
    kat_buf_free(luaL_checkudata(L, 1, TYPE));
    return 0;
}

kat_buf *lkat_newbox(lua_State *L)
{
    kat_buf *box = lkat_newuserdata(L, sizeof *box);

    *box = (kat_buf){0};
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    return box;
}

void lkat_pushbox(lua_State *L, kat_buf *box)
{
    lua_pushlstring(L, box->data ? box->data : "", box->len);
    kat_buf_free(box);
}

int lkat_nomem(lua_State *L)
{
    lua_pushliteral(L, "not enough memory"); /* luaL_error would name a line */
    return lua_error(L);
}

void lkat_setfuncs(lua_State *L, const luaL_Reg *functions)
{
    for (; functions->name; functions++) {
        lua_pushcfunction(L, functions->func);
        lua_setfield(L, -2, functions->name);
    }
}

void lkat_newtype(lua_State *L, const char *type, const luaL_Reg *methods, lua_CFunction gc)
{
    luaL_newmetatable(L, type);
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__close");
    lua_pushliteral(L, "kataven: private");
    lua_setfield(L, -2, "__metatable");
    if (methods) {
        lua_newtable(L);
        lkat_setfuncs(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}

void lkat_open_box(lua_State *L)
{
    lkat_newtype(L, TYPE, NULL, box_gc);
}
