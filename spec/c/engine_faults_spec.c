/* The engine against servers that stall, lie, break off or talk nonsense. */
#include "fixture.h"
#include "kat_retry.h"

static const char OK[] = "{\"ok\":true}";

static void stall(server *s, conn *c)
{
    (void)s;
    (void)c;
}

static void drop(server *s, conn *c)
{
    hang_up(s, c, false);
}

static void reset(server *s, conn *c)
{
    hang_up(s, c, true);
}

/* libcurl would send a request again, a POST too, when a connection that it
 * had used before dies under it. Whether that happened the server knows. */
static void check_lost(fixture *f, server_handler how, const char *method)
{
    kat_op *op;
    int before;

    server_does(&f->server, answer_ok);
    check_answer(run(f, (ask){0}), 200, OK);
    before = counted(f, requests);
    server_does(&f->server, how);
    op = run(f, (ask){.method = method, .path = "/once", .body = "{}"});
    if (op->kind != KAT_CONNECTION || !op->sent || op->status != 0)
        fail_msg("%s, sent %d, status %d", kat_kind_name(op->kind), op->sent, op->status);
    kat_op_claim(op);
    /* One more, all the way there and back, and what was sent before it has
     * been seen. */
    server_does(&f->server, answer_ok);
    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(counted(f, requests), before + 2);
}

static void nothing_is_sent_twice(void **state)
{
    static const server_handler ways[] = {drop, reset};
    static const char *const methods[] = {"POST", "PATCH", "DELETE", "GET"};
    size_t i, j;

    for (i = 0; i < COUNT(ways); i++)
        for (j = 0; j < COUNT(methods); j++)
            check_lost(*state, ways[i], methods[j]);
}

static void a_first_connection_may_die_too(void **state)
{
    fixture *f = *state;

    server_does(&f->server, drop);
    check_failure(run(f, (ask){.method = "POST"}), KAT_CONNECTION, true, "Empty reply");
    server_does(&f->server, reset);
    check_failure(run(f, (ask){.method = "POST"}), KAT_CONNECTION, true, "reset");
    assert_int_equal(counted(f, requests), 2);
}

