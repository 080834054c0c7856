/* Signals as something to read. */
#include "kat_signals.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int calls;

static void count(int number)
{
    (void)number;
    calls++;
}

static bool readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 0) == 1;
}

static void each_signal_is_taken_once_in_order(void **state)
{
    const int numbers[] = {SIGUSR1, SIGTERM};
    int fd = kat_signals_open(numbers, 2);

    (void)state;
    assert_true(fd >= 0);
    assert_false(readable(fd));
    assert_int_equal(kat_signals_take(), 0);
    raise(SIGTERM);
    raise(SIGUSR1);
    raise(SIGTERM);
    assert_true(readable(fd));
    assert_int_equal(kat_signals_take(), SIGTERM);
    assert_int_equal(kat_signals_take(), SIGUSR1);
    assert_int_equal(kat_signals_take(), SIGTERM);
    assert_int_equal(kat_signals_take(), 0);
    assert_false(readable(fd));
    kat_signals_close();
}

static void whoever_had_a_signal_gets_it_back(void **state)
{
    const int numbers[] = {SIGUSR1};

    (void)state;
    calls = 0;
    signal(SIGUSR1, count);
    assert_true(kat_signals_open(numbers, 1) >= 0);
    raise(SIGUSR1);
    assert_int_equal(calls, 0);
    kat_signals_close();
    kat_signals_close();
    raise(SIGUSR1);
    assert_int_equal(calls, 1);
    assert_int_equal(kat_signals_take(), 0);
    signal(SIGUSR1, SIG_DFL);
}

static void what_is_ignored_stays_so(void **state)
{
    const int numbers[] = {SIGUSR1, SIGTERM};
    struct sigaction now;

    (void)state;
    signal(SIGUSR1, SIG_IGN);
    assert_true(kat_signals_open(numbers, 2) >= 0);
    raise(SIGUSR1);
    raise(SIGTERM);
    assert_int_equal(kat_signals_take(), SIGTERM);
    assert_int_equal(kat_signals_take(), 0);
    kat_signals_close();
    assert_int_equal(sigaction(SIGUSR1, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_IGN);
    signal(SIGUSR1, SIG_DFL);
}

static void there_is_one_watch_at_a_time(void **state)
{
    const int numbers[] = {SIGUSR1};

    (void)state;
    assert_true(kat_signals_open(numbers, 1) >= 0);
    assert_int_equal(kat_signals_open(numbers, 1), -1);
    assert_int_equal(errno, EBUSY);
    kat_signals_close();
    assert_true(kat_signals_open(numbers, 1) >= 0);
    kat_signals_close();
}

static void what_cannot_be_watched_changes_nothing(void **state)
{
    const int numbers[] = {SIGUSR1, SIGKILL};

    (void)state;
    calls = 0;
    signal(SIGUSR1, count);
    assert_int_equal(kat_signals_open(numbers, 2), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(kat_signals_open(numbers, 0), -1);
    assert_int_equal(kat_signals_open(numbers, KAT_SIGNALS_MAX + 1), -1);
    raise(SIGUSR1);
    assert_int_equal(calls, 1);
    signal(SIGUSR1, SIG_DFL);
}

static void the_pipe_is_no_childs_and_never_blocks(void **state)
{
    const int numbers[] = {SIGUSR1};
    int fd = kat_signals_open(numbers, 1), i;

    (void)state;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    /* More than a pipe holds: who sends them must not wait for whoever reads. */
    errno = 0;
    for (i = 0; i < 100 * 1000; i++)
        raise(SIGUSR1);
    assert_int_equal(errno, 0);
    assert_int_equal(kat_signals_take(), SIGUSR1);
    kat_signals_close();
}

/* What else the process does goes on: a read that a signal comes into is not cut short. */
static void nothing_else_is_interrupted(void **state)
{
    const int numbers[] = {SIGUSR1};
    int fd[2], done = 0;
    char byte = 0;
    pid_t parent = getpid(), child;

    (void)state;
    assert_true(kat_signals_open(numbers, 1) >= 0);
    assert_int_equal(pipe(fd), 0);
    child = fork();
    if (child == 0) {
        struct timespec while_it_reads = {0, 100 * 1000 * 1000};

        nanosleep(&while_it_reads, NULL);
        kill(parent, SIGUSR1);
        nanosleep(&while_it_reads, NULL);
        _exit(write(fd[1], "x", 1) == 1 ? 0 : 1);
    }
    assert_int_equal(read(fd[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(waitpid(child, &done, 0), child);
    assert_int_equal(done, 0);
    assert_int_equal(kat_signals_take(), SIGUSR1);
    kat_signals_close();
    close(fd[0]);
    close(fd[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_signal_is_taken_once_in_order),
        cmocka_unit_test(whoever_had_a_signal_gets_it_back),
        cmocka_unit_test(what_is_ignored_stays_so),
        cmocka_unit_test(there_is_one_watch_at_a_time),
        cmocka_unit_test(what_cannot_be_watched_changes_nothing),
        cmocka_unit_test(the_pipe_is_no_childs_and_never_blocks),
        cmocka_unit_test(nothing_else_is_interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
