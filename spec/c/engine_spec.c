/* The engine when all goes well: requests as they stand on the wire, answers
 * as they come back, connections kept, and the ends of an operation. */
#include "fixture.h"

static void a_get_and_its_answer(void **state)
{
    fixture *f = *state;
    kat_op *op;

    assert_true(kat_lines_add(f->lines, "Authorization", "Bearer sk_test"));
    assert_true(kat_lines_add(f->lines, "X-Empty", ""));
    op = run(f, (ask){.path = "/api/v1/widget-keys?a=%2F"});
    check_answer(op, 200, "{\"ok\":true}");
    assert_string_equal(header_of(op, "content-type"), "application/json");
    assert_non_null(strstr(f->server.last, "GET /api/v1/widget-keys?a=%2F HTTP/1.1\r\n"));
    assert_non_null(strstr(f->server.last, "\r\nAuthorization: Bearer sk_test\r\n"));
    assert_non_null(strstr(f->server.last, "\r\nX-Empty:\r\n"));
    assert_null(strstr(f->server.last, "Content-"));
    assert_null(strstr(f->server.last, "Expect"));
    assert_null(strstr(f->server.last, "Accept-Encoding"));
    kat_op_claim(op);
    assert_int_equal(op->state, KAT_CLAIMED);
    assert_null(op->engine);
}

/* The path is not tidied up on its way. */
static void bodies_and_methods(void **state)
{
    static const char *const methods[] = {"POST", "PATCH", "PUT", "DELETE"};
    fixture *f = *state;
    char wanted[64];
    size_t i;

    assert_true(kat_lines_add(f->lines, "Content-Type", "application/json"));
    for (i = 0; i < COUNT(methods); i++) {
        check_answer(run(f, (ask){.method = methods[i], .path = "/a/../b//c", .body = "{\"x\":1}"}),
                     200, "{\"ok\":true}");
        snprintf(wanted, sizeof wanted, "%s /a/../b//c HTTP/1.1\r\n", methods[i]);
        assert_ptr_equal(strstr(f->server.last, wanted), f->server.last);
        assert_non_null(strstr(f->server.last, "\r\nContent-Length: 7\r\n"));
        assert_non_null(strstr(f->server.last, "\r\nContent-Type: application/json\r\n"));
        assert_non_null(strstr(f->server.last, "\r\n\r\n{\"x\":1}"));
    }
    assert_int_equal(counted(f, connections), 1);
}

/* Handles are pooled: nothing of one request may show in the next. */
static void a_pooled_handle_forgets(void **state)
{
    static const struct {
        const char *method, *body, *length;
    } rows[] = {
        {"POST", "{}", "Content-Length: 2\r\n"},
        {"GET", NULL, NULL},
        {"DELETE", NULL, NULL},
        {"POST", NULL, "Content-Length: 0\r\n"},
        {"POST", "", "Content-Length: 0\r\n"},
        {"HEAD", NULL, NULL},
        {"GET", NULL, NULL},
        {"PATCH", "[1]", "Content-Length: 3\r\n"},
        {"GET", "{}", "Content-Length: 2\r\n"},
        {"DELETE", NULL, NULL},
    };
    fixture *f = *state;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        kat_op *op = run(f, (ask){.method = rows[i].method, .body = rows[i].body});
        size_t n = strlen(rows[i].method);

        if (strcmp(rows[i].method, "HEAD") == 0)
            check_answer(op, 200, "");
        else
            check_answer(op, 200, "{\"ok\":true}");
        assert_memory_equal(f->server.last, rows[i].method, n);
        assert_int_equal(f->server.last[n], ' ');
        if (rows[i].length)
            assert_non_null(strstr(f->server.last, rows[i].length));
        else
            assert_null(strstr(f->server.last, "Content-Length"));
        assert_null(strstr(f->server.last, "Content-Type")); /* never a form */
    }
    assert_int_equal(f->engine->idle_count, 0); /* one handle has done it all */
}

static void promise_a_great_deal(server *s, conn *c)
{
    (void)s;
    say(c, "HTTP/1.1 200 OK\r\nContent-Length: 123456789\r\n\r\n");
}

