#include "kat_json.h"

#include "support.h"

/* The pass that rewrites has to judge alike. */
static void check_normalise(const char *text, size_t len, const kat_json_info *wanted)
{
    kat_buf out = {0};
    kat_json_info info;
    kat_json_rules rules = {.max_values = SIZE_MAX};

    assert_int_equal(kat_json_normalise(text, len, &rules, &info, &out), wanted->problem == NULL);
    assert_ptr_equal(info.problem, wanted->problem);
    assert_int_equal(info.at, wanted->at);
    assert_int_equal(info.nulls, wanted->nulls);
    kat_buf_free(&out);
}

static bool check(const char *text, size_t len, kat_json_info *info)
{
    char *copy = exact_copy(text, len);
    bool good = kat_json_check(copy, len, info);

    check_normalise(copy, len, info);
    free(copy);
    assert_int_equal(good, info->problem == NULL);
    assert_true(info->at <= len);
    return good;
}

static void good_texts_pass(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        char top;
        bool nulls, numbers;
    } rows[] = {
        {TEXT("{}"), '{', 0, 0},
        {TEXT("[]"), '[', 0, 0},
        {TEXT(" \t\r\n[ \t\r\n] \t\r\n"), '[', 0, 0},
        {TEXT("null"), 'n', 0, 0}, /* "nulls" is about members of objects */
        {TEXT("true"), 't', 0, 0},
        {TEXT("false"), 'f', 0, 0},
        {TEXT("\"\""), '"', 0, 0},
        {TEXT("0"), '0', 0, 1},
        {TEXT("-0"), '-', 0, 1},
        {TEXT("7"), '7', 0, 1},
        {TEXT("1234567890"), '1', 0, 1},
        {TEXT("-12.50e+07"), '-', 0, 1},
        {TEXT("0.0"), '0', 0, 1},
        {TEXT("0e0"), '0', 0, 1},
        {TEXT("1E-400"), '1', 0, 1},
        {TEXT("1e999"), '1', 0, 1}, /* grammar only: what it means is for others */
        {TEXT("[null]"), '[', 0, 0},
        {TEXT("{\"a\":null}"), '{', 1, 0},
        {TEXT("[{\"a\":[null]}]"), '[', 0, 0},
        {TEXT("[[],{\"a\":[1],\"b\": null}]"), '[', 1, 1},
        {TEXT("{\"a\":{\"b\":{}},\"a\":\"null\"}"), '{', 0, 0},
        {TEXT("{\"\":true,\"x\" : [ false , true ]}"), '{', 0, 0},
        {TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u0000\\uD83D\\uDE00\""), '"', 0, 0},
        {TEXT("\"\\ud7ff\\ue000\\uFFFF\""), '"', 0, 0},
        {TEXT("\"\\ud800\""), '"', 0, 0}, /* half a surrogate pair */
        {TEXT("\"\\udc00x\\uD800\\n\\ud800\\u0041\""), '"', 0, 0},
        {TEXT("{\"\\udfff\\ud800\":null}"), '{', 1, 0},
        {TEXT("\"12345678901234567890\\n12345678\x7f\""), '"', 0, 0},
        {TEXT("\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbf\""), '"', 0, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        kat_json_info info;

        if (!check(rows[i].text, rows[i].len, &info))
            fail_msg("%s: %s at %zu", rows[i].text, info.problem, info.at);
        if (info.top != rows[i].top || info.nulls != rows[i].nulls ||
            info.numbers != rows[i].numbers)
            fail_msg("%s: top %c, nulls %d, numbers %d", rows[i].text, info.top, info.nulls,
                     info.numbers);
    }
}

