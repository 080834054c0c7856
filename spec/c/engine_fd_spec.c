/* What an event loop sees: one descriptor that is readable whenever the engine
 * wants a step, and at no other time; how long waits last; and that nothing
 * that the engine opened is passed on to a program the host starts. */
#include <netdb.h>
#include <sys/time.h>

#include "fixture.h"

static const char OK[] = "{\"ok\":true}";

/* As a host does it: waits on the descriptor alone, without a time of its own,
 * and steps when it is readable. Gives the number of steps. */
static int wait_and_step(fixture *f, int fd, const kat_op *op)
{
    int steps = 0;

    while (op->state == KAT_ACTIVE) {
        kat_prepare_wait(f->engine, &f->ops[0], PATIENCE_S, true);
        if (!readable(fd, 1000 * PATIENCE_S))
            fail_msg("the descriptor stays still after %d steps", steps);
        kat_step(f->engine);
        steps++;
    }
    return steps;
}

static void it_wakes_for_an_answer(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f);

    server_does(&f->server, hold_the_slow);
    start_and_await(f, &f->ops[0], (ask){.path = "/slow"});
    kat_prepare_wait(f->engine, &f->ops[0], 10, true);
    assert_false(readable(fd, 0));
    answer(held, "200 OK", "", "slow");
    assert_true(readable(fd, 1000 * PATIENCE_S));
    kat_step(f->engine);
    check_answer(&f->ops[0], 200, "slow");
    kat_op_claim(&f->ops[0]);
    assert_false(readable(fd, 0));
    assert_int_equal(kat_fd(f->engine), fd); /* the same, for good */
}

/* All of a request's life, the connecting and the sending too, with no other
 * sign than the descriptor's. */
static void it_is_enough_to_wait_for_it(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f), i;

    for (i = 0; i < 3; i++) {
        start(f, &f->ops[0], (ask){.method = "POST", .body = "{}"});
        assert_true(wait_and_step(f, fd, &f->ops[0]) < 20);
        check_answer(&f->ops[0], 200, OK);
        kat_op_claim(&f->ops[0]);
        assert_false(readable(fd, 0));
    }
}

/* A timer in the set wakes the host at the time's end, once and not before. */
static void it_wakes_at_the_timeout(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f), steps;
    double began = kat_now();

    server_does(&f->server, hold_the_slow);
    start(f, &f->ops[0], (ask){.path = "/slow", .timeout = 0.1});
    steps = wait_and_step(f, fd, &f->ops[0]);
    assert_int_equal(f->ops[0].kind, KAT_TIMEOUT);
    assert_true(kat_now() - began >= 0.099);
    if (steps > 20)
        fail_msg("%d steps", steps); /* it was hot meanwhile */
    kat_op_claim(&f->ops[0]);
    assert_false(readable(fd, 0));
}

/* One's step may finish another's operation, whose socket will never wake
 * anybody again: the bell rings until it is claimed, or let go of. */
static void the_bell_rings_until_all_is_claimed(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f), release;

    for (release = 0; release <= 1; release++) {
        start(f, &f->ops[0], (ask){0});
        start(f, &f->ops[1], (ask){0});
        finish_on(f->engine, &f->ops[0]);
        finish_on(f->engine, &f->ops[1]);
        kat_op_claim(&f->ops[0]);
        assert_true(readable(fd, 0));
        kat_step(f->engine); /* a step takes no message away */
        assert_true(readable(fd, 0));
        kat_prepare_wait(f->engine, NULL, 1, true);
        assert_true(readable(fd, 0));
        if (release)
            kat_op_release(&f->ops[1]);
        else
            kat_op_claim(&f->ops[1]);
        assert_false(readable(fd, 0));
    }
}

static void the_bell_rings_for_whoever_waits_next(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f);

    server_does(&f->server, hold_the_slow);
    start_and_await(f, &f->ops[0], (ask){.path = "/slow"});
    start(f, &f->ops[1], (ask){0});
    finish_on(f->engine, &f->ops[1]); /* by the first's caller, which then waits */
    kat_prepare_wait(f->engine, &f->ops[0], 10, true);
    assert_true(readable(fd, 0));
    kat_op_claim(&f->ops[1]);
    assert_false(readable(fd, 0));
    kat_op_cancel(&f->ops[0]);
    assert_false(readable(fd, 0));
}

