#include <math.h>
#include <stdio.h>

#include "kat_clock.h"
#include "kat_retry.h"

#include "support.h"

static const kat_retry_policy policy = {3, 0.5, 8, 60};

static kat_outcome answered(int status, bool safe)
{
    return (kat_outcome){.safe = safe, .kind = KAT_NONE, .sent = true, .status = status};
}

static kat_outcome failed(kat_kind kind, bool sent, bool safe)
{
    return (kat_outcome){.safe = safe, .kind = kind, .sent = sent, .status = 0};
}

/* The README's table; every status that is not in it is never tried again. */
static void answers_are_retried_by_the_table(void **state)
{
    static const struct {
        int status;
        kat_verdict safe, write;
    } rows[] = {
        {408, KAT_RETRY_BACKOFF, KAT_GIVE_UP},   {429, KAT_RETRY_WHEN_TOLD, KAT_RETRY_WHEN_TOLD},
        {500, KAT_RETRY_BACKOFF, KAT_GIVE_UP},   {502, KAT_RETRY_BACKOFF, KAT_GIVE_UP},
        {503, KAT_RETRY_WHEN_TOLD, KAT_GIVE_UP}, {504, KAT_RETRY_BACKOFF, KAT_GIVE_UP},
    };
    int status;

    (void)state;
    for (status = 0; status <= 999; status++) {
        kat_verdict wanted[2] = {KAT_GIVE_UP, KAT_GIVE_UP};
        size_t i;
        int safe;

        for (i = 0; i < COUNT(rows); i++) {
            if (rows[i].status == status) {
                wanted[0] = rows[i].write;
                wanted[1] = rows[i].safe;
            }
        }
        for (safe = 0; safe <= 1; safe++) {
            kat_outcome o = answered(status, safe);

            if (kat_retry_verdict(&o) != wanted[safe])
                fail_msg("status %d, safe %d", status, safe);
        }
    }
}

static void failures_are_retried_by_the_table(void **state)
{
    static const struct {
        kat_kind kind;
        /* read unsent, read sent, write unsent, write sent */
        kat_verdict wanted[4];
    } rows[] = {
        {KAT_CONNECT, {KAT_RETRY_BACKOFF, KAT_RETRY_BACKOFF, KAT_RETRY_BACKOFF, KAT_RETRY_BACKOFF}},
        {KAT_PROXY, {KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP}},
        {KAT_CONNECTION, {KAT_RETRY_BACKOFF, KAT_RETRY_BACKOFF, KAT_RETRY_BACKOFF, KAT_GIVE_UP}},
        {KAT_TIMEOUT, {KAT_RETRY_BACKOFF, KAT_RETRY_BACKOFF, KAT_RETRY_BACKOFF, KAT_GIVE_UP}},
        {KAT_TLS, {KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP}},
        {KAT_TOO_LARGE, {KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP}},
        {KAT_CANCELLED_KIND, {KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP}},
        {KAT_CASSETTE, {KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP, KAT_GIVE_UP}},
    };
    size_t i;
    int write, sent;

    (void)state;
    assert_int_equal(COUNT(rows), KAT_KIND_COUNT - 1); /* a new kind wants a row */
    for (i = 0; i < COUNT(rows); i++)
        for (write = 0; write <= 1; write++)
            for (sent = 0; sent <= 1; sent++) {
                kat_outcome o = failed(rows[i].kind, sent, !write);

                if (kat_retry_verdict(&o) != rows[i].wanted[write * 2 + sent])
                    fail_msg("%s, sent %d, write %d", kat_kind_name(rows[i].kind), sent, write);
            }
}

/* An answer that was cut off counts by how it broke, whatever it began with. */
static void a_cut_answer_counts_as_a_failure(void **state)
{
    kat_outcome o = failed(KAT_CONNECTION, true, true);

    (void)state;
    o.status = 404;
    assert_int_equal(kat_retry_verdict(&o), KAT_RETRY_BACKOFF);
    o.safe = false;
    o.status = 429;
    assert_int_equal(kat_retry_verdict(&o), KAT_GIVE_UP);
}

static void maybe_applied_by_status(void **state)
{
    int status;

    (void)state;
    for (status = 1; status <= 999; status++) {
        kat_outcome read = answered(status, true), write = answered(status, false);
        bool lost = status == 408 || status >= 500, fine = status >= 200 && status < 300;

        assert_false(kat_maybe_applied(&read, false));
        assert_false(kat_maybe_applied(&read, true));
        if (kat_maybe_applied(&write, false) != lost)
            fail_msg("status %d", status);
        if (kat_maybe_applied(&write, true) != (lost || fine))
            fail_msg("status %d, refused", status);
        write.kind = KAT_TOO_LARGE; /* it came, and was not taken: refused */
        if (kat_maybe_applied(&write, false) != (lost || fine))
            fail_msg("status %d, too large", status);
        write.kind = KAT_CONNECTION; /* half an answer is none, whatever it began with */
        if (!kat_maybe_applied(&write, false))
            fail_msg("status %d, cut", status);
    }
}

