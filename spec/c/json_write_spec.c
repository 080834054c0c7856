#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kat_json.h"

#include "support.h"

static void check_string(const char *text, size_t len, const char *wanted)
{
    kat_buf out = {0};

    assert_true(kat_json_add_string(&out, text, len));
    assert_true(kat_buf_addc(&out, '\0'));
    assert_string_equal(out.data, wanted);
    kat_buf_free(&out);
}

static void strings_are_escaped_where_they_must_be(void **state)
{
    (void)state;
    check_string(TEXT(""), "\"\"");
    check_string(TEXT("a/b \x7f"), "\"a/b \x7f\"");
    check_string(TEXT("\"\\"), "\"\\\"\\\\\"");
    check_string(TEXT("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"");
    check_string(TEXT("a\0b\x01\x1f"), "\"a\\u0000b\\u0001\\u001f\"");
    check_string(TEXT("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

/* Whatever is written passes our own check again. */
static void every_byte_can_be_written(void **state)
{
    char text[128];
    kat_buf out = {0};
    kat_json_info info;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    assert_true(kat_json_add_string(&out, text, sizeof text));
    assert_true(kat_json_check(out.data, out.len, &info));
    kat_buf_free(&out);
}

static void check_number_text(double number, const char *wanted)
{
    kat_buf out = {0};
    kat_json_info info;

    assert_true(kat_json_add_number(&out, number));
    assert_true(kat_json_check(out.data, out.len, &info));
    assert_true(kat_buf_addc(&out, '\0'));
    assert_string_equal(out.data, wanted);
    kat_buf_free(&out);
}

/* The numbers that a program is likely to send, and the edges. */
static void write_numbers(void)
{
    check_number_text(0, "0");
    check_number_text(-0.0, "0");
    check_number_text(1, "1");
    check_number_text(-25, "-25");
    check_number_text(1e15, "1000000000000000");
    check_number_text(9007199254740991.0, "9007199254740991");
    check_number_text(-9007199254740991.0, "-9007199254740991");
    check_number_text(9007199254740992.0, "9007199254740992");
    check_number_text(1e22, "1e+22");
    check_number_text(0.1, "0.1");
    check_number_text(-2.5, "-2.5");
    check_number_text(1234567.875, "1234567.875");
    check_number_text(0.1 + 0.2, "0.30000000000000004");
    check_number_text(1e-7, "1e-07");
    check_number_text(1.5e300, "1.5e+300");
    check_number_text(1.7976931348623157e308, "1.7976931348623157e+308");
}

static void numbers_are_written_shortest(void **state)
{
    (void)state;
    write_numbers();
}

static void numbers_read_back_the_same(void **state)
{
    uint64_t seed = UINT64_C(0x9E3779B97F4A7C15);
    int i;

    (void)state;
    for (i = 0; i < 20000; i++) {
        kat_buf out = {0};
        kat_json_info info;
        double number, back;

        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        memcpy(&number, &seed, sizeof number);
        if (number - number != 0) /* neither infinite nor NaN may be passed */
            continue;
        assert_true(kat_json_add_number(&out, number));
        assert_true(kat_json_check(out.data, out.len, &info));
        assert_true(kat_buf_addc(&out, '\0'));
        back = strtod(out.data, NULL);
        if (back < number || back > number)
            fail_msg("%.17g became %s", number, out.data);
        kat_buf_free(&out);
    }
}

/* glibc's own file for LC_NUMERIC, as localedef writes it: a magic number, how
 * many items, where each begins, and the items. With it a locale that writes
 * numbers in another way is there on a machine that has none but C. */
typedef struct locale_file {
    uint32_t magic, count, offset[6];
    char point[8], thousands[4], grouping[4];
    uint32_t wide_point, wide_thousands;
    char codeset[8];
} locale_file;

static char locale_dir[32];

static const char *locale_path(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s%s", locale_dir, name);
    return path;
}

static bool write_locale(const char *point)
{
    locale_file file;
    FILE *out;
    bool done;

    memset(&file, 0, sizeof file);
    file.magic = UINT32_C(0x20031115) ^ LC_NUMERIC;
    file.count = COUNT(file.offset);
    file.offset[0] = offsetof(locale_file, point);
    file.offset[1] = offsetof(locale_file, thousands);
    file.offset[2] = offsetof(locale_file, grouping);
    file.offset[3] = offsetof(locale_file, wide_point);
    file.offset[4] = offsetof(locale_file, wide_thousands);
    file.offset[5] = offsetof(locale_file, codeset);
    snprintf(file.point, sizeof file.point, "%s", point);
    file.wide_point = ',';
    memcpy(file.codeset, "UTF-8", 6);
    out = fopen(locale_path("/odd/LC_NUMERIC"), "wb");
    if (!out)
        return false;
    done = fwrite(&file, sizeof file, 1, out) == 1;
    return fclose(out) == 0 && done;
}

static int make_locale_dir(void **state)
{
    (void)state;
    strcpy(locale_dir, "/tmp/kataven-locale-XXXXXX");
    if (!mkdtemp(locale_dir))
        return -1;
    setenv("LOCPATH", locale_dir, 1);
    return mkdir(locale_path("/odd"), 0700);
}

static int remove_locale_dir(void **state)
{
    (void)state;
    setlocale(LC_NUMERIC, "C");
    unsetenv("LOCPATH");
    unlink(locale_path("/odd/LC_NUMERIC"));
    rmdir(locale_path("/odd"));
    return rmdir(locale_dir);
}

static void write_numbers_with(const char *point)
{
    char text[40];

    if (!write_locale(point) || !setlocale(LC_NUMERIC, "odd"))
        skip(); /* another C library */
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_memory_equal(text + 1, point, strlen(point));
    write_numbers();
}

static void a_comma_for_a_point_changes_nothing(void **state)
{
    (void)state;
    write_numbers_with(",");
}

/* As in Persian or Pashto. */
static void a_point_of_two_bytes_changes_nothing(void **state)
{
    (void)state;
    write_numbers_with("\xd9\xab");
}

static bool attempt(void *data)
{
    kat_buf out = {0};
    char text[600];
    bool done;

    (void)data;
    memset(text, '\n', sizeof text);
    done = kat_json_add_string(&out, text, sizeof text) && kat_json_add_number(&out, 0.5);
    kat_buf_free(&out);
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
        cmocka_unit_test(strings_are_escaped_where_they_must_be),
        cmocka_unit_test(every_byte_can_be_written),
        cmocka_unit_test(numbers_are_written_shortest),
        cmocka_unit_test(numbers_read_back_the_same),
        cmocka_unit_test_setup_teardown(a_comma_for_a_point_changes_nothing, make_locale_dir,
                                        remove_locale_dir),
        cmocka_unit_test_setup_teardown(a_point_of_two_bytes_changes_nothing, make_locale_dir,
                                        remove_locale_dir),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