static void a_turn_that_was_poked_rings_too(void **state)
{
    fixture *f = *state;
    kat_turn *a = &f->turns[0], *b = &f->turns[1];
    int fd = descriptor(f);

    kat_turn_enter(kat_engine_gate(f->engine), a);
    kat_turn_enter(kat_engine_gate(f->engine), b);
    kat_turn_poke(a);
    kat_turn_poke(b);
    kat_settle(f->engine);
    assert_true(readable(fd, 0));
    kat_turn_look(a);
    kat_settle(f->engine);
    assert_true(readable(fd, 0));
    kat_turn_leave(b, 0);
    kat_settle(f->engine);
    assert_false(readable(fd, 0));
}

/* Nobody has to say so: who hands the turn on may be a call that ends, or the
 * collector, after which no other call of the engine's may follow. */
static void who_is_called_next_hears_of_it(void **state)
{
    fixture *f = *state;
    kat_turn *turns = f->turns;
    int fd = descriptor(f);
    size_t i;

    f->engine->gate.max = 1;
    for (i = 0; i < 3; i++)
        kat_turn_enter(kat_engine_gate(f->engine), &turns[i]);
    assert_true(kat_turn_ask(&turns[0], 10, kat_now()));
    for (i = 1; i < 3; i++) {
        assert_false(kat_turn_ask(&turns[i], 10, kat_now()));
        kat_prepare_wait(f->engine, NULL, 10, true);
    }
    assert_false(readable(fd, 0));
    kat_turn_rest(&turns[0], kat_now());
    assert_true(readable(fd, 0));
    assert_true(kat_turn_ask(&turns[1], 10, kat_now()));
    kat_settle(f->engine);
    assert_false(readable(fd, 0));
    kat_turn_leave(&turns[1], kat_now());
    assert_true(readable(fd, 0));
    kat_turn_leave(&turns[2], kat_now());
}

static void say_goodbye(server *s, conn *c)
{
    answer(c, "200 OK", "", "bye");
    hang_up(s, c, false);
}

/* An idle connection is nobody's business, whatever the server does to it. */
static void it_is_still_when_nothing_is_under_way(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f);

    assert_false(readable(fd, 0)); /* before the first request as well */
    server_does(&f->server, say_goodbye);
    start(f, &f->ops[0], (ask){.timeout = 0.1});
    wait_and_step(f, fd, &f->ops[0]);
    kat_op_claim(&f->ops[0]);
    await(f, closed, 1);
    assert_false(readable(fd, 150)); /* nor does its timer fire */
    kat_step(f->engine);
    assert_false(readable(fd, 0));
}

/* Where another's answer lies unclaimed a blocking wait must block all the
 * same: its owner cannot run before the wait ends. */
static void a_blocking_wait_heeds_no_bell(void **state)
{
    fixture *f = *state;
    double began;

    kat_fd(f->engine);
    server_does(&f->server, hold_the_slow);
    start_and_await(f, &f->ops[0], (ask){.path = "/slow"});
    start(f, &f->ops[1], (ask){0});
    finish_on(f->engine, &f->ops[1]);
    kat_settle(f->engine);
    began = kat_now();
    assert_true(kat_poll(f->engine, 0.05));
    assert_true(kat_now() - began >= 0.049);
    kat_op_cancel(&f->ops[0]);
    began = kat_now();
    assert_true(kat_poll(f->engine, 0.05)); /* and with nothing under way */
    assert_true(kat_now() - began >= 0.049);
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
}

/* Else Ctrl-C would be heeded only when the answer is there. */
static void a_signal_breaks_a_blocking_wait(void **state)
{
    fixture *f = *state;
    struct sigaction action = {0}, before;
    struct itimerval soon = {{0, 0}, {0, 50000}};
    double began;
    bool whole;

    if (!KAT_EPOLL)
        skip(); /* libcurl's own poll takes no notice of signals */
    server_does(&f->server, hold_the_slow);
    start_and_await(f, &f->ops[0], (ask){.path = "/slow"});
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &soon, NULL);
    began = kat_now();
    whole = kat_poll(f->engine, PATIENCE_S);
    sigaction(SIGALRM, &before, NULL);
    assert_false(whole);
    assert_true(kat_now() - began < PATIENCE_S / 2.0);
    assert_int_equal(f->ops[0].state, KAT_ACTIVE);
    answer(held, "200 OK", "", "slow");
    finish_on(f->engine, &f->ops[0]);
    check_answer(&f->ops[0], 200, "slow");
}

