#include "kat_fork.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* What a function says in a child, made by fork or by the bare system call,
 * which runs no handlers of the C library. */
static int in_child(bool bare, int (*work)(uint64_t), uint64_t number)
{
    int status = -1;
    pid_t pid;

#ifdef SYS_clone
    pid = bare ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) : fork();
#else
    (void)bare;
    pid = fork();
#endif
    if (pid == 0)
        _exit(work(number));
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int is_another(uint64_t parent)
{
    uint64_t number = kat_process();

    return number != 0 && number != parent && kat_process() == number ? 0 : 1;
}

static int makes_another(uint64_t parent)
{
    uint64_t number = kat_process();
    int status;
    pid_t pid;

    if (number == parent)
        return 1;
    pid = fork();
    if (pid == 0)
        _exit(is_another(number) || kat_process() == parent);
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 2;
}

static void a_process_keeps_its_number(void **state)
{
    uint64_t number = kat_process();

    (void)state;
    assert_true(number != 0);
    assert_true(kat_process() == number);
}

static void a_child_has_another(void **state)
{
    uint64_t number = kat_process();
    int bare;

    (void)state;
    for (bare = 0; bare <= 1; bare++) {
        assert_int_equal(in_child(bare, is_another, number), 0);
        assert_int_equal(in_child(bare, makes_another, number), 0);
    }
    assert_true(kat_process() == number);
}

static void *ask(void *number)
{
    *(uint64_t *)number = kat_process();
    return NULL;
}

static void threads_share_it(void **state)
{
    pthread_t threads[4];
    uint64_t numbers[4];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &numbers[i]), 0);
    for (i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_true(numbers[i] == kat_process());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_keeps_its_number),
        cmocka_unit_test(a_child_has_another),
        cmocka_unit_test(threads_share_it),
    };

    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
