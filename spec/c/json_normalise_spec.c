/* The text that cjson gets: json_spec.c sees to it that what is taken for good is
 * the same as in a plain check. */
#include <stdio.h>

#include "kat_json.h"

#include "support.h"

static const kat_json_rules ALL = {.max_values = SIZE_MAX};
static const kat_json_rules KEEP = {.max_values = SIZE_MAX, .keep_nulls = true};

/* Has to become `wanted`, NULL where it may stay as it is; and that stays as it is.
 * Gives what was found out. */
static kat_json_info rewrite(const char *text, const char *wanted, const kat_json_rules *rules)
{
    size_t len = strlen(text);
    char *copy = exact_copy(text, len);
    kat_json_info info, second;
    kat_buf out = {0}, again = {0};

    if (!kat_json_normalise(copy, len, rules, &info, &out))
        fail_msg("%s: %s", text, info.problem);
    free(copy);
    if (wanted) {
        assert_true(kat_json_normalise(out.data, out.len, rules, &second, &again));
        assert_int_equal(again.len, 0);
        assert_true(kat_buf_addc(&out, '\0'));
        assert_string_equal(out.data, wanted);
    } else if (out.len > 0) {
        fail_msg("%s was rewritten: %.*s", text, (int)out.len, out.data);
    }
    kat_buf_free(&out);
    kat_buf_free(&again);
    return info;
}

/* Null members have to be gone. */
static void check(const char *text, const char *wanted)
{
    kat_json_info info = rewrite(text, wanted, &ALL);

    assert_true(info.nulls);
    assert_false(info.nulls_left);
    rewrite(text, NULL, &KEEP);
}

static void members_go_with_one_comma(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"{\"a\":null}", "{}"},
        {"{\"a\":null,\"b\":1}", "{\"b\":1}"},
        {"{\"a\":1,\"b\":null}", "{\"a\":1}"},
        {"{\"a\":1,\"b\":null,\"c\":2}", "{\"a\":1,\"c\":2}"},
        {"{\"a\":null,\"b\":null}", "{}"},
        {"{\"a\":null,\"b\":null,\"c\":null}", "{}"},
        {"{\"a\":null,\"b\":1,\"c\":null}", "{\"b\":1}"},
        {"{\"a\":1,\"b\":null,\"c\":null,\"d\":null}", "{\"a\":1}"},
        {"{\"a\":1,\"b\":null,\"c\":null,\"d\":2}", "{\"a\":1,\"d\":2}"},
        {"{\"a,\":null,\"b\":\"x,\",\"c\":null}", "{\"b\":\"x,\"}"},
        {"{\"\\\"\":null,\"null\":\"null\"}", "{\"null\":\"null\"}"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++)
        check(rows[i].text, rows[i].wanted);
}

static void blanks_do_not_matter(void **state)
{
    (void)state;
    check(" { \"a\" : null } ", " {} ");
    check("{\n\t\"a\" : 1 ,\r\n\t\"b\" : null\n}\n", "{\n\t\"a\" : 1 }\n");
    check("{ \"a\" : null , \"b\" : 1 }", "{  \"b\" : 1 }");
    check("{ \"a\" : 1 , \"b\" : null , \"c\" : null }", "{ \"a\" : 1 }");
    check("{ \"a\" : 1 , \"b\" : null , \"c\" : 2 }", "{ \"a\" : 1 ,  \"c\" : 2 }");
}

static void only_members_of_objects_go(void **state)
{
    (void)state;
    check("[null,{\"a\":null},null]", "[null,{},null]");
    check("[1,{\"a\":null}]", "[1,{}]"); /* the comma before is not the object's */
    check("{\"a\":[null,null],\"b\":null}", "{\"a\":[null,null]}");
    check("{\"a\":null,\"b\":[null]}", "{\"b\":[null]}");
    check("{\"x\":{\"a\":null},\"y\":null}", "{\"x\":{}}");
    check("{\"x\":1,\"y\":{\"a\":null,\"b\":[{\"c\":null}]},\"z\":null}",
          "{\"x\":1,\"y\":{\"b\":[{}]}}");
    check("{\"x\":{\"y\":{\"z\":null}}}", "{\"x\":{\"y\":{}}}");
}

static void without_any_nothing_is_written(void **state)
{
    static const char *const texts[] = {"null", "[null]", "{}", "{\"a\":\"null\",\"null\":[null]}",
                                        "{\"a\":[1,null,{\"b\":true}]}"};
    kat_json_info info;
    kat_buf out = {0};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(texts); i++) {
        assert_true(kat_json_normalise(texts[i], strlen(texts[i]), &ALL, &info, &out));
        assert_false(info.nulls);
        assert_null(out.data);
    }
}

/* Where a name may have stood before, its null stays, for cjson to put it over the
 * first; and where it has not, it goes. */
