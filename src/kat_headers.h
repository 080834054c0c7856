/* Collects the header lines of an answer as they come from the wire. */
#ifndef KAT_HEADERS_H
#define KAT_HEADERS_H

#include "kat_buf.h"

KAT_BEGIN_DECLS

enum {
    KAT_HEADERS_MAX_BYTES = 256 * 1024, /* interim answers included */
    KAT_HEADERS_MAX_COUNT = 1000
};

typedef struct kat_header {
    size_t name, name_len; /* offsets into the text; the name in lower case */
    size_t value, value_len;
    bool joined; /* its value was taken into an earlier one of that name */
} kat_header;

typedef struct kat_headers {
    kat_buf text; /* owns all names and values */
    kat_buf list; /* an array of kat_header */
    size_t seen;  /* bytes received in this attempt */
    int status;   /* the status line's, of an interim answer too */
    bool begun;   /* the status line came: another before the block's end is none */
    bool body;    /* the block ended: what follows are trailers, dropped */
    bool interim; /* it was that of a 1xx, which another answer follows */
    bool sized;   /* it has a Content-Length: */
    uint64_t length;
    bool promise; /* of a body: a length above 0, or a transfer coding */
} kat_headers;

typedef enum {
    KAT_HEADERS_OK,
    KAT_HEADERS_TOO_LARGE,
    /* No three digits: libcurl 8 reads 201 in "HTTP/1.1 2010 Created", and any
     * version some other number in what is none. */
    KAT_HEADERS_BAD_STATUS,
    /* It does not say for sure where the answer ends. libcurl takes a length of
     * "0x2" and the last of two, and passes over "Content-Length :". */
    KAT_HEADERS_BAD_FRAMING,
    KAT_HEADERS_NOMEM
} kat_headers_result;

/* Takes one line as libcurl hands it over, its end included. The first one, and
 * the one after an interim answer, is a status line, or libcurl would not hand it
 * over: its second word has to be a status. It begins anew, so the headers of interim
 * answers are dropped. */
kat_headers_result kat_headers_line(kat_headers *h, const char *line, size_t len);

/* To be told when a block has ended (`body`): the status that libcurl has read,
 * for whether another answer follows is libcurl's to say. 101 is a last word.
 * False where the status line says otherwise. */
bool kat_headers_ended(kat_headers *h, long status);

/* Joins repeated headers with ", ". To be called once, when the answer is
 * whole. False when memory has run out. */
bool kat_headers_join(kat_headers *h);

size_t kat_headers_count(const kat_headers *h);
const kat_header *kat_headers_at(const kat_headers *h, size_t index);

void kat_headers_reset(kat_headers *h);
void kat_headers_free(kat_headers *h);

KAT_END_DECLS

#endif
