/* The engine when memory or descriptors run out: whatever fails, it says so,
 * gives everything back, and works again afterwards. */
#include <sys/resource.h>

#include "fixture.h"

static void answer_at_length(server *s, conn *c)
{
    static const char chunk[] = "400\r\n";
    char text[1024];
    int i;

    (void)s;
    memset(text, 'x', sizeof text);
    say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVary: a\r\nVary: b\r\n");
    for (i = 0; i < 20; i++)
        say(c, "X-Some-Header-Or-Other: with a value of some length\r\n");
    say(c, " and a fold\r\n\r\n");
    for (i = 0; i < 20; i++) {
        say(c, chunk);
        say_bytes(c, text, sizeof text);
        say(c, "\r\n");
    }
    say(c, "0\r\n\r\n");
}

static bool says_so(const char *problem)
{
    if (!strstr(problem, "out of memory"))
        fail_msg("%s", problem);
    return false;
}

/* True when the answer came; else the engine must have said why not. */
static bool request_once(fixture *f, kat_engine *engine, kat_lines *lines, double timeout)
{
    kat_op *op = &f->ops[0];
    const char *problem;
    bool done;

    f->lines = lines;
    problem = start_on(engine, f, op, (ask){.method = "POST", .body = "{}", .timeout = timeout});
    if (problem) {
        assert_int_equal(op->state, KAT_NEW);
        assert_null(op->engine);
        return says_so(problem);
    }
    finish_on(engine, op);
    done = op->kind == KAT_NONE;
    if (done) {
        assert_int_equal(kat_op_body(op)->len, 20 * 1024);
        assert_string_equal(header_of(op, "vary"), "a, b");
    } else if (timeout <= 0) {
        assert_true(op->sent);
        says_so(kat_op_message(op));
    }
    kat_op_claim(op);
    assert_int_equal(op->state, KAT_CLAIMED);
    return done;
}

static bool attempt(void *data)
{
    kat_config config = {"ca.pem", "certs", "", 100000, 4};
    fixture *f = data;
    kat_engine *engine = kat_engine_new(&config);
    kat_lines *lines = kat_lines_new();
    bool done = engine && lines && kat_lines_add(lines, "Authorization", "Bearer sk_test") &&
                request_once(f, engine, lines, 0);

    kat_lines_unref(lines);
    if (engine && ration_hit && !ration_for_good)
        assert_int_equal(engine->active + engine->unclaimed, 0);
    kat_engine_free(engine);
    return done;
}

static int up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    if (!f)
        return -1;
    *state = f;
    f->descriptors = count_descriptors();
    return server_start(&f->server, answer_at_length) ? 0 : -1;
}

static void memory_may_run_out_anywhere(void **state)
{
    ration_sweep(attempt, *state);
}

/* One failure is not the end: the same engine serves the next call. */
static void an_engine_outlives_a_failure(void **state)
{
    fixture *f = *state;
    kat_engine *engine;
    kat_lines *lines;
    long n;
    bool hit;

    ration_begin(-1, false);
    engine = new_engine(NULL);
    lines = kat_lines_new();
    for (n = 0, hit = true; hit; n++) {
        bool done;

        ration_begin(n, false);
        done = request_once(f, engine, lines, 0);
        hit = ration_end();
        assert_true(done || hit);
        assert_true(request_once(f, engine, lines, 0));
        while (engine->idle) { /* so that the next one allocates again */
            kat_slot *slot = engine->idle;

            engine->idle = slot->next;
            engine->idle_count--;
            kat_slot_free(slot);
        }
    }
    assert_true(n > 5);
    kat_lines_unref(lines);
    kat_engine_free(engine);
    assert_int_equal(ration_live, 0);
}

static void descriptors_may_run_out(void **state)
{
    fixture *f = *state;
    struct rlimit before, few;
    kat_lines *lines = kat_lines_new();
    int extra, open_before = count_descriptors(), answered = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (extra = 0; extra < 12; extra++) {
        kat_engine *engine = new_engine(NULL);
        kat_op *op = &f->ops[0];
        int top = dup(0); /* the lowest that is free */

        close(top);
        few = before;
        few.rlim_cur = (rlim_t)(top + extra);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        f->lines = lines;
        if (!start_on(engine, f, op, (ask){.timeout = 0.05})) {
            while (op->state == KAT_ACTIVE)
                kat_poll(engine, 1);
            answered += op->kind == KAT_NONE;
            kat_op_claim(op);
        }
        setrlimit(RLIMIT_NOFILE, &before);
        assert_true(request_once(f, engine, lines, 0)); /* when there are some again */
        kat_engine_free(engine);
    }
    assert_true(answered > 0);
    kat_lines_unref(lines);
    await(f, closed, counted(f, connections));
    assert_int_equal(count_descriptors(), open_before);
}

/* Blocks that are left once so many requests at a time were begun and dropped. */
static long left_by(fixture *f, kat_engine *engine, int count)
{
    static kat_op ops[40];
    int i;

    for (i = 0; i < count; i++)
        assert_null(start_on(engine, f, &ops[i], (ask){0}));
    for (i = 0; i < count; i++)
        kat_op_release(&ops[i]);
    return ration_live;
}

/* Of many requests at once 32 are enough to have what they used kept for others. */
static void what_is_kept_for_later_has_a_bound(void **state)
{
    fixture *f = *state;
    kat_engine *engine;
    long few, full;

    ration_begin(-1, false);
    engine = new_engine(NULL);
    f->lines = kat_lines_new();
    few = left_by(f, engine, 31);
    full = left_by(f, engine, 32);
    assert_true(full > few);
    assert_int_equal(left_by(f, engine, 33), full);
    assert_int_equal(left_by(f, engine, 40), full);
    kat_lines_unref(f->lines);
    kat_engine_free(engine);
    assert_int_equal(ration_live, 0);
}

static int down(void **state)
{
    fixture *f = *state;
    int before = f->descriptors;

    server_stop(&f->server);
    free(f);
    return count_descriptors() == before && ration_live == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_may_run_out_anywhere, up, down),
        cmocka_unit_test_setup_teardown(an_engine_outlives_a_failure, up, down),
        cmocka_unit_test_setup_teardown(descriptors_may_run_out, up, down),
        cmocka_unit_test_setup_teardown(what_is_kept_for_later_has_a_bound, up, down),
    };

    return cmocka_run_group_tests_name("engine_memory", tests, no_proxies, NULL);
}