static void a_null_after_the_same_name_stays(void **state)
{
    static const struct {
        const char *text, *wanted;
        bool left;
    } rows[] = {
        {"{\"a\":1,\"a\":null}", NULL, true},
        {"{\"a\":{},\"b\":[],\"a\" : null , \"c\":2}", NULL, true},
        {"{\"a\":null,\"a\":1}", "{\"a\":1}", false},
        {"{\"a\":null,\"a\":1,\"a\":null}", "{\"a\":1,\"a\":null}", true},
        {"{\"a\":null,\"a\":null}", "{}", false},
        {"{\"a\":1,\"b\":null,\"a\":null,\"c\":null}", "{\"a\":1,\"a\":null}", true},
        {"{\"a\":1,\"ab\":null,\"\":null}", "{\"a\":1}", false},
        {"{\"\":1,\"\":null}", NULL, true},
        /* Another object's name is another. */
        {"{\"a\":1,\"b\":{\"a\":null}}", "{\"a\":1,\"b\":{}}", false},
        {"{\"b\":{\"a\":1},\"a\":null}", "{\"b\":{\"a\":1}}", false},
        {"{\"a\":1,\"b\":{\"a\":2},\"a\":null}", NULL, true},
        {"[{\"a\":1},{\"a\":null}]", "[{\"a\":1},{}]", false},
        {"{\"a\":1,\"b\":[{\"c\":2}],\"c\":null}", "{\"a\":1,\"b\":[{\"c\":2}]}", false},
        {"{\"a\":1,\"b\":[{\"c\":2}],\"a\":null}", NULL, true},
        /* An escape may hide any name, and so may what is half a pair. */
        {"{\"\\u0061\":1,\"a\":null}", NULL, true},
        {"{\"a\":1,\"\\u0061\":null}", NULL, true},
        {"{\"\\u0061\":null,\"a\":1}", "{\"a\":1}", false},
        {"{\"x\":{\"\\n\":1},\"a\":null}", "{\"x\":{\"\\n\":1}}", false},
        {"{\"\\ud800\":null}", "{\"\xef\xbf\xbd\":null}", true},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        kat_json_info info;
        kat_json_rules rules = ALL;
        kat_buf out = {0};

        assert_true(kat_json_normalise(rows[i].text, strlen(rows[i].text), &rules, &info, &out));
        if (info.nulls_left != rows[i].left || !info.nulls)
            fail_msg("%s: left %d", rows[i].text, info.nulls_left);
        assert_true(kat_buf_addc(&out, '\0'));
        assert_string_equal(out.data, rows[i].wanted ? rows[i].wanted : "");
        kat_buf_free(&out);
    }
}

/* However many names there are, a repeated one is noticed, and again once the
 * object that has so many is closed. */
static void names_beyond_what_is_remembered(void **state)
{
    int count;

    (void)state;
    for (count = 1; count < 70; count++) {
        kat_buf text = {0}, out = {0};
        kat_json_info info;
        char name[24];
        int i;

        assert_true(kat_buf_puts(&text, "[{"));
        for (i = 0; i < count; i++) {
            snprintf(name, sizeof name, "\"%d\":1,", i);
            assert_true(kat_buf_puts(&text, name));
        }
        snprintf(name, sizeof name, "\"%d\":null", count - 1);
        assert_true(kat_buf_puts(&text, name) && kat_buf_puts(&text, "},"));
        assert_true(kat_json_check(text.data, text.len, &info) == false);
        assert_true(kat_buf_puts(&text, "{\"0\":null}]"));
        assert_true(kat_json_normalise(text.data, text.len, &ALL, &info, &out));
        assert_true(info.nulls_left);
        assert_int_equal(out.len, text.len - strlen("\"0\":null"));
        kat_buf_free(&text);
        kat_buf_free(&out);
    }
}

static void half_a_surrogate_pair_is_replaced(void **state)
{
#define FFFD "\xef\xbf\xbd"
    static const char *const rows[][2] = {
        {"\"\\ud83d\"", "\"" FFFD "\""},
        {"\"\\uDE00\"", "\"" FFFD "\""},
        {"\"a\\uD83Dz\"", "\"a" FFFD "z\""},
        {"\"\\ud83d\\ud83d\\ude00\"", "\"" FFFD "\\ud83d\\ude00\""},
        {"\"\\ude00\\ud83d\"", "\"" FFFD FFFD "\""},
        {"\"\\udbff\\ue000\"", "\"" FFFD "\\ue000\""},
        {"\"\\ud800\\udbff\"", "\"" FFFD FFFD "\""},
        {"\"\\ud800\\ndc00\"", "\"" FFFD "\\ndc00\""},
        {"\"\\ud800\\\\udc00\"", "\"" FFFD "\\\\udc00\""},
        {"\"\\\\ud800\"", NULL},
        {"\"\\ud800\\udc00\\uDBFF\\uDFFF\"", NULL},
        {"{\"\\ud800\":[\"\\udc00\",1]}", "{\"" FFFD "\":[\"" FFFD "\",1]}"},
        {" [ \"\\ud800\" , 1 ] ", " [ \"" FFFD "\" , 1 ] "},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        rewrite(rows[i][0], rows[i][1], &ALL);
        rewrite(rows[i][0], rows[i][1], &KEEP);
    }
    rewrite("{\"\\ud800\":1,\"b\":null}", "{\"" FFFD "\":1,\"b\":null}", &KEEP);
}

