/* How an attempt can fail, and what libcurl's codes mean in those terms. */
#ifndef KAT_KIND_H
#define KAT_KIND_H

#include "kat_base.h"

KAT_BEGIN_DECLS

/* One row per kind: the enum's name and the name that Lua sees. */
#define KAT_KINDS(X)                                                        \
    X(KAT_NONE, "none")                                                     \
    X(KAT_CONNECT, "connect")       /* nothing was sent */                  \
    X(KAT_PROXY, "proxy")           /* cannot be used, at any try */        \
    X(KAT_CONNECTION, "connection") /* broken after the connection stood */ \
    X(KAT_TIMEOUT, "timeout")                                               \
    X(KAT_TLS, "tls") /* a certificate refused, or a TLS alert */           \
    X(KAT_TOO_LARGE, "tooLarge")                                            \
    X(KAT_CANCELLED_KIND, "cancelled")                                      \
    X(KAT_CASSETTE, "cassette")

typedef enum kat_kind {
#define KAT_KIND_ENUM(id, name) id,
    KAT_KINDS(KAT_KIND_ENUM)
#undef KAT_KIND_ENUM
        KAT_KIND_COUNT
} kat_kind;

const char *kat_kind_name(kat_kind kind);

/* KAT_KIND_COUNT when there is no kind of that name. */
kat_kind kat_kind_of(const char *name);

/* What a CURLcode means. `sent`: the request had gone out. `detail`:
 * libcurl's error text, which alone tells a reset handshake (worth another
 * try) from an alert or a refused certificate (not). */
kat_kind kat_kind_from_curl(int code, bool sent, const char *detail);

KAT_END_DECLS

#endif
