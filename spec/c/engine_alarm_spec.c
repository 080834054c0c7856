/* Hosts without timers: the descriptor turns readable at the end of a wait. */
#include <dlfcn.h>

#include "fixture.h"

/* For a host without timers: the descriptor alone ends a back-off, though the
 * other operations end, and are claimed, before. */
static void it_wakes_at_the_end_of_a_back_off(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f);
    double began;

    run(f, (ask){0}); /* the first one takes its time */
    kat_op_claim(&f->ops[0]);
    began = kat_now();
    kat_prepare_wait(f->engine, NULL, 1, true);
    kat_prepare_wait(f->engine, NULL, 10, true); /* another's, which is longer */
    run(f, (ask){0});
    kat_op_claim(&f->ops[0]);
    kat_step(f->engine);
    assert_false(readable(fd, 0));
    assert_true(readable(fd, 1000 * PATIENCE_S));
    assert_true(kat_now() - began >= 0.999);
    kat_step(f->engine);
    assert_false(readable(fd, 0)); /* once */
}

/* Its own wait forgets it: the descriptor is no longer hot for the others. */
static void an_alarm_that_is_over_is_forgotten(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f);

    kat_prepare_wait(f->engine, NULL, 0.01, true);
    assert_true(readable(fd, 1000 * PATIENCE_S));
    server_does(&f->server, hold_the_slow);
    start_and_await(f, &f->ops[0], (ask){.path = "/slow"});
    kat_prepare_wait(f->engine, &f->ops[0], 10, true);
    assert_false(readable(fd, 20));
    kat_op_cancel(&f->ops[0]);
}

/* A wait that is longer than a timer can hold, as a timeout of 1e300 seconds makes it. */
static void an_alarm_may_be_ages_away(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f);

    kat_prepare_wait(f->engine, NULL, 1e300, true);
    assert_false(readable(fd, 0));
    kat_prepare_wait(f->engine, NULL, 0.01, true); /* and gives way to an earlier one */
    assert_true(readable(fd, 1000 * PATIENCE_S));
}

/* With no request under way nothing reads the timer but the next wait. */
static void an_alarm_needs_no_request(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f), i;

    for (i = 0; i < 2; i++) {
        kat_prepare_wait(f->engine, NULL, 0.3, true);
        assert_false(readable(fd, 0));
        assert_true(readable(fd, 1000 * PATIENCE_S));
        kat_step(f->engine);
    }
    kat_prepare_wait(f->engine, NULL, PATIENCE_S, true);
    assert_false(readable(fd, 0));
}

/* A step for another's sake, whose caller does not wait again, takes the timer's
 * signal: a host without timers would sleep on. */
static void an_alarm_is_not_lost_with_its_signal(void **state)
{
    fixture *f = *state;
    int fd = descriptor(f);

    run(f, (ask){0});
    kat_op_claim(&f->ops[0]);
    kat_prepare_wait(f->engine, NULL, 0.01, true);
    assert_true(readable(fd, 1000 * PATIENCE_S));
    kat_step(f->engine);
    kat_settle(f->engine);
    assert_true(readable(fd, 0));
    kat_prepare_wait(f->engine, NULL, PATIENCE_S, true);
    assert_false(readable(fd, 0));
}

#if KAT_EPOLL
#include <sys/timerfd.h>

static int timers_set;

/* The engine's, on its way to the system. */
int timerfd_settime(int fd, int flags, const struct itimerspec *to, struct itimerspec *before)
{
    int (*real)(int, int, const struct itimerspec *, struct itimerspec *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "timerfd_settime");

    timers_set++;
    memcpy(&real, &symbol, sizeof real);
    return real ? real(fd, flags, to, before) : -1;
}

/* It costs a system call at each wait: only a host that has asked for the
 * descriptor gets something for it. */
static void no_timer_is_set_but_for_a_descriptor(void **state)
{
    fixture *f = *state;
    int i;

    timers_set = 0;
    server_does(&f->server, hold_the_slow);
    start_and_await(f, &f->ops[1], (ask){.path = "/slow"}); /* blocking, as `run` is */
    run(f, (ask){0});
    kat_op_claim(&f->ops[0]);
    for (i = 1; i <= 3; i++) {
        kat_prepare_wait(f->engine, NULL, PATIENCE_S - i, false);
        kat_prepare_wait(f->engine, &f->ops[1], PATIENCE_S, false);
    }
    assert_int_equal(timers_set, 0);
    kat_fd(f->engine);
    kat_prepare_wait(f->engine, &f->ops[1], PATIENCE_S, true);
    assert_true(timers_set > 0);
    kat_op_cancel(&f->ops[1]);
}
#else
static void no_timer_is_set_but_for_a_descriptor(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(it_wakes_at_the_end_of_a_back_off),
        FIXTURE(an_alarm_that_is_over_is_forgotten),
        FIXTURE(an_alarm_may_be_ages_away),
        FIXTURE(an_alarm_needs_no_request),
        FIXTURE(an_alarm_is_not_lost_with_its_signal),
        FIXTURE(no_timer_is_set_but_for_a_descriptor),
    };

    return cmocka_run_group_tests_name("engine_alarm", tests, NULL, NULL);
}