/* A host that cannot watch comes back soon at first, and then less often. */
static void waits_without_a_watcher_grow(void **state)
{
    fixture *f = *state;
    double last = 0, wait;
    int i;

    server_does(&f->server, hold_the_slow);
    assert_number(kat_prepare_wait(f->engine, NULL, 3, false), 3);
    start_and_await(f, &f->ops[0], (ask){.path = "/slow"});
    assert_number(kat_prepare_wait(f->engine, &f->ops[0], 10, false), 0.001);
    for (i = 0; i < 20; i++) {
        wait = kat_prepare_wait(f->engine, &f->ops[0], 10, false);
        assert_true(wait > last || wait >= 0.010);
        assert_true(wait <= 0.010);
        last = wait;
    }
    assert_number(last, 0.010);
    assert_number(kat_prepare_wait(f->engine, &f->ops[0], 0.002, false), 0.002);
    assert_true(kat_prepare_wait(f->engine, &f->ops[0], 100, true) <= PATIENCE_S);
}

static bool passed_on(const int *known, size_t count)
{
    int fd;

    for (fd = 0; fd < 256; fd++) {
        size_t i = 0;
        int flags = fcntl(fd, F_GETFD);

        while (i < count && known[i] != fd)
            i++;
        if (i == count && flags >= 0 && !(flags & FD_CLOEXEC))
            return true;
    }
    return false;
}

/* Another name of this machine than "localhost", which libcurl knows itself:
 * this one takes its resolver, a thread that wakes us through descriptors. */
static bool loopback_name(char *origin, size_t size)
{
    struct hostent *entry;
    bool found = false;

    sethostent(1);
    while (!found && (entry = gethostent()) != NULL) {
        found = entry->h_addrtype == AF_INET && entry->h_addr_list[0][0] == 127 &&
                !strstr(entry->h_name, "localhost");
        if (found)
            snprintf(origin, size, "http://%s", entry->h_name);
    }
    endhostent();
    return found;
}

static void nothing_is_passed_on_to_other_programs(void **state)
{
    fixture *f = *state;
    int known[256], fd;
    size_t count = 0;
    char origin[128];

    /* What was there before; the server's own are all close-on-exec. */
    for (fd = 0; fd < (int)COUNT(known); fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            known[count++] = fd;
    kat_fd(f->engine);
    assert_false(passed_on(known, count));
    server_does(&f->server, hold_the_slow);
    start_and_await(f, &f->ops[0], (ask){.path = "/slow"});
    assert_true(count_descriptors() - f->descriptors >= 5); /* so there is something to see */
    assert_false(passed_on(known, count));
    if (loopback_name(origin, sizeof origin)) {
        start(f, &f->ops[1], (ask){.origin = origin});
        while (f->ops[1].state == KAT_ACTIVE) {
            kat_poll(f->engine, 1);
            assert_false(passed_on(known, count));
        }
        check_answer(&f->ops[1], 200, OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(it_wakes_for_an_answer),
        FIXTURE(it_is_enough_to_wait_for_it),
        FIXTURE(it_wakes_at_the_timeout),
        FIXTURE(the_bell_rings_until_all_is_claimed),
        FIXTURE(the_bell_rings_for_whoever_waits_next),
        FIXTURE(a_turn_that_was_poked_rings_too),
        FIXTURE(who_is_called_next_hears_of_it),
        FIXTURE(it_is_still_when_nothing_is_under_way),
        FIXTURE(a_blocking_wait_heeds_no_bell),
        FIXTURE(a_signal_breaks_a_blocking_wait),
        FIXTURE(waits_without_a_watcher_grow),
        FIXTURE(nothing_is_passed_on_to_other_programs),
    };

    return cmocka_run_group_tests_name("engine_fd", tests, no_proxies, NULL);
}
