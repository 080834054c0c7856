#include "kat_proxy.h"
#include "kat_url.h"
#include "lkat.h"

static const char TYPE[] = "kataven.base";

static int base_gc(lua_State *L)
{
    kat_base_free(luaL_checkudata(L, 1, TYPE));
    return 0;
}

/* base(url) -> userdata, {text=, loopback=, tls=} | nil, problem */
static int base(lua_State *L)
{
    size_t len;
    const char *url = luaL_checklstring(L, 1, &len), *problem;
    kat_base *b = lkat_newuserdata(L, sizeof *b);

    *b = (kat_base){0};
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    problem = kat_base_parse(b, url, len);
    if (problem && !*problem)
        return lkat_nomem(L);
    if (problem) {
        lua_pushnil(L);
        lua_pushstring(L, problem);
        return 2;
    }
    lua_createtable(L, 0, 3);
    lua_pushstring(L, b->text);
    lua_setfield(L, -2, "text");
    lua_pushboolean(L, b->loopback);
    lua_setfield(L, -2, "loopback");
    lua_pushboolean(L, b->tls);
    lua_setfield(L, -2, "tls");
    return 2;
}

/* join(base, path) -> url | nil, problem; nothing at all once the base was
 * collected, for a finaliser may use a client that is collected with it */
static int join(lua_State *L)
{
    const kat_base *b = luaL_checkudata(L, 1, TYPE);
    size_t len;
    const char *path = luaL_checklstring(L, 2, &len), *problem;
    kat_buf *out;

    out = lkat_newbox(L);
    if (!b->text) /* to make the box may have run its finaliser */
        return 0;
    problem = kat_url_join(out, b, path, len);
    if (problem && !*problem)
        return lkat_nomem(L);
    if (problem) {
        lua_pushnil(L);
        lua_pushstring(L, problem);
        return 2;
    }
    lkat_pushbox(L, out);
    return 1;
}

/* escape(text) -> text, percent-encoded but for unreserved characters */
static int escape(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    kat_buf *out = lkat_newbox(L);

    if (!kat_url_escape(out, text, len))
        return lkat_nomem(L);
    lkat_pushbox(L, out);
    return 1;
}

/* proxyProblem(url) -> nil | what is wrong with a proxy's URL */
static int proxy_problem(lua_State *L)
{
    size_t len;
    const char *proxy = luaL_checklstring(L, 1, &len), *problem = kat_proxy_check(proxy, len);

    if (!problem)
        return 0;
    if (!*problem)
        return lkat_nomem(L);
    lua_pushstring(L, problem);
    return 1;
}

/* proxyOfEnvironment(tls) -> the URL | nil */
static int proxy_of_environment(lua_State *L)
{
    const char *variable, *proxy = kat_proxy_env(lua_toboolean(L, 1), &variable);

    if (!proxy)
        return 0;
    lua_pushstring(L, proxy);
    return 1;
}

void lkat_open_url(lua_State *L)
{
    static const luaL_Reg functions[] = {{"base", base},
                                         {"join", join},
                                         {"escape", escape},
                                         {"proxyProblem", proxy_problem},
                                         {"proxyOfEnvironment", proxy_of_environment},
                                         {NULL, NULL}};

    lkat_newtype(L, TYPE, NULL, base_gc);
    lkat_setfuncs(L, functions);
}
