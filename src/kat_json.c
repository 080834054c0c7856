#include "kat_json.h"

#include <stddef.h>
#include <string.h>

#include "kat_json_plain.h"

const char KAT_JSON_NOMEM[] = "out of memory";
const char KAT_JSON_CROWDED[] = "more values than are allowed";

/* U+FFFD, which takes the place of half a surrogate pair. */
#define REPLACEMENT "\xef\xbf\xbd"

/* For what is called at every name and value: the check is a tenth cheaper so. */
#if defined(__GNUC__) || defined(__clang__)
#define IN_LINE __attribute__((always_inline)) static inline
#else
#define IN_LINE static inline
#endif

enum {
    RECALL = 32,      /* names of the objects that are open are remembered */
    SAFE_LENGTH = 15, /* digits that make no integer beyond 2^53, nor beyond 2^63 */
};

typedef struct scan {
    const unsigned char *end;
    const unsigned char *at; /* of the problem */
    const char *problem;
    kat_json_info *info;
    kat_buf *out; /* NULL: only check */
    bool keep_nulls;
    bool escaped;                 /* there is a backslash in the last name */
    size_t left;                  /* values that may still come */
    const unsigned char *member;  /* where the member that is read began */
    const unsigned char *named;   /* where its name ended, with the quote */
    const unsigned char *pending; /* what follows is not in `out` yet */
    /* Names of the members that were read and stay, from their first quote on, of
     * all objects that are open, outermost first; NULL for one with an escape.
     * Beyond RECALL nothing is known. */
    unsigned known;
    const unsigned char *names[RECALL];
} scan;

/* What reads takes the place where it begins and gives the one behind it, or
 * this. The place is handed on rather than kept in the scan, which makes the
 * check half as fast again. */
static const unsigned char *fail(scan *s, const unsigned char *at, const char *problem)
{
    s->problem = problem;
    s->at = at;
    return NULL;
}

static bool is_digit(const scan *s, const unsigned char *p)
{
    return p < s->end && *p >= '0' && *p <= '9';
}

