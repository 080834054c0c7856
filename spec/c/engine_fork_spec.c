/* A process that forks with requests under way: the child leaves everything
 * alone that is the parent's as well, and makes connections of its own. */
#include <sys/wait.h>

#include "fixture.h"
#include "tls_peer.h"

static const char OK[] = "{\"ok\":true}";

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

static void a_child_begins_anew(void **state)
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

    for (i = 0; i < COUNT(f->turns); i++) { /* all that there are */
        kat_turn_enter(kat_engine_gate(f->engine), &f->turns[i]);
        assert_true(kat_turn_ask(&f->turns[i], 100, kat_now()));
    }
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
    for (i = 0; i < COUNT(f->turns); i++)
        assert_int_equal(f->turns[i].state, KAT_TURN_HELD);
}

/* In a child, whose own work is then what must not be seen in the parent. */
static int child_leaves_an_answer(fixture *f)
{
    kat_op *op = &f->ops[3];
    double limit = kat_now() + PATIENCE_S;

    kat_turn_poke(&f->turns[0]); /* as a canceller does, or the collector */
    EXPECT(start_on(f->engine, f, op, (ask){0}) == NULL);
    while (op->state == KAT_ACTIVE && kat_now() < limit)
        kat_poll(f->engine, 1);
    kat_fd(f->engine);
    kat_prepare_wait(f->engine, NULL, 1, true); /* rings, and is not heard */
    EXPECT(f->engine->driver.set < 0 || f->engine->driver.rung);
    return 0;
}

static void a_childs_bell_is_not_the_parents(void **state)
{
    fixture *f = *state;
    struct pollfd one = {kat_fd(f->engine), POLLIN, 0};

    check_answer(run(f, (ask){0}), 200, OK);
    kat_op_claim(&f->ops[0]);
    kat_turn_enter(kat_engine_gate(f->engine), &f->turns[0]);
    assert_int_equal(in_child(child_leaves_an_answer, f), 0);
    if (one.fd >= 0)
        assert_int_equal(poll(&one, 1, 0), 0);
    check_answer(run(f, (ask){0}), 200, OK);
}

/* Whatever the child does first, the wake-up that is there is for the parent. */
static int child_polls(fixture *f)
{
    kat_poll(f->engine, 0);
    kat_poll(f->engine, 0.001);
    return 0;
}

static int child_settles(fixture *f)
{
    kat_turn_look(&f->turns[0]);
    kat_settle(f->engine);
    kat_op_release(&f->ops[0]);
    kat_prepare_wait(f->engine, NULL, 1, true);
    return 0;
}

static int child_closes_at_once(fixture *f)
{
    kat_engine_quit(f->engine);
    kat_engine_free(f->engine);
    return 0;
}

static void the_parents_wakeup_stays_its_own(void **state)
{
    static int (*const children[])(fixture *) = {child_polls, child_settles, child_closes_at_once,
                                                 child_leaves_an_answer};
    fixture *f = *state;
    struct pollfd one = {kat_fd(f->engine), POLLIN, 0};
    size_t i;

    run(f, (ask){0}); /* unclaimed */
    kat_turn_enter(kat_engine_gate(f->engine), &f->turns[0]);
    kat_turn_poke(&f->turns[0]);
    for (i = 0; i < COUNT(children); i++) {
        kat_prepare_wait(f->engine, NULL, 1, true);
        assert_int_equal(in_child(children[i], f), 0);
        if (one.fd >= 0)
            assert_int_equal(poll(&one, 1, 0), 1);
    }
}

static int child_steps_and_closes(fixture *f)
{
    kat_step(f->engine);
    kat_engine_free(f->engine);
    return 0;
}

/* Runs a request to the peer, and gives the answer for it. */
static long connections_made(fixture *f, const tls *peer, const char *path)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    kat_op *op = &f->ops[0];
    double limit = kat_now() + PATIENCE_S;
    long made = -1;

    start(f, op, (ask){.path = path, .origin = "https://127.0.0.1", .port = peer->port});
    while (!tls_said(peer, path) && kat_now() < limit)
        kat_poll(f->engine, 0.002);
    assert_int_equal(write(peer->input, text, sizeof text - 1), sizeof text - 1);
    finish_on(f->engine, op);
    check_answer(op, 200, "ok");
    curl_easy_getinfo(op->slot->easy, CURLINFO_NUM_CONNECTS, &made);
    kat_op_claim(op);
    return made;
}

/* Over TLS a close says goodbye, which the parent's server would take for the
 * parent's. */
static void a_child_says_no_goodbye_for_its_parent(void **state)
{
    fixture *f = *state;
    kat_config config = {.max_bytes = 1000, .max_concurrent = 4};
    long first, second = -1;
    int failed = -1;
    tls peer;

    tls_start(&peer, false);
    if (!peer.port)
        skip();
    kat_engine_free(f->engine);
    config.ca_file = peer.certificate;
    f->engine = kat_engine_new(&config);
    first = connections_made(f, &peer, "/first");
    if (first == 1) {
        failed = in_child(child_steps_and_closes, f);
        second = connections_made(f, &peer, "/second");
    }
    tls_stop(&peer);
    assert_int_equal(first, 1);
    assert_int_equal(failed, 0);
    assert_int_equal(second, 0); /* the same connection as before */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(a_child_begins_anew),
        FIXTURE(a_fork_in_flight_leaves_the_parent_alone),
        FIXTURE(a_childs_bell_is_not_the_parents),
        FIXTURE(the_parents_wakeup_stays_its_own),
        FIXTURE(a_child_says_no_goodbye_for_its_parent),
    };

    return cmocka_run_group_tests_name("engine_fork", tests, no_proxies, NULL);
}