/* The limit is for bodies, and here none comes. */
static void a_head_of_something_large(void **state)
{
    fixture *f = *state;
    kat_op *op;

    server_does(&f->server, promise_a_great_deal);
    op = run(f, (ask){.method = "HEAD"});
    check_answer(op, 200, "");
    assert_string_equal(header_of(op, "content-length"), "123456789");
}

static bool asked_leave;

/* Refuses at the first bytes, whatever is still to come. */
static void refuse_early(server *s, conn *c)
{
    (void)s;
    if (c->requests > 1)
        return;
    asked_leave = strstr(c->text, "Expect") != NULL;
    answer(c, "413 Content Too Large", "", "no");
}

/* libcurl would ask leave for a large body, and wait a second for it. An
 * answer that comes before the body is through is one all the same. */
static void a_large_body_is_sent_at_once(void **state)
{
    const size_t size = 8 * 1024 * 1024; /* more than the sockets hold */
    fixture *f = *state;
    char *body = malloc(size + 1);

    memset(body, 'x', size);
    body[size] = '\0';
    f->server.raw = true; /* nobody has connected yet */
    server_does(&f->server, refuse_early);
    asked_leave = true;
    run(f, (ask){.method = "POST", .body = body});
    free(body);
    check_answer(&f->ops[0], 413, "no");
    assert_false(asked_leave);
}

static void connections_are_kept(void **state)
{
    fixture *f = *state;
    int i;

    for (i = 0; i < 20; i++)
        check_answer(run(f, (ask){.method = i % 2 ? "POST" : "GET"}), 200, "{\"ok\":true}");
    assert_int_equal(counted(f, requests), 20);
    assert_int_equal(counted(f, connections), 1);
}

static void say_goodbye(server *s, conn *c)
{
    answer(c, "200 OK", "", "bye");
    hang_up(s, c, false);
}

/* What the server closed while it lay idle is replaced, and nobody notices. */
static void an_idle_connection_that_was_closed_is_replaced(void **state)
{
    fixture *f = *state;

    server_does(&f->server, say_goodbye);
    check_answer(run(f, (ask){0}), 200, "bye");
    await(f, closed, 1);
    server_does(&f->server, answer_ok);
    check_answer(run(f, (ask){.method = "POST", .body = "x"}), 200, "{\"ok\":true}");
    assert_int_equal(counted(f, requests), 2);
    assert_int_equal(counted(f, connections), 2);
}

static void odd_answer(server *s, conn *c)
{
    (void)s;
    say(c,
        "HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nX-A: 1\r\nx-a: 2\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n");
}

static void interim_answers_chunks_and_trailers(void **state)
{
    fixture *f = *state;
    kat_op *op;

    server_does(&f->server, odd_answer);
    op = run(f, (ask){0});
    check_answer(op, 429, "hello world");
    assert_string_equal(header_of(op, "retry-after"), "5");
    assert_string_equal(header_of(op, "x-a"), "1, 2");
    assert_null(header_of(op, "x-interim"));
    assert_null(header_of(op, "link"));
    assert_null(header_of(op, "x-trailer"));
}

static void redirect(server *s, conn *c)
{
    (void)s;
    answer(c, "302 Found", "Location: /elsewhere\r\n", "");
}

static void redirects_are_not_followed(void **state)
{
    fixture *f = *state;
    kat_op *op;

    server_does(&f->server, redirect);
    op = run(f, (ask){0});
    check_answer(op, 302, "");
    assert_string_equal(header_of(op, "location"), "/elsewhere");
    assert_int_equal(counted(f, requests), 1);
}

static void answer_by_path(server *s, conn *c)
{
    char body[64];

    (void)s;
    snprintf(body, sizeof body, "%.20s", strchr(c->text, '/'));
    *strchr(body, ' ') = '\0';
    answer(c, "200 OK", "", body);
}

