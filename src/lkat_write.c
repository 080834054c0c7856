/* Writing to a descriptor so that what goes wrong is an errno, and not a signal
 * that ends the process. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "lkat.h"

/* Whole, or false with errno set. */
static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd p = {fd, POLLOUT, 0};

            poll(&p, 1, -1); /* whoever opened it wanted no blocking */
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

bool lkat_fsync(int fd)
{
    int result;

    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* A limit on a file's size, and a pipe that nobody reads, each end the process
 * by a signal; held back, they become an errno like any other. */
bool lkat_write(int fd, const char *text, size_t len, bool sync)
{
    static const int DEADLY[] = {SIGXFSZ, SIGPIPE};
    sigset_t mine, before, pending;
    bool held, done;
    int problem, taken, i;

    sigemptyset(&pending);
    sigpending(&pending);
    sigemptyset(&mine);
    for (i = 0; i < 2; i++)
        if (sigismember(&pending, DEADLY[i]) != 1)
            sigaddset(&mine, DEADLY[i]); /* one that was there before is not ours to take */
    held = pthread_sigmask(SIG_BLOCK, &mine, &before) == 0;
    done = write_all(fd, text, len) && (!sync || lkat_fsync(fd));
    problem = errno;
    for (i = 0; i < 2 && held; i++) {
        sigset_t one;

        sigemptyset(&one);
        sigaddset(&one, DEADLY[i]);
        sigpending(&pending);
        if (sigismember(&mine, DEADLY[i]) == 1 && sigismember(&pending, DEADLY[i]) == 1)
            sigwait(&one, &taken);
    }
    if (held)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = problem;
    return done;
}
