/* HTTP dates, and Retry-After, which may be one. Counted by hand: curl_getdate takes a
 * great many texts that are no HTTP date, and ends in 2038 where time_t has 32 bits. */
#include "kat_retry.h"

#include <string.h>
#include <strings.h>

#include "kat_clock.h"

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char SHORT_DAYS[] = "Mon Tue Wed Thu Fri Sat Sun ";
static const char LONG_DAYS[] = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday ";
static const char MONTHS[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";

/* The length of a name that a text begins with, one of those in `names`, each of which
 * ends with a blank, and its place among them; 0 if no name matches. Case does not count. */
static size_t name_at(const char *text, size_t left, const char *names, int *place)
{
    size_t len = 0;
    int i;

    while (len < left && ((text[len] | 0x20) >= 'a' && (text[len] | 0x20) <= 'z'))
        len++;
    for (i = 0; len > 0 && *names; names = strchr(names, ' ') + 1, i++) {
        if (strncasecmp(names, text, len) == 0 && names[len] == ' ') {
            *place = i;
            return len;
        }
    }
    return 0;
}

typedef struct fields {
    int year, month, day, hour, minute, second; /* the month from 0 on */
} fields;

/* Reads a text of a shape: a letter of "YMDhms" is a digit of that number, 'y' one of a
 * year of two digits, 'd' one of the day that may be a blank, 'w' a weekday's short name,
 * 'W' a short or a long one, 'n' a month's, anything else itself. A year of four digits
 * does not begin with 0. */
static bool read_shape(const char *text, size_t left, const char *shape, fields *d)
{
    *d = (fields){0};
    for (; *shape; shape++) {
        int *number = NULL, ignored;
        size_t len = 1;

        if (left == 0)
            return false;
        switch (*shape) {
        case 'Y':
        case 'y':
            number = &d->year;
            break;
        case 'D':
        case 'd':
            number = &d->day;
            break;
        case 'h':
            number = &d->hour;
            break;
        case 'm':
            number = &d->minute;
            break;
        case 's':
            number = &d->second;
            break;
        case 'w':
            len = name_at(text, left, SHORT_DAYS, &ignored);
            break;
        case 'W':
            len = name_at(text, left, SHORT_DAYS, &ignored);
            len = len > 0 ? len : name_at(text, left, LONG_DAYS, &ignored);
            break;
        case 'n':
            len = name_at(text, left, MONTHS, &d->month);
            break;
        default:
            len = *text == *shape;
        }
        if (number && digit(*text))
            *number = *number * 10 + (*text - '0');
        else if (number && !(*shape == 'd' && *text == ' '))
            return false;
        if (len == 0 || (*shape == 'Y' && d->year == 0))
            return false;
        text += len;
        left -= len;
    }
    return left == 0;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 1 && is_leap(year) ? 29 : days[month];
}

/* A leap second, of which libraries see few, counts as the one that follows. */
static bool exists(const fields *d)
{
    return d->day >= 1 && d->day <= days_in(d->year, d->month) && d->hour <= 23 &&
           d->minute <= 59 && d->second <= 60;
}

/* Days with a 29 February before a year. */
static int leaps_before(int year)
{
    year--;
    return year / 4 - year / 100 + year / 400;
}

static double seconds_of(const fields *d)
{
    double days = 365.0 * (d->year - 1970) + leaps_before(d->year) - leaps_before(1970);
    int month;

    for (month = 0; month < d->month; month++)
        days += days_in(d->year, month);
    return (days + d->day - 1) * 86400 + d->hour * 3600 + d->minute * 60 + d->second;
}

static double years_begin(int year)
{
    fields d = {.year = year, .day = 1};

    return seconds_of(&d);
}

/* Completes a year of two digits to the one that is at most 50 years ahead (RFC 9110, 5.6.7). */
static void set_century(fields *d)
{
    double now = kat_wall();
    int year = 1970 + (int)(now / (365.25 * 86400));
    fields limit = *d; /* the date's like, in the year that it is now */

    while (years_begin(year) > now)
        year--;
    while (years_begin(year + 1) <= now)
        year++;
    d->year += year / 100 * 100;
    while (d->year > year + 50)
        d->year -= 100;
    while (d->year <= year - 50)
        d->year += 100;
    limit.year = year;
    /* Fifty years ahead to the year: it depends on what is left of it. */
    if (d->year == year + 50 && seconds_of(&limit) > now)
        d->year -= 100;
}

static double http_date(const char *text, size_t len)
{
    double seconds;
    fields d;

    if (read_shape(text, len, "W, DD-n-yy hh:mm:ss GMT", &d)) /* RFC 850 */
        set_century(&d);
    else if (!read_shape(text, len, "w, DD n YYYY hh:mm:ss GMT", &d) && /* RFC 9110's own */
             !read_shape(text, len, "w n dD hh:mm:ss YYYY", &d))        /* asctime */
        return -1;
    if (!exists(&d))
        return -1;
    seconds = seconds_of(&d);
    return seconds > 0 ? seconds : 0; /* before 1970 is long ago, and no more is asked of it */
}

double kat_http_date(const char *text)
{
    return http_date(text, strlen(text));
}

/* Skips to a member of a list. Returns its length without the blanks around it, and where the next
 * begins. */
static size_t member(const char **text, const char **next)
{
    static const char blanks[] = " \t\r\n\f\v";
    size_t len;

    *text += strspn(*text, blanks);
    len = strcspn(*text, ",");
    *next = *text + len + ((*text)[len] == ',');
    while (len > 0 && strchr(blanks, (*text)[len - 1]))
        len--;
    return len;
}

/* Reads a date from a list, in which dates have commas of their own. -1 if what comes
 * next is something else. */
static double next_date(const char *text, size_t len, const char **next)
{
    const char *second = *next, *after;
    size_t second_len;
    double at = http_date(text, len); /* asctime's */

    if (at >= 0 || second[-1] != ',')
        return at;
    second_len = member(&second, &after);
    at = http_date(text, (size_t)(second - text) + second_len);
    if (at >= 0)
        *next = after;
    return at;
}

/* The earliest date in a list: counted from it, a wait is longest. -1 if there is no date. */
static double earliest(const char *text)
{
    double found = -1;

    while (*text) {
        const char *next;
        size_t len = member(&text, &next);
        double at = len > 0 ? next_date(text, len, &next) : -1;

        if (at >= 0 && (found < 0 || at < found))
            found = at;
        text = next;
    }
    return found;
}

static double whole_number(const char *text, size_t len)
{
    double number = 0;

    if (len == 0)
        return -1;
    for (; len > 0; text++, len--) {
        if (!digit(*text))
            return -1;
        number = number * 10 + (*text - '0');
    }
    return number > 1e15 ? 1e15 : number;
}

double kat_retry_after(const char *text, const char *date, double wall)
{
    double longest = -1, from = date ? earliest(date) : -1;

    /* The server's clock, if it told us, is the one its date was read off. */
    if (from < 0)
        from = wall;
    while (text && *text) {
        const char *next;
        size_t len = member(&text, &next);
        double seconds = whole_number(text, len), at;

        if (seconds < 0 && len > 0) {
            at = next_date(text, len, &next);
            seconds = at < 0 ? -1 : at > from ? at - from : 0;
        }
        if (seconds > longest)
            longest = seconds;
        text = next;
    }
    return longest;
}
