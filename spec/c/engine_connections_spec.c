/* What the engine tells libcurl of the connections that it keeps: for how long,
 * and that no two requests share one. */
#include <dlfcn.h>

#include "fixture.h"
#include "still_clock.h"

static const char OK[] = "{\"ok\":true}";

static long pipelining;

/* The engine's, on its way to libcurl. */
CURLMcode(curl_multi_setopt)(CURLM *multi, CURLMoption option, ...)
{
    CURLMcode (*real)(CURLM *, CURLMoption, ...) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "curl_multi_setopt");
    CURLMcode code = CURLM_UNKNOWN_OPTION;
    va_list arguments;

    memcpy(&real, &symbol, sizeof real);
    if (!real)
        return code;
    va_start(arguments, option);
    if ((int)option < CURLOPTTYPE_OBJECTPOINT) {
        long value = va_arg(arguments, long);

        if (option == CURLMOPT_PIPELINING)
            pipelining = value;
        code = real(multi, option, value);
    } else if ((int)option < CURLOPTTYPE_OFF_T) {
        code = real(multi, option, va_arg(arguments, void *));
    } else {
        code = real(multi, option, va_arg(arguments, curl_off_t));
    }
    va_end(arguments);
    return code;
}

/* With nothing but HTTP/1.1 spoken nobody sees it, but libcurl's own default
 * swaps answers where the two versions are mixed. */
static void requests_never_share_one(void **state)
{
    fixture *f = *state;

    pipelining = -1;
    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(pipelining, CURLPIPE_NOTHING);
}

#if STILL_CLOCK
static int clock_up(void **state)
{
    kat_now = still_real; /* only libcurl's stands still: a test that hangs ends */
    return no_proxies(state);
}

/* libcurl's own default is 118 seconds, by when most servers have closed it. */
static void an_idle_one_is_kept_for_30_seconds(void **state)
{
    fixture *f = *state;

    check_answer(run(f, (ask){0}), 200, OK);
    still_pass(29);
    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(counted(f, connections), 1);
    still_pass(31);
    check_answer(run(f, (ask){0}), 200, OK);
    assert_int_equal(counted(f, connections), 2);
}
#else
#define clock_up no_proxies

static void an_idle_one_is_kept_for_30_seconds(void **state)
{
    (void)state;
    skip(); /* the clock is the system's, and the test would take as long */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(requests_never_share_one),
        FIXTURE(an_idle_one_is_kept_for_30_seconds),
    };

    return cmocka_run_group_tests_name("engine_connections", tests, clock_up, NULL);
}
