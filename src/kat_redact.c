#include "kat_redact.h"

#include <string.h>

enum {
    PREFIX = 8,  /* of a key: sk_live_ */
    LONGEST = 6, /* escape: \u002d */
    LEVELS = 7,
    STAY = 64, /* bytes between looks at which levels are needed */
    KEY = 1,   /* a node where a key's prefix ends */
    KEY64 = 2, /* a node where what every key in Base64 holds ends */
    /* What is known of a byte of the text. */
    COVERED = 1, /* it is part of a secret */
    JOINED = 2,  /* so is the byte before it, of the same one */
    FORM = 4     /* the secret is a form */
};

/* The sign of the escapes that are undone from each level to the next. Percent
 * signs go first: to undo one early harms no other, whereas of two backslashes it
 * matters which was there first. */
static const char SIGNS[LEVELS + 1] = "%%\\%\\%\\";

typedef struct kat_redact_node {
    uint32_t child, sibling;
    uint32_t fail;  /* the longest other suffix that is in the trie */
    uint32_t form;  /* the number of the form that ends here, or 0 */
    uint32_t whole; /* the node of the longest form that is a suffix, or 0 */
    uint32_t depth;
    unsigned char byte;
    unsigned char flags; /* KEY and KEY64 of this node and its suffixes */
} node;

/* A byte of a text, as it stands or as an escape means it, and where it is
 * written. */
typedef struct unit {
    size_t from, to;
    unsigned char byte;
} unit;

/* Reads the text as it is after so many rounds of undoing escapes. */
typedef struct reader {
    uint32_t node;
    bool in_key, in_run; /* within a key; within a run of letters and digits … */
    bool run_is_key;     /* … that is one in Base64 */
    size_t key_from, run_from;
    /* The node, had the latest escape been none: a text may have "%5" before a token
     * that begins with an "e". 0 once no form begins within that escape. */
    uint32_t plain_node;
    uint32_t plain_age; /* bytes since that escape */
    size_t plain_from;
    size_t from, to; /* the secret that was marked last; empty at first */
    size_t count;    /* of bytes so far, as an index of `starts` */
    size_t *starts;  /* where the latest bytes began: a ring, NULL at level 0 */
    /* What may turn out to be an escape, on its way to the next level. */
    unit pending[LONGEST];
    unsigned char bytes[LONGEST]; /* the same, in a row */
    int waiting;
    bool differs; /* from the level below, since it began */
} reader;

typedef struct scan {
    kat_redactor *r;
    size_t len;
    unsigned char *marks; /* one for each byte of the text; NULL while there is none */
    size_t *rings;
    size_t mask; /* the size of a ring, less one */
    int top;     /* the highest level that differs from the one below it */
    int found;
    bool failed;
    reader levels[LEVELS + 1];
} scan;

static uint32_t child_of(const kat_redactor *r, uint32_t at, unsigned char byte)
{
    uint32_t c;

    if (at == 0)
        return r->root[byte];
    for (c = r->nodes[at].child; c != 0; c = r->nodes[c].sibling)
        if (r->nodes[c].byte == byte)
            return c;
    return 0;
}

/* A larger trie is made anew and the old one wiped: realloc would leave copies
 * of the forms. */
static bool grow(kat_redactor *r)
{
    uint32_t cap = r->cap ? r->cap * 2 : 64;
    node *nodes = r->count < UINT32_MAX / 2 ? kat_malloc(cap * sizeof *nodes) : NULL;

    if (!nodes)
        return false;
    if (r->nodes) {
        memcpy(nodes, r->nodes, r->count * sizeof *nodes);
        kat_wipe(r->nodes, r->cap * sizeof *nodes);
        kat_free(r->nodes);
    } else {
        nodes[0] = (node){0};
        r->count = 1;
    }
    r->nodes = nodes;
    r->cap = cap;
    return true;
}

/* The node for a text, or 0 when memory has run out. */
static uint32_t insert(kat_redactor *r, const char *text, size_t len)
{
    uint32_t at = 0, next;
    size_t i;

    r->linked = false;
    for (i = 0; i < len; i++, at = next) {
        unsigned char byte = (unsigned char)text[i];

        next = child_of(r, at, byte);
        if (next != 0)
            continue;
        if (r->count == r->cap && !grow(r))
            return 0;
        next = r->count++;
        r->nodes[next] = (node){.byte = byte, .depth = (uint32_t)i + 1};
        if (at == 0) {
            r->root[byte] = next;
        } else {
            r->nodes[next].sibling = r->nodes[at].child;
            r->nodes[at].child = next;
        }
    }
    if (len > r->depth)
        r->depth = (uint32_t)len;
    return at;
}

