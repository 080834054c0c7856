/* What the scenarios have of the world, as a table of Lua functions. */
#ifndef TORTURE_HOST_H
#define TORTURE_HOST_H

#include <lua.h>

#include "hub.h"

void host_prepare(const char *directory, int port, hub_counts *counts);
void host_push(lua_State *L);

#endif
