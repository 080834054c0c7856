/* Where requests go: the base URL, and what is appended to it. */
#ifndef KAT_URL_H
#define KAT_URL_H

#include "kat_buf.h"

KAT_BEGIN_DECLS

typedef struct kat_base {
    char *text;    /* origin and path, no slash at the end; owned */
    size_t origin; /* length of the origin within it */
    bool v1;       /* the path ends in /v1: production's form */
    bool loopback;
    bool tls;
} kat_base;

/* Reads a base URL. NULL when it is good, "" when memory has run out; else what
 * is wrong with it, as the end of a sentence ("must not …"), which never quotes
 * the URL: it might hold a password. `base` must be zero-filled and is freed
 * with kat_base_free. */
const char *kat_base_parse(kat_base *base, const char *url, size_t len);
void kat_base_free(kat_base *base);

/* Appends the URL for a specification's path (it begins with one slash; what
 * may not stand in a URL is percent-encoded, a '%' is left alone). With a
 * base in production's form its /v1 takes the place of the path's /api/v1 or
 * /api. NULL when it is good, "" when memory has run out, else what is wrong
 * with the path. */
const char *kat_url_join(kat_buf *out, const kat_base *base, const char *path, size_t len);

/* Appends text percent-encoded, all but unreserved characters. */
bool kat_url_escape(kat_buf *out, const char *text, size_t len);

/* Reads a URL's host, with its port, as it is written: NULL, or the end of a
 * sentence on what would make another host of it, or none. It quotes nothing. */
const char *kat_url_host_problem(const char *host, size_t len);

/* localhost, 127/8 or ::1, as libcurl gives a host. */
bool kat_is_loopback(const char *host);

KAT_END_DECLS

#endif
