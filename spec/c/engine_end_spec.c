/* How operations end early: cancelled, closed under their caller, or left
 * behind in the other process of a fork. And which way requests take. */
#include <sys/wait.h>

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
    kat_turn inside = {0}, waiting = {0};
    int i;

    server_does(&f->server, hold_the_slow);
    kat_turn_enter(kat_engine_gate(f->engine), &inside);
    kat_turn_enter(kat_engine_gate(f->engine), &waiting);
    kat_turn_ask(&inside, 100, kat_now());
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
    assert_int_equal(inside.state, KAT_TURN_OUTSIDE);
    assert_false(kat_turn_ask(&waiting, 1, 0));
}

static void an_engine_that_did_nothing_closes(void **state)
{
    kat_engine *engine = new_engine("http://user:pw@127.0.0.1:1/");

    (void)state;
    kat_engine_free(engine);
    kat_engine_free(NULL);
}

/* What a child abandons is lost on purpose; held here, so that valgrind does
 * not call it a leak. */
static void *volatile abandoned[2 + COUNT(((fixture *)0)->ops)];

static void keep_what_is_abandoned(const fixture *f)
{
    size_t i;

    abandoned[0] = f->engine->multi;
    abandoned[1] = f->engine->idle;
    for (i = 2; i < COUNT(abandoned); i++)
        abandoned[i] = f->ops[i - 2].slot;
}

/* Runs a function in a forked child, and gives what it returned. No cmocka
 * in there: a failed assertion would run the parent's tests on. */
static int in_child(int (*work)(fixture *), fixture *f)
{
    int status = -1;
    pid_t pid;

    keep_what_is_abandoned(f);
    pid = fork();
    if (pid == 0)
        _exit(work(f));
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* In the child: 0, or the number of the check that failed. */
#define EXPECT(what)                   \
    do {                               \
        if (!(what))                   \
            return __LINE__ % 250 + 1; \
    } while (0)

static int child_requests_anew(fixture *f)
{
    kat_op op;
    double limit = kat_now() + PATIENCE_S;

    EXPECT(start_on(f->engine, f, &op, (ask){.path = "/child"}) == NULL);
    while (op.state == KAT_ACTIVE && kat_now() < limit)
        kat_poll(f->engine, 1);
    EXPECT(op.state == KAT_DONE && op.kind == KAT_NONE && op.status == 200);
    kat_op_claim(&op);
    EXPECT(!kat_check_fork(f->engine));
    kat_engine_free(f->engine);
    return 0;
}

static void a_forked_child_begins_anew(void **state)
{
    fixture *f = *state;

    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(in_child(child_requests_anew, f), 0);
    assert_int_equal(counted(f, connections), 2);
    await(f, closed, 1); /* the child's own, and not the parent's */
    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(counted(f, connections), 2);
    assert_int_equal(counted(f, closed), 1);
}

static int child_finds_orphans(fixture *f)
{
    kat_turn turn = {0};

    EXPECT(f->ops[0].state == KAT_ACTIVE && f->ops[1].state == KAT_DONE);
    kat_step(f->engine);
    EXPECT(f->ops[0].state == KAT_ORPHANED && f->ops[0].engine == NULL && f->ops[0].sent);
    EXPECT(f->ops[1].state == KAT_ORPHANED);
    EXPECT(strstr(kat_op_message(&f->ops[0]), "forked") != NULL);
    EXPECT(kat_poll(f->engine, 0) && kat_timeout(f->engine) > 1e300);
    kat_op_release(&f->ops[0]);
    kat_op_release(&f->ops[1]);
    EXPECT(f->ops[0].state == KAT_ORPHANED);
    kat_turn_enter(kat_engine_gate(f->engine), &turn);
    EXPECT(kat_turn_ask(&turn, 1, 0)); /* the parent's turns do not count here */
    return child_requests_anew(f);
}

/* The first to look may be a release, or a close. */
static int child_releases(fixture *f)
{
    kat_op_release(&f->ops[1]);
    EXPECT(f->ops[1].state == KAT_ORPHANED && f->ops[0].state == KAT_ORPHANED);
    kat_op_release(&f->ops[0]);
    kat_engine_free(f->engine);
    return 0;
}

static int child_cancels(fixture *f)
{
    kat_op_cancel(&f->ops[0]);
    EXPECT(f->ops[0].state == KAT_ORPHANED);
    kat_op_claim(&f->ops[1]);
    EXPECT(f->ops[1].state == KAT_ORPHANED);
    kat_engine_free(f->engine);
    return 0;
}

static int child_closes(fixture *f)
{
    kat_engine_free(f->engine);
    EXPECT(f->ops[0].state == KAT_ORPHANED && f->ops[1].state == KAT_ORPHANED);
    return 0;
}

static int child_asks_for_the_descriptor(fixture *f)
{
    int fd = kat_fd(f->engine);

    EXPECT(f->ops[0].state == KAT_ORPHANED);
    EXPECT(fd < 0 || fcntl(fd, F_GETFD) == FD_CLOEXEC);
    kat_prepare_wait(f->engine, NULL, 1, true);
    EXPECT(f->engine->driver.rung == false);
    return child_requests_anew(f);
}

/* The parent's operations go on as if nothing had been, whatever children do. */
static void a_fork_in_flight_leaves_the_parent_alone(void **state)
{
    static int (*const children[])(fixture *) = {child_finds_orphans, child_releases, child_cancels,
                                                 child_closes, child_asks_for_the_descriptor};
    fixture *f = *state;
    int fd = kat_fd(f->engine);
    size_t i;

    server_does(&f->server, hold_the_slow);
    start(f, &f->ops[1], (ask){.path = "/fast"});
    finish_on(f->engine, &f->ops[1]);
    start_and_await(f, &f->ops[0], (ask){.path = "/slow", .method = "POST"});
    for (i = 0; i < COUNT(children); i++) {
        int failed = in_child(children[i], f);

        if (failed)
            fail_msg("child %zu, line %d (modulo 250, and one more)", i, failed);
    }
    assert_int_equal(f->ops[0].state, KAT_ACTIVE);
    answer(held, "200 OK", "", "slow");
    finish_on(f->engine, &f->ops[0]);
    check_answer(&f->ops[0], 200, "slow");
    check_answer(&f->ops[1], 200, OK);
    assert_int_equal(kat_fd(f->engine), fd);
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
        FIXTURE(an_engine_that_did_nothing_closes),
        FIXTURE(a_forked_child_begins_anew),
        FIXTURE(a_fork_in_flight_leaves_the_parent_alone),
        FIXTURE(loopback_takes_no_proxy),
    };

    return cmocka_run_group_tests_name("engine_end", tests, no_proxies, NULL);
}
