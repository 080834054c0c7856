/* JSON, as far as no Lua is needed for it: a strict check of a text that came in,
 * which is brought into a form that every lua-cjson reads alike; and the writing
 * of strings and numbers.
 *
 * The builds of lua-cjson differ: Debian's stops at a NUL byte, takes raw control
 * characters, bad UTF-8 and "1." for good, and refuses half a surrogate pair;
 * OpenResty's reads integers with strtoll(), which knows no -0 and nothing beyond
 * 2^63. A text that passes here is RFC 8259. */
#ifndef KAT_JSON_H
#define KAT_JSON_H

#include "kat_buf.h"

KAT_BEGIN_DECLS

enum { KAT_JSON_MAX_DEPTH = 128, KAT_JSON_NAMES = 8 };

/* A member's name, as it stands in the text, without its quotes. */
typedef struct kat_json_name {
    const char *text;
    size_t len;
} kat_json_name;

typedef struct kat_json_info {
    bool rows;           /* it is an array of nothing but objects */
    bool nulls;          /* some object has a null member */
    bool nulls_left;     /* …that `out` still has: the tables are to lose it */
    bool numbers;        /* there is a number somewhere */
    bool scattered;      /* …elsewhere too than under `names` */
    char top;            /* first byte of the value: { [ " t f n - or a digit */
    const char *problem; /* NULL when the text is good */
    size_t at;           /* byte offset of the problem, from 0 */
    /* Where the numbers are: the members of the object that the text is, or of
     * the objects in the array that it is, that hold one. Points into the text. */
    unsigned name_count;
    kat_json_name names[KAT_JSON_NAMES];
} kat_json_info;

typedef struct kat_json_rules {
    size_t max_values; /* objects and arrays among them, names not */
    bool keep_nulls;
} kat_json_rules;

/* Checks a whole text; allocates nothing. True when it is good JSON. */
bool kat_json_check(const char *text, size_t len, kat_json_info *info);

/* The same in the same pass, and rewrites the parts that builds of cjson read in
 * different ways: half a surrogate pair, some integers, and null members of
 * objects, which are left out unless they are to be kept. `out` (empty before)
 * gets the text where it differs, else it stays empty. To drop nulls here costs a
 * tenth of dropping them from the tables that the text becomes.
 *
 * The problem is KAT_JSON_NOMEM when memory has run out, and KAT_JSON_CROWDED
 * where there are too many values: the rest has not been looked at then. */
bool kat_json_normalise(const char *text, size_t len, const kat_json_rules *rules,
                        kat_json_info *info, kat_buf *out);

extern const char KAT_JSON_NOMEM[], KAT_JSON_CROWDED[];

/* Offset of the first byte that is not well-formed UTF-8, or len. */
size_t kat_utf8_check(const char *text, size_t len);

/* Length of the well-formed UTF-8 sequence at p, 0 if there is none (overlong
 * forms, surrogates and what is beyond U+10FFFF included); p is not ASCII. */
size_t kat_utf8_sequence(const unsigned char *p, const unsigned char *end);

/* Appends a string with its quotes. The text must be good UTF-8. */
bool kat_json_add_string(kat_buf *out, const char *text, size_t len);

/* Appends a finite number in the shortest form that reads back the same,
 * whatever the locale; whole numbers below 2^53 without a fraction. */
bool kat_json_add_number(kat_buf *out, double number);

KAT_END_DECLS

#endif
