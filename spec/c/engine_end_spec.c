/* How operations end early: cancelled, or closed under their caller. And which
 * way requests take. */
#include "fixture.h"

static const char OK[] = "{\"ok\":true}";

static void a_cancel_before_sending(void **state)
{
    fixture *f = *state;
    kat_op *op = &f->ops[0];

    start(f, op, (ask){.method = "POST", .body = "{}"});
    kat_op_cancel(op);
    assert_int_equal(op->state, KAT_CANCELLED);
    assert_int_equal(op->kind, KAT_CANCELLED_KIND);
    assert_false(op->sent);
    assert_null(op->engine);
    kat_op_cancel(op);
    kat_op_claim(op);
    assert_int_equal(op->state, KAT_CANCELLED);
    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(counted(f, requests), 1); /* it never went out */
}

static void a_cancel_in_flight(void **state)
{
    fixture *f = *state;

    server_does(&f->server, hold_the_slow);
    start_and_await(f, &f->ops[1], (ask){.path = "/slow", .method = "POST"});
    start(f, &f->ops[2], (ask){.path = "/fast"});
    kat_op_cancel(&f->ops[1]);
    assert_int_equal(f->ops[1].state, KAT_CANCELLED);
    assert_true(f->ops[1].sent);
    await(f, closed, 1); /* nobody waits for the rest of its answer */
    finish_on(f->engine, &f->ops[2]);
    check_answer(&f->ops[2], 200, OK);
    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(f->engine->active, 0);
}

static void a_close_orphans_what_is_under_way(void **state)
{
    fixture *f = *state;
    kat_turn *inside = &f->turns[0], *waiting = &f->turns[1];
    int i;

    server_does(&f->server, hold_the_slow);
    kat_turn_enter(kat_engine_gate(f->engine), inside);
    kat_turn_enter(kat_engine_gate(f->engine), waiting);
    kat_turn_ask(inside, 100, kat_now());
    start_and_await(f, &f->ops[0], (ask){.path = "/slow", .method = "POST"});
    start(f, &f->ops[1], (ask){.path = "/fast"});
    finish_on(f->engine, &f->ops[1]);
    start(f, &f->ops[2], (ask){.path = "/unsent"});
    kat_engine_free(f->engine);
    f->engine = NULL;
    await(f, closed, 2);
    for (i = 0; i < 3; i++) {
        kat_op *op = &f->ops[i];

        assert_int_equal(op->state, KAT_ORPHANED);
        assert_null(op->engine);
        assert_int_equal(op->sent, i != 2);
        assert_non_null(strstr(kat_op_message(op), "client was closed"));
        kat_op_cancel(op); /* whatever comes late finds nothing */
        kat_op_claim(op);
        assert_int_equal(op->state, KAT_ORPHANED);
    }
    assert_int_equal(inside->state, KAT_TURN_OUTSIDE);
    assert_false(kat_turn_ask(waiting, 1, 0));
}

/* A reader that may run foreign code, as a collector does, keeps what it reads
 * though the client is closed under it. */
static void a_held_answer_outlives_its_engine(void **state)
{
    fixture *f = *state;
    kat_op *op = run(f, (ask){0});
    const kat_buf *body = kat_op_body(op);
    const char *type = header_of(op, "content-type");

    kat_op_hold(op);
    kat_engine_free(f->engine);
    f->engine = NULL;
    assert_int_equal(op->state, KAT_ORPHANED);
    assert_int_equal(body->len, sizeof OK - 1);
    assert_memory_equal(body->data, OK, body->len);
    assert_string_equal(header_of(op, "content-type"), type);
    kat_op_claim(op); /* and gives it back */
    kat_op_claim(op);
    assert_null(op->slot);
}