bool kat_redactor_add(kat_redactor *r, const char *form, size_t len)
{
    uint32_t at;

    r->forms++;
    if (len == 0)
        return true;
    at = len < UINT32_MAX / 2 ? insert(r, form, len) : 0;
    if (at == 0)
        return false;
    if (r->nodes[at].form == 0)
        r->nodes[at].form = r->forms;
    return true;
}

bool kat_redactor_add_keys(kat_redactor *r)
{
    static const struct {
        const char *text;
        unsigned char flag;
    } rows[] = {
        {"sk_live_", KEY},
        {"pk_live_", KEY},
        /* The Base64 of k_live_ at each alignment, as far as its neighbours have
         * no part in it. That of a whole key is of letters and digits only. */
        {"a19saXZlX", KEY64},
        {"tfbGl2ZV", KEY64},
        {"rX2xpdmVf", KEY64},
    };
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t at = insert(r, rows[i].text, strlen(rows[i].text));

        if (at == 0)
            return false;
        r->nodes[at].flags = rows[i].flag;
    }
    r->keys = true;
    return true;
}

void kat_redactor_free(kat_redactor *r)
{
    if (r->nodes)
        kat_wipe(r->nodes, r->count * sizeof *r->nodes);
    if (r->cap > 0)
        kat_free(r->nodes);
    kat_wipe(r, sizeof *r);
}

size_t kat_redactor_size(const kat_redactor *r)
{
    return r->count * sizeof *r->nodes;
}

void kat_redactor_move(kat_redactor *to, void *memory, kat_redactor *from)
{
    *to = *from;
    to->cap = 0;
    to->nodes = memory;
    if (from->count > 0)
        memcpy(memory, from->nodes, kat_redactor_size(from));
    kat_redactor_free(from);
}

/* The node after one more byte: the longest end of what was read that a form
 * begins with. Each byte goes down by one at most, so a text climbs no more
 * often than it has bytes. */
static uint32_t step(const kat_redactor *r, uint32_t at, unsigned char byte)
{
    uint32_t next;

    while ((next = child_of(r, at, byte)) == 0 && at != 0)
        at = r->nodes[at].fail;
    return next;
}

/* Sets the links of a node whose parent has its own. */
static void link_node(kat_redactor *r, uint32_t parent, uint32_t at)
{
    node *n = &r->nodes[at];
    const node *other;

    n->fail = parent == 0 ? 0 : step(r, r->nodes[parent].fail, n->byte);
    other = &r->nodes[n->fail];
    n->whole = n->form ? at : other->whole;
    n->flags |= other->flags;
}

/* Breadth first, in levels of the trie: `order` has room for all nodes. */
bool kat_redactor_link(kat_redactor *r)
{
    uint32_t *order, done, count = 0, c;
    int byte;

    if (r->linked || r->count == 0)
        return true;
    order = kat_malloc(r->count * sizeof *order);
    if (!order)
        return false;
    for (byte = 0; byte < 256; byte++) {
        if (r->root[byte] != 0) {
            link_node(r, 0, r->root[byte]);
            order[count++] = r->root[byte];
        }
    }
    for (done = 0; done < count; done++) {
        for (c = r->nodes[order[done]].child; c != 0; c = r->nodes[c].sibling) {
            link_node(r, order[done], c);
            order[count++] = c;
        }
    }
    kat_free(order);
    r->linked = true;
    return true;
}

static bool is_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Marks the bytes from `from` to `to` as one secret, the first of them with
 * `first`. */
static void cover(scan *s, size_t from, size_t to, unsigned char first)
{
    size_t i;

    if (from >= to)
        return;
    s->marks[from] |= (unsigned char)(COVERED | first);
    for (i = from + 1; i < to; i++)
        s->marks[i] |= COVERED | JOINED;
}

/* Marks a secret. One that overlaps the last of its level adds only what was not
 * marked then, or a text of overlapping ones would take the square of its time. */