static void maybe_applied_by_failure(void **state)
{
    int kind;

    (void)state;
    for (kind = KAT_CONNECT; kind < KAT_KIND_COUNT; kind++) {
        kat_outcome o = failed((kat_kind)kind, true, false);

        assert_true(kat_maybe_applied(&o, false));
        o.safe = true;
        assert_false(kat_maybe_applied(&o, false));
        o.safe = o.sent = false;
        assert_false(kat_maybe_applied(&o, false));
    }
}

static double delay(const kat_outcome *o, double retries, double told, double random)
{
    return kat_retry_delay(&policy, o, retries, told, random, HUGE_VAL);
}

static void backoff_doubles_up_to_its_longest(void **state)
{
    kat_retry_policy p = {1e9, 0.5, 8, 60};
    kat_outcome o = answered(500, true);
    static const double wanted[] = {0.5, 1, 2, 4, 8, 8, 8};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(wanted); i++) {
        double n = (double)i;

        assert_number(kat_retry_delay(&p, &o, n, -1, 0, HUGE_VAL), wanted[i]);
        assert_number(kat_retry_delay(&p, &o, n, -1, 0.5, HUGE_VAL), wanted[i] * 0.875);
        assert_true(kat_retry_delay(&p, &o, n, -1, 0.999999, HUGE_VAL) >= wanted[i] * 0.75);
    }
    /* Neither a great many retries nor odd settings may loop or overflow. */
    assert_number(kat_retry_delay(&p, &o, 999999999, -1, 0, HUGE_VAL), 8);
    p.base_delay = 20;
    assert_number(kat_retry_delay(&p, &o, 0, -1, 0, HUGE_VAL), 8);
    p.base_delay = 0;
    assert_number(kat_retry_delay(&p, &o, 1000, -1, 0, HUGE_VAL), 0);
}

static void retries_are_counted(void **state)
{
    kat_outcome o = failed(KAT_CONNECT, false, false);
    kat_retry_policy none = policy;

    (void)state;
    assert_number(delay(&o, 2, -1, 0), 2);
    assert_number(delay(&o, 3, -1, 0), -1);
    none.max = 0;
    assert_number(kat_retry_delay(&none, &o, 0, -1, 0, HUGE_VAL), -1);
    o = answered(404, true);
    assert_number(delay(&o, 0, -1, 0), -1);
}

static void retry_after_is_kept_never_cut(void **state)
{
    kat_outcome o = answered(429, false);

    (void)state;
    assert_number(delay(&o, 0, 5, 0), 5);
    assert_number(delay(&o, 0, 5, 0.5), 5.25); /* later, never earlier */
    assert_number(delay(&o, 0, 0, 0.5), 0);
    assert_number(delay(&o, 0, 60, 0.5), 63);   /* maxWait is meant inclusive */
    assert_number(delay(&o, 0, 60.001, 0), -1); /* too long: given up at once */
    assert_number(delay(&o, 0, 1e15, 0), -1);   /* and not after 60 s */
    assert_number(delay(&o, 1, -1, 0), 1);      /* junk: our own back-off */
    o = answered(500, true);
    assert_number(delay(&o, 0, 5, 0), 0.5); /* honoured on 429 and 503 only */
    o = answered(503, true);
    assert_number(delay(&o, 0, 5, 0), 5);
    o = answered(503, false);
    assert_number(delay(&o, 0, 5, 0), -1);
}

static void a_deadline_ends_the_call_now(void **state)
{
    kat_outcome o = answered(429, true);

    (void)state;
    assert_number(kat_retry_delay(&policy, &o, 0, 5, 0, 5.1), 5);
    assert_number(kat_retry_delay(&policy, &o, 0, 5, 0, 5), -1);
    assert_number(kat_retry_delay(&policy, &o, 0, 5, 0.9, 5.1), -1); /* its jitter counts */
    assert_number(kat_retry_delay(&policy, &o, 0, -1, 0, 0.4), -1);
    assert_number(kat_retry_delay(&policy, &o, 0, 0, 0, 0), -1);
    assert_number(kat_retry_delay(&policy, &o, 0, 0, 0, -3), -1);
}

#define T 784111777.0 /* Sun, 06 Nov 1994 08:49:37 GMT */

