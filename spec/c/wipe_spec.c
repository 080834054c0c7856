/* What the engine itself copies of a token and of a proxy's password is gone from memory when it is
 * done with: every block that is given back is looked through first, and so is every block that is
 * left. libcurl allocates through the same seam here, so that the lists that it makes for us count
 * too. */
#include <malloc.h>
#include <sys/uio.h>

#include "fixture.h"

#define TOKEN "c4nAry_T0kEnqZ9xW4bV7"
#define FOUR TOKEN "." TOKEN "." TOKEN "." TOKEN "."
#define LONG_TOKEN FOUR FOUR FOUR FOUR /* more than the first size of a buffer */
#define PASSWORD "c4nAry_Pa55w0rd"

enum { MOST = 100000 };

/* Blocks that are out, ours and libcurl's. */
static void *blocks[MOST];
static size_t block_count;
static int dirty, libcurl_dirty; /* blocks given back with a secret in them */

/* Looks at a copy that the system made: valgrind would complain of the search, since what
 * pads a structure was never written. */
static bool has_secret(const void *block)
{
    size_t size = malloc_usable_size((void *)(uintptr_t)block);
    struct iovec from = {(void *)(uintptr_t)block, size}, to = {malloc(size), size};
    bool found;

    if (!to.iov_base || process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)size)
        abort();
    found = memmem(to.iov_base, size, TOKEN, strlen(TOKEN)) ||
            memmem(to.iov_base, size, PASSWORD, strlen(PASSWORD));
    free(to.iov_base);
    return found;
}

static void out(void *block)
{
    if (block && block_count < MOST)
        blocks[block_count++] = block;
}

static void back(const void *block, int *count)
{
    size_t i;

    if (!block)
        return;
    *count += has_secret(block);
    for (i = block_count; i-- > 0;)
        if (blocks[i] == block) {
            blocks[i] = blocks[--block_count];
            return;
        }
}

/* Nothing is ever made larger in place, and so every copy that growing may
 * leave behind is seen. */
static void *moved(void *block, size_t size, int *count)
{
    void *fresh = calloc(1, size);
    size_t kept = block ? malloc_usable_size(block) : 0;

    if (fresh && block) {
        memcpy(fresh, block, kept < size ? kept : size);
        back(block, count);
        free(block);
    }
    out(fresh);
    return fresh;
}

static void *our_alloc(void *block, size_t size)
{
    if (size > 0)
        return moved(block, size, &dirty);
    back(block, &dirty);
    free(block);
    return NULL;
}

static void *lib_malloc(size_t size)
{
    return moved(NULL, size > 0 ? size : 1, &libcurl_dirty);
}

static void lib_free(void *block)
{
    back(block, &libcurl_dirty);
    free(block);
}

static void *lib_realloc(void *block, size_t size)
{
    return moved(block, size > 0 ? size : 1, &libcurl_dirty);
}

static char *lib_strdup(const char *text)
{
    char *copy = lib_malloc(strlen(text) + 1);

    return copy ? strcpy(copy, text) : NULL;
}

static void *lib_calloc(size_t count, size_t size)
{
    return lib_malloc(count * size);
}

static int left(void)
{
    size_t i;
    int count = 0;

    for (i = 0; i < block_count; i++)
        count += has_secret(blocks[i]);
    return count;
}

/* libcurl takes an allocator from the first who initialises it. */
static int with_our_memory(void **state)
{
    int code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, lib_malloc, lib_free, lib_realloc,
                                    lib_strdup, lib_calloc);

    return code == CURLE_OK ? no_proxies(state) : -1;
}

static int begin(void **state)
{
    (void)state;
    kat_alloc = our_alloc;
    dirty = libcurl_dirty = 0;
    return left();
}

static void nothing_is_left(void)
{
    assert_int_equal(dirty, 0);
    assert_int_equal(libcurl_dirty, 0);
    assert_int_equal(left(), 0);
}

static kat_lines *lines_with(const char *value)
{
    kat_lines *lines = kat_lines_new();

    assert_non_null(lines);
    assert_true(kat_lines_add(lines, "Authorization", value));
    assert_true(kat_lines_add(lines, "Accept", "text/plain"));
    return lines;
}