static void mark(scan *s, reader *l, size_t from, size_t to, int found)
{
    unsigned char form = found > 0 ? FORM : 0;

    if (!s->marks) {
        s->marks = kat_zalloc(s->len);
        s->failed = !s->marks;
        if (s->failed)
            return;
        s->found = found;
    }
    if (from >= l->to) {
        cover(s, from, to, form);
        l->from = from;
        l->to = to;
        return;
    }
    s->marks[l->from] |= form;
    if (from < l->from) {
        cover(s, from, l->from, form);
        s->marks[l->from] |= JOINED;
        l->from = from;
    }
    if (to > l->to) {
        cover(s, l->to, to, JOINED);
        l->to = to;
    }
}

/* Where the byte so many before the one that ends at `to` begins. */
static size_t start_of(const scan *s, const reader *l, size_t bytes, size_t to)
{
    return l->starts ? l->starts[(l->count - bytes) & s->mask] : to - bytes;
}

/* A key goes on for as long as it may; one in Base64 is the whole run around what
 * is known of it, with its padding. */
static void read_keys(scan *s, reader *l, unit u)
{
    unsigned char flags = s->r->nodes[l->node].flags;
    bool word = is_word(u.byte);

    l->in_key = l->in_key && (word || u.byte == '_' || u.byte == '-');
    if (l->in_key)
        mark(s, l, l->key_from, u.to, -1);
    else if (flags & KEY) {
        l->in_key = true;
        l->key_from = start_of(s, l, PREFIX, u.to);
    }
    if (word && !l->in_run) {
        l->run_from = u.from;
        l->run_is_key = false;
    }
    l->in_run = word;
    if (word && (flags & KEY64))
        l->run_is_key = true;
    l->run_is_key = l->run_is_key && (word || u.byte == '=');
    if (l->run_is_key && !s->failed)
        mark(s, l, l->run_from, u.to, -1);
}

static void read_plainly(scan *s, reader *l, unit u)
{
    const node *at;

    l->plain_node = step(s->r, l->plain_node, u.byte);
    l->plain_age++;
    at = &s->r->nodes[l->plain_node];
    if (at->depth <= l->plain_age)
        l->plain_node = 0;
    else if (s->r->nodes[at->whole].depth > l->plain_age)
        mark(s, l, l->plain_from, u.to, (int)s->r->nodes[at->whole].form);
}

static void read_unit(scan *s, reader *l, unit u)
{
    const kat_redactor *r = s->r;
    uint32_t whole;

    if (l->starts)
        l->starts[l->count & s->mask] = u.from;
    l->count++;
    l->node = step(r, l->node, u.byte);
    whole = r->nodes[l->node].whole;
    if (whole != 0)
        mark(s, l, start_of(s, l, r->nodes[whole].depth, u.to), u.to, (int)r->nodes[whole].form);
    if (l->plain_node != 0 && !s->failed)
        read_plainly(s, l, u);
    if (r->keys && !s->failed)
        read_keys(s, l, u);
}

/* Has all levels above one remember an escape as it is written. */
static void keep_plain(scan *s, int level, const unit *units, int count)
{
    const node *nodes = s->r->nodes;
    uint32_t at = 0;
    int i;

    for (i = 0; i < count; i++)
        at = step(s->r, at, units[i].byte);
    for (i = level + 1; i <= s->top && at != 0; i++) {
        reader *l = &s->levels[i];

        if (nodes[at].depth > nodes[l->plain_node].depth) {
            l->plain_node = at;
            l->plain_age = 0;
            l->plain_from = units[0].from;
        }
    }
}

