#include "kat_redact.h"

#include <stdio.h>

#include "support.h"

static const char *const TOKEN = "eyJhbGciOi.J9+acme/secret=x";

/* The text without its secrets; freed by the caller. */
static char *redacted(kat_redactor *r, const char *text, size_t len, int *found)
{
    kat_buf out = {0};
    char *copy = exact_copy(text, len), *result;

    assert_true(kat_redact(r, copy, len, &out, found));
    if (*found == 0)
        assert_int_equal(out.len, 0);
    result = calloc((*found ? out.len : len) + 1, 1);
    assert_non_null(result);
    memcpy(result, *found ? out.data : copy, *found ? out.len : len);
    free(copy);
    kat_buf_free(&out);
    return result;
}

static void check(kat_redactor *r, const char *text, const char *wanted)
{
    int found;
    char *first = redacted(r, text, strlen(text), &found), *again;

    assert_string_equal(first, wanted);
    assert_int_equal(found != 0, strcmp(text, wanted) != 0);
    again = redacted(r, first, strlen(first), &found);
    assert_string_equal(again, wanted);
    free(first);
    free(again);
}

static void forms_as_they_stand_and_escaped(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"nothing, 100% \\ of it %4", "nothing, 100% \\ of it %4"},
        {"<eyJhbGciOi.J9+acme/secret=x>", "<[redacted]>"},
        {"eyJhbGciOi.J9+acme/secret=xeyJhbGciOi.J9+acme/secret=x", "[redacted][redacted]"},
        {"eyJhbGciOi.J9+acme/secret=", "eyJhbGciOi.J9+acme/secret="},
        {"eyJhbGciOi.J9+acme/secreT=x", "eyJhbGciOi.J9+acme/secreT=x"},
        {"%41eyJhbGciOi.J9%2Bacme%2fsecret%3Dx%", "%41[redacted]%"},
        {"\"eyJhbGciOi.J9+acme\\/secret=\\u0078\\\"", "\"[redacted]\\\""},
        /* Twice and three times, whichever was put around which. */
        {"eyJhbGciOi.J9%25252Bacme/secret=x", "[redacted]"},
        {"eyJhbGciOi.J9%5Cu002Bacme%5c/secret=x", "[redacted]"},
        {"eyJhbGciOi.J9\\u00252Bacme\\u0025%32fsecret=x", "[redacted]"},
        {"%\\u0036\\u0035yJhbGciOi.J9+acme/secret=x", "[redacted]"},
        {"\\%2525750065yJhbGciOi.J9+acme/secret=x", "[redacted]"},
        {"\\\\u0065yJhbGciOi.J9+acme\\\\\\/secret=x", "[redacted]"},
        /* What looks like an escape, and is the token's beginning in truth. */
        {"50%eyJhbGciOi.J9+acme/secret=x", "50%[redacted]"},
        {"50%5eyJhbGciOi.J9%2Bacme/secret=x", "50[redacted]"},
        {"%%65yJhbGciOi.J9+acme/secret=x", "%[redacted]"},
        {"50%5eyJheyJhbGciOi.J9%2Bacme/secret=x", "50%5eyJh[redacted]"},
        {"%\\%65yJhbGciOi.J9+acme/secret=x", "%\\[redacted]"},
        /* The same, its first half once before. */
        {"eyJheyJhbGciOi.J9+acme/secret=x", "eyJh[redacted]"},
        {"%65yJh%65yJhbGciOi.J9+acme/secret=x", "%65yJh[redacted]"},
    };
    kat_redactor r = {0};
    size_t i;

    (void)state;
    assert_true(kat_redactor_add(&r, TOKEN, strlen(TOKEN)));
    for (i = 0; i < COUNT(rows); i++)
        check(&r, rows[i][0], rows[i][1]);
    kat_redactor_free(&r);
    check(&r, TOKEN, TOKEN); /* it has no forms any more */
}

/* Two bytes in three escaped, in each way beside each, so that no state of the
 * reading is left out. */
static void every_byte_escaped(void **state)
{
    /* Before the two digits of the byte. */
    static const char *const ways[] = {"%",      "\\u00",   "%25",  "\\\\u00",
                                       "%5cu00", "\\u0025", "%2525"};
    size_t first, second, at;
    kat_redactor r = {0};

    (void)state;
    assert_true(kat_redactor_add(&r, TOKEN, strlen(TOKEN)));
    for (first = 0; first < COUNT(ways); first++) {
        for (second = 0; second < COUNT(ways); second++) {
            char text[512] = "a ", *p = text + 2;

            for (at = 0; TOKEN[at]; at++) {
                const char *way = ways[at % 2 ? first : second];

                if (at % 3 == 2)
                    *p++ = TOKEN[at];
                else
                    p += snprintf(p, 16, "%s%02x", way, (unsigned)TOKEN[at]);
            }
            memcpy(p, " b", 3);
            check(&r, text, "a [redacted] b");
        }
    }
    kat_redactor_free(&r);
}

