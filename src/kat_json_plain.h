/* What most of a JSON text is: the plain inside of strings. In a header, since
 * the check goes through here for every string. */
#ifndef KAT_JSON_PLAIN_H
#define KAT_JSON_PLAIN_H

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "kat_base.h"

/* Moves over bytes that mean nothing within a string, several at a time: up to
 * a quote, a backslash, a control character or anything beyond ASCII, or to
 * where too few bytes are left. */
static inline const unsigned char *kat_json_plain(const unsigned char *p, const unsigned char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
                  space = _mm_set1_epi8(' ');

    for (; end - p >= 16; p += 16) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed bytes: what is beyond ASCII is less than a space, too. */
        __m128i hits =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(text, quote), _mm_cmpeq_epi8(text, slash)),
                         _mm_cmplt_epi8(text, space));
        int mask = _mm_movemask_epi8(hits);

        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;

    for (; end - p >= 8; p += 8) {
        uint64_t w, quote, slash, hits;

        memcpy(&w, p, sizeof w);
        quote = w ^ (ones * '"');
        slash = w ^ (ones * '\\');
        /* A borrow can mark a byte too many, but only above one that is
         * marked rightly: the lowest is exact. */
        hits = ((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) & tops;
        if (hits)
            return p + (unsigned)__builtin_ctzll(hits) / 8;
    }
#else
    (void)end;
#endif
    return p;
}

#endif
