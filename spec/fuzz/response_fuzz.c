/* An answer's bytes, as they come from the wire, into the engine.
 *
 * The first line of an input says how, the rest is the answer. In that line a
 * capital is the method (G H P A D O: GET, HEAD, POST, PATCH, DELETE, OPTIONS), a
 * small letter how it ends (c the server closes, r it resets, s it falls silent
 * until the time is up, x the caller cancels, k the connection is kept), `m`
 * before a number the most bytes that a body may have, `n` before one how often
 * the last piece comes, and any other number the length of a piece: the answer
 * is written in such pieces, the engine takes a step after each, and the rest is
 * the last one. "P c m100 5 17" is a POST.
 *
 * After it a second request goes out on the same engine, and must get its own
 * answer, whatever came before. */
#include <strings.h>

#include "kat_clock.h"
#include "kat_curl.h"
#include "kat_engine.h"
#include "wire.h"

enum { MAX_PIECES = 16, MAX_TOTAL = 600 * 1024, LARGEST_LIMIT = 64 * 1024, STEPS = 64 };

typedef struct plan {
    const char *method;
    char end;
    size_t max_bytes, repeats;
    size_t pieces[MAX_PIECES];
    size_t count;
    const char *answer;
    size_t len;
} plan;

static void read_plan(plan *p, const uint8_t *data, size_t size)
{
    static const struct {
        char letter;
        const char *method;
    } methods[] = {{'G', "GET"},   {'H', "HEAD"},   {'P', "POST"},
                   {'A', "PATCH"}, {'D', "DELETE"}, {'O', "OPTIONS"}};
    size_t len, i, j;
    const char *line = fuzz_line(&data, &size, &len);
    char kind = 0;

    memset(p, 0, sizeof *p);
    p->method = "GET";
    p->end = 'c';
    p->max_bytes = 4096;
    p->repeats = 1;
    p->answer = (const char *)data;
    p->len = size;
    for (i = 0; i < len; i++) {
        size_t number = 0;

        for (j = 0; j < sizeof methods / sizeof *methods; j++)
            if (line[i] == methods[j].letter)
                p->method = methods[j].method;
        if (line[i] != '\0' && strchr("crsxk", line[i]))
            p->end = line[i];
        if (line[i] < '0' || line[i] > '9') {
            kind = line[i];
            continue;
        }
        for (; i < len && line[i] >= '0' && line[i] <= '9'; i++)
            number = number < 100000 ? number * 10 + (size_t)(line[i] - '0') : number;
        i--;
        if (kind == 'm')
            p->max_bytes = number < LARGEST_LIMIT ? number : LARGEST_LIMIT;
        else if (kind == 'n')
            p->repeats = number;
        else if (p->count < MAX_PIECES)
            p->pieces[p->count++] = number;
        kind = 0;
    }
}

/* Starts a request, and has the server take it. `kept` is a connection that the
 * engine may use again, and becomes the one that it uses. False when it ended
 * before the server had it. */
static bool ask(kat_engine *engine, kat_op *op, const char *method, wire_conn *kept)
{
    kat_request request = {0};
    wire_conn fresh = {.fd = -1};
    char url[64];
    int i;

    snprintf(url, sizeof url, "http://127.0.0.1:%d/api/v1/widget-keys", wire_port);
    request.method = method;
    request.url = url;
    request.timeout = WIRE_TIMEOUT;
    request.connect_timeout = WIRE_TIMEOUT;
    request.direct = true;
    if (strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0) {
        request.body = "{\"name\":\"a\"}";
        request.body_len = strlen(request.body);
    }
    memset(op, 0, sizeof *op);
    kept->len = 0;
    MUST(!kat_start(engine, op, &request), "not started");
    for (i = 0; i < STEPS && !wire_read(kept); i++) {
        if (op->state != KAT_ACTIVE)
            return false;
        kat_step(engine);
        if (fresh.fd < 0 && wire_accept(&fresh)) {
            wire_close(kept, false);
            *kept = fresh;
        }
    }
    MUST(i < STEPS, "no request came");
    MUST(strncmp(kept->request, method, strlen(method)) == 0, "another method: %s", kept->request);
    return true;
}

/* Steps until nothing changes for the answer that is there. */
static void settle(kat_engine *engine, const kat_op *op)
{
    int i;

    for (i = 0; i < 4 && op->state == KAT_ACTIVE; i++)
        kat_step(engine);
}

/* Writes all of the answer, also what comes after the operation has ended; unless
 * the engine has closed the connection. */
