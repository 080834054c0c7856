/* libcurl as this process has it: initialised once, late, and never cleaned
 * up; what the running version can do; and where it looks for certificates. */
#ifndef KAT_CURL_H
#define KAT_CURL_H

#include <curl/curl.h>

#include "kat_base.h"

/* 7.80 brought CURLOPT_PREREQFUNCTION, without which "was it sent?" has no
 * answer. */
#define KAT_CURL_MIN 0x075000
#if LIBCURL_VERSION_NUM < KAT_CURL_MIN
#error "kataven needs the headers of libcurl 7.80 or later"
#endif

KAT_BEGIN_DECLS

/* NULL when a libcurl of this version will do; else a sentence for the user,
 * written into buf. */
const char *kat_curl_problem(unsigned version, const char *text, char *buf, size_t size);

/* Whether libcurl does TLS by OpenSSL or a library that descends from it: its words,
 * codes and certificates are what the engine knows. `ssl` is what libcurl says of
 * itself; what stands in brackets there is compiled in and not used. NULL: no TLS. */
bool kat_curl_is_openssl(const char *ssl);

/* NULL when the running library's TLS is supported; else a sentence in buf. */
const char *kat_curl_tls_problem(const char *ssl, char *buf, size_t size);
const char *kat_curl_tls(void); /* for the two above */

/* The running library's version, as 0xXXYYZZ. Initialises nothing. */
unsigned kat_curl_version(void);
const char *kat_curl_version_text(void);

/* Initialises libcurl at its first call, which any thread may make, and pins
 * this library in memory: with CURLOPT_QUICK_EXIT a resolver thread may
 * outlive the last client, and must not find its code unmapped. */
bool kat_curl_init(void);

/* Keeps this library's code in memory until the process ends, whoever unloads it. */
void kat_curl_pin(void);

/* True when this process has initialised libcurl through kat_curl_init. */
bool kat_curl_ready(void);

/* Takes what a failed handshake left on OpenSSL's error queue, so that the
 * host (nginx logs it) does not find it there. Does nothing elsewhere. */
void kat_curl_forget_errors(void);

/* Where certificates come from. NULL members are told to libcurl as NULL,
 * which switches its default off: with both set its certificate cache stays
 * off, and each connection reads the whole bundle again (20 ms). */
typedef struct kat_ca {
    bool builtin;         /* leave libcurl's own defaults alone */
    const char *file;     /* a bundle */
    const char *path;     /* a hashed directory */
    const char *fallback; /* a bundle to try once where `path` knows no issuer */
} kat_ca;

/* Chooses from what the user gave (NULL where nothing) and the defaults that
 * libcurl was built with. The strings are not copied. */
kat_ca kat_ca_choose(const char *file, const char *path, const char *default_file,
                     const char *default_path, bool openssl);

/* The same with the running library's defaults; call kat_curl_init first. */
kat_ca kat_ca_default(const char *file, const char *path);

/* True when a directory holds names like 0a1b2c3d.0. */
bool kat_ca_is_hashed(const char *dir);

KAT_END_DECLS

#endif
