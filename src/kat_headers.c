#include "kat_headers.h"

#include <string.h>

enum { KEEP_TEXT = 4096, KEEP_LIST = 64 * (int)sizeof(kat_header) };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && is_blank((*text)[0])) {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && is_blank((*text)[*len - 1]))
        (*len)--;
}

size_t kat_headers_count(const kat_headers *h)
{
    return h->list.len / sizeof(kat_header);
}

static kat_header *at(kat_headers *h, size_t index)
{
    return (kat_header *)(void *)h->list.data + index;
}

const kat_header *kat_headers_at(const kat_headers *h, size_t index)
{
    return (const kat_header *)(const void *)h->list.data + index;
}

/* A line that begins with white space goes on with the value before it (an
 * obsolete form that some servers still send). */
static kat_headers_result continue_last(kat_headers *h, const char *text, size_t len)
{
    size_t count = kat_headers_count(h);
    kat_header *last;

    trim(&text, &len);
    if (count == 0 || len == 0)
        return KAT_HEADERS_OK;
    last = at(h, count - 1);
    /* The last value ends the text, so it can grow in place. */
    if ((last->value_len > 0 && !kat_buf_addc(&h->text, ' ')) || !kat_buf_add(&h->text, text, len))
        return KAT_HEADERS_NOMEM;
    last->value_len = h->text.len - last->value;
    return KAT_HEADERS_OK;
}

static bool is_named(const char *name, size_t len, const char *lower)
{
    size_t i;

    for (i = 0; i < len && lower[i]; i++)
        if ((name[i] | 0x20) != lower[i])
            return false;
    return i == len && !lower[i];
}

/* One number, or the same one several times, in a list or in lines (RFC 9112,
 * 6.3). What differs leaves open where the answer ends. */
static bool take_length(kat_headers *h, const char *text, size_t len)
{
    size_t i = 0;

    for (;;) {
        uint64_t value = 0;
        size_t start;

        while (i < len && is_blank(text[i]))
            i++;
        for (start = i; i < len && text[i] >= '0' && text[i] <= '9'; i++)
            value = value > UINT64_MAX / 10 - 1 ? UINT64_MAX - 10
                                                : value * 10 + (uint64_t)(text[i] - '0');
        if (i == start || (h->sized && h->length != value))
            return false;
        h->sized = true;
        h->length = value;
        while (i < len && is_blank(text[i]))
            i++;
        if (i == len)
            return true;
        if (text[i++] != ',')
            return false;
    }
}

