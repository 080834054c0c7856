/* Header lines, and what Retry-After makes of a value and a date. The input is
 * header lines; each is taken for a value of Retry-After, and for a date, as
 * well, beside the line after it.
 *
 * A date is compared with a reader of our own that knows the three forms and
 * counts days by itself. Neither asks whether the weekday is right, or whether a
 * month has a 31st or a minute a leap second: such is the next day, or minute. The
 * second before 1970 is the time 0 to libcurl, since -1 says there that it is no
 * date; what else lies before 1970 counts as none. */
#include <math.h>
#include <strings.h>

#include "fuzz.h"
#include "kat_clock.h"
#include "kat_headers.h"
#include "kat_retry.h"

static const char *const MONTHS[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const DAYS[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                   "Friday", "Saturday", "Sunday"};

static int month_of(const char *name)
{
    int i;

    for (i = 0; i < 12; i++)
        if (strcasecmp(name, MONTHS[i]) == 0)
            return i + 1;
    return 0;
}

static bool is_day(const char *name)
{
    size_t i;

    for (i = 0; i < 7; i++)
        if (strcasecmp(name, DAYS[i]) == 0 ||
            (strlen(name) == 3 && strncasecmp(name, DAYS[i], 3) == 0))
            return true;
    return false;
}

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static double days_before(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    double days = 0;
    int i;

    for (i = 1970; i < year; i++)
        days += leap(i) ? 366 : 365;
    for (i = 1969; i >= year; i--)
        days -= leap(i) ? 366 : 365;
    for (i = 1; i < month; i++)
        days += lengths[i - 1] + (i == 2 && leap(year));
    return days;
}

typedef struct parts {
    int year, month, day, hour, minute, second;
    bool short_year;
} parts;

/* A number of so many digits, -1 where there is another character. */
static int digits(const char *text, int count)
{
    int value = 0;

    for (; count > 0; count--, text++) {
        if (*text < '0' || *text > '9')
            return -1;
        value = value * 10 + *text - '0';
    }
    return value;
}

/* Sets the month, 0 where it is none. */
static bool read_month(parts *d, const char *text)
{
    char name[4] = {0};

    memcpy(name, text, 3);
    d->month = month_of(name);
    return d->month > 0;
}

static bool read_time(parts *d, const char *text)
{
    d->hour = digits(text, 2);
    d->minute = digits(text + 3, 2);
    d->second = digits(text + 6, 2);
    return text[2] == ':' && text[5] == ':';
}

static bool read_date(parts *d, const char *text, size_t len)
{
    char name[16] = {0};
    size_t n = strcspn(text, ", ");

    if (n >= sizeof name)
        return false;
    memcpy(name, text, n);
    if (!is_day(name))
        return false;
    /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    if (n == 3 && len == 29 && strncmp(text + 3, ", ", 2) == 0 && text[7] == ' ' &&
        text[11] == ' ' && text[16] == ' ') {
        d->day = digits(text + 5, 2);
        d->year = digits(text + 12, 4);
        return read_month(d, text + 8) && read_time(d, text + 17) && strcmp(text + 25, " GMT") == 0;
    }
    /* "Sunday, 06-Nov-94 08:49:37 GMT" */
    if (len == n + 24 && strncmp(text + n, ", ", 2) == 0 && text[n + 4] == '-' &&
        text[n + 8] == '-' && text[n + 11] == ' ') {
        d->day = digits(text + n + 2, 2);
        d->year = digits(text + n + 9, 2);
        d->short_year = true;
        return d->year >= 0 && read_month(d, text + n + 5) && read_time(d, text + n + 12) &&
               strcmp(text + n + 20, " GMT") == 0;
    }
    /* "Sun Nov  6 08:49:37 1994" */
    if (n == 3 && len == 24 && text[3] == ' ' && text[7] == ' ' && text[10] == ' ' &&
        text[19] == ' ') {
        d->day = text[8] == ' ' ? digits(text + 9, 1) : digits(text + 8, 2);
        d->year = digits(text + 20, 4);
        return read_month(d, text + 4) && read_time(d, text + 11);
    }
    return false;
}

static double seconds_of(const parts *d)
{
    return (days_before(d->year, d->month) + d->day - 1) * 86400 + d->hour * 3600 + d->minute * 60 +
           d->second;
}

/* The latest year with these two digits that is not more than 50 years ahead: the same
 * moment that much earlier must not be in the future. */
static void complete_year(parts *d)
{
    parts earlier = *d;

    for (d->year += 2900;; d->year -= 100) {
        earlier.year = d->year - 50;
        if (seconds_of(&earlier) <= kat_wall())
            return;
    }
}

/* Seconds since 1970, 0 for a date before, -1 for what is no date. */
static double reference(const char *text)
{
    parts d = {0};
    double days;

    if (!read_date(&d, text, strlen(text)) || d.day < 1 || d.hour < 0 || d.hour > 23 ||
        d.minute < 0 || d.minute > 59 || d.second < 0 || d.second > 60 ||
        (!d.short_year && d.year < 1000))
        return -1;
    if (d.short_year)
        complete_year(&d);
    days = d.month < 12 ? days_before(d.year, d.month + 1) : days_before(d.year + 1, 1);
    if (d.day > days - days_before(d.year, d.month))
        return -1;
    return seconds_of(&d) < 0 ? 0 : seconds_of(&d);
}

static void check_date(const char *text)
{
    double here = kat_http_date(text), there = reference(text);

    MUST(isfinite(here) && (here >= 0 || !(here < -1 || here > -1)), "%g", here);
    MUST(!(here < there) && !(here > there), "%.0f, and by the reference %.0f: %s", here, there,
         text);
}

/* Blanks around it, or a comma more than a date has. */
static bool may_be_a_list(const char *text)
{
    return kat_http_date(text) < 0 && text[strcspn(text, ", \t\r\n\f\v")] != '\0';
}

/* Of several the longest counts, whatever the others are. */
static void check_list(const char *text, double alone)
{
    char more[4096 + 16];

    if (strlen(text) >= 4096)
        return;
    snprintf(more, sizeof more, "%s, 5", text);
    MUST(fabs(kat_retry_after(more, NULL, 1800000000) - (alone > 5 ? alone : 5)) < 1, "%s", more);
}

static void check_retry_after(const char *text, const char *date)
{
    static const double wall = 1800000000;
    double alone = kat_retry_after(text, NULL, wall), dated = kat_retry_after(text, date, wall);
    size_t digits = strspn(text, "0123456789");

    MUST(isfinite(alone) && alone <= 1e15 && isfinite(dated) && dated <= 1e15, "%g and %g", alone,
         dated);
    MUST(alone >= 0 || !(alone < -1 || alone > -1), "%g", alone);
    check_list(text, alone);
    if (may_be_a_list(text) || may_be_a_list(date))
        return;
    if (digits > 0 && text[digits] == '\0') {
        double wanted = strtod(text, NULL);

        wanted = wanted > 1e15 ? 1e15 : wanted;
        MUST(fabs(alone - wanted) < 1 && fabs(dated - wanted) < 1, "%g for %s", alone, text);
    } else if (kat_http_date(text) < 0) {
        MUST(alone < 0 && dated < 0, "%g for junk: %s", alone, text);
    } else {
        double from = kat_http_date(date) < 0 ? wall : kat_http_date(date);
        double wanted = kat_http_date(text) - from;

        MUST(fabs(dated - (wanted > 0 ? wanted : 0)) < 1, "%g", dated);
    }
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool same(const kat_headers *h, const kat_header *a, const kat_header *b)
{
    return a->name_len == b->name_len &&
           memcmp(h->text.data + a->name, h->text.data + b->name, a->name_len) == 0;
}

static void check_headers(const kat_headers *h, bool joined)
{
    size_t count = kat_headers_count(h), i, j;

    MUST(count <= KAT_HEADERS_MAX_COUNT, "%zu headers", count);
    MUST(h->text.len <= 2 * KAT_HEADERS_MAX_BYTES + 2 * KAT_HEADERS_MAX_COUNT, "%zu bytes",
         h->text.len);
    for (i = 0; i < count; i++) {
        const kat_header *one = kat_headers_at(h, i);

        MUST(one->name_len > 0 && one->name + one->name_len <= h->text.len &&
                 one->value + one->value_len <= h->text.len,
             "header %zu is beyond the text", i);
        for (j = 0; j < one->name_len; j++) {
            char c = h->text.data[one->name + j];

            MUST(!(c >= 'A' && c <= 'Z') && c != ':', "a name with %c", c);
        }
        MUST(!blank(h->text.data[one->name]) && !blank(h->text.data[one->name + one->name_len - 1]),
             "a name with blanks around it");
        if (one->value_len > 0)
            MUST(!blank(h->text.data[one->value]), "a value with blanks before it");
        if (one->value_len > 0 && !joined)
            MUST(!blank(h->text.data[one->value + one->value_len - 1]),
                 "a value with blanks behind it");
        for (j = 0; joined && j < i && count < 200; j++)
            MUST(one->joined || kat_headers_at(h, j)->joined || !same(h, one, kat_headers_at(h, j)),
                 "a name stands twice");
    }
}

/* The lines as libcurl hands them over, behind a status line, `times` over. */
static void check_lines(const uint8_t *data, size_t size, size_t times)
{
    static const char status[] = "HTTP/1.1 200 OK\r\n";
    kat_headers h = {0};
    kat_headers_result result = kat_headers_line(&h, status, sizeof status - 1);
    size_t seen = sizeof status - 1, i;

    for (i = 0; i < times && result == KAT_HEADERS_OK; i++) {
        const uint8_t *at = data;
        size_t left = size;

        while (left > 0 && result == KAT_HEADERS_OK) {
            size_t len, before = left;
            const char *line = fuzz_line(&at, &left, &len);
            char *copy = fuzz_copy(line, before - left);

            result = kat_headers_line(&h, copy, before - left);
            seen += before - left;
            free(copy);
            /* With any status, that of the length: the fifth is interim. */
            if (h.body)
                kat_headers_ended(&h, (long)(seen % 5) * 50);
            MUST(result != KAT_HEADERS_NOMEM, "out of memory");
            MUST(result == KAT_HEADERS_TOO_LARGE || seen <= KAT_HEADERS_MAX_BYTES,
                 "%zu bytes were taken", seen);
        }
    }
    check_headers(&h, false);
    MUST(kat_headers_join(&h), "out of memory");
    check_headers(&h, true);
    kat_headers_reset(&h);
    MUST(kat_headers_count(&h) == 0 && h.text.len == 0 && !h.body && h.seen == 0, "not empty");
    kat_headers_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *at = data;
    size_t left = size, len;
    char *before = NULL;

    kat_alloc = fuzz_alloc;
    check_lines(data, size, 1);
    /* A short input reaches the limits, too. */
    if (size > 0 && data[0] == 'X')
        check_lines(data, size, 40000 / size + 1100);
    while (left > 0) {
        const char *line = fuzz_line(&at, &left, &len);
        char *text = fuzz_string(line, len);

        check_date(text);
        check_retry_after(text, before ? before : "");
        check_retry_after(before ? before : "", text);
        free(before);
        before = text;
    }
    free(before);
    MUST(fuzz_blocks == 0, "%ld blocks are left", fuzz_blocks);
    return 0;
}