/* Each gets its own answer, and a body stays good until its own claim. */
static void many_at_once_are_not_mixed_up(void **state)
{
    fixture *f = *state;
    char path[32];
    int round, i;

    server_does(&f->server, answer_by_path);
    for (round = 0; round < 5; round++) {
        for (i = 0; i < (int)COUNT(f->ops); i++) {
            snprintf(path, sizeof path, "/%d-%d", round, i);
            start(f, &f->ops[i], (ask){.path = path});
        }
        for (i = 0; i < (int)COUNT(f->ops); i++)
            finish_on(f->engine, &f->ops[i]);
        for (i = (int)COUNT(f->ops) - 1; i >= 0; i--) {
            snprintf(path, sizeof path, "/%d-%d", round, i);
            check_answer(&f->ops[i], 200, path);
            kat_op_claim(&f->ops[i]);
        }
    }
    assert_int_equal(f->engine->unclaimed + f->engine->active, 0);
    assert_true(counted(f, connections) <= (int)COUNT(f->ops));
}

static void answer_all_but_the_first(server *s, conn *c)
{
    if (!strstr(c->text, "/first"))
        answer_ok(s, c);
}

static void stepping_any_moves_all(void **state)
{
    fixture *f = *state;

    server_does(&f->server, answer_all_but_the_first);
    start(f, &f->ops[0], (ask){.path = "/first"});
    start(f, &f->ops[1], (ask){.path = "/second"});
    finish_on(f->engine, &f->ops[1]);
    assert_int_equal(f->ops[0].state, KAT_ACTIVE);
    check_answer(&f->ops[1], 200, "{\"ok\":true}");
}

static double (*real_now)(void);
static double frozen;

static double frozen_now(void)
{
    return frozen;
}

/* Where the host sleeps by the clock, hundreds wake up at one moment. */
static void one_step_serves_those_who_wake_up_together(void **state)
{
    fixture *f = *state;
    kat_op *op = &f->ops[0];
    kat_state together, later;
    int i;

    server_does(&f->server, hold_the_slow);
    start_and_await(f, op, (ask){.path = "/slow"});
    kat_prepare_wait(f->engine, op, 10, false);
    real_now = kat_now;
    frozen = kat_now();
    kat_now = frozen_now;
    kat_step(f->engine);
    answer(held, "200 OK", "", "slow");
    kat_op_step(op);
    together = op->state;
    for (i = 0; i < 10 && op->state == KAT_ACTIVE; i++) {
        frozen += 0.001;
        kat_op_step(op);
    }
    later = op->state;
    kat_now = real_now;
    assert_int_equal(together, KAT_ACTIVE);
    assert_int_equal(later, KAT_DONE);
    check_answer(op, 200, "slow");
}

/* Claims, releases and cancels that come late, twice or never do no harm. */
static void an_operation_may_be_let_go_of_in_any_state(void **state)
{
    fixture *f = *state;
    kat_op *op = &f->ops[0];

    kat_op_claim(op);
    assert_int_equal(op->state, KAT_NEW);
    kat_op_release(op);
    assert_int_equal(op->state, KAT_CANCELLED);
    op = run(f, (ask){0});
    kat_op_cancel(op);
    assert_int_equal(op->state, KAT_DONE); /* too late: it has its answer */
    kat_op_claim(op);
    kat_op_claim(op);
    kat_op_cancel(op);
    kat_op_release(op);
    assert_int_equal(op->state, KAT_CLAIMED);
    op = run(f, (ask){0});
    kat_op_release(op); /* unclaimed */
    assert_int_equal(op->state, KAT_CLAIMED);
    assert_int_equal(f->engine->unclaimed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(a_get_and_its_answer),
        FIXTURE(bodies_and_methods),
        FIXTURE(a_pooled_handle_forgets),
        FIXTURE(a_head_of_something_large),
        FIXTURE(a_large_body_is_sent_at_once),
        FIXTURE(connections_are_kept),
        FIXTURE(an_idle_connection_that_was_closed_is_replaced),
        FIXTURE(interim_answers_chunks_and_trailers),
        FIXTURE(redirects_are_not_followed),
        FIXTURE(many_at_once_are_not_mixed_up),
        FIXTURE(stepping_any_moves_all),
        FIXTURE(one_step_serves_those_who_wake_up_together),
        FIXTURE(an_operation_may_be_let_go_of_in_any_state),
    };

    return cmocka_run_group_tests_name("engine", tests, no_proxies, NULL);
}