static void serve(kat_engine *engine, const kat_op *op, wire_conn *c, const plan *p)
{
    size_t at = 0, total = 0, i;

    for (i = 0; i < p->count && at < p->len; i++) {
        size_t len = p->pieces[i] < p->len - at ? p->pieces[i] : p->len - at;

        if (!wire_write(c, p->answer + at, len))
            return;
        at += len;
        settle(engine, op);
    }
    for (i = 0; i < p->repeats && at < p->len && total < MAX_TOTAL; i++) {
        if (!wire_write(c, p->answer + at, p->len - at))
            return;
        total += p->len - at;
        if (i % 64 == 63 || i + 1 == p->repeats || p->len - at > 1024)
            settle(engine, op);
    }
    settle(engine, op);
}

static void finish(kat_engine *engine, kat_op *op, wire_conn *c, const plan *p)
{
    int i;

    switch (p->end) {
    case 'r':
        wire_close(c, true);
        break;
    case 'c':
        wire_close(c, false);
        break;
    case 'x':
        kat_op_cancel(op);
        break;
    default:
        break;
    }
    settle(engine, op);
    if (op->state != KAT_ACTIVE)
        return;
    wire_pass(2 * WIRE_TIMEOUT);
    for (i = 0; i < STEPS && op->state == KAT_ACTIVE; i++)
        kat_step(engine);
    MUST(op->state == KAT_DONE, "the time is up, and yet it goes on");
    MUST(op->kind == KAT_TIMEOUT, "a %s", kat_kind_name(op->kind));
    MUST(p->end == 's' || p->end == 'k', "the connection ended, and yet the time was up");
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value of a header that stands alone; NULL where there is none. */
static const kat_header *header(const kat_headers *h, const char *name)
{
    size_t i;

    for (i = 0; i < kat_headers_count(h); i++) {
        const kat_header *one = kat_headers_at(h, i);

        if (!one->joined && one->name_len == strlen(name) &&
            memcmp(h->text.data + one->name, name, one->name_len) == 0)
            return one;
    }
    return NULL;
}

/* None around a value, but behind a comma: of joined values the last was empty. */
static void check_blanks(const char *value, size_t len)
{
    MUST(!blank(value[0]), "a value with a blank before it");
    MUST(!blank(value[len - 1]) || (len > 1 && value[len - 2] == ','),
         "a value with a blank behind it");
}

static void check_headers(const kat_headers *h)
{
    size_t i, j;

    MUST(kat_headers_count(h) <= KAT_HEADERS_MAX_COUNT, "%zu headers", kat_headers_count(h));
    for (i = 0; i < kat_headers_count(h); i++) {
        const kat_header *one = kat_headers_at(h, i);
        const char *name, *value;

        MUST(one->name_len > 0 && one->name + one->name_len <= h->text.len,
             "a name beyond the text");
        MUST(one->value + one->value_len <= h->text.len, "a value beyond the text");
        name = h->text.data + one->name;
        value = h->text.data + one->value;
        for (j = 0; j < one->name_len; j++)
            MUST(!(name[j] >= 'A' && name[j] <= 'Z') && name[j] != ':', "a name: %s", name);
        MUST(!memchr(value, '\n', one->value_len) && !memchr(value, '\0', one->value_len),
             "a value with an end of line or a NUL byte");
        if (one->value_len > 0)
            check_blanks(value, one->value_len);
    }
}

static bool contains(const char *text, size_t len, const char *word)
{
    size_t n = strlen(word), i;

    for (i = 0; i + n <= len; i++)
        if (strncasecmp(text + i, word, n) == 0)
            return true;
    return false;
}

/* What holds for an answer that counts as whole. */
static void check_answer(kat_op *op, const plan *p)
{
    const kat_headers *h = kat_op_headers(op);
    const kat_buf *body = kat_op_body(op);
    const kat_header *length = header(h, "content-length");
    bool chunked = contains(p->answer, p->len, "chunked");
    /* Another coding ends with the connection, whatever length was told (RFC 9112, 6.3). */
    bool coded = chunked || header(h, "transfer-encoding");
    bool bare = strcmp(p->method, "HEAD") == 0 || op->status == 204 || op->status == 304;

    check_headers(h);
    /* 101 answers a question that was never put, and is taken for the last word. */
    MUST((op->status >= 200 && op->status <= 999) || op->status == 101, "status %d", op->status);
    MUST(!bare || body->len == 0, "a body of %zu bytes after %s, %d", body->len, p->method,
         op->status);
    if (p->repeats == 1 && !chunked && body->len > 0)
        MUST(memmem(p->answer, p->len, body->data, body->len), "the body was never sent");
    if (length && !bare && !coded && op->status >= 200) {
        const char *digits = h->text.data + length->value;
        size_t i, promised = 0;

        for (i = 0; i < length->value_len && digits[i] >= '0' && digits[i] <= '9' && i < 9; i++)
            promised = promised * 10 + (size_t)(digits[i] - '0');
        if (i > 0 && i == length->value_len)
            MUST(body->len == promised, "%zu bytes of %zu that were promised", body->len, promised);
    }
}

static void check_first(kat_op *op, const plan *p)
{
    const char *message = kat_op_message(op);

    MUST(op->sent, "the server has the request, and yet it was not sent");
    if (op->state == KAT_CANCELLED) {
        MUST(p->end == 'x' && op->kind == KAT_CANCELLED_KIND, "cancelled, %s",
             kat_kind_name(op->kind));
        return;
    }
    MUST(op->state == KAT_DONE, "state %d", op->state);
    MUST(kat_op_body(op)->len <= p->max_bytes, "a body of %zu bytes, where %zu are allowed",
         kat_op_body(op)->len, p->max_bytes);
    switch (op->kind) {
    case KAT_NONE:
        check_answer(op, p);
        break;
    case KAT_CONNECTION:
    case KAT_TIMEOUT:
    case KAT_TOO_LARGE:
        MUST(message && *message && strlen(message) < 512, "no message");
        MUST(op->status == 0 || (op->status >= 200 && op->status <= 999), "status %d", op->status);
        break;
    default:
        MUST(false, "a %s, of a server that took the request: %s", kat_kind_name(op->kind),
             message);
    }
}

/* A second request gets its own answer and nothing of the first, also where a
 * connection was kept on which more came, or a reset. */
static void check_second(kat_engine *engine, wire_conn *c)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Second: Yes\r\n\r\nclean";
    kat_op op;
    const kat_header *second;

    MUST(ask(engine, &op, "GET", c), "the second one: %s", kat_op_message(&op));
    MUST(wire_write(c, answer, sizeof answer - 1), "the second connection is gone");
    settle(engine, &op);
    MUST(op.state == KAT_DONE && op.kind == KAT_NONE, "the second one: state %d, %s", op.state,
         op.state == KAT_DONE ? kat_op_message(&op) : "");
    MUST(op.status == 200 && op.sent, "the second one: status %d", op.status);
    MUST(kat_op_body(&op)->len == 5 && memcmp(kat_op_body(&op)->data, "clean", 5) == 0,
         "the second one: another body, of %zu bytes", kat_op_body(&op)->len);
    second = header(kat_op_headers(&op), "x-second");
    MUST(second && second->value_len == 3 && kat_headers_count(kat_op_headers(&op)) == 2,
         "the second one: other headers, %zu", kat_headers_count(kat_op_headers(&op)));
    kat_op_claim(&op);
    MUST(op.state == KAT_CLAIMED, "state %d", op.state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int lowest;
    kat_engine *engine;
    kat_op op;
    wire_conn c = {.fd = -1};
    plan p;

    if (wire_listener < 0) {
        kat_alloc = fuzz_alloc;
        MUST(kat_curl_init(), "no libcurl");
        wire_open();
    }
    lowest = wire_lowest();
    read_plan(&p, data, size);
    fuzz_largest = 0;
    {
        kat_config config = {.max_bytes = p.max_bytes < 5 ? 5 : p.max_bytes, .max_concurrent = 4};

        p.max_bytes = config.max_bytes;
        engine = kat_engine_new(&config);
    }
    MUST(engine, "out of memory");
    MUST(ask(engine, &op, p.method, &c), "it ended before it was sent: %s", kat_op_message(&op));
    serve(engine, &op, &c, &p);
    finish(engine, &op, &c, &p);
    check_first(&op, &p);
    kat_op_claim(&op);
    MUST(!op.slot && !op.engine, "it still holds something");
    check_second(engine, &c);
    wire_close(&c, true);
    kat_engine_free(engine);
    MUST(fuzz_blocks == 0, "%ld blocks are left", fuzz_blocks);
    /* Headers are held as they came and once more where they were joined. */
    MUST(fuzz_largest <= 4 * KAT_HEADERS_MAX_BYTES, "%zu bytes at once", fuzz_largest);
    MUST(wire_lowest() == lowest, "a descriptor was left open");
    return 0;
}