static inline const unsigned char *skip_blanks(const unsigned char *p, const unsigned char *end)
{
    while (p < end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* Four hexadecimal digits at p, or -1. */
static long hex4(const scan *s, const unsigned char *p)
{
    long value = 0;
    int i;

    if (s->end - p < 4)
        return -1;
    for (i = 0; i < 4; i++) {
        int c = p[i];
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

/* Brings `out` up to `end`. False when memory has run out. */
static bool copy_until(scan *s, const unsigned char *end)
{
    kat_buf *out = s->out;

    if ((out->len == 0 && !kat_buf_reserve(out, (size_t)(s->end - s->pending))) ||
        !kat_buf_add(out, s->pending, (size_t)(end - s->pending))) {
        fail(s, end, KAT_JSON_NOMEM);
        return false;
    }
    s->pending = end;
    return true;
}

/* Has `text` in `out` for what stands from `from` to `to`, which it returns; NULL
 * when memory has run out. */
static const unsigned char *replace(scan *s, const unsigned char *from, const unsigned char *to,
                                    const char *text)
{
    if (!s->out)
        return to;
    if (!copy_until(s, from))
        return NULL;
    if (!kat_buf_puts(s->out, text))
        return fail(s, from, KAT_JSON_NOMEM);
    s->pending = to;
    return to;
}

static const unsigned char *unicode_escape(scan *s, const unsigned char *p)
{
    long code = hex4(s, p), low;

    if (code < 0)
        return fail(s, p, "\\u without four hexadecimal digits");
    if (code < 0xD800 || code > 0xDFFF)
        return p + 4;
    if (code <= 0xDBFF && s->end - p >= 6 && p[4] == '\\' && p[5] == 'u') {
        low = hex4(s, p + 6);
        if (low >= 0xDC00 && low <= 0xDFFF)
            return p + 10;
    }
    return replace(s, p - 2, p + 4, REPLACEMENT);
}

/* What follows a backslash. */
static const unsigned char *escape(scan *s, const unsigned char *p)
{
    if (p < s->end) {
        if (*p == 'u')
            return unicode_escape(s, p + 1);
        if (memchr("\"\\/bfnrt", *p, 8))
            return p + 1;
    }
    return fail(s, p, "an unknown escape");
}

IN_LINE const unsigned char *string(scan *s, const unsigned char *p)
{
    const unsigned char *end = s->end;

    p++;
    for (;;) {
        p = kat_json_plain(p, end);
        if (p >= end)
            return fail(s, p, "a string without its end");
        if (*p == '"')
            return p + 1;
        if (*p < 0x20)
            return fail(s, p, "a control character in a string");
        if (*p == '\\') {
            s->escaped = true;
            p = escape(s, p + 1);
            if (!p)
                return NULL;
        } else if (*p < 0x80) {
            p++;
        } else {
            size_t n = kat_utf8_sequence(p, end);

            if (n == 0)
                return fail(s, p, "bytes that are not UTF-8");
            p += n;
        }
    }
}

static const unsigned char *digits(const scan *s, const unsigned char *p)
{
    while (is_digit(s, p))
        p++;
    return p;
}

/* Where the number is an integer that strtoll() reads otherwise than strtod(), as
 * some builds of cjson do (-0, and what is too large for it), an exponent is added,
 * which makes every build call strtod(). Beyond 2^53 all of them are treated so. */
static const unsigned char *number(scan *s, const unsigned char *p)
{
    const unsigned char *start = p, *whole;

    if (*p == '-')
        p++;
    if (!is_digit(s, p))
        return fail(s, p, "not a JSON number");
    if (*p == '0' && is_digit(s, p + 1))
        return fail(s, p + 1, "a number with a leading zero");
    p = digits(s, p);
    whole = p;
    if (p < s->end && *p == '.') {
        if (!is_digit(s, p + 1))
            return fail(s, p + 1, "a number without digits after its point");
        p = digits(s, p + 1);
    }
    if (p < s->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < s->end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(s, p))
            return fail(s, p, "a number without digits in its exponent");
        p = digits(s, p);
    }
    if (p == whole && (p - start > SAFE_LENGTH || (start[0] == '-' && start[1] == '0')))
        return replace(s, p, p, "e0");
    return p;
}

static const unsigned char *word(scan *s, const unsigned char *p, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(s->end - p) < n || memcmp(p, text, n) != 0)
        return fail(s, p, "not a JSON value");
    return p + n;
}

/* A value that holds no others. */
static const unsigned char *scalar(scan *s, const unsigned char *p)
{
    switch (*p) {
    case '"':
        return string(s, p);
    case 't':
        return word(s, p, "true");
    case 'f':
        return word(s, p, "false");
    case 'n':
        return word(s, p, "null");
    case '-':
        return number(s, p);
    default:
        return is_digit(s, p) ? number(s, p) : fail(s, p, "not a JSON value");
    }
}

/* A member's name and colon. */
static const unsigned char *name(scan *s, const unsigned char *p)
{
    p = skip_blanks(p, s->end);
    if (p >= s->end || *p != '"')
        return fail(s, p, "an object wants a name in double quotes here");
    s->member = p;
    s->escaped = false;
    p = string(s, p);
    if (!p)
        return NULL;
    s->named = p;
    p = skip_blanks(p, s->end);
    if (p >= s->end || *p != ':')
        return fail(s, p, "a colon is missing after a name");
    return p + 1;
}

/* Remembers the last name: its member stays. */
static inline void remember(scan *s)
{
    if (s->known < RECALL)
        s->names[s->known++] = s->escaped ? NULL : s->member;
    else
        s->known = RECALL + 1;
}

/* Whether the last name may have stood in its object before, whose names are
 * those from `first` on. With an escape a name may be any other. */
static bool may_stand_before(const scan *s, unsigned first)
{
    const unsigned char *name = s->member;
    size_t len = (size_t)(s->named - name);
    unsigned i;

    if (s->known > RECALL || (s->escaped && s->known > first))
        return true;
    for (i = first; i < s->known; i++) {
        const unsigned char *other = s->names[i];

        if (!other || (other[1] == name[1] && memcmp(other, name, len) == 0))
            return true;
    }
    return false;
}

/* A null member of the object whose names begin at `first` has been read, up to
 * p; leaves it out, and one comma beside it. But where its name may have stood
 * before it has to undo that, which the tables do best: there it stays. */
static bool drop_member(scan *s, const unsigned char *p, unsigned first)
{
    kat_buf *out = s->out;

    s->info->nulls = true;
    if (!out || s->keep_nulls)
        return true;
    if (s->pending > s->member || may_stand_before(s, first)) {
        s->info->nulls_left = true;
        return true;
    }
    if (!copy_until(s, s->member))
        return false;
    p = skip_blanks(p, s->end);
    s->pending = p;
    if (p < s->end && *p == ',') {
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

/* Takes note of whose value the number is that comes next. */
static void note_number(scan *s, const char *open, int depth)
{
    kat_json_info *info = s->info;
    const char *name;
    unsigned i;
    size_t len;

    info->numbers = true;
    if (depth == 0 || open[depth - 1] != '}' || depth != (open[0] == ']' ? 2 : 1)) {
        info->scattered = true;
        return;
    }
    name = (const char *)s->member + 1;
    len = (size_t)(s->named - s->member) - 2;
    for (i = 0; i < info->name_count; i++)
        if (info->names[i].len == len && memcmp(info->names[i].text, name, len) == 0)
            return;
    if (info->name_count == KAT_JSON_NAMES || s->escaped)
        info->scattered = true;
    else
        info->names[info->name_count++] = (kat_json_name){name, len};
}

static const unsigned char *value(scan *s, const unsigned char *p)
{
    const unsigned char *end = s->end;
    char open[KAT_JSON_MAX_DEPTH];           /* what is to be closed, outermost first */
    unsigned char first[KAT_JSON_MAX_DEPTH]; /* s->known when it was opened */
    size_t left = s->left;
    int depth = 0;
    bool member = false; /* of an object, that comes next */

    for (;;) {
        bool null_member;

        p = skip_blanks(p, end);
        if (p >= end)
            return fail(s, p, "the text ends too early");
        if (left-- == 0)
            return fail(s, p, KAT_JSON_CROWDED);
        null_member = member && *p == 'n';
        if (member && !null_member)
            remember(s);
        if (*p == '{' || *p == '[') {
            char close = *p == '{' ? '}' : ']';

            if (depth == KAT_JSON_MAX_DEPTH)
                return fail(s, p, "nested more than 128 deep");
            if (close == ']' && depth == 1)
                s->info->rows = false;
            p = skip_blanks(p + 1, end);
            if (p < end && *p == close) {
                p++;
            } else {
                first[depth] = (unsigned char)s->known;
                open[depth++] = close;
                member = close == '}';
                if (member && (p = name(s, p)) == NULL)
                    return NULL;
                continue;
            }
        } else {
            if (depth == 1)
                s->info->rows = false;
            if (*p == '-' || is_digit(s, p))
                note_number(s, open, depth);
            p = scalar(s, p);
            if (!p || (null_member && !drop_member(s, p, first[depth - 1])))
                return NULL;
        }
        /* A value is complete: close what ends here, or go on to the next. */
        for (;;) {
            if (depth == 0)
                return p;
            p = skip_blanks(p, end);
            if (p >= end)
                return fail(s, p, "the text ends too early");
            if (*p == ',')
                break;
            if (*p != (unsigned char)open[depth - 1])
                return fail(s, p, "a comma or a closing bracket is missing");
            p++;
            s->known = first[--depth];
        }
        p++;
        member = open[depth - 1] == '}';
        if (member && (p = name(s, p)) == NULL)
            return NULL;
    }
}

bool kat_json_normalise(const char *text, size_t len, const kat_json_rules *rules,
                        kat_json_info *info, kat_buf *out)
{
    const unsigned char *start = (const unsigned char *)text, *p;
    scan s;

    memset(info, 0, sizeof *info);
    memset(&s, 0, offsetof(scan, names));
    s.end = start + len;
    s.info = info;
    s.out = out;
    s.keep_nulls = rules->keep_nulls;
    s.left = rules->max_values;
    s.pending = start;
    p = skip_blanks(start, s.end);
    if (p < s.end)
        info->top = (char)*p;
    info->rows = info->top == '['; /* until something else is found in it */
    p = value(&s, p);
    if (p) {
        p = skip_blanks(p, s.end);
        if (p < s.end)
            fail(&s, p, "more text after the value");
        else if (!out || out->len == 0 || copy_until(&s, s.end))
            return true;
    }
    info->problem = s.problem;
    info->at = (size_t)(s.at - start);
    return false;
}

bool kat_json_check(const char *text, size_t len, kat_json_info *info)
{
    static const kat_json_rules RULES = {.max_values = SIZE_MAX};

    return kat_json_normalise(text, len, &RULES, info, NULL);
}
