#include "kat_buf.h"

#include "support.h"

static void a_buffer_of_zeros_is_usable(void **state)
{
    kat_buf buf = {0};

    (void)state;
    kat_buf_reset(&buf, 0);
    kat_buf_free(&buf);
    assert_true(kat_buf_add(&buf, NULL, 0));
    assert_true(kat_buf_puts(&buf, ""));
    assert_int_equal(buf.len, 0);
    assert_null(buf.data);
    assert_true(kat_buf_puts(&buf, "ab"));
    assert_true(kat_buf_addc(&buf, '\0'));
    assert_true(kat_buf_add(&buf, "cd", 2));
    assert_int_equal(buf.len, 5);
    assert_memory_equal(buf.data, "ab\0cd", 5);
    kat_buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.len + buf.cap, 0);
}

static void growing_keeps_what_is_there(void **state)
{
    kat_buf buf = {0};
    size_t i, moves = 0;

    (void)state;
    for (i = 0; i < 100000; i++) {
        size_t cap = buf.cap;

        assert_true(kat_buf_addc(&buf, (char)(i * 31)));
        moves += buf.cap != cap;
    }
    for (i = 0; i < buf.len; i++)
        if (buf.data[i] != (char)(i * 31))
            fail_msg("byte %zu", i);
    assert_true(moves < 20); /* linear, not one allocation each time */
    kat_buf_free(&buf);
}

/* A body whose length was promised costs no slack. */
static void a_first_size_is_taken_exactly(void **state)
{
    kat_buf buf = {0};

    (void)state;
    assert_true(kat_buf_reserve(&buf, 1000003));
    assert_int_equal(buf.cap, 1000003);
    assert_int_equal(buf.len, 0);
    assert_true(kat_buf_reserve(&buf, 1000003));
    assert_int_equal(buf.cap, 1000003);
    kat_buf_free(&buf);
}

static void sizes_never_overflow(void **state)
{
    kat_buf buf = {0};
    size_t cap;

    (void)state;
    ration_begin(-1, false);
    assert_false(kat_buf_reserve(&buf, SIZE_MAX));
    assert_true(kat_buf_puts(&buf, "x"));
    cap = buf.cap;
    assert_false(kat_buf_reserve(&buf, SIZE_MAX));
    assert_false(kat_buf_reserve(&buf, SIZE_MAX - 1));
    assert_false(kat_buf_reserve(&buf, SIZE_MAX / 2));
    assert_int_equal(buf.cap, cap);
    assert_int_equal(buf.len, 1);
    kat_buf_free(&buf);
    assert_int_equal(ration_live, 0);
}

static void without_memory_the_contents_stay(void **state)
{
    kat_buf buf = {0};
    char *data;

    (void)state;
    ration_begin(0, true);
    assert_false(kat_buf_addc(&buf, 'x'));
    assert_null(buf.data);
    ration_begin(1, true);
    assert_true(kat_buf_puts(&buf, "kept"));
    data = buf.data;
    while (buf.len < buf.cap)
        assert_true(kat_buf_addc(&buf, '.'));
    assert_false(kat_buf_addc(&buf, '.'));
    assert_false(kat_buf_puts(&buf, "more"));
    assert_int_equal(buf.len, buf.cap);
    assert_ptr_equal(buf.data, data);
    assert_memory_equal(buf.data, "kept.", 5);
    ration_end();
    kat_buf_free(&buf);
    assert_int_equal(ration_live, 0);
}

static void a_reset_keeps_small_memory_only(void **state)
{
    kat_buf buf = {0};
    char *data;

    (void)state;
    assert_true(kat_buf_puts(&buf, "small"));
    data = buf.data;
    kat_buf_reset(&buf, buf.cap);
    assert_int_equal(buf.len, 0);
    assert_ptr_equal(buf.data, data);
    kat_buf_reset(&buf, buf.cap - 1);
    assert_null(buf.data);
    assert_int_equal(buf.cap, 0);
}

static void the_allocator_takes_odd_sizes(void **state)
{
    void *block = kat_malloc(0);
    char *text, *zeros;
    size_t i;

    (void)state;
    assert_non_null(block);
    kat_free(block);
    kat_free(NULL);
    text = kat_strdup("abc", 2);
    assert_string_equal(text, "ab");
    kat_free(text);
    zeros = kat_zalloc(64);
    for (i = 0; i < 64; i++)
        assert_int_equal(zeros[i], 0);
    memset(zeros, 'x', 64);
    kat_wipe(zeros, 63);
    for (i = 0; i < 63; i++)
        assert_int_equal(zeros[i], 0);
    assert_int_equal(zeros[63], 'x');
    kat_free(zeros);
    ration_begin(0, true);
    assert_null(kat_strdup("abc", 3));
    assert_null(kat_zalloc(8));
    ration_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_of_zeros_is_usable),
        cmocka_unit_test(growing_keeps_what_is_there),
        cmocka_unit_test(a_first_size_is_taken_exactly),
        cmocka_unit_test(sizes_never_overflow),
        cmocka_unit_test(without_memory_the_contents_stay),
        cmocka_unit_test(a_reset_keeps_small_memory_only),
        cmocka_unit_test(the_allocator_takes_odd_sizes),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