/* Nearly all of these one lua-cjson or the other takes for good. */
static void bad_texts_are_refused(void **state)
{
    static const struct {
        const char *text;
        size_t len, at;
    } rows[] = {
        {TEXT(""), 0},
        {TEXT(" \n"), 2},
        {TEXT("\0"), 0},
        {TEXT("[]\0"), 2},
        {TEXT("[]\0x"), 2},
        {TEXT("[\0]"), 1},
        {TEXT("{\"a\":1}\0{"), 7},
        {TEXT("\"a\0b\""), 2},
        {TEXT("\xef\xbb\xbf[]"), 0}, /* a byte order mark */
        {TEXT("NaN"), 0},
        {TEXT("nan"), 0},
        {TEXT("-NaN"), 1},
        {TEXT("Infinity"), 0},
        {TEXT("inf"), 0},
        {TEXT("-Infinity"), 1},
        {TEXT("-"), 1},
        {TEXT("+1"), 0},
        {TEXT("0x10"), 1},
        {TEXT("0X1p3"), 1},
        {TEXT("01"), 1},
        {TEXT("-01"), 2},
        {TEXT("00"), 1},
        {TEXT("1."), 2},
        {TEXT("[1.]"), 3},
        {TEXT("1.e5"), 2},
        {TEXT(".5"), 0},
        {TEXT("-.5"), 1},
        {TEXT("1e"), 2},
        {TEXT("1e+"), 3},
        {TEXT("1e1.5"), 3},
        {TEXT("1,5"), 1},
        {TEXT("1_000"), 1},
        {TEXT("--1"), 1},
        {TEXT("True"), 0},
        {TEXT("tru"), 0},
        {TEXT("truex"), 4},
        {TEXT("nul"), 0},
        {TEXT("nulll"), 4},
        {TEXT("undefined"), 0},
        {TEXT("'a'"), 0},
        {TEXT("\""), 1},
        {TEXT("\"a"), 2},
        {TEXT("\"\\\""), 3},
        {TEXT("\"\\"), 2},
        {TEXT("\"a\tb\""), 2},
        {TEXT("\"a\nb\""), 2},
        {TEXT("\"\x1f\""), 1},
        {TEXT("\"\\a\""), 2},
        {TEXT("\"\\v\""), 2},
        {TEXT("\"\\x41\""), 2},
        {TEXT("\"\\'\""), 2},
        {TEXT("\"\\\0\""), 2},
        {TEXT("\"\\U0041\""), 2},
        {TEXT("\"\\u\""), 3},
        {TEXT("\"\\u12\""), 3},
        {TEXT("\"\\u123\""), 3},
        {TEXT("\"\\u12g4\""), 3},
        {TEXT("\"\\u+123\""), 3},
        {TEXT("\"\\ud800"), 7},
        {TEXT("\"\\ud8"), 3},
        {TEXT("\"\\ud800\\x\""), 8},
        {TEXT("\"\\ud800\\u\""), 9},
        {TEXT("\"\\ud800\\udc0\""), 9},
        {TEXT("\"\\udfff\\ud80\""), 9},
        {TEXT("\"\xff\""), 1},
        {TEXT("\"\x80\""), 1},
        {TEXT("\"\xc0\x80\""), 1},             /* an overlong NUL */
        {TEXT("\"\xed\xa0\x80\""), 1},         /* a surrogate */
        {TEXT("\"\xf4\x90\x80\x80\""), 1},     /* beyond Unicode */
        {TEXT("\"\xe2\x82\""), 1},             /* the quote is no continuation */
        {TEXT("\"12345678\xc3\""), 9},         /* after a run of eight plain bytes */
        {TEXT("\"1234567\x01 12345678\""), 8}, /* within one */
        {TEXT("{\"\xff\":1}"), 2},
        {TEXT("["), 1},
        {TEXT("[1"), 2},
        {TEXT("[1,"), 3},
        {TEXT("[1,]"), 3},
        {TEXT("[,1]"), 1},
        {TEXT("[1,,2]"), 3},
        {TEXT("[1 2]"), 3},
        {TEXT("[1;2]"), 2},
        {TEXT("]"), 0},
        {TEXT("[}"), 1},
        {TEXT("[1}"), 2},
        {TEXT("[]]"), 2},
        {TEXT("[][]"), 2},
        {TEXT("1 2"), 2},
        {TEXT("{"), 1},
        {TEXT("}"), 0},
        {TEXT("{]"), 1},
        {TEXT("{\"a\"}"), 4},
        {TEXT("{\"a\",1}"), 4},
        {TEXT("{\"a\":}"), 5},
        {TEXT("{\"a\":1]"), 6},
        {TEXT("{\"a\":1,}"), 7},
        {TEXT("{,}"), 1},
        {TEXT("{\"a\"::1}"), 5},
        {TEXT("{a:1}"), 1},
        {TEXT("{'a':1}"), 1},
        {TEXT("{1:1}"), 1},
        {TEXT("{null:1}"), 1},
        {TEXT("{\"a\":1 \"b\":2}"), 7},
        {TEXT("[]//x"), 2},
        {TEXT("/**/[]"), 0},
        {TEXT("[1]\f"), 3},
        {TEXT("\v[1]"), 0},
        {TEXT("\xc2\xa0[1]"), 0}, /* a blank elsewhere, not in JSON */
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        kat_json_info info;

        if (check(rows[i].text, rows[i].len, &info))
            fail_msg("row %zu, %s, was taken for good", i, rows[i].text);
        if (info.at != rows[i].at)
            fail_msg("row %zu, %s: %s at %zu, not %zu", i, rows[i].text, info.problem, info.at,
                     rows[i].at);
    }
}

