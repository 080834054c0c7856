#include "kat_url.h"

#include "support.h"

static void good_base_urls(void **state)
{
    static const struct {
        const char *url, *text;
        size_t origin;
        bool v1, loopback, tls;
    } rows[] = {
        {"https://api.kataven.ai/v1", "https://api.kataven.ai/v1", 22, 1, 0, 1},
        {"https://api.kataven.ai/v1/", "https://api.kataven.ai/v1", 22, 1, 0, 1},
        {"https://api.kataven.ai/v1//", "https://api.kataven.ai/v1", 22, 1, 0, 1},
        {"https://api.kataven.ai", "https://api.kataven.ai", 22, 0, 0, 1},
        {"https://api.kataven.ai/", "https://api.kataven.ai", 22, 0, 0, 1},
        {"https://api.kataven.ai:8443/hub/v1", "https://api.kataven.ai:8443/hub/v1", 27, 1, 0, 1},
        {"https://api.kataven.ai/api/v1", "https://api.kataven.ai/api/v1", 22, 1, 0, 1},
        {"https://api.kataven.ai/xv1", "https://api.kataven.ai/xv1", 22, 0, 0, 1},
        {"https://api.kataven.ai/v1/x", "https://api.kataven.ai/v1/x", 22, 0, 0, 1},
        {"https://api.kataven.ai/v10", "https://api.kataven.ai/v10", 22, 0, 0, 1},
        {"https://api.kataven.ai/V1", "https://api.kataven.ai/V1", 22, 0, 0, 1},
        {"HTTPS://api.kataven.ai/v1", "https://api.kataven.ai/v1", 22, 1, 0, 1},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080", 21, 0, 1, 0},
        {"http://localhost:8080/v1", "http://localhost:8080/v1", 21, 1, 1, 0},
        {"http://[::1]:8080", "http://[::1]:8080", 17, 0, 1, 0},
        {"http://example.com", "http://example.com", 18, 0, 0, 0},
        {"https://127.9.8.7", "https://127.9.8.7", 17, 0, 1, 1},
        /* Other ways to write 127.0.0.1: libcurl takes them, and we see it. */
        {"http://127.1", "http://127.0.0.1", 16, 0, 1, 0},
        {"http://2130706433", "http://127.0.0.1", 16, 0, 1, 0},
        {"http://0x7f.0.0.1", "http://127.0.0.1", 16, 0, 1, 0},
        {"http://0177.0.0.1", "http://127.0.0.1", 16, 0, 1, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        char *url = exact_copy(rows[i].url, strlen(rows[i].url) + 1);
        kat_base base = {0};
        const char *problem = kat_base_parse(&base, url, strlen(url));

        free(url); /* it is not kept */
        if (problem)
            fail_msg("%s %s", rows[i].url, problem);
        assert_string_equal(base.text, rows[i].text);
        if (base.origin != rows[i].origin || base.v1 != rows[i].v1 ||
            base.loopback != rows[i].loopback || base.tls != rows[i].tls)
            fail_msg("%s: origin %zu, v1 %d, loopback %d, tls %d", rows[i].url, base.origin,
                     base.v1, base.loopback, base.tls);
        kat_base_free(&base);
        assert_null(base.text);
        kat_base_free(&base);
    }
}

static void bad_base_urls(void **state)
{
    static const struct {
        const char *url;
        size_t len;
        const char *problem;
    } rows[] = {
        {TEXT(""), "is empty"},
        {TEXT(" "), "blanks"},
        {TEXT("https://api.kataven.ai/v1 "), "blanks"},
        {TEXT(" https://api.kataven.ai/v1"), "blanks"},
        {TEXT("https://api.kataven.ai/\nv1"), "control characters"},
        {TEXT("https://api.kataven.ai\0.evil.com"), "control characters"},
        {TEXT("https://api.kataven.ai/\x7f"), "control characters"},
        {TEXT("https://me:secret@api.kataven.ai/v1"), "user info"},
        {TEXT("https://me@api.kataven.ai/v1"), "user info"},
        {TEXT("https://@api.kataven.ai/v1"), "user info"},
        {TEXT("https://:@api.kataven.ai/v1"), "user info"},
        {TEXT("https://api.kataven.ai/v1?x=1"), "query"},
        {TEXT("https://api.kataven.ai/v1?"), "query"},
        {TEXT("https://api.kataven.ai/v1#x"), "fragment"},
        {TEXT("https://api.kataven.ai/v1#"), "fragment"},
        {TEXT("ftp://api.kataven.ai/v1"), "must begin with https://"},
        {TEXT("file:///etc/passwd"), "is not a URL"}, /* it has no host */
        {TEXT("file://localhost/etc/passwd"), "is not a URL"},
        {TEXT("https://good.test%40evil.test/v1"), "must not hold percent-encoding in its host"},
        {TEXT("https://good.test%2540evil.test"), "must not hold percent-encoding in its host"},
        {TEXT("http://2%2e1/"), "must not hold percent-encoding in its host"},
        {TEXT("https://good.test%2f.evil.test/v1"), "must not hold percent-encoding in its host"},
        {TEXT("https://good.test%3a80/v1"), "must not hold percent-encoding in its host"},
        {TEXT("https://good.test%23/v1"), "must not hold percent-encoding in its host"},
        {TEXT("https://good.test%00/v1"), "must not hold percent-encoding in its host"},
        {TEXT("ws://api.kataven.ai/v1"), "must begin with https://"},
        {TEXT("https://"), "is not a URL"},
        {TEXT("https:///v1"), "is not a URL"}, /* libcurl would call the host v1 */
        {TEXT("https:/v1"), "is not a URL"},
        {TEXT("https:/host%2541/http://v1"), "is not a URL"}, /* nor is it the slashes of another */
        {TEXT("https:v1"), "is not a URL"},
        {TEXT("api.kataven.ai/v1"), "is not a URL"},
        {TEXT("/v1"), "is not a URL"},
        {TEXT("//api.kataven.ai/v1"), "is not a URL"},
        {TEXT("https://api.kataven.ai:99999/v1"), "is not a URL"},
        {TEXT("https://api.kataven.ai:x/v1"), "is not a URL"},
        {TEXT("https://[::1/v1"), "is not a URL"},
        {TEXT("https://a^b/v1"), "is not a URL"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        kat_base base = {0};
        const char *problem = kat_base_parse(&base, rows[i].url, rows[i].len);

        if (!problem)
            fail_msg("\"%s\" was taken for good: %s", rows[i].url, base.text);
        if (!strstr(problem, rows[i].problem))
            fail_msg("\"%s\" %s", rows[i].url, problem);
        assert_null(strstr(problem, "secret"));
        assert_null(base.text);
    }
}

static void loopback_and_what_only_looks_like_it(void **state)
{
    static const char *const is[] = {"localhost",       "LocalHost", "127.0.0.1",
                                     "127.255.255.254", "[::1]",     "[0:0:0:0:0:0:0:1]"};
    static const char *const is_not[] = {
        "",
        "localhost.evil.com",
        "localhost.",
        "xlocalhost",
        "127.0.0.1.evil.com",
        "128.0.0.1",
        "127.1",
        "0.0.0.0",
        "10.0.0.1",
        "126.255.255.255",
        "[::]",
        "[::2]",
        "[::ffff:8.8.8.8]",
        "::1x",
        "[::1",
        "[]",
        "[",
        "[::1]x",
        "[aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa]"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(is); i++)
        if (!kat_is_loopback(is[i]))
            fail_msg("%s", is[i]);
    for (i = 0; i < COUNT(is_not); i++)
        if (kat_is_loopback(is_not[i]))
            fail_msg("%s", is_not[i]);
}

/* NULL for a good path; "join" receives what came out. */
static const char *join(kat_buf *out, const char *base_url, const char *path, size_t len)
{
    kat_base base = {0};
    char *copy = exact_copy(path, len);
    const char *problem;

    assert_null(kat_base_parse(&base, base_url, strlen(base_url)));
    problem = kat_url_join(out, &base, copy, len);
    assert_true(kat_buf_addc(out, '\0'));
    kat_base_free(&base);
    free(copy);
    return problem;
}

#define PROD "https://api.kataven.ai/v1"
#define LOCAL "http://127.0.0.1:8080"

static void paths_are_put_where_the_base_wants_them(void **state)
{
    static const struct {
        const char *base, *path, *wanted;
    } rows[] = {
        {PROD, "/api/v1/widget-keys", PROD "/widget-keys"},
        {PROD, "/api/v1/widget-keys/a%2Fb", PROD "/widget-keys/a%2Fb"},
        {PROD, "/api/v1", PROD},
        {PROD, "/api/v1/", PROD "/"},
        {PROD, "/api/v1?limit=5", PROD "?limit=5"},
        {PROD, "/api/health", PROD "/health"},
        {PROD, "/api", PROD},
        {PROD, "/api?x=1", PROD "?x=1"},
        {PROD, "/api/", PROD "/"},
        {PROD, "/api/v2/things", PROD "/v2/things"},
        {PROD, "/api/v1x/things", PROD "/v1x/things"}, /* whole segments only */
        {PROD, "/apiary", PROD "/apiary"},
        {PROD, "/API/v1/x", PROD "/API/v1/x"},
        {PROD, "/widget-keys", PROD "/widget-keys"},
        {PROD, "/x/api/v1/y", PROD "/x/api/v1/y"},
        {PROD, "/", PROD "/"},
        {LOCAL, "/api/v1/widget-keys", LOCAL "/api/v1/widget-keys"},
        {LOCAL, "/api/v1", LOCAL "/api/v1"},
        {LOCAL, "/health", LOCAL "/health"},
        {"https://h.test/hub", "/api/v1/x", "https://h.test/hub/api/v1/x"},
        {"https://h.test/hub/v1", "/api/v1/x", "https://h.test/hub/v1/x"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        kat_buf out = {0};
        const char *problem = join(&out, rows[i].base, rows[i].path, strlen(rows[i].path));

        if (problem)
            fail_msg("%s %s", rows[i].path, problem);
        assert_string_equal(out.data, rows[i].wanted);
        kat_buf_free(&out);
    }
}

static void what_cannot_stand_in_a_url_is_encoded(void **state)
{
    kat_buf out = {0};

    (void)state;
    assert_null(join(&out, LOCAL, TEXT("/a b\"<>\\^`{|}~!$&'()*+,;=:@[]/\xc3\xa9?q=%20 x&y=1")));
    assert_string_equal(out.data, LOCAL "/a%20b%22%3C%3E%5C%5E%60%7B%7C%7D~!$&'()*+,;=:@[]/%C3%A9"
                                        "?q=%20%20x&y=1");
    kat_buf_free(&out);
}

/* Wherever a path leads, the origin in front of it stays. */
static void a_path_cannot_leave_the_origin(void **state)
{
    static const struct {
        const char *path;
        size_t len;
        const char *problem;
    } rows[] = {
        {TEXT(""), "begin with a slash"},
        {TEXT("widget-keys"), "begin with a slash"},
        {TEXT("https://evil.test/"), "begin with a slash"},
        {TEXT("@evil.test/"), "begin with a slash"},
        {TEXT(":80/"), "begin with a slash"},
        {TEXT("?x"), "begin with a slash"},
        {TEXT("//evil.test/"), "one slash only"},
        {TEXT("/\\evil.test/"), "one slash only"},
        {TEXT("/a\r\nHost: evil.test"), "control characters"},
        {TEXT("/a\0b"), "control characters"},
        {TEXT("/a\tb"), "control characters"},
        {TEXT("/a\x7f"), "control characters"},
        {TEXT("/a#b"), "%23"},
    };
    static const char *const bases[] = {PROD, LOCAL};
    size_t i, b;

    (void)state;
    for (b = 0; b < COUNT(bases); b++)
        for (i = 0; i < COUNT(rows); i++) {
            kat_buf out = {0};
            const char *problem = join(&out, bases[b], rows[i].path, rows[i].len);

            if (!problem || !strstr(problem, rows[i].problem))
                fail_msg("\"%s\" %s", rows[i].path, problem ? problem : out.data);
            kat_buf_free(&out);
        }
}

static void an_id_is_one_segment_whatever_it_holds(void **state)
{
    static const char unreserved[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    kat_buf out = {0};
    int c;

    (void)state;
    for (c = 0; c < 256; c++) {
        char one = (char)c, wanted[4];

        kat_buf_reset(&out, out.cap);
        assert_true(kat_url_escape(&out, &one, 1));
        if (c && strchr(unreserved, c)) {
            assert_int_equal(out.len, 1);
            assert_int_equal(out.data[0], one);
            continue;
        }
        wanted[0] = '%';
        wanted[1] = "0123456789ABCDEF"[c / 16];
        wanted[2] = "0123456789ABCDEF"[c % 16];
        assert_int_equal(out.len, 3);
        assert_memory_equal(out.data, wanted, 3);
    }
    kat_buf_reset(&out, out.cap);
    assert_true(kat_url_escape(&out, TEXT("../a/%2e?#\xc3\xa9")));
    assert_true(kat_buf_addc(&out, '\0'));
    assert_string_equal(out.data, "..%2Fa%2F%252e%3F%23%C3%A9");
    kat_buf_free(&out);
}

static bool attempt(void *data)
{
    kat_base base = {0};
    kat_buf out = {0};
    const char *problem = kat_base_parse(&base, TEXT(PROD));
    bool done = !problem;

    (void)data;
    if (problem) {
        assert_string_equal(problem, "");
        assert_null(base.text);
    } else {
        static const char path[] = "/api/v1/                                                    "
                                   "                                                            "
                                   "                                                            ";

        problem = kat_url_join(&out, &base, TEXT(path));
        done = !problem && kat_url_escape(&out, TEXT(path));
        if (problem)
            assert_string_equal(problem, "");
    }
    kat_buf_free(&out);
    kat_base_free(&base);
    return done;
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ration_sweep(attempt, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_base_urls),
        cmocka_unit_test(bad_base_urls),
        cmocka_unit_test(loopback_and_what_only_looks_like_it),
        cmocka_unit_test(paths_are_put_where_the_base_wants_them),
        cmocka_unit_test(what_cannot_stand_in_a_url_is_encoded),
        cmocka_unit_test(a_path_cannot_leave_the_origin),
        cmocka_unit_test(an_id_is_one_segment_whatever_it_holds),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
