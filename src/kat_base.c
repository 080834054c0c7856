#include "kat_base.h"

#include <stdlib.h>
#include <string.h>

static void *default_alloc(void *block, size_t size)
{
    if (size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, size);
}

kat_alloc_fn kat_alloc = default_alloc;

void *kat_malloc(size_t size)
{
    return kat_alloc(NULL, size > 0 ? size : 1);
}

void *kat_zalloc(size_t size)
{
    void *block = kat_malloc(size);

    if (block)
        memset(block, 0, size);
    return block;
}

char *kat_strdup(const char *text, size_t len)
{
    char *copy = kat_malloc(len + 1);

    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

void kat_free(void *block)
{
    if (block)
        kat_alloc(block, 0);
}

void kat_wipe(void *block, size_t size)
{
    volatile unsigned char *byte = block;

    while (size-- > 0)
        *byte++ = 0;
}
