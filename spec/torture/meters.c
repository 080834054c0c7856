#include "meters.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kat_base.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

meter lua_meter = {.name = "Lua"}, curl_meter = {.name = "libcurl"};
meter cjson_meter = {.name = "lua-cjson"};
bool meter_traces, meter_arena;

enum { ARENA = 16 << 20 };
static union {
    long long align;
    char bytes[ARENA];
} arena_block;
#define arena (arena_block.bytes)
static size_t arena_used;
static long arena_live; /* blocks */

void *__real_malloc(size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

void meter_arm(meter *m, refusal how, long n)
{
    m->how = how;
    m->left = n;
    m->hit = false;
    m->repeats = 0;
    m->armed = true;
}

bool meter_disarm(meter *m)
{
    m->armed = false;
    return m->hit;
}

static bool refuses(meter *m, const void *block, size_t size)
{
    if (!m->armed)
        return false;
    if (m->hit) {
        bool again = m->repeats > 0 && m->block == block && m->size == size;

        m->repeats = 0;
        return m->how == ONWARDS || again;
    }
    if (--m->left > 0)
        return false;
    m->hit = true;
    m->block = block;
    m->size = size;
    m->repeats = m == &lua_meter && m->how == ONCE && LUA_VERSION_NUM >= 502;
    if (meter_traces) {
        fprintf(stderr, "refused to %s: %zu bytes\n", m->name, size);
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_print_stack_trace();
#endif
    }
    return true;
}

static bool in_arena(const void *block)
{
    return (const char *)block >= arena && (const char *)block < arena + ARENA;
}

static void lua_free(void *block)
{
    if (!in_arena(block))
        __real_free(block);
    else if (--arena_live == 0)
        arena_used = 0;
}

static void *lua_realloc(void *block, size_t old_size, size_t size)
{
    size_t room = (size + 15) & ~(size_t)15;
    bool inside = in_arena(block);
    void *fresh;

    if (inside && size <= old_size)
        return block;
    if (block && !inside)
        return __real_realloc(block, size);
    if (meter_arena && room <= ARENA - arena_used) {
        fresh = arena + arena_used;
        arena_used += room;
        arena_live++;
    } else {
        fresh = __real_malloc(size);
    }
    if (fresh && block) {
        memcpy(fresh, block, old_size);
        lua_free(block);
    }
    return fresh;
}

void *meter_lua_alloc(void *data, void *block, size_t old_size, size_t size)
{
    meter *m = data;
    void *fresh;

    if (!block)
        old_size = 0; /* Lua 5.2 and later say there what it is for */
    if (size == 0) {
        if (block) {
            m->live--;
            m->bytes -= (long)old_size;
        }
        lua_free(block);
        return NULL;
    }
    /* Lua counts on it that a block can always be made smaller. */
    if ((!block || size > old_size) && refuses(m, block, size))
        return NULL;
    fresh = lua_realloc(block, old_size, size);
    if (!fresh)
        abort(); /* the machine's own memory: not what is tested */
    m->live += !block;
    m->bytes += (long)size - (long)old_size;
    return fresh;
}

static void *curl_realloc(void *block, size_t size)
{
    void *fresh;

    if (refuses(&curl_meter, block, size))
        return NULL;
    fresh = __real_realloc(block, size > 0 ? size : 1);
    if (!fresh)
        abort();
    if (!block)
        __atomic_add_fetch(&curl_meter.live, 1, __ATOMIC_RELAXED); /* also by resolver threads */
    return fresh;
}

static void *curl_malloc(size_t size)
{
    return curl_realloc(NULL, size);
}

static void *curl_calloc(size_t count, size_t size)
{
    void *block = size > 0 && count > SIZE_MAX / size ? NULL : curl_malloc(count * size);

    return block ? memset(block, 0, count * size) : NULL;
}

static char *curl_copy(const char *text)
{
    char *copy = curl_malloc(strlen(text) + 1);

    return copy ? strcpy(copy, text) : NULL;
}

static void curl_give_back(void *block)
{
    if (block)
        __atomic_sub_fetch(&curl_meter.live, 1, __ATOMIC_RELAXED);
    __real_free(block);
}

static void *engine_alloc(void *block, size_t size)
{
    if (size > 0)
        return curl_realloc(block, size);
    curl_give_back(block);
    return NULL;
}

bool meter_libcurl(void)
{
    kat_alloc = engine_alloc;
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_give_back, curl_realloc,
                                curl_copy, curl_calloc) == CURLE_OK;
}

/* In place of libcurl's own: whether it has memory to initialise itself with is
 * one more request. */
CURLcode curl_global_init(long flags)
{
    CURLcode (*real)(long);
    void *symbol = dlsym(RTLD_NEXT, "curl_global_init");

    if (refuses(&curl_meter, NULL, 0))
        return CURLE_OUT_OF_MEMORY;
    memcpy(&real, &symbol, sizeof real);
    return real(flags);
}

/* lua-cjson has few blocks out at a time. */
static void *cjson_blocks[256];

static void note(const void *old, void *fresh)
{
    size_t i = 0;

    while (cjson_blocks[i] != old)
        if (++i == sizeof cjson_blocks / sizeof *cjson_blocks)
            abort();
    cjson_blocks[i] = fresh;
    cjson_meter.live += (fresh != NULL) - (old != NULL);
}

void *__wrap_malloc(size_t size)
{
    void *block = __real_malloc(size);

    note(NULL, block);
    return block;
}

void *__wrap_realloc(void *block, size_t size)
{
    void *fresh = __real_realloc(block, size);

    if (fresh)
        note(block, fresh);
    return fresh;
}

void __wrap_free(void *block)
{
    if (block)
        note(block, NULL);
    __real_free(block);
}

int meter_clear_cjson(void)
{
    int count = 0;
    size_t i;

    for (i = 0; i < sizeof cjson_blocks / sizeof *cjson_blocks; i++)
        if (cjson_blocks[i]) {
            count++;
            __wrap_free(cjson_blocks[i]);
        }
    return count;
}
