#include "kat_clock.h"

#include <limits.h>
#include <math.h>
#include <time.h>

#include "support.h"

/* Rounded up: a wait that ends early costs a second one, and a deadline that
 * is met early is not met. */
static void milliseconds_are_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(kat_to_ms(1), 1000);
    assert_int_equal(kat_to_ms(0.0011), 2);
    assert_int_equal(kat_to_ms(0.0010), 1);
    assert_int_equal(kat_to_ms(0.0001), 1);
    assert_int_equal(kat_to_ms(1.9991), 2000);
}

/* 0 would mean "for ever" to libcurl, as would a negative number. */
static void milliseconds_stay_in_range(void **state)
{
    (void)state;
    assert_int_equal(kat_to_ms(0), 1);
    assert_int_equal(kat_to_ms(-5), 1);
    assert_int_equal(kat_to_ms(-HUGE_VAL), 1);
    assert_int_equal(kat_to_ms(NAN), 1);
    assert_int_equal(kat_to_ms(HUGE_VAL), INT_MAX);
    assert_int_equal(kat_to_ms(1e300), INT_MAX);
    assert_int_equal(kat_to_ms(INT_MAX / 1000 + 1), INT_MAX);
}

static void the_clocks_run(void **state)
{
    double before = kat_now(), wall = kat_wall(), now;

    (void)state;
    now = (double)time(NULL);
    assert_true(wall > now - 5 && wall < now + 5);
    while (kat_now() <= before) /* it ticks in less than a microsecond */
        continue;
    assert_true(kat_now() - before < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(milliseconds_are_rounded_up),
        cmocka_unit_test(milliseconds_stay_in_range),
        cmocka_unit_test(the_clocks_run),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
