#include "kat_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "kat_internal.h"

/* A handler knows nothing but its signal, so all of it belongs to the process. */
static struct {
    int reader, writer;
    size_t count; /* 0: there is no watch */
    int numbers[KAT_SIGNALS_MAX];
    struct sigaction before[KAT_SIGNALS_MAX];
} watch = {.reader = -1, .writer = -1};

/* May come in any thread at any time: nothing here but what POSIX allows there. A pipe that is
 * full holds news enough. */
static void note(int number)
{
    unsigned char byte = (unsigned char)number;
    int saved = errno;
    ssize_t written = write(watch.writer, &byte, 1);

    (void)written;
    errno = saved;
}

static void give_back(void)
{
    while (watch.count > 0) {
        watch.count--;
        sigaction(watch.numbers[watch.count], &watch.before[watch.count], NULL);
    }
}

static void close_pipe(void)
{
    close(watch.reader);
    close(watch.writer);
    watch.reader = watch.writer = -1;
}

int kat_signals_open(const int *numbers, size_t count)
{
    struct sigaction action = {0};
    int fd[2], i, saved;

    if (watch.reader >= 0) {
        errno = EBUSY;
        return -1;
    }
    if (count == 0 || count > KAT_SIGNALS_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (pipe(fd) != 0)
        return -1;
    for (i = 0; i < 2; i++) {
        kat_set_cloexec(fd[i]);
        fcntl(fd[i], F_SETFL, O_NONBLOCK);
    }
    watch.reader = fd[0];
    watch.writer = fd[1];
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    while (watch.count < count) {
        watch.numbers[watch.count] = numbers[watch.count];
        struct sigaction *before = &watch.before[watch.count];
        int number = numbers[watch.count];

        if (sigaction(number, NULL, before) != 0 ||
            (before->sa_handler != SIG_IGN && sigaction(number, &action, NULL) != 0)) {
            saved = errno;
            give_back();
            close_pipe();
            errno = saved;
            return -1;
        }
        watch.count++;
    }
    return watch.reader;
}

int kat_signals_take(void)
{
    unsigned char byte;

    return watch.reader >= 0 && read(watch.reader, &byte, 1) == 1 ? byte : 0;
}

void kat_signals_close(void)
{
    if (watch.reader < 0)
        return;
    give_back();
    close_pipe();
}
