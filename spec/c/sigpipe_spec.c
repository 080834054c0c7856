#include <signal.h>

#include "kat_internal.h"
#include "support.h"

static volatile sig_atomic_t caught;

static void on_sigpipe(int signal_number)
{
    (void)signal_number;
    caught++;
}

static int listen_for_it(void **state)
{
    (void)state;
    caught = 0;
    return signal(SIGPIPE, on_sigpipe) == SIG_ERR ? -1 : 0;
}

static int as_before(void **state)
{
    (void)state;
    return signal(SIGPIPE, SIG_DFL) == SIG_ERR ? -1 : 0;
}

static void one_that_comes_meanwhile_is_taken(void **state)
{
    kat_sigpipe guard;

    (void)state;
    kat_sigpipe_hold(&guard, true);
    raise(SIGPIPE);
    assert_int_equal(caught, 0);
    kat_sigpipe_release(&guard);
    assert_int_equal(caught, 0);
    raise(SIGPIPE); /* the mask is as it was */
    assert_int_equal(caught, 1);
}

static void none_is_waited_for(void **state)
{
    kat_sigpipe guard;

    (void)state;
    kat_sigpipe_hold(&guard, true);
    kat_sigpipe_release(&guard);
    assert_int_equal(caught, 0);
}

/* One that was pending before is the host's, and still comes. */
static void the_hosts_own_is_left_to_it(void **state)
{
    kat_sigpipe guard;
    sigset_t pipe, before;

    (void)state;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe, &before);
    raise(SIGPIPE);
    kat_sigpipe_hold(&guard, true);
    raise(SIGPIPE);
    kat_sigpipe_release(&guard);
    assert_int_equal(caught, 0); /* still blocked by the host */
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(caught, 1);
}

static void where_it_is_not_needed_nothing_is_done(void **state)
{
    kat_sigpipe guard;

    (void)state;
    kat_sigpipe_hold(&guard, false);
    raise(SIGPIPE);
    assert_int_equal(caught, 1);
    kat_sigpipe_release(&guard);
}

int main(void)
{
#define GUARDED(test) cmocka_unit_test_setup_teardown(test, listen_for_it, as_before)
    const struct CMUnitTest tests[] = {
        GUARDED(one_that_comes_meanwhile_is_taken),
        GUARDED(none_is_waited_for),
        GUARDED(the_hosts_own_is_left_to_it),
        GUARDED(where_it_is_not_needed_nothing_is_done),
    };

    return cmocka_run_group_tests_name("sigpipe", tests, NULL, NULL);
}
