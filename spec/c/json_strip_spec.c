/* Null members left out of a text: json_spec.c sees to it that what is taken
 * for good is the same as in a plain check. */
#include "kat_json.h"

#include "support.h"

/* What came out has to be good JSON without null members. */
static void check(const char *text, const char *wanted)
{
    size_t len = strlen(text);
    char *copy = exact_copy(text, len);
    kat_json_info info;
    kat_buf out = {0}, again = {0};

    if (!kat_json_strip(copy, len, &info, &out))
        fail_msg("%s: %s", text, info.problem);
    free(copy);
    assert_true(info.nulls);
    assert_true(kat_json_strip(out.data, out.len, &info, &again));
    assert_false(info.nulls);
    assert_int_equal(again.len, 0);
    assert_true(kat_buf_addc(&out, '\0'));
    assert_string_equal(out.data, wanted);
    kat_buf_free(&out);
    kat_buf_free(&again);
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
        assert_true(kat_json_strip(texts[i], strlen(texts[i]), &info, &out));
        assert_false(info.nulls);
        assert_null(out.data);
    }
}

/* One after the other, and a long one: the rest is copied in one piece. */
static void many_members(void **state)
{
    kat_buf text = {0}, wanted = {0};
    int i;

    (void)state;
    for (i = 0; i < 2000; i++) {
        assert_true(kat_buf_puts(&text, i == 0 ? "{\"k0\":0" : i % 3 ? ",\"n\":null" : ",\"k\":1"));
        if (i % 3 == 0)
            assert_true(kat_buf_puts(&wanted, i == 0 ? "{\"k0\":0" : ",\"k\":1"));
    }
    assert_true(kat_buf_puts(&text, "}") && kat_buf_addc(&text, '\0'));
    assert_true(kat_buf_puts(&wanted, "}") && kat_buf_addc(&wanted, '\0'));
    check(text.data, wanted.data);
    kat_buf_free(&text);
    kat_buf_free(&wanted);
}

static bool attempt(void *data)
{
    static const char text[] = "{\"a\":null,\"b\":[{\"c\":1,\"d\":null}]}";
    kat_json_info info;
    kat_buf out = {0};
    bool done = kat_json_strip(text, sizeof text - 1, &info, &out);

    (void)data;
    if (!done)
        assert_ptr_equal(info.problem, KAT_JSON_NOMEM);
    kat_buf_free(&out);
    return done;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    ration_sweep(attempt, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_go_with_one_comma),
        cmocka_unit_test(blanks_do_not_matter),
        cmocka_unit_test(only_members_of_objects_go),
        cmocka_unit_test(without_any_nothing_is_written),
        cmocka_unit_test(many_members),
        cmocka_unit_test(memory_may_run_out),
    };

    return cmocka_run_group_tests_name("json_strip", tests, NULL, NULL);
}