/* This is how it would look otherwise. */
static void the_search_finds_what_is_there(void **state)
{
    void *block = our_alloc(NULL, 100);

    (void)state;
    memcpy(block, "xx" TOKEN, strlen("xx" TOKEN));
    assert_int_equal(left(), 1);
    block = our_alloc(block, 200);
    assert_int_equal(dirty, 1);
    assert_int_equal(left(), 1);
    our_alloc(block, 0);
    assert_int_equal(dirty, 2);
    assert_int_equal(left(), 0);
}

static void lines_are_wiped_with_their_last_reference(void **state)
{
    kat_lines *lines = lines_with("Bearer " TOKEN);

    (void)state;
    assert_int_equal(left(), 1);
    kat_lines_unref(lines);
    nothing_is_left();
}

/* Of every length, since a line of some lengths may just fill a buffer. */
static void lines_of_any_length_leave_no_copy(void **state)
{
    size_t len;

    (void)state;
    for (len = strlen(TOKEN); len <= strlen(LONG_TOKEN); len++) {
        char value[] = LONG_TOKEN;
        kat_lines *lines;

        value[len] = '\0';
        lines = lines_with(value);
        if (dirty + libcurl_dirty > 0)
            fail_msg("a value of %zu bytes left a copy", len);
        kat_lines_unref(lines);
        nothing_is_left();
    }
}

static void lines_are_wiped_while_others_refer_to_them(void **state)
{
    kat_lines *lines = lines_with("Bearer " TOKEN);

    (void)state;
    kat_lines_wipe(lines);
    nothing_is_left();
    kat_lines_unref(lines);
}

static void a_proxys_password_is_wiped(void **state)
{
    (void)state;
    kat_engine_free(new_engine("http://me:" PASSWORD "@127.0.0.1:1"));
    nothing_is_left();
}

/* Requests of every end: what is left then is libcurl's. */
static void our_copies_are_gone_when_an_engine_is_closed(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    kat_engine *engine = new_engine(NULL);
    kat_lines *lines = lines_with("Bearer " LONG_TOKEN);
    size_t i;

    (void)state;
    assert_non_null(f);
    f->lines = lines;
    assert_true(server_start(&f->server, hold_the_slow));
    for (i = 0; i < 3; i++) {
        assert_null(start_on(engine, f, &f->ops[0], (ask){.method = "POST", .body = "{}"}));
        finish_on(engine, &f->ops[0]);
        assert_int_equal(f->ops[0].status, 200);
        kat_op_claim(&f->ops[0]);
    }
    assert_null(start_on(engine, f, &f->ops[0], (ask){.path = "/slow", .timeout = 0.01}));
    finish_on(engine, &f->ops[0]);
    kat_op_claim(&f->ops[0]);
    assert_null(start_on(engine, f, &f->ops[1], (ask){.path = "/slow"}));
    kat_step(engine);
    kat_op_cancel(&f->ops[1]);
    assert_null(start_on(engine, f, &f->ops[2], (ask){.path = "/slow"}));
    kat_step(engine);
    kat_engine_free(engine);
    kat_lines_wipe(lines);
    kat_lines_unref(lines);
    server_stop(&f->server);
    free(f);
    assert_int_equal(dirty, 0);
    assert_int_equal(left(), 0);
    print_message("# libcurl gave %d blocks back with the token in them\n", libcurl_dirty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_search_finds_what_is_there, begin),
        cmocka_unit_test_setup(lines_are_wiped_with_their_last_reference, begin),
        cmocka_unit_test_setup(lines_of_any_length_leave_no_copy, begin),
        cmocka_unit_test_setup(lines_are_wiped_while_others_refer_to_them, begin),
        cmocka_unit_test_setup(a_proxys_password_is_wiped, begin),
        cmocka_unit_test_setup(our_copies_are_gone_when_an_engine_is_closed, begin),
    };

    return cmocka_run_group_tests_name("wipe", tests, with_our_memory, NULL);
}