static void dates_in_their_three_forms(void **state)
{
    static const struct {
        const char *text;
        double wanted;
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", T},
        {"Sunday, 06-Nov-94 08:49:37 GMT", T},
        {"Sun Nov  6 08:49:37 1994", T},
        {"Wed Nov 16 08:49:37 1994", T + 10 * 86400},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
        {"Tue, 19 Jan 2038 03:14:08 GMT", 2147483648.0}, /* beyond 32 bits */
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799.0},
        {"Mon, 07 Feb 2106 06:28:16 GMT", 4294967296.0},
        {"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
        {"Sun, 31 Dec 2000 23:59:59 GMT", 978307199}, /* 2000 was a leap year, 2100 will not be */
        {"Mon, 01 Mar 2100 00:00:00 GMT", 4107542400.0},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800}, /* a leap second */
        {"sun, 06 nov 1994 08:49:37 GMT", T},
        {"Wed, 31 Dec 1969 23:59:59 GMT", 0}, /* long ago */
        {"Mon, 01 Jan 1000 00:00:00 GMT", 0},
        {NULL, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; rows[i].text; i++)
        assert_number(kat_http_date(rows[i].text), rows[i].wanted);
}

/* A year of two digits is the one that is not more than 50 years ahead. */
static double midday_of_2026(void)
{
    return 1782907200; /* Wed, 01 Jul 2026 12:00:00 GMT */
}

static double end_of_2099(void)
{
    return 4102444799.0;
}

static void years_of_two_digits(void **state)
{
    double (*wall)(void) = kat_wall;

    (void)state;
    kat_wall = midday_of_2026;
    assert_number(kat_http_date("Friday, 01-Jan-26 00:00:00 GMT"), 1767225600);
    assert_number(kat_http_date("Tuesday, 31-Dec-75 00:00:00 GMT"), 3344976000.0);
    assert_number(kat_http_date("Wednesday, 01-Jul-76 12:00:00 GMT"), 3360830400.0);
    assert_number(kat_http_date("Thursday, 01-Jul-76 12:00:01 GMT"), 205070401);
    assert_number(kat_http_date("Saturday, 01-Jan-77 00:00:00 GMT"), 220924800);
    assert_number(kat_http_date("Friday, 31-Dec-99 23:59:59 GMT"), 946684799);
    kat_wall = end_of_2099;
    assert_number(kat_http_date("Friday, 01-Jan-00 00:00:00 GMT"), 4102444800.0);
    assert_number(kat_http_date("Thursday, 29-Feb-48 00:00:00 GMT"), 5622220800.0);
    kat_wall = wall;
}

/* Every day of eight centuries, counted one by one. */
static void days_follow_each_other(void **state)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    double wanted = 0;
    int year, month, day;

    (void)state;
    for (year = 1970; year < 2770; year++) {
        for (month = 0; month < 12; month++) {
            for (day = 1; day <= 31; day++) {
                char text[64];
                double at;

                snprintf(text, sizeof text, "Mon, %02d %s %d 00:00:00 GMT", day, months[month],
                         year);
                at = kat_http_date(text);
                if (at < 0 && day > 28)
                    break;
                assert_number(at, wanted);
                wanted += 86400;
            }
        }
    }
    assert_number(wanted, 25245561600.0); /* 800 years have 194 leap days */
}

/* Most of these curl_getdate alone would take. */
static const char *const junk[] = {
    "",
    "soon",
    "tomorrow",
    "-1",
    "+5",
    "5.5",
    "5s",
    "5 6",
    ",",
    " ,\t, ",
    "0x10",
    "1e3",
    "1994-11-06",
    "1994-11-06T08:49:37Z",
    "20241106 08:49:37",
    "06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37 CET",
    "Sun, Sun, Sun",
    "Sun,06 Nov 1994 08:49:37 GMT",
    "Sun,  06 Nov 1994 08:49:37 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Sun, 99 Nov 1994 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sunday, 00-Jan-01 00:00:00 GMT",
    "Sunday, 32-May-01 01:59:59 GMT",
    "Sunday, 99-May-01 01:59:59 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "Sun, 06 Nov 1994 08:61:37 GMT",
    "Sun, 06 Nov 1994 08:60:00 GMT",
    "Sun, 06 Nov 1994 08:59:61 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT",
    "Sun, 31 Apr 1994 08:49:37 GMT",
    "Sun, 30 Feb 2024 08:49:37 GMT",
    "Sun, 29 Feb 2023 08:49:37 GMT",
    "Sun, 29 Feb 2100 08:49:37 GMT",
    "Sunday, 29-Feb-93 08:49:37 GMT",
    "Sun Feb 29 08:49:37 1993",
    "Sun Nov 00 08:49:37 1994",
    "Sun Nov    08:49:37 1994",
    "Sun, 06 Nov 0994 08:49:37 GMT",
    "Sun, 06 Nov 11994 08:49:37 GMT",
    ", 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 94",
    "Sun Nov 6 08:49:37 1994",
    "S",
    "\xff\xfe",
};

