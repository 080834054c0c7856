#include "kat_curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#ifndef RTLD_NODELETE
#define RTLD_NODELETE 0
#endif

/* Weak: there where libcurl brought OpenSSL along, NULL elsewhere. */
#if defined(__GNUC__) || defined(__clang__)
extern void ERR_clear_error(void) __attribute__((weak));
#define HAVE_ERR_CLEAR_ERROR 1
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static bool ready;

const char *kat_curl_problem(unsigned version, const char *text, char *buf, size_t size)
{
    if (version >= KAT_CURL_MIN)
        return NULL;
    snprintf(buf, size,
             "kataven needs libcurl 7.80 or later, but this process runs with %s; "
             "install a newer libcurl, or check which one LD_LIBRARY_PATH finds",
             text);
    return buf;
}

unsigned kat_curl_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num;
}

const char *kat_curl_version_text(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

const char *kat_curl_tls(void)
{
    return curl_version_info(CURLVERSION_NOW)->ssl_version;
}

bool kat_curl_is_openssl(const char *ssl)
{
    static const char *const family[] = {"OpenSSL", "LibreSSL", "BoringSSL", "AWS-LC", "quictls"};
    size_t i, len;

    while (ssl && *ssl) {
        for (i = 0; *ssl != '(' && i < sizeof family / sizeof *family; i++) {
            len = strlen(family[i]);
            if (strncmp(ssl, family[i], len) == 0)
                return true;
        }
        ssl += *ssl == '(' ? strcspn(ssl, ")") : strcspn(ssl, " ");
        ssl += strspn(ssl, ") ");
    }
    return false;
}

const char *kat_curl_tls_problem(const char *ssl, char *buf, size_t size)
{
    if (kat_curl_is_openssl(ssl))
        return NULL;
    snprintf(
        buf, size,
        "this process's libcurl does TLS by %s, and only OpenSSL is supported: a lost "
        "handshake may not be tried again, and errors say less; install a libcurl with OpenSSL",
        ssl && *ssl ? ssl : "no library at all");
    return buf;
}

/* The Makefile links with -z nodelete; a LuaRocks build cannot, so the pin
 * is set here for both. In a static host dlopen refuses, and nothing is
 * lost: its code is never unmapped. */
void kat_curl_pin(void)
{
    static const char anchor = 0;
    Dl_info info;

    if (dladdr((const void *)&anchor, &info) && info.dli_fname)
        dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

/* One that failed, since memory had run out, may succeed at the next call. */
bool kat_curl_init(void)
{
    bool done;

    pthread_mutex_lock(&lock);
    if (!ready) {
        kat_curl_pin();
        ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    }
    done = ready;
    pthread_mutex_unlock(&lock);
    return done;
}

bool kat_curl_ready(void)
{
    bool done;

    pthread_mutex_lock(&lock);
    done = ready;
    pthread_mutex_unlock(&lock);
    return done;
}

void kat_curl_forget_errors(void)
{
#ifdef HAVE_ERR_CLEAR_ERROR
    if (ERR_clear_error)
        ERR_clear_error();
#endif
}
