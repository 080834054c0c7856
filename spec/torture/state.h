/* Lua states for the sweep: kataven linked in, and one scenario in it. */
#ifndef TORTURE_STATE_H
#define TORTURE_STATE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "hub.h"

/* To be called once; compiles everything, since a state is made for every point.
 * `directory` is for the scenarios' files. */
bool state_prepare(const char *directory, int port, hub_counts *counts);

/* The name of the scenario with that number; false behind the last. */
bool state_scenario(int number, char *name, size_t size);

/* Whether a scenario is to be swept with the allocator, or in the mode, of that
 * name: one that never asks it for memory says that it goes without, and so does
 * one of many thousand points. */
bool state_wants(const char *scenario, const char *word);

/* A state with the scenario prepared: a function that runs it and one that judges
 * what came of it are on the stack. NULL where this Lua takes no allocator. */
lua_State *state_new(const char *scenario);

/* Judges what the scenario has left on the stack. False with the reason. */
bool state_judge(lua_State *L, int status, bool hit, char *problem, size_t size);

/* Has the collector work without rest, or collect everything every few
 * instructions. The second gives how often the scenario was interrupted so. */
void state_torment(lua_State *L, bool full);
long state_relent(lua_State *L);
long state_relented(void);

#endif