/* A body that was cut anywhere is noticed, and so is one that has too much. */
static void every_prefix_is_refused(void **state)
{
    static const char text[] =
        "{\"id\":\"9f1c\\u00e9\\ud83d\\ude00\",\"tags\":[\"a\",\"\xe2\x82\xac\",[]],\"n\":[-1.5e+3,"
        "0,true,false,null],\"o\":{\"x\":null,\"y\":{}},\"s\":\"\\\\ \\\" a longer run of text\"}";
    kat_json_info info;
    size_t len = sizeof text - 1, n;

    (void)state;
    assert_true(check(text, len, &info));
    for (n = 0; n < len; n++)
        if (check(text, n, &info))
            fail_msg("good when cut after %zu bytes", n);
    assert_false(check(text, len + 1, &info)); /* with the NUL behind it */
}

/* `depth` brackets of one kind, or both in turn, around a scalar or an empty
 * array, which is a level itself. */
static bool nested(size_t depth, const char *kinds, const char *inside)
{
    char text[8 * 200];
    size_t n = 0, i;
    kat_json_info info;

    for (i = 0; i < depth; i++) {
        text[n++] = kinds[i % 2];
        if (kinds[i % 2] == '{') {
            memcpy(text + n, "\"a\":", 4);
            n += 4;
        }
    }
    memcpy(text + n, inside, strlen(inside));
    n += strlen(inside);
    while (i-- > 0)
        text[n++] = kinds[i % 2] == '{' ? '}' : ']';
    return check(text, n, &info);
}

static void nesting_is_limited(void **state)
{
    static const char *const kinds[] = {"[[", "{{", "[{", "{["};
    kat_json_info info;
    char *deep;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(kinds); i++) {
        assert_true(nested(128, kinds[i], "1"));
        assert_true(nested(127, kinds[i], "[]"));
        assert_false(nested(129, kinds[i], "1"));
        assert_false(nested(128, kinds[i], "{}"));
    }
    /* No recursion: a million brackets cost no stack. */
    deep = malloc(1000000);
    memset(deep, '[', 1000000);
    assert_false(kat_json_check(deep, 1000000, &info));
    assert_int_equal(info.at, 128);
    free(deep);
    /* Siblings are no levels. */
    assert_true(nested(126, "[{", "[[],{},[],{\"x\":1},[]]"));
}

/* Plain bytes are skipped eight at a time; what is not plain is seen wherever
 * in the eight it stands, whatever stands around it. */
static void every_byte_of_a_run_is_looked_at(void **state)
{
    static const char around[] = {'x', ' ', '!', '#', '[', ']', '\x7f'};
    size_t where, i;
    int c;

    (void)state;
    for (c = 0; c < 256; c++)
        for (where = 0; where < 24; where++)
            for (i = 0; i < COUNT(around); i++) {
                char text[26];
                kat_json_info info;
                bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';

                memset(text, around[i], sizeof text);
                text[0] = text[25] = '"';
                text[where + 1] = (char)c;
                if (kat_json_check(text, sizeof text, &info) != plain)
                    fail_msg("byte %d at %zu among %d", c, where, around[i]);
                if (!plain && c < 0x20)
                    assert_int_equal(info.at, where + 1);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_texts_pass),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(every_byte_of_a_run_is_looked_at),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
