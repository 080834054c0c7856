/* What the check says of an array of objects, and of where its numbers are. */
#include "kat_json.h"

#include "support.h"

static void check(const char *text, kat_json_info *info)
{
    if (!kat_json_check(text, strlen(text), info))
        fail_msg("%s: %s", text, info->problem);
}

static void rows_are_an_array_of_objects(void **state)
{
    static const struct {
        const char *text;
        bool rows;
    } cases[] = {
        {"[]", true},
        {" [ ] ", true},
        {"[{}]", true},
        {"[{},{\"a\":[]}]", true},
        {"[{\"a\":1}, {\"b\":null}]", true},
        {"{}", false},
        {"{\"a\":[{}]}", false},
        {"[1]", false},
        {"[{},1]", false},
        {"[{},null]", false},
        {"[\"a\",{}]", false},
        {"[{},[]]", false},
        {"[[{}]]", false},
        {"[{},true]", false},
        {"1", false},
        {"\"[]\"", false},
        {"null", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        kat_json_info info;

        check(cases[i].text, &info);
        if (info.rows != cases[i].rows)
            fail_msg("%s", cases[i].text);
    }
}

/* The names, joined; "!" where there are numbers elsewhere too. */
static void names_of(const char *text, char *joined)
{
    kat_json_info info;
    unsigned i;

    check(text, &info);
    strcpy(joined, info.scattered ? "!" : "");
    for (i = 0; i < info.name_count; i++) {
        strncat(joined, info.names[i].text, info.names[i].len);
        strcat(joined, ",");
    }
    if ((info.name_count > 0 || info.scattered) != info.numbers)
        fail_msg("%s: numbers %d", text, info.numbers);
}

static void numbers_are_named(void **state)
{
    static const struct {
        const char *text, *names;
    } cases[] = {
        {"{}", ""},
        {"[{\"a\":\"1\"}]", ""},
        {"{\"a\":1}", "a,"},
        {"{\"a\":1,\"b\":\"x\",\"c\":-2.5}", "a,c,"},
        {"[{\"a\":1},{\"a\":2,\"b\":3},{\"b\":4}]", "a,b,"},
        {"[ { \"a\" : 1 } ]", "a,"},
        {"{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8}", "a,b,c,d,e,f,g,h,"},
        {"{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9}",
         "!a,b,c,d,e,f,g,h,"},
        {"{\"ab\":1,\"a\":2,\"\":3}", "ab,a,,"},
        {"{\"\\u0061\":1}", "!"}, /* is named a, but not here */
        {"1", "!"},
        {"[1]", "!"},
        {"[{\"a\":1},2]", "!a,"},
        {"[{\"a\":[1]}]", "!"},
        {"[{\"a\":{\"b\":1}}]", "!"},
        {"[[{\"a\":1}]]", "!"},
        {"{\"a\":{\"b\":1}}", "!"},
        {"{\"a\":[1]}", "!"},
        {"{\"a\":[{\"b\":1}]}", "!"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        char joined[64];

        names_of(cases[i].text, joined);
        if (strcmp(joined, cases[i].names) != 0)
            fail_msg("%s: %s", cases[i].text, joined);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_an_array_of_objects),
        cmocka_unit_test(numbers_are_named),
    };

    return cmocka_run_group_tests_name("json_rows", tests, NULL, NULL);
}
