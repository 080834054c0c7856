/* HTTP dates, and Retry-After, which may be one. */
#include "kat_retry.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The length of a name that `text` begins with, one of those in `names`, each of
 * which ends with a blank; 0 where it is none. Case does not count. */
static size_t name_at(const char *text, const char *names)
{
    size_t len = 0;

    while ((text[len] >= 'a' && text[len] <= 'z') || (text[len] >= 'A' && text[len] <= 'Z'))
        len++;
    for (; *names; names = strchr(names, ' ') + 1)
        if (len > 0 && strncasecmp(names, text, len) == 0 && names[len] == ' ')
            return len;
    return 0;
}

/* Matches text against a shape: '9' a digit, '1' one that is not 0, '_' a digit
 * or a blank, 'w' a weekday's short name, 'W' a short or a long one, 'm' a month's,
 * anything else itself. */
static bool has_shape(const char *text, const char *shape)
{
    static const char shorts[] = "Mon Tue Wed Thu Fri Sat Sun ";
    static const char longs[] = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday ";
    static const char months[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";

    for (; *shape; shape++) {
        char c = *text;
        size_t len = 1;

        switch (*shape) {
        case '1':
        case '9':
            if (!digit(c) || (c == '0' && *shape == '1'))
                return false;
            break;
        case '_':
            if (!digit(c) && c != ' ')
                return false;
            break;
        case 'w':
            len = name_at(text, shorts);
            break;
        case 'W':
            len = name_at(text, shorts);
            len = len > 0 ? len : name_at(text, longs);
            break;
        case 'm':
            len = name_at(text, months);
            break;
        default:
            if (c != *shape)
                return false;
        }
        if (len == 0)
            return false;
        text += len;
    }
    return *text == '\0';
}

/* In all of the shapes the day is the first number. */
static bool has_day(const char *text)
{
    long day = strtol(text + strcspn(text, "0123456789"), NULL, 10);

    return day >= 1 && day <= 31;
}

/* curl_getdate knows all the forms, and a great many that are no HTTP date
 * ("tomorrow's" neighbours, bare years, a time zone for a weekday, the year 0012
 * for 2012, the year 2032 for a day 32): the shape and the day are checked first. */
double kat_http_date(const char *text)
{
    static const char *const shapes[] = {
        "w, 99 m 1999 99:99:99 GMT", /* RFC 9110's own */
        "W, 99-m-99 99:99:99 GMT",   /* RFC 850 */
        "w m _9 99:99:99 1999",      /* asctime */
    };
    size_t i;

    for (i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (has_shape(text, shapes[i]) && has_day(text)) {
            time_t t = curl_getdate(text, NULL);

            return t < 0 ? -1 : (double)t;
        }
    }
    return -1;
}

double kat_retry_after(const char *text, const char *date, double wall)
{
    const char *p = text;
    double seconds = 0, at, from;

    if (!text || !*text)
        return -1;
    while (digit(*p))
        seconds = seconds * 10 + (*p++ - '0');
    if (*p == '\0')
        return seconds > 1e15 ? 1e15 : seconds;
    at = kat_http_date(text);
    if (at < 0)
        return -1;
    /* The server's clock, if it told us, is the one its date was read off. */
    from = date ? kat_http_date(date) : -1;
    if (from < 0)
        from = wall;
    return at > from ? at - from : 0;
}