/* What strtoll() would read otherwise gets an exponent. */
static void integers_that_are_read_in_two_ways(void **state)
{
    static const char *const rows[][2] = {
        {"0", NULL},
        {"-1", NULL},
        {"-10", NULL},
        {"-0", "-0e0"},
        {"-0.0", NULL},
        {"-0e5", NULL},
        {"123456789012345", NULL},
        {"9007199254740993", "9007199254740993e0"},
        {"-9223372036854775809", "-9223372036854775809e0"},
        {"12345678901234567890", "12345678901234567890e0"},
        {"12345678901234567890.5", NULL},
        {"12345678901234567890E3", NULL},
        {"[-0,1,-0]", "[-0e0,1,-0e0]"},
        {"{\"a\":12345678901234567890}", "{\"a\":12345678901234567890e0}"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        rewrite(rows[i][0], rows[i][1], &ALL);
        rewrite(rows[i][0], rows[i][1], &KEEP);
    }
    rewrite("{\"n\":null,\"a\":-0}", "{\"a\":-0e0}", &ALL);
    rewrite("{\"a\":-0 ,\"n\":null }", "{\"a\":-0e0 }", &ALL);
}

/* As many values as are allowed, and one more. */
static void values_are_counted(void **state)
{
    static const struct {
        const char *text;
        size_t values, at; /* the last one */
    } rows[] = {
        {"1", 1, 0},           {"[]", 1, 0},
        {"{}", 1, 0},          {"[{},{}]", 3, 4},
        {"{\"a\":1}", 2, 5},   {"{\"a\":null,\"b\":null}", 3, 14},
        {"[[[]]]", 3, 2},      {"[1,\"a,b\",true,false,null]", 6, 20},
        {"[\"[1,2]\"]", 2, 1},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        kat_json_rules rules = {.max_values = rows[i].values};
        size_t len = strlen(rows[i].text);
        kat_json_info info;
        kat_buf out = {0};

        if (!kat_json_normalise(rows[i].text, len, &rules, &info, &out))
            fail_msg("%s has more than %zu", rows[i].text, rules.max_values);
        kat_buf_free(&out);
        rules.max_values--;
        if (kat_json_normalise(rows[i].text, len, &rules, &info, &out))
            fail_msg("%s has no more than %zu", rows[i].text, rules.max_values);
        assert_ptr_equal(info.problem, KAT_JSON_CROWDED);
        assert_int_equal(info.at, rows[i].at);
        kat_buf_free(&out);
    }
}

/* One after the other, and a long one: the rest is copied in one piece. */
static void many_members(void **state)
{
    kat_buf text = {0}, wanted = {0};
    int i;

    (void)state;
    assert_true(kat_buf_puts(&text, "[") && kat_buf_puts(&wanted, "["));
    for (i = 0; i < 2000; i++) {
        assert_true(kat_buf_puts(&text, "{\"k\":1,\"m\":null,\"n\":null},"));
        assert_true(kat_buf_puts(&wanted, "{\"k\":1},"));
    }
    assert_true(kat_buf_puts(&text, "0]") && kat_buf_addc(&text, '\0'));
    assert_true(kat_buf_puts(&wanted, "0]") && kat_buf_addc(&wanted, '\0'));
    check(text.data, wanted.data);
    kat_buf_free(&text);
    kat_buf_free(&wanted);
}

static bool attempt(void *data)
{
    static const char text[] = "{\"a\":null,\"b\":[{\"c\":-0,\"d\":null,\"e\":\"\\ud800\"}]}";
    kat_json_info info;
    kat_buf out = {0};
    bool done = kat_json_normalise(text, sizeof text - 1, data, &info, &out);

    if (!done)
        assert_ptr_equal(info.problem, KAT_JSON_NOMEM);
    kat_buf_free(&out);
    return done;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    ration_sweep(attempt, (void *)(intptr_t)&ALL);
    ration_sweep(attempt, (void *)(intptr_t)&KEEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_go_with_one_comma),
        cmocka_unit_test(blanks_do_not_matter),
        cmocka_unit_test(only_members_of_objects_go),
        cmocka_unit_test(without_any_nothing_is_written),
        cmocka_unit_test(many_members),
        cmocka_unit_test(a_null_after_the_same_name_stays),
        cmocka_unit_test(names_beyond_what_is_remembered),
        cmocka_unit_test(half_a_surrogate_pair_is_replaced),
        cmocka_unit_test(integers_that_are_read_in_two_ways),
        cmocka_unit_test(values_are_counted),
        cmocka_unit_test(memory_may_run_out),
    };

    return cmocka_run_group_tests_name("json_normalise", tests, NULL, NULL);
}
