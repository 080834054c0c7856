/* Preloaded into a program, sends it SIGINT just before it waits for a while,
 * once: too late for a flag that was looked at before, and too early to break
 * the wait. */
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>

enum { A_WHILE_MS = 100 };

static void strike(int ms)
{
    static int done;

    if (done || (ms >= 0 && ms < A_WHILE_MS))
        return;
    done = 1;
    raise(SIGINT);
}

int epoll_wait(int set, struct epoll_event *events, int count, int ms)
{
    int (*real)(int, struct epoll_event *, int, int);

    *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    strike(ms);
    return real(set, events, count, ms);
}

int poll(struct pollfd *fds, nfds_t count, int ms)
{
    int (*real)(struct pollfd *, nfds_t, int);

    *(void **)&real = dlsym(RTLD_NEXT, "poll");
    strike(ms);
    return real(fds, count, ms);
}
