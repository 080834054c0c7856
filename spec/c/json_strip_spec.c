/* Leaving null members out of a text, in the pass that checks it. */
#include "support.h"

#include <string.h>

#include "kat_json.h"

static void gives(const char *text, const char *want)
{
    kat_json_info info;
    kat_buf out = {0};

    if (!kat_json_strip(text, strlen(text), &info, &out))
        fail_msg("refused: %s", text);
    if (!want) {
        if (out.len > 0 || info.nulls)
            fail_msg("not left alone: %s", text);
    } else if (!info.nulls || out.len != strlen(want) || memcmp(out.data, want, out.len) != 0) {
        fail_msg("%s became %.*s", text, (int)out.len, out.data ? out.data : "");
    }
    kat_buf_free(&out);
}

static void null_members_go_with_one_comma(void **state)
{
    (void)state;
    gives("{\"a\":null}", "{}");
    gives("{\"a\":null,\"b\":1}", "{\"b\":1}");
    gives("{\"b\":1,\"a\":null}", "{\"b\":1}");
    gives("{\"b\":1,\"a\":null,\"c\":2}", "{\"b\":1,\"c\":2}");
    gives("{\"a\":null,\"b\":null}", "{}");
    gives("{\"b\":1,\"a\":null,\"c\":null}", "{\"b\":1}");
    gives("{ \"b\" : 1 , \"a\" : null }", "{ \"b\" : 1 }");
    gives("{\n\"a\":null\n,\n\"b\":2}", "{\n\n\"b\":2}");
    gives(" {\"x\":{\"a\":null},\"y\":[{\"a\":null},1]} ", " {\"x\":{},\"y\":[{},1]} ");
}

static void nothing_else_goes(void **state)
{
    (void)state;
    gives("null", NULL);
    gives("[null,null]", NULL);
    gives("{\"a\":[null]}", NULL);
    gives("{\"null\":\"null\"}", NULL);
    gives("{\"b\":\"x,\",\"a\":null}", "{\"b\":\"x,\"}");
    gives("{\"b\":\"{\",\"a\":null}", "{\"b\":\"{\"}");
    gives("[{\"a\":null},null]", "[{},null]");
}

static void a_bad_text_is_refused_wherever_it_breaks(void **state)
{
    static const char text[] = "[{\"a\":null,\"b\":[1,null]},{\"c\":null}]";
    size_t len;

    (void)state;
    for (len = 0; len < sizeof text - 1; len++) {
        kat_json_info info;
        kat_buf out = {0};

        if (kat_json_strip(text, len, &info, &out))
            fail_msg("the first %zu bytes passed", len);
        assert_non_null(info.problem);
        kat_buf_free(&out);
    }
}

static void *no_memory(void *block, size_t size)
{
    (void)block;
    (void)size;
    return NULL;
}

static void running_out_of_memory_is_said(void **state)
{
    kat_alloc_fn before = kat_alloc;
    kat_json_info info;
    kat_buf out = {0};
    bool done;

    (void)state;
    kat_alloc = no_memory;
    done = kat_json_strip("{\"a\":null}", 10, &info, &out);
    kat_alloc = before;
    assert_false(done);
    assert_ptr_equal(info.problem, KAT_JSON_NOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_members_go_with_one_comma),
        cmocka_unit_test(nothing_else_goes),
        cmocka_unit_test(a_bad_text_is_refused_wherever_it_breaks),
        cmocka_unit_test(running_out_of_memory_is_said),
    };

    return cmocka_run_group_tests_name("json_strip", tests, NULL, NULL);
}
