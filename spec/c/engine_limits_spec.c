/* The engine against answers without end: each has a limit, which is met
 * early, and holds for that answer alone. */
#include "fixture.h"

static char filler[100001]; /* one more than the engine takes */

static void promise_too_much(server *s, conn *c)
{
    (void)s;
    say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n");
}

static void send_chunks_without_end(server *s, conn *c)
{
    say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (say(c, "10\r\n0123456789abcdef\r\n"))
        continue;
    hang_up(s, c, false);
}

static void send_without_end(server *s, conn *c)
{
    say(c, "HTTP/1.1 500 Oops\r\n\r\n");
    while (say_bytes(c, filler, 10000))
        continue;
    hang_up(s, c, false);
}

static void send_the_limit(server *s, conn *c)
{
    (void)s;
    say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    say_bytes(c, filler, 100000);
}

static void a_body_has_a_limit(void **state)
{
    fixture *f = *state;
    kat_op *op;

    memset(filler, 'x', sizeof filler);
    server_does(&f->server, send_the_limit);
    check_answer(run(f, (ask){0}), 200, (filler[100000] = '\0', filler));
    server_does(&f->server, promise_too_much); /* no need to wait for what would come */
    op = run(f, (ask){0});
    check_failure(op, KAT_TOO_LARGE, true, "maxResponseBytes");
    assert_int_equal(op->status, 200);
    server_does(&f->server, send_chunks_without_end);
    op = run(f, (ask){0});
    check_failure(op, KAT_TOO_LARGE, true, "maxResponseBytes");
    assert_true(kat_op_body(op)->len <= 100000);
    server_does(&f->server, send_without_end);
    op = run(f, (ask){0});
    check_failure(op, KAT_TOO_LARGE, true, "maxResponseBytes");
    assert_int_equal(op->status, 500);
}

static void send_headers_without_end(server *s, conn *c)
{
    say(c, "HTTP/1.1 200 OK\r\n");
    while (say(c, "X-Same: 0123456789012345678901234567890123456789\r\n"))
        continue;
    hang_up(s, c, false);
}

static void send_interim_answers_without_end(server *s, conn *c)
{
    while (say(c, "HTTP/1.1 102 Processing\r\n\r\n"))
        continue;
    hang_up(s, c, false);
}

static void send_one_line_without_end(server *s, conn *c)
{
    say(c, "HTTP/1.1 200 OK\r\nX-Long: ");
    while (say_bytes(c, filler, 1000))
        continue;
    hang_up(s, c, false);
}

/* libcurl has a limit of its own for a line, and calls it out of memory. */
static void a_header_line_has_a_limit(void **state)
{
    fixture *f = *state;

    memset(filler, 'x', sizeof filler);
    server_does(&f->server, send_one_line_without_end);
    check_failure(run(f, (ask){0}), KAT_TOO_LARGE, true, "header line");
}

static void headers_have_a_limit(void **state)
{
    fixture *f = *state;

    server_does(&f->server, send_headers_without_end);
    check_failure(run(f, (ask){0}), KAT_TOO_LARGE, true, "1000 lines");
    server_does(&f->server, send_interim_answers_without_end);
    check_failure(run(f, (ask){0}), KAT_TOO_LARGE, true, "256 KiB");
}

static void send_many_headers(server *s, conn *c)
{
    int i;

    (void)s;
    say(c, "HTTP/1.1 200 OK\r\n");
    for (i = 0; i < 900; i++)
        say(c, "X-Same: 0123456789012345678901234567890123456789\r\n");
    say(c, "Content-Length: 0\r\n\r\n");
}

/* What one request met counts for no other that the handle serves. */
static void every_request_has_limits_of_its_own(void **state)
{
    fixture *f = *state;
    int i, port, fd = listen_somewhere(&port, true);

    server_does(&f->server, send_many_headers);
    for (i = 0; i < 10; i++)
        check_answer(run(f, (ask){0}), 200, "");
    assert_true(10 * strlen(header_of(&f->ops[0], "x-same")) > KAT_HEADERS_MAX_BYTES);
    server_does(&f->server, promise_too_much);
    check_failure(run(f, (ask){0}), KAT_TOO_LARGE, true, "maxResponseBytes");
    check_failure(run(f, (ask){.port = port}), KAT_CONNECT, false, "connect");
    assert_null(strstr(kat_op_message(&f->ops[0]), "maxResponseBytes"));
    close(fd);
}

static void trickle_for_ever(server *s, conn *c)
{
    (void)s;
    say(c, "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n");
    c->trickle = true;
}

static double (*right_now)(void);

static double much_later(void)
{
    return right_now() + 1000;
}

/* libcurl, which has a clock of its own here, knows nothing of it: as in those of
 * its loops that do not look at the time while bytes come. */
static void time_that_is_up_ends_what_goes_on(void **state)
{
    fixture *f = *state;
    kat_op *op = &f->ops[0];

    right_now = kat_now;
    server_does(&f->server, trickle_for_ever);
    start_and_await(f, op, (ask){.method = "POST", .body = "{}"});
    kat_now = much_later;
    finish_on(f->engine, op);
    kat_now = right_now;
    check_failure(op, KAT_TIMEOUT, true, "while the answer was still coming");
    server_does(&f->server, answer_ok);
    check_answer(run(f, (ask){0}), 200, "{\"ok\":true}");
}

static void drop(server *s, conn *c)
{
    hang_up(s, c, false);
}

/* Without Kerberos, whose part in it blocks. */
static void a_socks_proxy_is_offered_what_cannot_block(void **state)
{
    fixture *f = *state;
    char proxy[64];
    kat_engine *engine;

    snprintf(proxy, sizeof proxy, "socks5h://me:pw@127.0.0.1:%d", f->server.port);
    engine = new_engine(proxy);
    f->server.raw = true; /* nobody has connected yet */
    server_does(&f->server, drop);
    assert_null(start_on(engine, f, &f->ops[0], (ask){.proxied = true}));
    finish_on(engine, &f->ops[0]);
    check_failure(&f->ops[0], KAT_CONNECT, false, "");
    assert_memory_equal(f->server.last, "\5\2\0\2", 5);
    kat_op_release(&f->ops[0]);
    kat_engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(a_body_has_a_limit),
        FIXTURE(a_header_line_has_a_limit),
        FIXTURE(headers_have_a_limit),
        FIXTURE(every_request_has_limits_of_its_own),
        FIXTURE(time_that_is_up_ends_what_goes_on),
        FIXTURE(a_socks_proxy_is_offered_what_cannot_block),
    };

    return cmocka_run_group_tests_name("engine_limits", tests, no_proxies, NULL);
}
