/* What every fuzz target shares. A target is one translation unit that gives
 * LLVMFuzzerTestOneInput: libFuzzer calls it with what it makes up, and replay.c
 * with the files of the corpus. It aborts where something is not as it must be.
 *
 * What is wrong must not depend on the input before: a target leaves nothing
 * behind but what costs too much to make anew. */
#ifndef SPEC_FUZZ_H
#define SPEC_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kat_base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition, ...)                                                                     \
    ((condition) ? (void)0                                                                       \
                 : (fuzz_complain(__FILE__, __LINE__, #condition), fprintf(stderr, __VA_ARGS__), \
                    fputc('\n', stderr), abort()))

static inline void fuzz_complain(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not so: %s\n  ", file, line, condition);
}

/* An allocator that counts: the blocks that are out, and the largest that was
 * asked for since the count was last taken. */
static long fuzz_blocks;
static size_t fuzz_largest;

static inline void *fuzz_alloc(void *block, size_t size)
{
    void *fresh;

    if (size == 0) {
        fuzz_blocks -= block != NULL;
        free(block);
        return NULL;
    }
    if (size > fuzz_largest)
        fuzz_largest = size;
    fresh = realloc(block, size);
    fuzz_blocks += !block && fresh;
    return fresh;
}

/* A copy in a block of exactly that size, so that the sanitizers see a reader
 * that goes one byte too far. */
static inline char *fuzz_copy(const void *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    MUST(copy, "out of memory");
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* The same, as a string: up to the first NUL byte, if there is one. */
static inline char *fuzz_string(const void *data, size_t size)
{
    const char *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t len = nul ? (size_t)(nul - (const char *)data) : size;
    char *copy = malloc(len + 1);

    MUST(copy, "out of memory");
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

/* Takes the next line off the input, without its end. */
static inline const char *fuzz_line(const uint8_t **data, size_t *size, size_t *len)
{
    const char *line = (const char *)*data;
    const char *end = *size > 0 ? memchr(line, '\n', *size) : NULL;

    *len = end ? (size_t)(end - line) : *size;
    *data += *len + (end != NULL);
    *size -= *len + (end != NULL);
    return line;
}

#endif