static int hex(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_sign(unsigned char c)
{
    return c == '%' || c == '\\';
}

/* A code point below U+10000 as UTF-8; gives the number of bytes. */
static int put_utf8(unsigned char out[3], int code)
{
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (unsigned char)(0xC0 | code >> 6);
        out[1] = (unsigned char)(0x80 | (code & 0x3F));
        return 2;
    }
    out[0] = (unsigned char)(0xE0 | code >> 12);
    out[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (unsigned char)(0x80 | (code & 0x3F));
    return 3;
}

/* What bytes that begin with a sign are: an escape of so many bytes, which stands
 * for `made` bytes; none, length 0; or, with length -1, more has to come to tell.
 * `doubt`: what shows that it is none is the other sign, and may come to be read
 * as something else. */
typedef struct reading {
    int length, made;
    bool doubt;
    unsigned char bytes[3];
} reading;

static reading read_escape(const unsigned char *p, int there)
{
    reading r = {.length = -1, .made = 1};
    bool unicode = p[0] == '\\' && there > 1 && p[1] == 'u';
    int at = unicode ? 2 : 1, whole = unicode ? 6 : 3, code = 0;

    if (p[0] == '\\' && !unicode) {
        if (there < 2)
            return r;
        r.bytes[0] = p[1];
        r.length = p[1] == '"' || p[1] == '\\' || p[1] == '/' ? 2 : 0;
        r.doubt = p[1] == '%';
        return r;
    }
    for (; at < whole && at < there; at++) {
        if (hex(p[at]) < 0) {
            r.length = 0;
            r.doubt = p[at] != p[0] && is_sign(p[at]);
            return r;
        }
        code = code * 16 + hex(p[at]);
    }
    if (at < whole)
        return r;
    r.length = whole;
    r.bytes[0] = (unsigned char)code;
    if (unicode)
        r.made = put_utf8(r.bytes, code);
    return r;
}

/* Begins the next level, which has been the same as the top until now; the next byte
 * of both is at `at`. */
static void rise(scan *s, size_t at)
{
    const reader *below = &s->levels[s->top];
    reader *l = &s->levels[s->top + 1];
    size_t i, known = s->r->nodes[below->node].depth;

    if (!s->rings) {
        size_t size = 2 * PREFIX;

        while (size < s->r->depth)
            size *= 2;
        s->mask = size - 1;
        s->rings = kat_malloc(LEVELS * size * sizeof *s->rings);
        s->failed = !s->rings;
        if (s->failed)
            return;
    }
    *l = *below;
    l->waiting = 0;
    l->differs = false;
    l->starts = s->rings + (size_t)s->top * (s->mask + 1);
    for (i = 1; i <= known; i++)
        l->starts[(l->count - i) & s->mask] =
            below->starts ? below->starts[(below->count - i) & s->mask] : at - i;
    s->top++;
}

static void push(scan *s, int level, unit u);

/* Passes on the first `count` bytes that wait at a level: there as they are, to the
 * next level, where that differs, as they read. */
static void pass(scan *s, int level, int count, const reading *escape)
{
    reader *l = &s->levels[level];
    unit units[LONGEST], u;
    int i;

    l->waiting -= count;
    for (i = 0; i < count; i++)
        units[i] = l->pending[i];
    for (i = 0; i < l->waiting; i++) {
        l->pending[i] = l->pending[i + count];
        l->bytes[i] = l->bytes[i + count];
    }
    for (i = 0; i < count; i++)
        read_unit(s, l, units[i]);
    u = units[0];
    u.to = units[count - 1].to;
    if (!escape) {
        push(s, level + 1, u);
        return;
    }
    s->levels[level + 1].differs = true;
    for (i = 0; i < escape->made; i++) {
        u.byte = escape->bytes[i];
        push(s, level + 1, u);
    }
    keep_plain(s, level, units, count);
}

/* Passes on what is known to be an escape, or none. `all`: nothing more will come. */
static void settle(scan *s, int level, bool all)
{
    reader *l = &s->levels[level];
    reading escape;

    while (l->waiting > 0 && !s->failed) {
        escape = (reading){0};
        if (l->bytes[0] == (unsigned char)SIGNS[level])
            escape = read_escape(l->bytes, l->waiting);
        else
            escape.doubt = is_sign(l->bytes[0]);
        if (escape.length < 0 && !all)
            return;
        /* A sign that is none here, and may be one there, has to wait there. */
        if (level == s->top && (escape.length > 0 || escape.doubt))
            rise(s, l->pending[0].from);
        if (!s->failed)
            pass(s, level, escape.length > 0 ? escape.length : 1,
                 escape.length > 0 ? &escape : NULL);
    }
}

/* Whether an escape may begin with a sign and this byte. */
static bool may_begin(unsigned char sign, unsigned char next)
{
    return sign == '%' ? hex(next) >= 0 : next == 'u' || next == '"' || next == '\\' || next == '/';
}

/* Passes on a sign that waits alone and begins no escape, as the next byte shows:
 * what settle would do, for most of the signs of a text that is full of them. */
static void pass_sign(scan *s, int level, unsigned char next)
{
    reader *l = &s->levels[level];
    unit sign = l->pending[0];

    if (level == s->top && is_sign(next) && next != sign.byte)
        rise(s, sign.from);
    l->waiting = 0;
    if (!s->failed)
        read_unit(s, l, sign);
    push(s, level + 1, sign);
}

/* Takes one byte of the text of a level. */
static void push(scan *s, int level, unit u)
{
    for (; level <= s->top && !s->failed; level++) {
        reader *l = &s->levels[level];

        if (l->waiting == 1 && !may_begin(l->bytes[0], u.byte))
            pass_sign(s, level, u.byte);
        if (level < LEVELS && (l->waiting > 0 || u.byte == (unsigned char)SIGNS[level])) {
            l->bytes[l->waiting] = u.byte;
            l->pending[l->waiting++] = u;
            settle(s, level, false);
            return;
        }
        if (level == s->top && level < LEVELS && is_sign(u.byte))
            rise(s, u.from);
        if (!s->failed)
            read_unit(s, l, u);
    }
}

static bool is_idle(const reader *l)
{
    return l->node == 0 && l->plain_node == 0 && !l->in_key && !l->in_run && !l->run_is_key &&
           l->waiting == 0;
}

/* Whether the top level will read on as the one below it does. */
static bool is_spare(const scan *s)
{
    const reader *l = &s->levels[s->top];

    return l->differs ? is_idle(l) && is_idle(l - 1) : l->waiting == 0;
}

static void read_text(scan *s, const char *text)
{
    size_t i;
    int level;

    for (i = 0; i < s->len && !s->failed; i++) {
        push(s, 0, (unit){i, i + 1, (unsigned char)text[i]});
        /* Not at once: where there was an escape, there often is another. */
        while (i % STAY == 0 && s->top > 0 && is_spare(s))
            s->top--;
    }
    for (level = 0; level <= s->top && level < LEVELS; level++)
        settle(s, level, true);
}

/* Where the secret that begins at `at` ends. `*form`: a form is in it. */
static size_t end_of(const scan *s, size_t at, bool *form)
{
    *form = false;
    do
        *form = *form || (s->marks[at] & FORM);
    while (++at < s->len && (s->marks[at] & JOINED));
    return at;
}

/* A key keeps its prefix, where that is there to be read. */
static bool shows_prefix(const char *text, size_t len)
{
    return len > PREFIX && (text[0] == 's' || text[0] == 'p') &&
           memcmp(text + 1, "k_live_", PREFIX - 1) == 0;
}

static bool write_masked(const scan *s, const char *text, kat_buf *out)
{
    size_t at = 0, from, end;
    bool form, done = true;

    while (done && at < s->len) {
        for (from = at; at < s->len && !s->marks[at]; at++)
            continue;
        done = kat_buf_add(out, text + from, at - from);
        if (!done || at == s->len)
            break;
        end = end_of(s, at, &form);
        if (!form && shows_prefix(text + at, end - at))
            done = kat_buf_add(out, text + at, PREFIX);
        done = done && kat_buf_puts(out, KAT_REDACT_MASK);
        at = end;
    }
    return done;
}

bool kat_redact(kat_redactor *r, const char *text, size_t len, kat_buf *out, int *found)
{
    scan s = {.r = r, .len = len};
    bool done;

    *found = 0;
    if (r->count == 0 || len == 0)
        return true;
    if (!kat_redactor_link(r))
        return false;
    read_text(&s, text);
    done = !s.failed && (!s.marks || write_masked(&s, text, out));
    *found = s.found;
    kat_free(s.rings);
    kat_free(s.marks);
    return done;
}

bool kat_unescape(kat_buf *out, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t at = 0, left;

    if (!kat_buf_reserve(out, len))
        return false;
    while (at < len) {
        reading escape = {0};

        left = len - at;
        if (is_sign(p[at]))
            escape = read_escape(p + at, left < LONGEST ? (int)left : LONGEST);
        if (escape.length > 0 ? !kat_buf_add(out, escape.bytes, (size_t)escape.made)
                              : !kat_buf_addc(out, text[at]))
            return false;
        at += escape.length > 0 ? (size_t)escape.length : 1;
    }
    return true;
}
