/* A growable byte buffer. Always usable when zero-filled; owns its memory. */
#ifndef KAT_BUF_H
#define KAT_BUF_H

#include "kat_base.h"

KAT_BEGIN_DECLS

typedef struct kat_buf {
    char *data; /* NULL until something was reserved; not NUL-terminated */
    size_t len;
    size_t cap;
} kat_buf;

/* Makes room for `more` further bytes. False when memory has run out or the
 * size would overflow; the contents are then as before. */
bool kat_buf_reserve(kat_buf *buf, size_t more);
bool kat_buf_add(kat_buf *buf, const void *data, size_t len);
bool kat_buf_addc(kat_buf *buf, char c);
bool kat_buf_puts(kat_buf *buf, const char *text);

/* Empties the buffer; memory above `keep` bytes is given back. */
void kat_buf_reset(kat_buf *buf, size_t keep);
void kat_buf_free(kat_buf *buf);

KAT_END_DECLS

#endif