static void hint_and_drop(server *s, conn *c)
{
    say(c, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    hang_up(s, c, false);
}

/* An interim answer is none: whether a write was carried out is not known. */
static void an_interim_answer_is_no_answer(void **state)
{
    fixture *f = *state;
    kat_outcome outcome = {0};
    const kat_op *op;

    server_does(&f->server, hint_and_drop);
    op = run(f, (ask){.method = "POST"});
    assert_int_equal(op->kind, KAT_CONNECTION);
    assert_int_equal(op->status, 0);
    outcome.kind = op->kind;
    outcome.sent = op->sent;
    outcome.status = op->status;
    assert_true(kat_maybe_applied(&outcome, false));
}

/* Cut within the headers of the answer, behind interim ones that libcurl reads
 * for itself. */
static const char *odd_interim;

static void say_it_and_drop(server *s, conn *c)
{
    say(c, odd_interim);
    say(c, "HTTP/1.1 200 OK\r\nServer: cut\r\n");
    hang_up(s, c, false);
}

static void interim_answers_are_those_that_libcurl_sees(void **state)
{
    static const char *const odd[] = {
        "HTTP/1.1  100 Continue\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nHTTP/ HTTP/1.1 299:\r\n\r\n",
    };
    fixture *f = *state;
    size_t i;

    for (i = 0; i < COUNT(odd); i++) {
        const kat_op *op;

        odd_interim = odd[i];
        server_does(&f->server, say_it_and_drop);
        op = run(f, (ask){.method = "DELETE"});
        check_failure(op, KAT_CONNECTION, true, "within the answer's headers");
        assert_int_equal(op->status, 200);
    }
}

static void check_timeout(fixture *f, server_handler how, int status)
{
    double began = kat_now();
    kat_op *op;

    server_does(&f->server, how);
    op = run(f, (ask){.method = "POST", .timeout = 0.1});
    check_failure(op, KAT_TIMEOUT, true, "timed out");
    assert_int_equal(op->status, status);
    assert_true(kat_now() - began >= 0.099);
    assert_true(kat_now() - began < PATIENCE_S);
}

static void stall_in_the_body(server *s, conn *c)
{
    (void)s;
    say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
}

static void trickle_the_body(server *s, conn *c)
{
    (void)s;
    say(c, "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n");
    c->trickle = true;
}

static void trickle_a_header(server *s, conn *c)
{
    (void)s;
    say(c, "HTTP/1.1 200 OK\r\nX: ");
    c->trickle = true;
}

/* A trickle resets no clock: the time is up when it is up. */
static void a_slow_server_meets_the_timeout(void **state)
{
    check_timeout(*state, stall, 0);
    check_timeout(*state, stall_in_the_body, 200);
    check_timeout(*state, trickle_the_body, 200);
    check_timeout(*state, trickle_a_header, 200);
}

static void a_refused_connection_sends_nothing(void **state)
{
    fixture *f = *state;
    int port, fd = listen_somewhere(&port, true);

    assert_true(fd >= 0);
    check_failure(run(f, (ask){.method = "POST", .port = port}), KAT_CONNECT, false, "connect");
    close(fd);
}

/* A full queue of a server that accepts nobody: the kernel drops what comes. */
static void a_connection_may_never_come_about(void **state)
{
    struct sockaddr_in name = {0};
    fixture *f = *state;
    int port, fds[8], listener = listen_somewhere(&port, true);
    kat_request request = {.method = "POST", .timeout = PATIENCE_S, .connect_timeout = 0.1};
    char url[64];
    kat_op *op = &f->ops[0];
    size_t i;

    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons((uint16_t)port);
    assert_int_equal(listen(listener, 0), 0);
    for (i = 0; i < COUNT(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fds[i], (struct sockaddr *)&name, sizeof name);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    request.url = url;
    request.direct = true;
    assert_null(kat_start(f->engine, op, &request));
    finish_on(f->engine, op);
    for (i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    close(listener);
    check_failure(op, KAT_TIMEOUT, false, "");
}

static const char *nonsense;

static void talk_nonsense(server *s, conn *c)
{
    say(c, nonsense);
    hang_up(s, c, false);
}

static void what_is_not_http_is_a_broken_connection(void **state)
{
    static const char *const texts[] = {
        "hello, I am no HTTP server\r\n", "<html>HTTP/0.9</html>",
        "\x15\x03\x01\x02\x02\x28",       "\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",        "HTTP/1.1\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",        "SSH-2.0-OpenSSH_9.2p1\r\n",
    };
    fixture *f = *state;
    size_t i;

    server_does(&f->server, talk_nonsense);
    for (i = 0; i < COUNT(texts); i++) {
        const kat_op *op;

        nonsense = texts[i];
        op = run(f, (ask){.method = "POST"});
        if (op->kind != KAT_CONNECTION || !op->sent)
            fail_msg("\"%s\": %s, sent %d, status %d", nonsense, kat_kind_name(op->kind), op->sent,
                     op->status);
    }
    assert_int_equal(counted(f, requests), COUNT(texts));
}

static void an_answer_that_was_cut_is_none(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"ok\":true}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ok\"\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{\"ok\"",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Re", /* in its headers */
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        "HTTP/1.1 200 OK\r\n",
    };
    fixture *f = *state;
    size_t i;

    server_does(&f->server, talk_nonsense);
    for (i = 0; i < COUNT(texts); i++) {
        const kat_op *op;

        nonsense = texts[i];
        op = run(f, (ask){.method = "POST"});
        if (op->kind != KAT_CONNECTION || !op->sent || op->status != 200)
            fail_msg("row %zu: %s, sent %d, status %d", i, kat_kind_name(op->kind), op->sent,
                     op->status);
    }
    /* Without any length the end of the connection is the end of the body. */
    nonsense = "HTTP/1.0 200 OK\r\n\r\n{\"ok\":true}";
    check_answer(run(f, (ask){0}), 200, OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(nothing_is_sent_twice),
        FIXTURE(a_first_connection_may_die_too),
        FIXTURE(an_interim_answer_is_no_answer),
        FIXTURE(interim_answers_are_those_that_libcurl_sees),
        FIXTURE(a_slow_server_meets_the_timeout),
        FIXTURE(a_refused_connection_sends_nothing),
        FIXTURE(a_connection_may_never_come_about),
        FIXTURE(what_is_not_http_is_a_broken_connection),
        FIXTURE(an_answer_that_was_cut_is_none),
    };

    return cmocka_run_group_tests_name("engine_faults", tests, no_proxies, NULL);
}
