/* What every file of the engine shares: visibility, and the allocator seam.
 *
 * The engine (kat_*) knows nothing of Lua. Externals carry the prefix kat_
 * and are hidden: the shared object exports only its luaopen_* functions,
 * whatever flags it was built with. */
#ifndef KAT_BASE_H
#define KAT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define KAT_BEGIN_DECLS _Pragma("GCC visibility push(hidden)")
#define KAT_END_DECLS _Pragma("GCC visibility pop")
#define KAT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define KAT_BEGIN_DECLS
#define KAT_END_DECLS
#define KAT_PRINTF(fmt, args)
#endif

KAT_BEGIN_DECLS

/* The one seam through which the engine allocates. Tests point it at an
 * allocator that fails; everybody else leaves it alone. `size` 0 frees. */
typedef void *(*kat_alloc_fn)(void *block, size_t size);
extern kat_alloc_fn kat_alloc;

/* All three return NULL when memory has run out; none ever aborts. */
void *kat_malloc(size_t size);
void *kat_zalloc(size_t size);
char *kat_strdup(const char *text, size_t len);
void kat_free(void *block);

/* Overwrites memory in a way that the optimiser may not drop. */
void kat_wipe(void *block, size_t size);

KAT_END_DECLS

#endif
