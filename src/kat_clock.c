#include "kat_clock.h"

#include <limits.h>
#include <math.h>
#include <time.h>

static double read_clock(clockid_t id)
{
    struct timespec ts;

    if (clock_gettime(id, &ts) != 0)
        return 0;
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static double wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

double (*kat_now)(void) = monotonic;
double (*kat_wall)(void) = wall;

long kat_to_ms(double seconds)
{
    double ms = ceil(seconds * 1000.0);

    if (!(ms >= 1))
        return 1;
    return ms >= INT_MAX ? INT_MAX : (long)ms;
}
