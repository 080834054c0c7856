#include <pthread.h>

#include "kat_internal.h"

/* Blocks the signal for this thread alone; changing its handler would change
 * it for the host's other threads too. */
void kat_sigpipe_hold(kat_sigpipe *guard, bool needed)
{
    sigset_t pipe, pending;

    guard->active = false;
    if (!needed)
        return;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigemptyset(&pending);
    sigpending(&pending);
    guard->pending = sigismember(&pending, SIGPIPE) == 1;
    guard->active = pthread_sigmask(SIG_BLOCK, &pipe, &guard->before) == 0;
}

void kat_sigpipe_release(kat_sigpipe *guard)
{
    sigset_t pipe, pending;
    int taken;

    if (!guard->active)
        return;
    sigemptyset(&pending);
    sigpending(&pending);
    /* One that was not there before is libcurl's: take it. */
    if (!guard->pending && sigismember(&pending, SIGPIPE) == 1) {
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        sigwait(&pipe, &taken);
    }
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}
