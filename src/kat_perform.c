/* The driver where there is no epoll: plain curl_multi_perform, and no
 * descriptor for a host to watch. */
#include "kat_internal.h"

#if !KAT_EPOLL

#include <math.h>

/* libcurl's own poll goes on after a signal: none is waited for longer than
 * this, after which one may have come. */
enum { SLICE_MS = 200 };

void kat_driver_init(kat_driver *driver)
{
    driver->set = driver->bell = driver->timer = -1;
    driver->rung = driver->shown = false;
    driver->armed = driver->due = HUGE_VAL;
}

bool kat_driver_open(kat_engine *engine)
{
    (void)engine;
    return true;
}

bool kat_driver_show(kat_engine *engine)
{
    (void)engine;
    return true;
}

void kat_driver_close(kat_engine *engine)
{
    (void)engine;
}

void kat_driver_attach(kat_engine *engine)
{
    (void)engine;
}

void kat_driver_detach(kat_engine *engine)
{
    (void)engine;
}

bool kat_drive(kat_engine *engine, long ms)
{
    int running, ready = 0;

    if (ms > 0)
        curl_multi_poll(engine->multi, NULL, 0, ms < SLICE_MS ? (int)ms : SLICE_MS, &ready);
    if (curl_multi_perform(engine->multi, &running) != CURLM_OK)
        engine->broken = true;
    return ready > 0 || ms < SLICE_MS;
}

double kat_driver_timeout(kat_engine *engine, double now)
{
    long ms = -1;

    (void)now;
    curl_multi_timeout(engine->multi, &ms);
    return ms < 0 ? HUGE_VAL : (double)ms / 1000;
}

void kat_driver_ring(kat_engine *engine, bool on)
{
    (void)engine;
    (void)on;
}

void kat_driver_arm(kat_engine *engine, double at)
{
    (void)engine;
    (void)at;
}

#endif
