/* The driver where epoll is: libcurl says which sockets it wants watched, and
 * is called for those that are ready only, whatever the number in flight. */
#include "kat_internal.h"

#if KAT_EPOLL

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "kat_clock.h"

/* Sockets that a step serves, so that none takes long: what else is ready keeps
 * the set readable. */
enum { EVENTS = 8, ROUNDS = 4 };

void kat_driver_init(kat_driver *driver)
{
    driver->set = driver->bell = driver->timer = -1;
    driver->rung = driver->shown = false;
    driver->armed = driver->due = HUGE_VAL;
}

static bool watch(kat_driver *driver, int fd)
{
    struct epoll_event event;

    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.fd = fd;
    return fd >= 0 && epoll_ctl(driver->set, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool kat_driver_open(kat_engine *engine)
{
    kat_driver *driver = &engine->driver;

    if (driver->set < 0)
        driver->set = epoll_create1(EPOLL_CLOEXEC);
    return driver->set >= 0;
}

bool kat_driver_show(kat_engine *engine)
{
    kat_driver *driver = &engine->driver;
    int error;

    if (driver->shown)
        return true;
    driver->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (driver->bell >= 0)
        driver->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    driver->shown = watch(driver, driver->bell) && watch(driver, driver->timer);
    if (!driver->shown) {
        error = errno;
        shut(&driver->bell);
        shut(&driver->timer);
        errno = error;
    }
    return driver->shown;
}

void kat_driver_close(kat_engine *engine)
{
    kat_driver *driver = &engine->driver;

    shut(&driver->set);
    shut(&driver->bell);
    shut(&driver->timer);
    kat_driver_init(driver);
}

/* libcurl wants a socket watched, or no longer. */
static int on_interest(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    kat_engine *engine = user;
    struct epoll_event event;
    int set = engine->driver.set;

    (void)easy;
    memset(&event, 0, sizeof event);
    event.data.fd = fd;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(set, EPOLL_CTL_DEL, fd, &event); /* it may be closed already */
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? (unsigned)EPOLLIN : 0) |
                   (what & CURL_POLL_OUT ? (unsigned)EPOLLOUT : 0);
    if (!known)
        curl_multi_assign(engine->multi, fd, engine);
    /* A number that was closed and given out again is new to the set, though
     * libcurl may know it, and the other way about. */
    if (epoll_ctl(set, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return epoll_ctl(set, errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0 ? 0
                                                                                            : -1;
}

static int on_timer(CURLM *multi, long ms, void *user)
{
    kat_engine *engine = user;

    (void)multi;
    engine->driver.due = ms < 0 ? HUGE_VAL : kat_now() + (double)ms / 1000;
    return 0;
}

void kat_driver_attach(kat_engine *engine)
{
    curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
    curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
}

void kat_driver_detach(kat_engine *engine)
{
    engine->driver.due = HUGE_VAL; /* its sockets have left the set when it closed them */
}

/* Has libcurl move what waits for a socket, or for the time. */
static int act(kat_engine *engine, curl_socket_t fd, int mask)
{
    int running = 0;

    if (curl_multi_socket_action(engine->multi, fd, mask, &running) != CURLM_OK)
        engine->broken = true;
    return running;
}

static void expire(kat_engine *engine)
{
    long ms = -1;
    int running;

    engine->driver.due = HUGE_VAL;
    running = act(engine, CURL_SOCKET_TIMEOUT, 0);
    if (engine->broken || engine->driver.due < HUGE_VAL || running == 0)
        return;
    /* libcurl names a time once only: one that we reached a hair too early
     * would be lost, so ask. */
    curl_multi_timeout(engine->multi, &ms);
    if (ms >= 0)
        engine->driver.due = kat_now() + (double)(ms > 0 ? ms : 1) / 1000;
}

static void serve(kat_engine *engine, const struct epoll_event *event)
{
    kat_driver *driver = &engine->driver;
    int fd = event->data.fd, mask = 0;
    uint64_t count;

    if (fd == driver->bell)
        return;
    if (fd == driver->timer) {
        driver->armed = HUGE_VAL;
        if (read(fd, &count, sizeof count) < 0)
            return; /* it was set anew meanwhile: nothing to take */
        return;
    }
    if (event->events & EPOLLIN)
        mask |= CURL_CSELECT_IN;
    if (event->events & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (event->events & (EPOLLERR | EPOLLHUP))
        mask |= CURL_CSELECT_ERR;
    act(engine, fd, mask);
}

bool kat_drive(kat_engine *engine, long ms)
{
    kat_driver *driver = &engine->driver;
    struct epoll_event events[EVENTS];
    double left = driver->due - kat_now();
    bool whole;
    int round, count, i;

    if (left <= 0)
        ms = 0;
    else if (ms > 0 && left < (double)ms / 1000)
        ms = kat_to_ms(left);
    count = epoll_wait(driver->set, events, EVENTS, (int)ms);
    whole = count >= 0 || errno != EINTR;
    for (i = 0; i < count && !engine->broken; i++)
        serve(engine, &events[i]);
    /* A few rounds, since libcurl likes to be called again at once; not for
     * ever, since the host has other work. */
    for (round = 0; round < ROUNDS && !engine->broken && driver->due <= kat_now(); round++)
        expire(engine);
    return whole;
}

double kat_driver_timeout(kat_engine *engine, double now)
{
    double left = engine->driver.due - now;

    return left > 0 ? left : 0;
}

void kat_driver_ring(kat_engine *engine, bool on)
{
    kat_driver *driver = &engine->driver;
    uint64_t one = 1;
    ssize_t done;

    if (!driver->shown || driver->rung == on)
        return;
    done = on ? write(driver->bell, &one, sizeof one) : read(driver->bell, &one, sizeof one);
    (void)done; /* neither can block or fail on an eventfd in these states */
    driver->rung = on;
}

void kat_driver_arm(kat_engine *engine, double at)
{
    kat_driver *driver = &engine->driver;
    struct itimerspec spec;
    double whole;

    /* One that fires too early costs a spurious wake-up; setting it at every
     * change would cost a system call each. */
    if (!driver->shown || at == driver->armed)
        return;
    if (at >= driver->armed && at < HUGE_VAL && driver->armed > kat_now())
        return;
    memset(&spec, 0, sizeof spec);
    if (at < HUGE_VAL) {
        if (at > INT_MAX) /* more than a time_t may hold: it fires too early */
            at = INT_MAX;
        whole = floor(at);
        spec.it_value.tv_sec = (time_t)whole;
        spec.it_value.tv_nsec = (long)((at - whole) * 1e9);
        if (whole <= 0 && spec.it_value.tv_nsec == 0)
            spec.it_value.tv_nsec = 1; /* zero would disarm it */
    }
    timerfd_settime(driver->timer, TFD_TIMER_ABSTIME, &spec, NULL);
    driver->armed = at;
}

#endif
