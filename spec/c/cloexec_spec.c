/* What libcurl opens for itself is kept from other programs, and nothing else. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kat_internal.h"
#include "support.h"

static bool passed_on(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    assert_true(flags >= 0);
    return !(flags & FD_CLOEXEC);
}

static void close_both(const int *fd)
{
    close(fd[0]);
    close(fd[1]);
}

static void a_descriptor_keeps_its_other_flags(void **state)
{
    int fd[2];

    (void)state;
    assert_int_equal(pipe(fd), 0);
    assert_true(passed_on(fd[0]));
    kat_set_cloexec(fd[0]);
    kat_set_cloexec(fd[0]);
    assert_false(passed_on(fd[0]));
    assert_true(passed_on(fd[1]));
    close_both(fd);
    kat_set_cloexec(fd[0]); /* closed: nothing happens */
    kat_set_cloexec(-1);
}

/* Also where the two lowest free numbers are not next to each other. */
static void a_pair_is_found_where_it_was_expected(void **state)
{
    int filler[2], fd[2], hole;
    kat_pair pair;

    (void)state;
    for (hole = 0; hole < 2; hole++) {
        assert_int_equal(pipe(filler), 0);
        if (hole)
            close(filler[0]);
        kat_pair_expect(&pair);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
        assert_int_equal(fd[1] - fd[0] > 1, hole);
        kat_pair_keep(&pair);
        assert_false(passed_on(fd[0]));
        assert_false(passed_on(fd[1]));
        assert_true(passed_on(filler[1]));
        close_both(fd);
        close(filler[1]);
        if (!hole)
            close(filler[0]);
    }
}

/* Another thread's, say, that was quicker. */
static void a_stranger_is_left_alone(void **state)
{
    int file, internet;
    kat_pair pair;

    (void)state;
    kat_pair_expect(&pair);
    file = open("/dev/null", O_RDONLY);
    internet = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(file >= 0 && internet >= 0);
    kat_pair_keep(&pair);
    assert_true(passed_on(file));
    assert_true(passed_on(internet));
    close(file);
    close(internet);
    kat_pair_keep(&pair); /* there is none any more */
}

static void a_pair_is_kept_once(void **state)
{
    int fd[2];
    kat_pair pair;

    (void)state;
    kat_pair_expect(&pair);
    kat_pair_keep(&pair);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0); /* the host's own */
    kat_pair_keep(&pair);
    assert_true(passed_on(fd[0]) && passed_on(fd[1]));
    close_both(fd);
}

static void descriptors_may_have_run_out(void **state)
{
    struct rlimit before, none;
    kat_pair pair;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    kat_pair_expect(&pair);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(pair.expected);
    kat_pair_keep(&pair);
    assert_false(fcntl(0, F_GETFD) & FD_CLOEXEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_keeps_its_other_flags),
        cmocka_unit_test(a_pair_is_found_where_it_was_expected),
        cmocka_unit_test(a_stranger_is_left_alone),
        cmocka_unit_test(a_pair_is_kept_once),
        cmocka_unit_test(descriptors_may_have_run_out),
    };

    return cmocka_run_group_tests_name("cloexec", tests, NULL, NULL);
}