static void what_is_no_date_is_refused(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(junk); i++) {
        if (kat_http_date(junk[i]) >= 0)
            fail_msg("\"%s\" was taken for a date", junk[i]);
        if (kat_retry_after(junk[i], NULL, T) >= 0)
            fail_msg("\"%s\" was taken for a wait", junk[i]);
    }
    assert_number(kat_retry_after(NULL, "Sun, 06 Nov 1994 08:49:37 GMT", T), -1);
}

static void retry_after_in_seconds(void **state)
{
    (void)state;
    assert_number(kat_retry_after("0", NULL, T), 0);
    assert_number(kat_retry_after("61", NULL, T), 61);
    assert_number(kat_retry_after("007", NULL, T), 7);
    assert_number(kat_retry_after("999999999999", NULL, T), 999999999999.0);
    /* However many digits: a number that can be compared, and no overflow. */
    assert_number(kat_retry_after("99999999999999999999999999999999999999", NULL, T), 1e15);
}

/* What the server's own clock said when it wrote the date counts, not ours. */
static void retry_after_as_a_date(void **state)
{
    static const char at[] = "Sun, 06 Nov 1994 08:49:37 GMT";

    (void)state;
    assert_number(kat_retry_after(at, NULL, T - 30), 30);
    assert_number(kat_retry_after(at, NULL, T - 0.25), 0.25);
    assert_number(kat_retry_after(at, NULL, T), 0);
    assert_number(kat_retry_after(at, NULL, T + 500), 0); /* past: now */
    assert_number(kat_retry_after(at, "Sun, 06 Nov 1994 08:49:00 GMT", 0), 37);
    assert_number(kat_retry_after(at, "Sunday, 06-Nov-94 08:49:30 GMT", T + 1e6), 7);
    assert_number(kat_retry_after(at, "Sun, 06 Nov 1994 09:00:00 GMT", 0), 0);
    assert_number(kat_retry_after(at, "yesterday", T - 30), 30);
    assert_number(kat_retry_after("12", "Sun, 06 Nov 1994 08:49:00 GMT", 0), 12);
}

/* Several headers of that name come joined, and a date has a comma of its own. */
static void the_longest_of_several_counts(void **state)
{
    static const struct {
        const char *text;
        double wanted;
    } rows[] = {
        {"3600, 3600", 3600},
        {"1,3600,5", 3600},
        {" 5\t", 5},
        {",5,,", 5},
        {"soon, 7, 0x20", 7},
        {"Sun, 120", 120},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", 30},
        {"Sun, 06 Nov 1994 08:49:37 GMT, again", 30},
        {"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:50:37 GMT", 90},
        {"Sun, 06 Nov 1994 08:50:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", 90},
        {"10, Sunday, 06-Nov-94 08:49:37 GMT", 30},
        {"Sun Nov  6 08:49:37 1994, 40", 40},
        {"Sun Nov  6 08:49:37 1994,Sunday, 06-Nov-94 08:49:47 GMT,Sun, 06 Nov 1994 08:49:57 GMT",
         50},
        {"0, Sun, 06 Nov 1994 00:00:00 GMT", 0},
        {"Sun, 99 Nov 1994 08:49:37 GMT, 3", 3},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        double wait = kat_retry_after(rows[i].text, NULL, T - 30);

        if (wait < rows[i].wanted || wait > rows[i].wanted)
            fail_msg("\"%s\": %g", rows[i].text, wait);
    }
    /* Of two Dates the earlier one: the longer wait. */
    assert_number(kat_retry_after("Sun, 06 Nov 1994 08:49:37 GMT",
                                  "Sun, 06 Nov 1994 08:49:30 GMT, Sun, 06 Nov 1994 08:49:20 GMT",
                                  0),
                  17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_retried_by_the_table),
        cmocka_unit_test(failures_are_retried_by_the_table),
        cmocka_unit_test(a_cut_answer_counts_as_a_failure),
        cmocka_unit_test(maybe_applied_by_status),
        cmocka_unit_test(maybe_applied_by_failure),
        cmocka_unit_test(backoff_doubles_up_to_its_longest),
        cmocka_unit_test(retries_are_counted),
        cmocka_unit_test(retry_after_is_kept_never_cut),
        cmocka_unit_test(a_deadline_ends_the_call_now),
        cmocka_unit_test(dates_in_their_three_forms),
        cmocka_unit_test(years_of_two_digits),
        cmocka_unit_test(days_follow_each_other),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(retry_after_in_seconds),
        cmocka_unit_test(retry_after_as_a_date),
        cmocka_unit_test(the_longest_of_several_counts),
    };

    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
