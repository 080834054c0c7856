/* The proxy's URL: whether it is one, where the environment keeps it, and how its
 * user info stays out of texts. */
#ifndef KAT_PROXY_H
#define KAT_PROXY_H

#include "kat_buf.h"

KAT_BEGIN_DECLS

/* Reads a proxy's URL, which a NUL ends, as libcurl would. NULL when it is good, "" when memory has
 * run out; else what is wrong with it, as the end of a sentence ("must not …"),
 * which never quotes it: it may hold a password. A scheme may be absent. */
const char *kat_proxy_check(const char *proxy, size_t len);

/* The proxy that libcurl takes from the environment for a URL with or without
 * TLS, or NULL; and the variable that holds it. Both are the environment's. */
const char *kat_proxy_env(bool tls, const char **variable);

/* Masks in a text of libcurl's, in place, all that may be user info: what stands
 * before an @, back to a blank, a quote or "://". The text does not grow. */
void kat_proxy_hide(char *text);

KAT_END_DECLS

#endif
