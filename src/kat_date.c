/* HTTP dates, and Retry-After, which may be one. */
#include "kat_retry.h"

#include <curl/curl.h>
#include <string.h>

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Matches text against a shape: '9' a digit, 'a' a letter, '_' a digit or a
 * blank, '*' one letter or more, anything else itself. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; shape++) {
        char c = *text;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        switch (*shape) {
        case '9':
            if (!digit(c))
                return false;
            break;
        case '_':
            if (!digit(c) && c != ' ')
                return false;
            break;
        case 'a':
            if (!letter)
                return false;
            break;
        case '*':
            if (!letter)
                return false;
            while ((text[1] >= 'a' && text[1] <= 'z') || (text[1] >= 'A' && text[1] <= 'Z'))
                text++;
            break;
        default:
            if (c != *shape)
                return false;
        }
        text++;
    }
    return *text == '\0';
}

/* curl_getdate knows all the forms, and a great many that are no HTTP date
 * ("tomorrow's" neighbours, bare years): the shape is checked first. */
double kat_http_date(const char *text)
{
    static const char *const shapes[] = {
        "aaa, 99 aaa 9999 99:99:99 GMT", /* RFC 9110's own */
        "*, 99-aaa-99 99:99:99 GMT",     /* RFC 850 */
        "aaa aaa _9 99:99:99 9999",      /* asctime */
    };
    size_t i;

    for (i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (has_shape(text, shapes[i])) {
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
