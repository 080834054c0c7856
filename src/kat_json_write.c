#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kat_json.h"

static bool add_escaped(kat_buf *out, unsigned char c)
{
    static const char shorts[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
    const char *hit = memchr(shorts, c, sizeof shorts - 1);
    char text[8];

    if (hit) {
        text[0] = '\\';
        text[1] = letters[hit - shorts];
        return kat_buf_add(out, text, 2);
    }
    snprintf(text, sizeof text, "\\u%04x", c);
    return kat_buf_add(out, text, 6);
}

bool kat_json_add_string(kat_buf *out, const char *text, size_t len)
{
    size_t i, start = 0;

    if (!kat_buf_reserve(out, len + 2) || !kat_buf_addc(out, '"'))
        return false;
    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        if (!kat_buf_add(out, text + start, i - start) || !add_escaped(out, c))
            return false;
        start = i + 1;
    }
    return kat_buf_add(out, text + start, len - start) && kat_buf_addc(out, '"');
}

bool kat_json_add_number(kat_buf *out, double number)
{
    char text[40], *p;
    int digits;

    if (number == floor(number) && fabs(number) < 9007199254740992.0) {
        snprintf(text, sizeof text, "%.0f", number == 0 ? 0.0 : number);
        return kat_buf_puts(out, text);
    }
    for (digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    /* A locale may have put a comma, or more, in place of the point. */
    for (p = text; *p; p++)
        if (!strchr("0123456789+-eE", *p))
            break;
    if (*p) {
        size_t odd = 0;

        while (p[odd] && !strchr("0123456789+-eE", p[odd]))
            odd++;
        *p = '.';
        memmove(p + 1, p + odd, strlen(p + odd) + 1);
    }
    return kat_buf_puts(out, text);
}