static kat_headers_result add(kat_headers *h, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    const char *name = line, *value;
    size_t name_len, value_len, i;
    bool blank;
    kat_header entry = {0};

    if (!colon)
        return KAT_HEADERS_OK; /* not a header: nothing can depend on it */
    name_len = (size_t)(colon - line);
    value = colon + 1;
    value_len = len - name_len - 1;
    blank = name_len > 0 && is_blank(name[name_len - 1]);
    trim(&name, &name_len);
    trim(&value, &value_len);
    if (name_len == 0)
        return KAT_HEADERS_OK;
    if (is_named(name, name_len, "content-length")) {
        if (blank || !take_length(h, value, value_len))
            return KAT_HEADERS_BAD_FRAMING;
        h->promise = h->promise || h->length > 0;
    } else if (is_named(name, name_len, "transfer-encoding")) {
        if (blank)
            return KAT_HEADERS_BAD_FRAMING;
        h->promise = true;
    }
    if (kat_headers_count(h) >= KAT_HEADERS_MAX_COUNT)
        return KAT_HEADERS_TOO_LARGE;
    entry.name = h->text.len;
    entry.name_len = name_len;
    entry.value = h->text.len + name_len;
    entry.value_len = value_len;
    if (!kat_buf_reserve(&h->text, name_len + value_len) ||
        !kat_buf_add(&h->list, &entry, sizeof entry))
        return KAT_HEADERS_NOMEM;
    for (i = 0; i < name_len; i++) {
        char c = name[i];

        h->text.data[h->text.len++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    if (value_len > 0)
        memcpy(h->text.data + h->text.len, value, value_len);
    h->text.len += value_len;
    return KAT_HEADERS_OK;
}

/* The second word of a status line as a number; -1 where it is not three digits. */
static int status_of(const char *line, size_t len)
{
    int status = 0, digits = 0;
    size_t i = 0;

    while (i < len && is_blank(line[i]))
        i++;
    while (i < len && !is_blank(line[i]))
        i++;
    while (i < len && (line[i] == ' ' || line[i] == '\t'))
        i++;
    for (; i < len && line[i] >= '0' && line[i] <= '9' && digits < 4; i++, digits++)
        status = status * 10 + (line[i] - '0');
    return digits == 3 && (i == len || is_blank(line[i])) ? status : -1;
}

kat_headers_result kat_headers_line(kat_headers *h, const char *line, size_t len)
{
    h->seen += len;
    if (h->seen > KAT_HEADERS_MAX_BYTES)
        return KAT_HEADERS_TOO_LARGE;
    if (h->body ? h->interim : !h->begun) {
        h->text.len = h->list.len = 0;
        h->begun = true;
        h->body = h->interim = h->sized = h->promise = false;
        h->status = status_of(line, len);
        return h->status >= 100 ? KAT_HEADERS_OK : KAT_HEADERS_BAD_STATUS;
    }
    if (h->body)
        return KAT_HEADERS_OK;
    if (len > 0 && (line[0] == '\r' || line[0] == '\n')) {
        h->body = true;
        return KAT_HEADERS_OK;
    }
    if (len > 0 && (line[0] == ' ' || line[0] == '\t'))
        return continue_last(h, line, len);
    return add(h, line, len);
}

bool kat_headers_ended(kat_headers *h, long status)
{
    h->interim = status >= 100 && status < 200 && status != 101;
    return status == h->status;
}

static bool same_name(const kat_headers *h, const kat_header *a, const kat_header *b)
{
    return a->name_len == b->name_len &&
           memcmp(h->text.data + a->name, h->text.data + b->name, a->name_len) == 0;
}

/* Appends "first, second, …" to the text and points `into` at it. */
static bool join_from(kat_headers *h, size_t into, size_t next)
{
    size_t count = kat_headers_count(h), start = h->text.len, i;
    kat_header *first = at(h, into);

    if (!kat_buf_reserve(&h->text, first->value_len))
        return false;
    memcpy(h->text.data + h->text.len, h->text.data + first->value, first->value_len);
    h->text.len += first->value_len;
    for (i = next; i < count; i++) {
        kat_header *other = at(h, i);

        if (!same_name(h, first, other))
            continue;
        if (!kat_buf_reserve(&h->text, other->value_len + 2))
            return false;
        memcpy(h->text.data + h->text.len, ", ", 2);
        memcpy(h->text.data + h->text.len + 2, h->text.data + other->value, other->value_len);
        h->text.len += other->value_len + 2;
        other->joined = true;
    }
    first->value = start;
    first->value_len = h->text.len - start;
    return true;
}

bool kat_headers_join(kat_headers *h)
{
    size_t count = kat_headers_count(h), i, j;

    for (i = 0; i < count; i++) {
        if (at(h, i)->joined)
            continue;
        for (j = i + 1; j < count; j++)
            if (same_name(h, at(h, i), at(h, j)))
                break;
        if (j < count && !join_from(h, i, j))
            return false;
    }
    return true;
}

void kat_headers_reset(kat_headers *h)
{
    kat_buf_reset(&h->text, KEEP_TEXT);
    kat_buf_reset(&h->list, KEEP_LIST);
    h->seen = 0;
    h->status = 0;
    h->begun = h->body = h->interim = h->sized = h->promise = false;
}

void kat_headers_free(kat_headers *h)
{
    kat_buf_free(&h->text);
    kat_buf_free(&h->list);
}
