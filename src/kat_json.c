#include "kat_json.h"

#include <string.h>

const char KAT_JSON_NOMEM[] = "out of memory";

typedef struct scan {
    const unsigned char *p, *end;
    const char *problem;
    kat_json_info *info;
    kat_buf *out;                 /* NULL: only check */
    const unsigned char *member;  /* where the member that is read began */
    const unsigned char *pending; /* what follows is not in `out` yet */
} scan;

static bool fail(scan *s, const char *problem)
{
    s->problem = problem;
    return false;
}

static bool is_digit(const scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static void skip_blanks(scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

/* Length of the well-formed UTF-8 sequence at p, 0 if there is none
 * (overlong forms, surrogates and what is beyond U+10FFFF included). */
static size_t utf8_sequence(const unsigned char *p, const unsigned char *end)
{
    size_t n = *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : 2, i;

    if (*p < 0xC2 || *p > 0xF4 || (size_t)(end - p) < n)
        return 0;
    for (i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return n;
}

size_t kat_utf8_check(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;

    while (p < end) {
        size_t n = *p < 0x80 ? 1 : utf8_sequence(p, end);

        if (n == 0)
            break;
        p += n;
    }
    return (size_t)(p - (const unsigned char *)text);
}

/* Four hexadecimal digits at s->p, or -1. */
static long hex4(const scan *s)
{
    long value = 0;
    int i;

    if (s->end - s->p < 4)
        return -1;
    for (i = 0; i < 4; i++) {
        int c = s->p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;

        if (d < 0)
            return -1;
        value = value * 16 + d;
    }
    return value;
}

static bool unicode_escape(scan *s)
{
    long high = hex4(s), low;

    if (high < 0)
        return fail(s, "\\u without four hexadecimal digits");
    s->p += 4;
    if (high < 0xD800 || high > 0xDFFF)
        return true;
    if (high > 0xDBFF || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
        return fail(s, "half of a surrogate pair");
    s->p += 2;
    low = hex4(s);
    if (low < 0xDC00 || low > 0xDFFF)
        return fail(s, "half of a surrogate pair");
    s->p += 4;
    return true;
}

static bool escape(scan *s)
{
    s->p++;
    if (s->p < s->end) {
        if (*s->p == 'u') {
            s->p++;
            return unicode_escape(s);
        }
        if (memchr("\"\\/bfnrt", *s->p, 8)) {
            s->p++;
            return true;
        }
    }
    return fail(s, "an unknown escape");
}

/* Moves over bytes that mean nothing within a string, eight at a time: up to a
 * quote, a backslash, a control character or anything beyond ASCII, or to
 * where fewer than eight bytes are left. */
static void skip_plain(scan *s)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;

    while (s->end - s->p >= 8) {
        uint64_t w, quote, slash, hits;

        memcpy(&w, s->p, sizeof w);
        quote = w ^ (ones * '"');
        slash = w ^ (ones * '\\');
        /* A borrow can mark a byte too many, but only above one that is
         * marked rightly: the lowest is exact. */
        hits = ((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) & tops;
        if (hits) {
            s->p += (unsigned)__builtin_ctzll(hits) / 8;
            return;
        }
        s->p += 8;
    }
#else
    (void)s;
#endif
}

static bool string(scan *s)
{
    s->p++;
    for (;;) {
        skip_plain(s);
        if (s->p >= s->end)
            return fail(s, "a string without its end");
        if (*s->p == '"') {
            s->p++;
            return true;
        }
        if (*s->p < 0x20)
            return fail(s, "a control character in a string");
        if (*s->p == '\\') {
            if (!escape(s))
                return false;
        } else if (*s->p < 0x80) {
            s->p++;
        } else {
            size_t n = utf8_sequence(s->p, s->end);

            if (n == 0)
                return fail(s, "bytes that are not UTF-8");
            s->p += n;
        }
    }
}

static bool number(scan *s)
{
    s->info->numbers = true;
    if (*s->p == '-')
        s->p++;
    if (!is_digit(s))
        return fail(s, "not a JSON number");
    if (*s->p == '0') {
        s->p++;
        if (is_digit(s))
            return fail(s, "a number with a leading zero");
    }
    while (is_digit(s))
        s->p++;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!is_digit(s))
            return fail(s, "a number without digits after its point");
        while (is_digit(s))
            s->p++;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (!is_digit(s))
            return fail(s, "a number without digits in its exponent");
        while (is_digit(s))
            s->p++;
    }
    return true;
}

static bool word(scan *s, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0)
        return fail(s, "not a JSON value");
    s->p += n;
    return true;
}

/* A value that holds no others. */
static bool scalar(scan *s)
{
    switch (*s->p) {
    case '"':
        return string(s);
    case 't':
        return word(s, "true");
    case 'f':
        return word(s, "false");
    case 'n':
        return word(s, "null");
    case '-':
        return number(s);
    default:
        return is_digit(s) ? number(s) : fail(s, "not a JSON value");
    }
}

/* A member's name and colon; leaves s->p at its value. */
static bool name(scan *s)
{
    skip_blanks(s);
    if (s->p >= s->end || *s->p != '"')
        return fail(s, "an object wants a name in double quotes here");
    s->member = s->p;
    if (!string(s))
        return false;
    skip_blanks(s);
    if (s->p >= s->end || *s->p != ':')
        return fail(s, "a colon is missing after a name");
    s->p++;
    return true;
}

static bool copy_until(scan *s, const unsigned char *end)
{
    if (!kat_buf_add(s->out, s->pending, (size_t)(end - s->pending)))
        return fail(s, KAT_JSON_NOMEM);
    s->pending = end;
    return true;
}

/* A null member has been read; leaves it out, and one comma beside it. */
static bool drop_member(scan *s)
{
    kat_buf *out = s->out;

    s->info->nulls = true;
    if (!out)
        return true;
    if (out->len == 0 && !kat_buf_reserve(out, (size_t)(s->end - s->pending)))
        return fail(s, KAT_JSON_NOMEM);
    if (!copy_until(s, s->member))
        return false;
    skip_blanks(s);
    s->pending = s->p;
    if (s->p < s->end && *s->p == ',') {
        s->pending++;
        return true;
    }
    /* The last of its object: the comma before it goes, if there is one. */
    while (out->len > 0 && strchr(" \t\r\n", out->data[out->len - 1]))
        out->len--;
    if (out->len > 0 && out->data[out->len - 1] == ',')
        out->len--;
    return true;
}

static bool value(scan *s)
{
    char open[KAT_JSON_MAX_DEPTH]; /* what is to be closed, outermost first */
    int depth = 0;

    for (;;) {
        skip_blanks(s);
        if (s->p >= s->end)
            return fail(s, "the text ends too early");
        if (*s->p == '{' || *s->p == '[') {
            char close = *s->p == '{' ? '}' : ']';

            if (depth == KAT_JSON_MAX_DEPTH)
                return fail(s, "nested more than 128 deep");
            s->p++;
            skip_blanks(s);
            if (s->p < s->end && *s->p == close) {
                s->p++;
            } else {
                open[depth++] = close;
                if (close == '}' && !name(s))
                    return false;
                continue;
            }
        } else {
            bool null_member = *s->p == 'n' && depth > 0 && open[depth - 1] == '}';

            if (!scalar(s) || (null_member && !drop_member(s)))
                return false;
        }
        /* A value is complete: close what ends here, or go on to the next. */
        for (;;) {
            if (depth == 0)
                return true;
            skip_blanks(s);
            if (s->p >= s->end)
                return fail(s, "the text ends too early");
            if (*s->p == ',')
                break;
            if (*s->p != (unsigned char)open[depth - 1])
                return fail(s, "a comma or a closing bracket is missing");
            s->p++;
            depth--;
        }
        s->p++;
        if (open[depth - 1] == '}' && !name(s))
            return false;
    }
}

bool kat_json_strip(const char *text, size_t len, kat_json_info *info, kat_buf *out)
{
    scan s;

    memset(info, 0, sizeof *info);
    memset(&s, 0, sizeof s);
    s.p = (const unsigned char *)text;
    s.end = s.p + len;
    s.info = info;
    s.out = out;
    s.pending = s.p;
    skip_blanks(&s);
    if (s.p < s.end)
        info->top = (char)*s.p;
    if (value(&s)) {
        skip_blanks(&s);
        if (s.p < s.end)
            s.problem = "more text after the value";
        else if (!out || !info->nulls || copy_until(&s, s.end))
            return true;
    }
    info->problem = s.problem;
    info->at = (size_t)(s.p - (const unsigned char *)text);
    return false;
}

bool kat_json_check(const char *text, size_t len, kat_json_info *info)
{
    return kat_json_strip(text, len, info, NULL);
}
