#include "kat_json.h"

#include "support.h"

static size_t encode(unsigned long c, char *out)
{
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static void all_of_unicode_is_utf8(void **state)
{
    unsigned long c;

    (void)state;
    for (c = 0x80; c <= 0x110000; c += c < 0x11000 ? 1 : 13) {
        char text[4];
        size_t n = encode(c, text), i;
        bool good = c < 0x110000 && (c < 0xD800 || c > 0xDFFF);

        if (kat_utf8_check(text, n) != (good ? n : 0))
            fail_msg("U+%04lX", c);
        for (i = 1; good && i < n; i++)
            if (kat_utf8_check(text, i) != 0)
                fail_msg("U+%04lX cut after %zu bytes", c, i);
    }
}

/* Counting what passes finds every overlong or half form at once. */
static void nothing_else_is_utf8(void **state)
{
    unsigned a, b, c;
    size_t twos = 0, threes = 0;

    (void)state;
    for (a = 0x80; a < 0x100; a++)
        for (b = 0; b < 0x100; b++) {
            char text[4] = {(char)a, (char)b, 0, 0};

            twos += kat_utf8_check(text, 2) == 2;
            for (c = a < 0xE0 ? 0x100 : 0; c < 0x100; c++) {
                text[2] = (char)c;
                threes += kat_utf8_check(text, 3) == 3;
            }
        }
    assert_int_equal(twos, 0x800 - 0x80);
    assert_int_equal(threes, 0x10000 - 0x800 - 0x800);
    assert_int_equal(kat_utf8_check(TEXT("\xf0\x8f\xbf\xbf")), 0);
    assert_int_equal(kat_utf8_check(TEXT("\xf5\x80\x80\x80")), 0);
    assert_int_equal(kat_utf8_check(TEXT("\xf8\x88\x80\x80\x80")), 0);
    assert_int_equal(kat_utf8_check(TEXT("")), 0);
    assert_int_equal(kat_utf8_check(TEXT("a\0\x7f")), 3);
    assert_int_equal(kat_utf8_check(TEXT("abc\xc3\xa9\xc3(")), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_unicode_is_utf8),
        cmocka_unit_test(nothing_else_is_utf8),
    };

    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
