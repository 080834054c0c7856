/* What the engine's specs share: a server, an engine with a count of its
 * blocks and descriptors, and the short ways to run a request. A test that
 * leaves a block or a descriptor behind fails in its teardown. */
#ifndef SPEC_FIXTURE_H
#define SPEC_FIXTURE_H

#include <dirent.h>

#include "kat_clock.h"
#include "kat_internal.h"
#include "server.h"

#define FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_up, fixture_down)

typedef struct fixture {
    server server;
    kat_engine *engine;
    kat_lines *lines;
    kat_op ops[4];
    kat_turn turns[4]; /* here, since a test that fails leaves its stack to others */
    int descriptors;
} fixture;

static inline int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

static inline kat_engine *new_engine(const char *proxy)
{
    kat_config config = {.proxy = proxy, .max_bytes = 100000, .max_concurrent = 4};
    kat_engine *engine = kat_engine_new(&config);

    assert_non_null(engine);
    return engine;
}

/* The environment must not decide what a test sees. */
static inline int no_proxies(void **state)
{
    static const char *const names[] = {"http_proxy", "https_proxy",   "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",     "no_proxy",
                                        "NO_PROXY",   "SSL_CERT_FILE", "SSL_CERT_DIR"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
    ration_begin(-1, false);
    return kat_curl_init() ? 0 : -1; /* may keep descriptors of its own */
}

static inline int fixture_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    if (!f)
        return -1;
    *state = f;
    ration_begin(-1, false);
    f->descriptors = count_descriptors();
    f->engine = new_engine(NULL);
    f->lines = kat_lines_new();
    return f->lines && server_start(&f->server, answer_ok) ? 0 : -1;
}

static inline int fixture_down(void **state)
{
    fixture *f = *state;
    int before = f->descriptors, left, i;

    for (i = 0; i < (int)COUNT(f->ops); i++)
        kat_op_release(&f->ops[i]);
    kat_engine_free(f->engine);
    kat_lines_unref(f->lines);
    server_stop(&f->server);
    free(f);
    left = count_descriptors();
    if (left != before || ration_live != 0) {
        print_error("left behind: %d descriptors, %ld blocks\n", left - before, ration_live);
        ration_live = 0;
        return -1;
    }
    return 0;
}

typedef struct ask {
    const char *method, *path, *body;
    const char *origin; /* without a port; NULL: http://127.0.0.1 */
    double timeout;
    bool proxied; /* not direct */
    int port;     /* 0: the fixture's server */
} ask;

static inline const char *start_on(kat_engine *engine, fixture *f, kat_op *op, ask a)
{
    kat_request request = {0};
    char url[256];

    snprintf(url, sizeof url, "%s:%d%s", a.origin ? a.origin : "http://127.0.0.1",
             a.port ? a.port : f->server.port, a.path ? a.path : "/");
    request.method = a.method ? a.method : "GET";
    request.url = url;
    request.lines = f->lines;
    request.body = a.body;
    request.body_len = a.body ? strlen(a.body) : 0;
    request.timeout = a.timeout > 0 ? a.timeout : PATIENCE_S;
    request.connect_timeout = PATIENCE_S;
    request.direct = !a.proxied;
    memset(op, 0, sizeof *op);
    return kat_start(engine, op, &request);
}

static inline void start(fixture *f, kat_op *op, ask a)
{
    const char *problem = start_on(f->engine, f, op, a);

    if (problem)
        fail_msg("%s", problem);
    assert_int_equal(op->state, KAT_ACTIVE);
}

static inline void finish_on(kat_engine *engine, const kat_op *op)
{
    double limit = kat_now() + 2 * PATIENCE_S;

    while (op->state == KAT_ACTIVE && kat_now() < limit)
        kat_poll(engine, 1);
    assert_int_equal(op->state, KAT_DONE);
}

/* One request from its start to its end, still to be claimed. */
static inline kat_op *run(fixture *f, ask a)
{
    kat_op *op = &f->ops[0];

    kat_op_release(op);
    start(f, op, a);
    finish_on(f->engine, op);
    return op;
}

static inline void check_answer(kat_op *op, int status, const char *body)
{
    const kat_buf *got = kat_op_body(op);

    if (op->kind != KAT_NONE)
        fail_msg("%s: %s", kat_kind_name(op->kind), kat_op_message(op));
    assert_int_equal(op->status, status);
    assert_true(op->sent);
    assert_int_equal(got->len, strlen(body));
    if (got->len > 0)
        assert_memory_equal(got->data, body, got->len);
}

static inline void check_failure(const kat_op *op, kat_kind kind, bool sent, const char *words)
{
    const char *message = kat_op_message(op);

    if (op->kind != kind || op->sent != sent || !strstr(message, words))
        fail_msg("%s, sent %d, status %d: %s", kat_kind_name(op->kind), op->sent, op->status,
                 message);
}

/* A handler that answers nothing under /slow: the test does so itself through
 * `held`, when it is time. */
static conn *held;

static inline void hold_the_slow(server *s, conn *c)
{
    if (strstr(c->text, " /slow"))
        held = c;
    else
        answer_ok(s, c);
}

/* Starts an operation, and steps until the server has its request. All before
 * it have to be finished, or seen. */
static inline void start_and_await(fixture *f, kat_op *op, ask a)
{
    int seen = server_read_count(&f->server, &f->server.requests);
    double limit = kat_now() + PATIENCE_S;

    /* A client may have its answer before the server has counted it. */
    assert_true(server_wait(&f->server, &f->server.answered, seen));
    start(f, op, a);
    while (server_read_count(&f->server, &f->server.answered) == seen && kat_now() < limit)
        kat_poll(f->engine, 0.005);
    assert_int_equal(server_read_count(&f->server, &f->server.answered), seen + 1);
}

/* The value of a header of an answer, as a string; NULL when it is absent. */
static inline const char *header_of(const kat_op *op, const char *name)
{
    static char value[64 * 1024];
    const kat_headers *h = kat_op_headers(op);
    size_t i;

    for (i = 0; i < kat_headers_count(h); i++) {
        const kat_header *one = kat_headers_at(h, i);

        if (!one->joined && one->name_len == strlen(name) &&
            memcmp(h->text.data + one->name, name, one->name_len) == 0) {
            snprintf(value, sizeof value, "%.*s", (int)one->value_len, h->text.data + one->value);
            return value;
        }
    }
    return NULL;
}

#define counted(f, counter) server_read_count(&(f)->server, &(f)->server.counter)
#define await(f, counter, count) assert_true(server_wait(&(f)->server, &(f)->server.counter, count))

/* The descriptor that a host watches. */
static inline int descriptor(fixture *f)
{
    int fd = kat_fd(f->engine);

    if (fd < 0)
        skip(); /* no epoll here: the host steps by the clock */
    return fd;
}

static inline bool readable(int fd, int ms)
{
    struct pollfd one = {fd, POLLIN, 0};

    return poll(&one, 1, ms) == 1;
}

#endif
