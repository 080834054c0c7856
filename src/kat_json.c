#include "kat_json.h"

#include <string.h>

#include "kat_json_plain.h"

const char KAT_JSON_NOMEM[] = "out of memory";

typedef struct scan {
    const unsigned char *end;
    const unsigned char *at; /* of the problem */
    const char *problem;
    kat_json_info *info;
    kat_buf *out;                 /* NULL: only check */
    const unsigned char *member;  /* where the member that is read began */
    const unsigned char *named;   /* where its name ended, with the quote */
    const unsigned char *pending; /* what follows is not in `out` yet */
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

static const unsigned char *unicode_escape(scan *s, const unsigned char *p)
{
    long high = hex4(s, p), low;

    if (high < 0)
        return fail(s, p, "\\u without four hexadecimal digits");
    p += 4;
    if (high < 0xD800 || high > 0xDFFF)
        return p;
    if (high > 0xDBFF || s->end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return fail(s, p, "half of a surrogate pair");
    p += 2;
    low = hex4(s, p);
    if (low < 0xDC00 || low > 0xDFFF)
        return fail(s, p, "half of a surrogate pair");
    return p + 4;
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

static const unsigned char *string(scan *s, const unsigned char *p)
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

static const unsigned char *number(scan *s, const unsigned char *p)
{
    if (*p == '-')
        p++;
    if (!is_digit(s, p))
        return fail(s, p, "not a JSON number");
    if (*p == '0' && is_digit(s, p + 1))
        return fail(s, p + 1, "a number with a leading zero");
    p = digits(s, p);
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
    p = string(s, p);
    if (!p)
        return NULL;
    s->named = p;
    p = skip_blanks(p, s->end);
    if (p >= s->end || *p != ':')
        return fail(s, p, "a colon is missing after a name");
    return p + 1;
}

static bool copy_until(scan *s, const unsigned char *end)
{
    if (!kat_buf_add(s->out, s->pending, (size_t)(end - s->pending))) {
        fail(s, end, KAT_JSON_NOMEM);
        return false;
    }
    s->pending = end;
    return true;
}

/* A null member has been read, up to p; leaves it out, and one comma beside it. */
static bool drop_member(scan *s, const unsigned char *p)
{
    kat_buf *out = s->out;

    s->info->nulls = true;
    if (!out)
        return true;
    if (out->len == 0 && !kat_buf_reserve(out, (size_t)(s->end - s->pending))) {
        fail(s, p, KAT_JSON_NOMEM);
        return false;
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
    if (info->name_count == KAT_JSON_NAMES || memchr(name, '\\', len))
        info->scattered = true;
    else
        info->names[info->name_count++] = (kat_json_name){name, len};
}

static const unsigned char *value(scan *s, const unsigned char *p)
{
    const unsigned char *end = s->end;
    char open[KAT_JSON_MAX_DEPTH]; /* what is to be closed, outermost first */
    int depth = 0;

    for (;;) {
        p = skip_blanks(p, end);
        if (p >= end)
            return fail(s, p, "the text ends too early");
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
                open[depth++] = close;
                if (close == '}' && (p = name(s, p)) == NULL)
                    return NULL;
                continue;
            }
        } else {
            bool null_member = *p == 'n' && depth > 0 && open[depth - 1] == '}';

            if (depth == 1)
                s->info->rows = false;
            if (*p == '-' || is_digit(s, p))
                note_number(s, open, depth);
            p = scalar(s, p);
            if (!p || (null_member && !drop_member(s, p)))
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
            depth--;
        }
        p++;
        if (open[depth - 1] == '}' && (p = name(s, p)) == NULL)
            return NULL;
    }
}

bool kat_json_strip(const char *text, size_t len, kat_json_info *info, kat_buf *out)
{
    const unsigned char *start = (const unsigned char *)text, *p;
    scan s;

    memset(info, 0, sizeof *info);
    memset(&s, 0, sizeof s);
    s.end = start + len;
    s.info = info;
    s.out = out;
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
        else if (!out || !info->nulls || copy_until(&s, s.end))
            return true;
    }
    info->problem = s.problem;
    info->at = (size_t)(s.at - start);
    return false;
}

bool kat_json_check(const char *text, size_t len, kat_json_info *info)
{
    return kat_json_strip(text, len, info, NULL);
}
