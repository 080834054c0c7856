#include "kat_proxy.h"

#include <stdlib.h>

#include "support.h"

static const char *check(const char *proxy)
{
    char *copy = exact_copy(proxy, strlen(proxy) + 1);
    const char *problem = kat_proxy_check(copy, strlen(copy));

    free(copy);
    return problem;
}

static void good_proxies(void **state)
{
    static const char *const rows[] = {
        "http://127.0.0.1:3128",
        "http://127.0.0.1:3128/",
        "HTTPS://proxy.example",
        "proxy.example",
        "proxy.example:3128",
        "user:pass@proxy.example:3128",
        "http://user:pass@proxy.example",
        "http://user@proxy.example",
        "http://:pass@proxy.example",
        "http://domain%5Cuser:p%40ss%2Fw%23rd%3F%20@proxy.example",
        "http://user:100%@proxy.example",
        "http://user:a:b@proxy.example",
        "socks4://h",
        "socks4a://h:1",
        "socks5://u:p@h",
        "socks5h://[::1]:1080",
        "socks://h",
        "socks5h://localhost/run/tor/socks",
        "http://xn--mnchen-3ya.example",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        const char *problem = check(rows[i]);

        if (problem)
            fail_msg("%s %s", rows[i], problem);
    }
}

static void bad_proxies(void **state)
{
    static const struct {
        const char *proxy, *problem;
    } rows[] = {
        {"", "must be a URL"},
        {"http://", "must be a URL"},
        {"http://user:S3CRET@", "must be a URL"},
        {"http://user:S3CRET@/", "must be a URL"},
        {"http://user:S3CRET@:3128", "must be a URL"},
        {"http://user:S3CRET", "must be a URL"},
        {"http://h:99999", "must be a URL"},
        {"ftp://user:S3CRET@h", "must be a URL"},
        {"file:///S3CRET", "must be a URL"},
        {"://user:S3CRET@h", "must be a URL"},
        {"http:user:S3CRET@h", "must be a URL"},
        {"http:/user:S3CRET@h", "must be a URL"},
        {"socks5:user:S3CRET@h", "must be a URL"},
        {"http://user:S3CRET#pw@proxy:3128", "percent-encoded"},
        {"http://user:12#S3CRET@proxy:3128", "percent-encoded"},
        {"http://user:12/S3CRET@proxy:3128", "percent-encoded"},
        {"http://user:12?S3CRET@proxy:3128", "percent-encoded"},
        {"http://S3CRET/x@proxy:3128", "percent-encoded"},
        {"user:S3C/RET@proxy:3128", "percent-encoded"},
        {"user:S3C/RET://@proxy:3128", "percent-encoded"},
        {"http://user:S3C@RET@proxy:3128", "percent-encoded"},
        {"http://user:S3C%0ARET@proxy", "percent-encoded"},
        {"http://us%00er:S3CRET@proxy", "percent-encoded"},
        {"http://user:S3C RET@proxy", "blanks"},
        {" http://user:S3CRET@proxy", "blanks"},
        {"http://user:S3CRET@proxy\n", "blanks"},
        {"http://user:S3CRET@pr\xc3\xb6xy", "xn--"},
        {"http://pr\xff", "xn--"},
        {"http://user:S3CRET@pr%6Fxy", "percent-encoding in its host"},
        {"http://[fe80::1%25eth0]:3128", "zone"},
        {"http://user:S3CRET@[fe80::1%eth0]:3128", "zone"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        const char *problem = check(rows[i].proxy);

        if (!problem || !strstr(problem, rows[i].problem))
            fail_msg("\"%s\" %s", rows[i].proxy, problem ? problem : "is taken");
        if (strstr(problem, "S3C") || strstr(problem, "RET"))
            fail_msg("\"%s\" is quoted: %s", rows[i].proxy, problem);
    }
    assert_non_null(kat_proxy_check(TEXT("http://h\0x")));
}

static void the_environment_is_read_in_libcurls_order(void **state)
{
    static const char *const names[] = {"http_proxy",  "HTTP_PROXY", "https_proxy",
                                        "HTTPS_PROXY", "all_proxy",  "ALL_PROXY"};
    static const struct {
        bool tls;
        const char *order[5];
    } rows[] = {
        {false, {"http_proxy", "all_proxy", "ALL_PROXY", NULL}},
        {true, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL}},
    };
    const char *variable = NULL;
    size_t i, k;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        for (k = 0; k < COUNT(names); k++)
            setenv(names[k], names[k], 1);
        for (k = 0; rows[i].order[k]; k++) {
            assert_string_equal(kat_proxy_env(rows[i].tls, &variable), rows[i].order[k]);
            assert_string_equal(variable, rows[i].order[k]);
            if (k % 2)
                unsetenv(rows[i].order[k]);
            else
                setenv(rows[i].order[k], "", 1); /* as good as none */
        }
        assert_null(kat_proxy_env(rows[i].tls, &variable));
    }
    for (k = 0; k < COUNT(names); k++)
        unsetenv(names[k]);
}

static void user_info_is_masked(void **state)
{
    static const struct {
        const char *text, *masked;
    } rows[] = {
        {"", ""},
        {"Could not resolve proxy: proxy", "Could not resolve proxy: proxy"},
        {"in 'http://user:pass@proxy:3128'", "in 'http://***@proxy:3128'"},
        {"in 'user:pass@proxy:3128' now", "in '***@proxy:3128' now"},
        {"in http://a:b@c@d", "in http://***@d"},
        {"http://u:p@h and http://u:p@h", "http://***@h and http://***@h"},
        {"user:pass@", "***@"},
        {"a@b", "*@b"},
        {"@", "@"},
        {"@@@", "**@"},
        {"http://@h", "http://@h"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        char *text = exact_copy(rows[i].text, strlen(rows[i].text) + 1);

        kat_proxy_hide(text);
        assert_string_equal(text, rows[i].masked);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_proxies),
        cmocka_unit_test(bad_proxies),
        cmocka_unit_test(the_environment_is_read_in_libcurls_order),
        cmocka_unit_test(user_info_is_masked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
