/* The allocators of the sweep. Each counts the blocks that are out, and one of
 * them can be told to refuse its n-th request.
 *
 * Three of them: Lua's; that of libcurl and the engine; and the C library's as
 * lua-cjson calls it (the program is linked with --wrap), counted so that what
 * it leaves behind is not taken for ours. That one never refuses anything, since
 * lua-cjson then ends the process. */
#ifndef TORTURE_METERS_H
#define TORTURE_METERS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    ONCE,    /* the n-th request alone */
    ONWARDS, /* the n-th and every one after it */
    RETRY    /* of Lua's: the n-th, but not its repetition after a collection */
} refusal;

typedef struct meter {
    const char *name;
    long live;  /* blocks */
    long bytes; /* in them; of Lua's alone */
    bool armed, hit;
    refusal how;
    long left; /* requests until the first refusal */
    /* Lua (5.2 and later) collects garbage and repeats the request: once more. */
    int repeats;
    const void *block;
    size_t size;
} meter;

extern meter lua_meter, curl_meter, cjson_meter;

/* Has the n-th request from now on refused. */
void meter_arm(meter *m, refusal how, long n);

/* True when a request was refused. */
bool meter_disarm(meter *m);

/* Whether Lua's new blocks come from an arena that is given back with the last of
 * them, instead of from a heap that is watched block by block: preparing a state
 * for each point would take most of the time otherwise. */
extern bool meter_arena;

/* Shows where the first refusal comes from, on stderr. */
extern bool meter_traces;

void *meter_lua_alloc(void *data, void *block, size_t old_size, size_t size);

/* Points libcurl and the engine at their meter. To be called before anybody
 * else has initialised libcurl. */
bool meter_libcurl(void);

/* Frees what lua-cjson has left, and says how many blocks that were. */
int meter_clear_cjson(void);

#endif
