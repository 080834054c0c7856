/* Kept connections on which something comes while nobody asks: a server's parting
 * words, or a reset. The next request must not go out there. */
#include "fixture.h"

static const char OK[] = "{\"ok\":true}";

static conn *kept; /* the first connection */

/* What the server does to the kept connection when it is told on another one. */
static void misbehave(server *s, conn *c)
{
    if (strstr(c->text, " /part")) {
        answer(kept, "408 Request Timeout", "X-Part: 1\r\n", "too late");
        hang_up(s, kept, false);
    } else if (strstr(c->text, " /more")) {
        answer(kept, "200 OK", "", "{\"ok\":false}");
    } else if (strstr(c->text, " /reset")) {
        hang_up(s, kept, true);
    } else if (strstr(c->text, " /first")) {
        kept = c;
    }
    answer_ok(s, c);
}

/* Tells the server so, on a connection of its own; what it does is done when the
 * answer is there. */
static void tell(fixture *f, const char *path)
{
    kat_engine *other = new_engine(NULL);

    assert_null(start_on(other, f, &f->ops[1], (ask){.path = path}));
    finish_on(other, &f->ops[1]);
    check_answer(&f->ops[1], 200, OK);
    kat_op_release(&f->ops[1]);
    kat_engine_free(other);
}

static void check_replaced(fixture *f, const char *what, const char *method)
{
    kat_op *op;
    int connections, requests;

    server_does(&f->server, misbehave);
    check_answer(run(f, (ask){.path = "/first"}), 200, OK);
    kat_op_claim(&f->ops[0]);
    tell(f, what);
    connections = counted(f, connections);
    requests = counted(f, requests);
    op = run(f, (ask){.method = method, .body = "{}"});
    check_answer(op, 200, OK);
    assert_null(header_of(op, "x-part"));
    kat_op_claim(op);
    await(f, requests, requests + 1);
    assert_int_equal(counted(f, requests), requests + 1);
    assert_int_equal(counted(f, connections), connections + 1);
    /* The new one is as good as any. */
    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(counted(f, connections), connections + 1);
    kat_op_claim(&f->ops[0]);
}

static void what_comes_unasked_is_no_answer(void **state)
{
    check_replaced(*state, "/part", "POST");
}

static void nor_is_what_a_server_adds(void **state)
{
    check_replaced(*state, "/more", "GET");
}

static void say_good_bye(server *s, conn *c)
{
    if (strstr(c->text, " /bye")) {
        answer(c, "200 OK", "Connection: close\r\n", OK);
        hang_up(s, c, false);
    } else {
        misbehave(s, c);
    }
}

/* A connection that was closed takes no other out of sight. */
static void nor_where_another_was_closed_before(void **state)
{
    fixture *f = *state;
    int connections;

    server_does(&f->server, say_good_bye);
    start(f, &f->ops[0], (ask){.path = "/bye"});
    start(f, &f->ops[1], (ask){.path = "/first"});
    finish_on(f->engine, &f->ops[0]);
    finish_on(f->engine, &f->ops[1]);
    kat_op_claim(&f->ops[0]);
    kat_op_claim(&f->ops[1]);
    tell(f, "/more");
    connections = counted(f, connections);
    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(counted(f, connections), connections + 1);
    kat_op_claim(&f->ops[0]);
}

static void a_reset_costs_no_request(void **state)
{
    check_replaced(*state, "/reset", "POST");
}

/* The clock goes on from when the request began, also on the second connection. */
static void the_time_is_the_request_s(void **state)
{
    fixture *f = *state;
    kat_op *op;

    server_does(&f->server, misbehave);
    check_answer(run(f, (ask){.path = "/first"}), 200, OK);
    kat_op_claim(&f->ops[0]);
    tell(f, "/part");
    server_does(&f->server, hold_the_slow);
    op = run(f, (ask){.method = "POST", .path = "/slow", .timeout = 0.1});
    check_failure(op, KAT_TIMEOUT, true, "timed out");
}

/* Also where the host looked late, and most of the time is gone when the second connection is made.
 */
static void it_is_what_is_left_of_it(void **state)
{
    fixture *f = *state;
    kat_op *op = &f->ops[0];
    const struct timespec late = {2, 500 * 1000 * 1000};
    double began;

    server_does(&f->server, misbehave);
    check_answer(run(f, (ask){.path = "/first"}), 200, OK);
    kat_op_claim(op);
    tell(f, "/part");
    server_does(&f->server, hold_the_slow);
    began = kat_now();
    start(f, op, (ask){.method = "POST", .path = "/slow", .timeout = 3});
    nanosleep(&late, NULL);
    finish_on(f->engine, op);
    check_failure(op, KAT_TIMEOUT, true, "timed out");
    assert_true(kat_now() - began < 5); /* 5.5 and more, if it had begun anew */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(what_comes_unasked_is_no_answer),     FIXTURE(nor_is_what_a_server_adds),
        FIXTURE(nor_where_another_was_closed_before), FIXTURE(a_reset_costs_no_request),
        FIXTURE(the_time_is_the_request_s),           FIXTURE(it_is_what_is_left_of_it),
    };

    return cmocka_run_group_tests(tests, no_proxies, NULL);
}
