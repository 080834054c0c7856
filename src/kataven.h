/* kataven in a C or C++ host. libkataven holds the C core and all of kataven's
 * Lua files, so a host needs no search path for them, and ships no file more.
 *
 *     luaL_openlibs(L);
 *     lua_pushcfunction(L, kataven_open);
 *     if (lua_pcall(L, 0, 1, 0) != 0)
 *         ... what is wrong, as a string on the stack
 *
 * leaves the module on the stack, and scripts have it through require "kataven".
 *
 * lua-cjson has to be there first. A host without a search path for it links it
 * in, and says so before it opens kataven:
 *
 *     int luaopen_cjson(lua_State *L);
 *
 *     lua_getglobal(L, "package");
 *     lua_getfield(L, -1, "preload");
 *     lua_pushcfunction(L, luaopen_cjson);
 *     lua_setfield(L, -2, "cjson");
 *     lua_pop(L, 2);
 *
 * The library belongs to the Lua that it was built for, a Lua compiled as C, and
 * leaves that Lua itself to the host. pkg-config knows how to link it, under a
 * name with the Lua's: kataven-lua5.4, kataven-luajit.
 *
 * A lua_State and its clients are used by one thread at a time; any number of
 * states may live in one process. A state may be closed while calls are in
 * flight. A shared object that the library was linked into stays in memory once
 * a call was made, whoever closes it: a thread that resolves a name for libcurl
 * may still be running its code. */
#ifndef KATAVEN_H
#define KATAVEN_H

#ifdef __cplusplus
extern "C" {
#endif

/* Lua's own; its headers are not needed here. */
struct lua_State;

/* Opens kataven under its name and pushes the module. Where package.loaded has
 * one already, that one. It is what
 *
 *     luaL_requiref(L, "kataven", luaopen_kataven, 0);
 *
 * does, on Lua 5.1 and LuaJIT too, which have no luaL_requiref; and it is a
 * lua_CFunction, to be called in protected mode. It raises when lua-cjson cannot
 * be found, when libcurl is too old, when Lua's libraries are not open, or when
 * memory has run out. */
int kataven_open(struct lua_State *L);

/* The same but for package.loaded, for luaL_requiref, for package.preload, and
 * for whoever keeps modules elsewhere. Of the host's state it changes two things:
 * package.preload gets an entry for each of kataven's files that has none, and
 * what they require (cjson, and each other) is in package.loaded. Files that are
 * not needed yet, such as kataven.cassette, are compiled when a script requires
 * them. */
int luaopen_kataven(struct lua_State *L);

/* The C core, which kataven's Lua files use as kataven.core. */
int luaopen_kataven_core(struct lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
