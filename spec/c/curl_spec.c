#include "kat_curl.h"

#include <fcntl.h>

#include "kat_engine.h"
#include "kat_retry.h"
#include "kat_url.h"
#include "support.h"

static int descriptors(void)
{
    int fd, count = 0;

    for (fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void openssl_is_known_by_its_names(void **state)
{
    static const char *const yes[] = {"OpenSSL/3.0.17",
                                      "OpenSSL/1.1.1w (Schannel)",
                                      "(SecureTransport) LibreSSL/3.3.6",
                                      "BoringSSL",
                                      "AWS-LC/1.2",
                                      "quictls/3.1"};
    static const char *const no[] = {"GnuTLS/3.7.9",
                                     "NSS/3.87",
                                     "(OpenSSL/3.0) GnuTLS/3.7.9",
                                     "(OpenSSL/3.0)",
                                     "wolfSSL/5.5",
                                     "BearSSL",
                                     "mbedTLS/3.1",
                                     "rustls-ffi/0.9",
                                     "Schannel",
                                     "",
                                     NULL};
    char text[256];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(yes); i++)
        if (!kat_curl_is_openssl(yes[i]) || kat_curl_tls_problem(yes[i], text, sizeof text))
            fail_msg("%s", yes[i]);
    for (i = 0; i < COUNT(no); i++)
        if (kat_curl_is_openssl(no[i]) || !kat_curl_tls_problem(no[i], text, sizeof text))
            fail_msg("%s", no[i] ? no[i] : "(none)");
    assert_non_null(
        strstr(kat_curl_tls_problem("GnuTLS/3.7.9", text, sizeof text), "GnuTLS/3.7.9"));
}

/* A client that is made before a server forks, or in a program that never
 * calls, must cost nothing. This has to be the first test of its process. */
static void nothing_is_initialised_before_it_is_needed(void **state)
{
    kat_config config = {.max_bytes = 1000, .max_concurrent = 4};
    kat_base base = {0};
    kat_buf url = {0};
    kat_engine *engine;
    kat_lines *lines;
    kat_turn turn = {0};
    int before = descriptors();

    (void)state;
    assert_false(kat_curl_ready());
    assert_true(kat_curl_version() > 0);
    assert_null(kat_base_parse(&base, TEXT("https://api.kataven.ai/v1")));
    assert_null(kat_url_join(&url, &base, TEXT("/api/v1/widget-keys")));
    assert_true(kat_http_date("Sun, 06 Nov 1994 08:49:37 GMT") > 0);
    engine = kat_engine_new(&config);
    assert_non_null(engine);
    lines = kat_lines_new();
    assert_true(kat_lines_add(lines, "A", "b"));
    kat_turn_enter(kat_engine_gate(engine), &turn);
    assert_true(kat_turn_ask(&turn, 1, 0));
    kat_settle(engine);
    kat_step(engine);
    assert_true(kat_poll(engine, 0));
    assert_true(kat_timeout(engine) > 1e300);
    assert_int_equal(descriptors(), before);
    kat_engine_free(engine);
    kat_lines_unref(lines);
    kat_base_free(&base);
    kat_buf_free(&url);
    assert_false(kat_curl_ready());
}

static void it_can_be_initialised_many_times(void **state)
{
    (void)state;
    assert_true(kat_curl_init());
    assert_true(kat_curl_init());
    assert_true(kat_curl_ready());
}

static void an_old_library_is_named_with_a_way_out(void **state)
{
    char buf[400], small[20];
    const char *problem;

    (void)state;
    assert_null(kat_curl_problem(0x075000, "7.80.0", buf, sizeof buf));
    assert_null(kat_curl_problem(0x080500, "8.5.0", buf, sizeof buf));
    problem = kat_curl_problem(0x074F01, "7.79.1", buf, sizeof buf);
    assert_ptr_equal(problem, buf);
    assert_non_null(strstr(problem, "7.80 or later"));
    assert_non_null(strstr(problem, "runs with 7.79.1;"));
    assert_non_null(strstr(problem, "LD_LIBRARY_PATH"));
    problem = kat_curl_problem(0x071300, "7.19.0", small, sizeof small);
    assert_int_equal(strlen(problem), sizeof small - 1);
}

static void the_running_library_will_do(void **state)
{
    char buf[400];

    (void)state;
    assert_null(kat_curl_problem(kat_curl_version(), kat_curl_version_text(), buf, sizeof buf));
    assert_true(kat_curl_version_text()[0] >= '7');
}

static void forgetting_errors_is_harmless(void **state)
{
    (void)state;
    kat_curl_forget_errors();
    kat_curl_forget_errors();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_initialised_before_it_is_needed),
        cmocka_unit_test(openssl_is_known_by_its_names),
        cmocka_unit_test(it_can_be_initialised_many_times),
        cmocka_unit_test(an_old_library_is_named_with_a_way_out),
        cmocka_unit_test(the_running_library_will_do),
        cmocka_unit_test(forgetting_errors_is_harmless),
    };

    return cmocka_run_group_tests_name("curl", tests, NULL, NULL);
}
