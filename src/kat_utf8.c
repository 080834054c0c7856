#include "kat_json.h"

size_t kat_utf8_sequence(const unsigned char *p, const unsigned char *end)
{
    size_t n = *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : 2, i;

    if (*p < 0xC2 || *p > 0xF4 || (size_t)(end - p) < n)
        return 0;
    for (i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return n;
}

size_t kat_utf8_check(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;

    while (p < end) {
        size_t n = *p < 0x80 ? 1 : kat_utf8_sequence(p, end);

        if (n == 0)
            break;
        p += n;
    }
    return (size_t)(p - (const unsigned char *)text);
}
