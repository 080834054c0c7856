#include "kat_kind.h"

#include <curl/curl.h>
#include <string.h>

static const char *const names[] = {
#define KAT_KIND_NAME(id, name) name,
    KAT_KINDS(KAT_KIND_NAME)
#undef KAT_KIND_NAME
};

const char *kat_kind_name(kat_kind kind)
{
    return kind < KAT_KIND_COUNT ? names[kind] : "unknown";
}

kat_kind kat_kind_of(const char *name)
{
    int i;

    for (i = 0; i < KAT_KIND_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (kat_kind)i;
    return KAT_KIND_COUNT;
}

/* libcurl gives CURLE_SSL_CONNECT_ERROR for a handshake that was reset or
 * closed as well as for an alert, and errno does not tell them apart; only
 * the TLS library's words do. These are the words of a lost connection
 * (OpenSSL, GnuTLS, and libcurl's own, which stand for all that follows where it
 * was reset before the handshake began); anything else was refused. */
static bool handshake_lost(const char *detail)
{
    static const char *const words[] = {
        "onnection reset",
        "unexpected eof",
        "SSL_ERROR_SYSCALL",
        "ECONNRESET",
        "Broken pipe",
        "non-properly terminated",
        "rror in the pull function",
        "onnection aborted",
        "onnection timed out",
        "onnection was reset",
        "closed abruptly",
        "Connection closed",
        "getpeername() failed",
        "Error decoding the received TLS packet",
        "Encountered end of file",
        "getsockname() failed",
    };
    size_t i;

    for (i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(detail, words[i]))
            return true;
    return false;
}

kat_kind kat_kind_from_curl(int code, bool sent, const char *detail)
{
    switch (code) {
    case CURLE_OK:
        return KAT_NONE;
    case CURLE_OPERATION_TIMEDOUT:
        return KAT_TIMEOUT;
    case CURLE_FILESIZE_EXCEEDED:
        return KAT_TOO_LARGE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED:
        return KAT_TLS;
    case CURLE_SSL_CONNECT_ERROR:
        if (!handshake_lost(detail))
            return KAT_TLS;
        break;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        /* An alert that arrives after the handshake, as TLS 1.3 sends some. */
        if (strstr(detail, "alert "))
            return KAT_TLS;
        break;
    default:
        break;
    }
    return sent ? KAT_CONNECTION : KAT_CONNECT;
}
