#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kat_curl.h"

#include "support.h"

static char dir[32];

static const char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/kataven-ca-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static const char *const names[] = {
    "0a1b2c3d.0", "cafe0123.9",    "ca.pem",      "0a1b2c3d",    "0a1b2c3d.10",
    "0A1B2C3D.0", "0a1b2c3d.r0",   "0a1b2c3.0",   "0a1b2c3d4.0", "0a1b2c3g.0",
    "0a1b2c3d.",  ".0a1b2c3d.0.x", "0a1b2c3d.0~", "0a1b2c3d.a",
};

static int remove_dir(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++)
        unlink(in_dir(names[i]));
    return rmdir(dir);
}

static void touch(const char *name)
{
    FILE *file = fopen(in_dir(name), "w");

    assert_non_null(file);
    fclose(file);
}

static void a_hashed_directory_is_known_by_its_names(void **state)
{
    size_t i;

    (void)state;
    assert_false(kat_ca_is_hashed(dir));
    for (i = 2; i < COUNT(names); i++)
        touch(names[i]);
    assert_false(kat_ca_is_hashed(dir)); /* not one of these will do */
    touch(names[1]);
    assert_true(kat_ca_is_hashed(dir));
    unlink(in_dir(names[1]));
    assert_false(kat_ca_is_hashed(dir));
    touch(names[0]);
    assert_true(kat_ca_is_hashed(dir));
}

static void what_is_no_directory_is_not_hashed(void **state)
{
    (void)state;
    touch("ca.pem");
    assert_false(kat_ca_is_hashed(in_dir("ca.pem")));
    assert_false(kat_ca_is_hashed(in_dir("missing")));
    assert_false(kat_ca_is_hashed(""));
}

/* With both set libcurl reads the whole bundle for each connection. */
static void the_defaults_are_never_used_both(void **state)
{
    kat_ca ca;

    (void)state;
    touch("0a1b2c3d.0");
    ca = kat_ca_choose(NULL, NULL, "bundle.pem", dir, true);
    assert_false(ca.builtin);
    assert_null(ca.file);
    assert_string_equal(ca.path, dir);
    assert_string_equal(ca.fallback, "bundle.pem");
    ca = kat_ca_choose(NULL, NULL, NULL, dir, true);
    assert_string_equal(ca.path, dir);
    assert_null(ca.fallback);
}

static void a_directory_without_hashes_gives_way_to_the_bundle(void **state)
{
    const char *const paths[] = {dir, "/nonexistent/certs", NULL};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(paths); i++) {
        kat_ca ca = kat_ca_choose(NULL, NULL, "bundle.pem", paths[i], true);

        assert_false(ca.builtin);
        assert_string_equal(ca.file, "bundle.pem");
        assert_null(ca.path);
        assert_null(ca.fallback);
    }
}

static void without_anything_to_choose_libcurl_decides(void **state)
{
    kat_ca ca = kat_ca_choose(NULL, NULL, NULL, NULL, true);

    (void)state;
    assert_true(ca.builtin);
    touch("0a1b2c3d.0");
    /* What the rule is good for is known of OpenSSL only. */
    ca = kat_ca_choose(NULL, NULL, "bundle.pem", dir, false);
    assert_true(ca.builtin);
    assert_null(ca.file);
    assert_null(ca.path);
    assert_null(ca.fallback);
}

/* A user who names one wants that one only: there is nothing to fall back to. */
static void what_the_user_names_is_taken_alone(void **state)
{
    int openssl;

    (void)state;
    touch("0a1b2c3d.0");
    for (openssl = 0; openssl <= 1; openssl++) {
        kat_ca ca = kat_ca_choose("mine.pem", NULL, "bundle.pem", dir, openssl);

        assert_false(ca.builtin);
        assert_string_equal(ca.file, "mine.pem");
        assert_null(ca.path);
        assert_null(ca.fallback);
        ca = kat_ca_choose(NULL, "mine", "bundle.pem", dir, openssl);
        assert_null(ca.file);
        assert_string_equal(ca.path, "mine");
        assert_null(ca.fallback);
        ca = kat_ca_choose("mine.pem", "mine", NULL, NULL, openssl);
        assert_string_equal(ca.file, "mine.pem");
        assert_string_equal(ca.path, "mine");
        assert_false(ca.builtin);
    }
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        IN_DIR(a_hashed_directory_is_known_by_its_names),
        IN_DIR(what_is_no_directory_is_not_hashed),
        IN_DIR(the_defaults_are_never_used_both),
        IN_DIR(a_directory_without_hashes_gives_way_to_the_bundle),
        IN_DIR(without_anything_to_choose_libcurl_decides),
        IN_DIR(what_the_user_names_is_taken_alone),
    };

    return cmocka_run_group_tests_name("ca", tests, NULL, NULL);
}
