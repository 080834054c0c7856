#include "kat_kind.h"

#include <curl/curl.h>

#include "support.h"

static void kinds_have_the_names_that_lua_sees(void **state)
{
    static const char *const names[] = {"none", "connect",  "proxy",     "connection", "timeout",
                                        "tls",  "tooLarge", "cancelled", "cassette"};
    int i;

    (void)state;
    assert_int_equal(COUNT(names), KAT_KIND_COUNT);
    for (i = 0; i < KAT_KIND_COUNT; i++) {
        assert_string_equal(kat_kind_name((kat_kind)i), names[i]);
        assert_int_equal(kat_kind_of(names[i]), i);
    }
    assert_string_equal(kat_kind_name(KAT_KIND_COUNT), "unknown");
    assert_int_equal(kat_kind_of("TLS"), KAT_KIND_COUNT);
    assert_int_equal(kat_kind_of(""), KAT_KIND_COUNT);
    assert_int_equal(kat_kind_of("connectio"), KAT_KIND_COUNT);
}

/* Everything that is not in a row means a broken connection, or none. */
static void every_code_of_libcurl_means_something(void **state)
{
    static const struct {
        int code;
        kat_kind kind;
    } rows[] = {
        {CURLE_OK, KAT_NONE},
        {CURLE_OPERATION_TIMEDOUT, KAT_TIMEOUT},
        {CURLE_FILESIZE_EXCEEDED, KAT_TOO_LARGE},
        {CURLE_PEER_FAILED_VERIFICATION, KAT_TLS},
        {CURLE_SSL_CONNECT_ERROR, KAT_TLS}, /* without the words of a lost connection */
        {CURLE_SSL_CERTPROBLEM, KAT_TLS},
        {CURLE_SSL_CIPHER, KAT_TLS},
        {CURLE_SSL_CACERT_BADFILE, KAT_TLS},
        {CURLE_SSL_CRL_BADFILE, KAT_TLS},
        {CURLE_SSL_ISSUER_ERROR, KAT_TLS},
        {CURLE_SSL_ENGINE_NOTFOUND, KAT_TLS},
        {CURLE_SSL_ENGINE_SETFAILED, KAT_TLS},
        {CURLE_SSL_ENGINE_INITFAILED, KAT_TLS},
        {CURLE_SSL_PINNEDPUBKEYNOTMATCH, KAT_TLS},
        {CURLE_SSL_INVALIDCERTSTATUS, KAT_TLS},
        {CURLE_SSL_CLIENTCERT, KAT_TLS},
        {CURLE_USE_SSL_FAILED, KAT_TLS},
    };
    int code, sent;

    (void)state;
    for (code = 0; code <= CURL_LAST; code++)
        for (sent = 0; sent <= 1; sent++) {
            kat_kind wanted = sent ? KAT_CONNECTION : KAT_CONNECT;
            size_t i;

            for (i = 0; i < COUNT(rows); i++)
                if (rows[i].code == code)
                    wanted = rows[i].kind;
            if (kat_kind_from_curl(code, sent, "") != wanted)
                fail_msg("code %d, sent %d", code, sent);
        }
}

/* The words come from libcurl 7.88 over OpenSSL 3 and 1.1, and GnuTLS. */
static void a_handshake_is_lost_or_refused(void **state)
{
    static const char *const lost[] = {
        "OpenSSL SSL_connect: Connection reset by peer in connection to 127.0.0.1:1",
        "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to 127.0.0.1:1",
        "TLS connect error: error:0A000126:SSL routines::unexpected eof while reading",
        "OpenSSL SSL_connect: Broken pipe in connection to 127.0.0.1:1",
        "gnutls_handshake() failed: The TLS connection was non-properly terminated.",
        "gnutls_handshake() failed: Error in the pull function.",
        "gnutls_handshake() failed: Error decoding the received TLS packet.",
        "gnutls_handshake() failed: Encountered end of file",
        "getpeername() failed with errno 107: Transport endpoint is not connected",
    };
    static const char *const refused[] = {
        "error:0A00010B:SSL routines::wrong version number",
        "error:0A000410:SSL routines::sslv3 alert handshake failure",
        "error:0A00042E:SSL routines::tlsv1 alert protocol version",
        "gnutls_handshake() failed: A TLS fatal alert has been received.",
        "",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(lost); i++)
        if (kat_kind_from_curl(CURLE_SSL_CONNECT_ERROR, false, lost[i]) != KAT_CONNECT)
            fail_msg("%s", lost[i]);
    for (i = 0; i < COUNT(refused); i++)
        if (kat_kind_from_curl(CURLE_SSL_CONNECT_ERROR, false, refused[i]) != KAT_TLS)
            fail_msg("%s", refused[i]);
}

/* With TLS 1.3 a client's certificate is refused after the handshake. */
static void an_alert_may_come_late(void **state)
{
    static const char alert[] = "OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert "
                                "certificate required, errno 0";

    (void)state;
    assert_int_equal(kat_kind_from_curl(CURLE_RECV_ERROR, true, alert), KAT_TLS);
    assert_int_equal(kat_kind_from_curl(CURLE_SEND_ERROR, true, alert), KAT_TLS);
    assert_int_equal(kat_kind_from_curl(CURLE_RECV_ERROR, true, "Recv failure"), KAT_CONNECTION);
    assert_int_equal(kat_kind_from_curl(CURLE_SEND_ERROR, false, "Send failure"), KAT_CONNECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_have_the_names_that_lua_sees),
        cmocka_unit_test(every_code_of_libcurl_means_something),
        cmocka_unit_test(a_handshake_is_lost_or_refused),
        cmocka_unit_test(an_alert_may_come_late),
    };

    return cmocka_run_group_tests_name("kind", tests, NULL, NULL);
}
