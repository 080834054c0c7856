/* The time, which stands still unless the test moves it: libcurl and the engine
 * read this clock_gettime in place of the C library's own. Elsewhere than here
 * there is no STILL_CLOCK, and the clock is the system's. */
#ifndef SPEC_STILL_CLOCK_H
#define SPEC_STILL_CLOCK_H

#include <stdint.h>
#include <time.h>

#if defined(__linux__) && defined(__LP64__)
#include <sys/syscall.h>
#include <unistd.h>

#define STILL_CLOCK 1

static int64_t still_ns = (int64_t)1000 * 1000000000;

int clock_gettime(clockid_t id, struct timespec *ts)
{
    if (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_RAW)
        return (int)syscall(SYS_clock_gettime, id, ts);
    still_ns += 1000; /* for loops that wait for time to pass */
    ts->tv_sec = (time_t)(still_ns / 1000000000);
    ts->tv_nsec = (long)(still_ns % 1000000000);
    return 0;
}

static inline void still_pass(double seconds)
{
    still_ns += (int64_t)(seconds * 1e9);
}

/* The system's, which goes on. */
static inline double still_real(void)
{
    struct timespec ts = {0, 0};

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
#else
#define STILL_CLOCK 0
#endif

#endif