static void keys_to_their_end(void **state)
{
    static const char *const rows[][2] = {
        {"sk_live_acme_4f-A_z9.", "sk_live_[redacted]."},
        {"<pk_live_a>, sk_live_", "<pk_live_[redacted]>, sk_live_"},
        {"ask_live_x", "ask_live_[redacted]"},
        {"k_live_x", "k_live_x"},
        {"sk_live_a%2Db%252dc\\u005Fd\\\\u002de f", "sk_live_[redacted] f"},
        {"sk_live_a%20b sk_live_a\\nb", "sk_live_[redacted]%20b sk_live_[redacted]\\nb"},
        {"s%6b_live_x", "[redacted]"},
        {"sk_live_sk_live_x", "sk_live_[redacted]"},
        {"a.c2tfbGl2ZV9hY21l/b", "a.[redacted]/b"},
        {"a.xxx2tfbGl2ZV9hY21l==%3D b", "a.[redacted] b"},
        {"a.c2tfbGl2ZV9hY21l=c", "a.[redacted]c"},
    };
    kat_redactor r = {0};
    size_t i;
    int found;

    (void)state;
    assert_true(kat_redactor_add_keys(&r));
    for (i = 0; i < COUNT(rows); i++)
        check(&r, rows[i][0], rows[i][1]);
    free(redacted(&r, TEXT("sk_live_x"), &found));
    assert_int_equal(found, -1);
    /* A form that begins with a key goes as a whole. */
    assert_true(kat_redactor_add(&r, TEXT("sk_live_a.b")));
    check(&r, "sk_live_a.b sk_live_a", "[redacted] sk_live_[redacted]");
    /* A key is found within what a form begins with. */
    assert_true(kat_redactor_add(&r, TEXT("id.sk_live_a.c")));
    check(&r, "id.sk_live_b id.sk_live_a.c", "id.sk_live_[redacted] [redacted]");
    kat_redactor_free(&r);
}

static void forms_that_overlap(void **state)
{
    kat_redactor r = {0};
    int found;

    (void)state;
    assert_true(kat_redactor_add(&r, TEXT("")));
    assert_true(kat_redactor_add(&r, TEXT("bcd")));
    assert_true(kat_redactor_add(&r, TEXT("abcdef")));
    assert_true(kat_redactor_add(&r, TEXT("bcd")));
    assert_true(kat_redactor_add(&r, TEXT("aa")));
    check(&r, "xabcdefx", "x[redacted]x");
    check(&r, "xabcdex", "xa[redacted]ex");
    check(&r, "aaaaa", "[redacted]");
    check(&r, "bcdbcd", "[redacted][redacted]");
    free(redacted(&r, TEXT("x bcd aa"), &found));
    assert_int_equal(found, 2);
    free(redacted(&r, TEXT("x aa\0"), &found));
    assert_int_equal(found, 5);
    kat_redactor_free(&r);
}

static void escapes_undone_once(void **state)
{
    static const char *const rows[][2] = {
        {"a%2Db\\u005fc\\/d", "a-b_c/d"},
        {"%252D", "%2D"},
        {"\\\\u002d", "\\u002d"},
        {"%4", "%4"},
        {"\\", "\\"},
        {"\\u00", "\\u00"},
        {"%zz\\q\\u00g0", "%zz\\q\\u00g0"},
        {"\\u00e9\\u20AC", "\xc3\xa9\xe2\x82\xac"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        kat_buf out = {0};
        char *text = exact_copy(rows[i][0], strlen(rows[i][0]));

        assert_true(kat_unescape(&out, text, strlen(rows[i][0])));
        assert_int_equal(out.len, strlen(rows[i][1]));
        assert_memory_equal(out.data, rows[i][1], out.len);
        kat_buf_free(&out);
        free(text);
    }
}

static bool attempt(void *data)
{
    static const char text[] = "a %2565yJhbGciOi.J9+acme/secret=x sk_live_b";
    kat_redactor r = {0};
    kat_buf out = {0};
    int found;
    bool done;

    (void)data;
    done = kat_redactor_add(&r, TOKEN, strlen(TOKEN)) && kat_redactor_add(&r, TEXT("another")) &&
           kat_redactor_add_keys(&r) && kat_redact(&r, text, sizeof text - 1, &out, &found);
    if (done) {
        assert_int_equal(out.len, strlen("a [redacted] sk_live_[redacted]"));
        assert_memory_equal(out.data, "a [redacted] sk_live_[redacted]", out.len);
    }
    kat_buf_free(&out);
    kat_redactor_free(&r);
    return done;
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    ration_sweep(attempt, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_as_they_stand_and_escaped),
        cmocka_unit_test(every_byte_escaped),
        cmocka_unit_test(keys_to_their_end),
        cmocka_unit_test(forms_that_overlap),
        cmocka_unit_test(escapes_undone_once),
        cmocka_unit_test(memory_that_runs_out),
    };

    return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
