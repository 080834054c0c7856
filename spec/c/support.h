/* What every C spec shares: cmocka with the headers it needs first, a rationed
 * allocator, and a few assertions of our own. Each spec is one translation
 * unit, so everything here is static. */
#ifndef SPEC_SUPPORT_H
#define SPEC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kat_base.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* For tables of text that may hold NUL bytes. */
#define TEXT(literal) literal, sizeof(literal) - 1

/* Fails with both numbers; exact, but for what a double loses in sums. */
#define assert_number(actual, wanted) check_number(actual, wanted, __FILE__, __LINE__)

static inline void check_number(double actual, double wanted, const char *file, int line)
{
    double off = actual - wanted;

    /* The first comparison is for infinities, whose difference is no number. */
    if ((actual >= wanted && actual <= wanted) || (off < 1e-9 && off > -1e-9))
        return;
    print_error("%s:%d: got %.15g, wanted %.15g\n", file, line, actual, wanted);
    _fail(file, line);
}

/* An allocator that counts the blocks that are out, and that can be told to
 * fail: the next `ration_left` requests are good, then one fails, or all do. */
static long ration_live;
static long ration_left = -1; /* -1: no ration */
static bool ration_for_good;
static bool ration_hit;

static inline void *ration_alloc(void *block, size_t size)
{
    void *fresh;

    if (size == 0) {
        if (block)
            ration_live--;
        free(block);
        return NULL;
    }
    if (ration_left == 0) {
        ration_hit = true;
        if (!ration_for_good)
            ration_left = -1;
        return NULL;
    }
    if (ration_left > 0)
        ration_left--;
    fresh = realloc(block, size);
    if (!block && fresh)
        ration_live++;
    return fresh;
}

static inline void ration_begin(long left, bool for_good)
{
    kat_alloc = ration_alloc;
    ration_left = left;
    ration_for_good = for_good;
    ration_hit = false;
}

/* True when an allocation was refused since ration_begin. */
static inline bool ration_end(void)
{
    ration_left = -1;
    return ration_hit;
}

/* Calls `attempt` with every n-th allocation failing, and with all from the
 * n-th on, until it gets by without meeting the failure. `attempt` says
 * whether it succeeded, and must have given everything back. */
static inline void ration_sweep(bool (*attempt)(void *), void *data)
{
    int for_good;

    for (for_good = 0; for_good <= 1; for_good++) {
        long n;

        for (n = 0;; n++) {
            bool done;

            ration_begin(n, for_good);
            done = attempt(data);
            if (!ration_end()) {
                assert_true(done);
                break;
            }
            if (ration_live != 0)
                fail_msg("%ld blocks leaked when allocation %ld failed", ration_live, n);
            if (n > 1000)
                fail_msg("allocations never end");
        }
        assert_int_equal(ration_live, 0);
        assert_true(n > 0);
    }
}

/* A copy in a block of exactly that size, so that the sanitizers and valgrind
 * see a reader that goes one byte too far. */
static inline char *exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, text, len);
    return copy;
}

#endif
