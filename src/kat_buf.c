#include "kat_buf.h"

#include <string.h>

enum { FIRST_SIZE = 256 };

bool kat_buf_reserve(kat_buf *buf, size_t more)
{
    size_t want, cap;
    char *data;

    if (more <= buf->cap - buf->len)
        return true;
    if (more > SIZE_MAX / 2 - buf->len)
        return false;
    want = buf->len + more;
    /* Half as much again keeps appending linear; an exact first size is
     * taken as it is, so that a known Content-Length costs no slack. */
    cap = buf->cap + buf->cap / 2;
    if (cap < want)
        cap = want < FIRST_SIZE ? FIRST_SIZE : want;
    data = kat_alloc(buf->data, cap);
    if (!data)
        return false;
    buf->data = data;
    buf->cap = cap;
    return true;
}

bool kat_buf_add(kat_buf *buf, const void *data, size_t len)
{
    if (!kat_buf_reserve(buf, len))
        return false;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return true;
}

bool kat_buf_addc(kat_buf *buf, char c)
{
    return kat_buf_add(buf, &c, 1);
}

bool kat_buf_puts(kat_buf *buf, const char *text)
{
    return kat_buf_add(buf, text, strlen(text));
}

void kat_buf_reset(kat_buf *buf, size_t keep)
{
    buf->len = 0;
    if (buf->cap > keep)
        kat_buf_free(buf);
}

void kat_buf_free(kat_buf *buf)
{
    kat_free(buf->data);
    buf->data = NULL;
    buf->len = buf->cap = 0;
}