static void holding_changes_nothing_else(void **state)
{
    fixture *f = *state;
    kat_op *op = &f->ops[0];
    int i;

    kat_op_hold(op); /* there is nothing yet */
    assert_false(op->held);
    for (i = 0; i < 3; i++) {
        check_answer(run(f, (ask){0}), 200, OK);
        kat_op_hold(op);
        kat_op_hold(op);
        kat_op_claim(op);
        assert_int_equal(op->state, KAT_CLAIMED);
        assert_int_equal(f->engine->idle_count, 1);
    }
    run(f, (ask){0});
    kat_op_hold(op);
    kat_op_release(op);
    assert_int_equal(op->state, KAT_CLAIMED);
    assert_int_equal(f->engine->idle_count, 1);
}

/* An attempt's turn goes to the next in line as soon as it is over, whether or
 * not its caller is still there to give it back. */
static void a_turn_ends_with_its_operation(void **state)
{
    fixture *f = *state;
    kat_gate *gate = kat_engine_gate(f->engine);
    kat_op *op = &f->ops[0];
    int way;

    gate->max = 1;
    server_does(&f->server, hold_the_slow);
    for (way = 0; way < 3; way++) {
        kat_turn *mine = &f->turns[0], *next = &f->turns[1];

        kat_turn_enter(gate, mine);
        kat_turn_enter(gate, next);
        assert_true(kat_turn_ask(mine, 100, kat_now()));
        assert_false(kat_turn_ask(next, 100, kat_now()));
        start(f, op, (ask){.path = way == 0 ? "/fast" : "/slow"});
        kat_op_tie(op, mine);
        if (way == 0)
            finish_on(f->engine, op);
        else if (way == 1)
            kat_op_cancel(op);
        else
            kat_op_release(op);
        assert_int_equal(mine->state, KAT_TURN_RESTING);
        assert_int_equal(next->state, KAT_TURN_HELD);
        assert_true(next->poked);
        assert_null(mine->op);
        assert_null(op->turn);
        kat_op_release(op);
        kat_turn_leave(mine, kat_now());
        kat_turn_leave(next, kat_now());
        assert_int_equal(gate->held + gate->poked, 0);
    }
}

/* A second attempt in the same turn: what is left of the first ends nothing. */
static void the_last_attempt_has_the_turn(void **state)
{
    fixture *f = *state;
    kat_turn *turn = &f->turns[0];

    server_does(&f->server, hold_the_slow);
    kat_turn_enter(kat_engine_gate(f->engine), turn);
    assert_true(kat_turn_ask(turn, 100, kat_now()));
    start(f, &f->ops[0], (ask){.path = "/slow"});
    kat_op_tie(&f->ops[0], turn);
    start(f, &f->ops[1], (ask){.path = "/slow"});
    kat_op_tie(&f->ops[1], turn);
    kat_op_release(&f->ops[0]);
    assert_int_equal(turn->state, KAT_TURN_HELD);
    assert_ptr_equal(turn->op, &f->ops[1]);
    kat_op_release(&f->ops[1]);
    assert_int_equal(turn->state, KAT_TURN_RESTING);
}

/* A turn that goes first, or is given back first, is left alone afterwards. */
static void a_turn_may_go_before_its_operation(void **state)
{
    fixture *f = *state;
    kat_turn *turn = &f->turns[0];

    kat_turn_enter(kat_engine_gate(f->engine), turn);
    assert_true(kat_turn_ask(turn, 100, kat_now()));
    start(f, &f->ops[0], (ask){0});
    kat_op_tie(&f->ops[0], turn);
    kat_turn_untie(turn);
    kat_turn_untie(turn);
    kat_turn_leave(turn, kat_now());
    memset(turn, 0xA5, sizeof *turn); /* it is gone */
    finish_on(f->engine, &f->ops[0]);
    check_answer(&f->ops[0], 200, OK);
    memset(turn, 0, sizeof *turn);
    kat_turn_enter(kat_engine_gate(f->engine), turn);
    assert_true(kat_turn_ask(turn, 100, kat_now()));
    start(f, &f->ops[1], (ask){0});
    kat_op_tie(&f->ops[1], turn);
    kat_engine_quit(f->engine); /* both at once */
    assert_int_equal(turn->state, KAT_TURN_OUTSIDE);
    assert_int_equal(f->ops[1].state, KAT_ORPHANED);
    assert_null(turn->op);
}

/* Who waits for the descriptor, or for a turn, is woken to find all closed. */
static void quitting_wakes_whoever_waits(void **state)
{
    fixture *f = *state;
    struct pollfd one = {kat_fd(f->engine), POLLIN, 0};
    kat_turn *turn = &f->turns[0];

    kat_turn_enter(kat_engine_gate(f->engine), turn);
    server_does(&f->server, hold_the_slow);
    start_and_await(f, &f->ops[0], (ask){.path = "/slow"});
    kat_prepare_wait(f->engine, &f->ops[0], 10, true);
    kat_engine_quit(f->engine);
    if (one.fd >= 0)
        assert_int_equal(poll(&one, 1, 0), 1);
    assert_int_equal(f->ops[0].state, KAT_ORPHANED);
    assert_int_equal(turn->state, KAT_TURN_OUTSIDE);
    assert_true(kat_timeout(f->engine) > 1e300);
    kat_step(f->engine);
    kat_engine_quit(f->engine);
}

static void an_engine_that_did_nothing_closes(void **state)
{
    kat_engine *engine = new_engine("http://user:pw@127.0.0.1:1/");

    (void)state;
    kat_engine_free(engine);
    kat_engine_free(NULL);
}

static void check_way(fixture *f, server *proxy, const char *named, bool direct, bool through)
{
    int direct_before = counted(f, requests);
    int proxied_before = server_read_count(proxy, &proxy->requests);
    kat_engine *engine = f->engine;

    if (named)
        engine = new_engine(named);
    assert_null(start_on(engine, f, &f->ops[0], (ask){.path = "/x", .proxied = !direct}));
    finish_on(engine, &f->ops[0]);
    check_answer(&f->ops[0], 200, OK);
    kat_op_release(&f->ops[0]);
    if (named)
        kat_engine_free(engine);
    assert_int_equal(counted(f, requests), direct_before + !through);
    assert_int_equal(server_read_count(proxy, &proxy->requests), proxied_before + through);
    if (through)
        assert_ptr_equal(strstr(proxy->last, "GET http://127.0.0.1:"), proxy->last);
}

/* The token would go there in clear. */
static void loopback_takes_no_proxy(void **state)
{
    fixture *f = *state;
    server *proxy = calloc(1, sizeof *proxy);
    char url[64];

    assert_true(server_start(proxy, answer_ok));
    snprintf(url, sizeof url, "http://127.0.0.1:%d", proxy->port);
    setenv("http_proxy", url, 1);
    check_way(f, proxy, NULL, true, false);
    check_way(f, proxy, NULL, false, true); /* else the environment's rules */
    check_way(f, proxy, NULL, true, false); /* the same handle, from the pool */
    check_way(f, proxy, "", false, false);  /* and none is none */
    check_way(f, proxy, url, true, false);
    setenv("no_proxy", "*", 1);
    check_way(f, proxy, NULL, false, false);
    check_way(f, proxy, url, false, true); /* one that was named is used always */
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    server_stop(proxy);
    free(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(a_cancel_before_sending),
        FIXTURE(a_cancel_in_flight),
        FIXTURE(a_close_orphans_what_is_under_way),
        FIXTURE(a_held_answer_outlives_its_engine),
        FIXTURE(holding_changes_nothing_else),
        FIXTURE(a_turn_ends_with_its_operation),
        FIXTURE(a_turn_may_go_before_its_operation),
        FIXTURE(the_last_attempt_has_the_turn),
        FIXTURE(quitting_wakes_whoever_waits),
        FIXTURE(an_engine_that_did_nothing_closes),
        FIXTURE(loopback_takes_no_proxy),
    };

    return cmocka_run_group_tests_name("engine_end", tests, no_proxies, NULL);
}
