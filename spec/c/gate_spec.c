#include "kat_gate.h"

#include "support.h"

enum { TURNS = 5 };

/* Turns that have entered a gate of that size. */
static void enter(kat_gate *gate, kat_turn *turns, size_t max)
{
    size_t i;

    kat_gate_init(gate, max);
    memset(turns, 0, TURNS * sizeof *turns);
    for (i = 0; i < TURNS; i++)
        kat_turn_enter(gate, &turns[i]);
}

/* The states as a word: o outside, r resting, w waiting, H held. */
static void check_states(const kat_turn *turns, const char *wanted)
{
    char got[TURNS + 1] = "";
    int i;

    for (i = 0; i < TURNS; i++)
        got[i] = "orwH"[turns[i].state];
    assert_string_equal(got, wanted);
}

static void no_more_than_max_are_out(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];
    int i;

    (void)state;
    enter(&gate, t, 2);
    for (i = 0; i < TURNS; i++)
        assert_int_equal(kat_turn_ask(&t[i], 10, 0), i < 2);
    check_states(t, "HHwww");
    assert_int_equal(gate.held, 2);
    assert_true(kat_turn_ask(&t[0], 10, 0)); /* asking again takes no second one */
    assert_int_equal(gate.held, 2);
}

static void the_line_is_kept_in_order(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];
    int i;

    (void)state;
    enter(&gate, t, 1);
    for (i = 0; i < TURNS; i++)
        kat_turn_ask(&t[i], 10, 0);
    assert_false(kat_turn_ask(&t[4], 10, 0));
    assert_false(kat_turn_ask(&t[1], 10, 0)); /* and asking again loses no place */
    for (i = 1; i < TURNS; i++) {
        kat_turn_rest(&t[i - 1], 0);
        assert_int_equal(t[i].state, KAT_TURN_HELD);
        assert_true(t[i].poked); /* its caller is told to look */
        assert_true(kat_turn_ask(&t[i], 10, 0));
        assert_int_equal(gate.poked, 0);
    }
    check_states(t, "rrrrH");
}

/* Who comes anew waits behind those who are there, a free place or not. */
static void nobody_jumps_the_line(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];

    (void)state;
    enter(&gate, t, 1);
    kat_turn_ask(&t[0], 10, 0);
    kat_turn_ask(&t[1], 10, 0);
    kat_turn_rest(&t[0], 0);                  /* goes to the second at once */
    assert_false(kat_turn_ask(&t[0], 10, 0)); /* though it has not looked yet */
    check_states(t, "wHrrr");
}

static void who_leaves_the_line_is_skipped(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];
    int i;

    (void)state;
    enter(&gate, t, 1);
    for (i = 0; i < TURNS; i++)
        kat_turn_ask(&t[i], 10, 0);
    kat_turn_leave(&t[2], 0); /* from the middle */
    kat_turn_rest(&t[1], 0);  /* the first */
    kat_turn_leave(&t[4], 0); /* the last */
    check_states(t, "Hrowo");
    kat_turn_leave(&t[0], 0);
    check_states(t, "oroHo");
    kat_turn_leave(&t[3], 0);
    check_states(t, "orooo");
    assert_int_equal(gate.held, 0);
    assert_int_equal(gate.poked, 0); /* one who left need not look */
}

static void a_lease_that_is_up_goes_to_the_next(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];

    (void)state;
    enter(&gate, t, 1);
    assert_true(kat_turn_ask(&t[0], 10, 100));
    assert_false(kat_turn_ask(&t[1], 10, 105));
    assert_false(kat_turn_ask(&t[1], 10, 110)); /* it ends after its last moment */
    assert_true(kat_turn_ask(&t[1], 10, 110.1));
    check_states(t, "rHrrr");
    /* The one that was late finds itself back in line, and harms nobody. */
    assert_false(kat_turn_ask(&t[0], 10, 111));
    kat_turn_rest(&t[0], 111);
    assert_int_equal(gate.held, 1);
    /* The new lease counts from when it was given. */
    assert_false(kat_turn_ask(&t[2], 10, 120));
    assert_true(kat_turn_ask(&t[2], 10, 120.2));
}

/* With nobody in line, a lease that is up troubles nobody. */
static void a_lease_is_taken_back_only_for_another(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];

    (void)state;
    enter(&gate, t, 1);
    kat_turn_ask(&t[0], 1, 0);
    assert_true(kat_turn_ask(&t[0], 1, 500));
    check_states(t, "Hrrrr");
}

/* A turn that was given while its caller slept lasts from when it knows. */
static void a_lease_counts_from_the_look(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];

    (void)state;
    enter(&gate, t, 1);
    kat_turn_ask(&t[0], 10, 0);
    kat_turn_ask(&t[1], 10, 0);
    kat_turn_rest(&t[0], 5);
    assert_number(t[1].until, 15);
    assert_true(kat_turn_ask(&t[1], 10, 14));
    assert_number(t[1].until, 24);
    assert_true(kat_turn_ask(&t[1], 10, 20)); /* only the first time */
    assert_number(t[1].until, 24);
}

/* A caller that was handed its turn and then killed must not keep it. */
static void a_lease_runs_out_unseen_too(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];

    (void)state;
    enter(&gate, t, 1);
    kat_turn_ask(&t[0], 10, 0);
    kat_turn_ask(&t[1], 10, 0);
    kat_turn_ask(&t[2], 10, 0);
    kat_turn_rest(&t[0], 0);
    assert_true(kat_turn_ask(&t[2], 10, 11));
    check_states(t, "rrHrr");
}

static void pokes_are_counted_once(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];

    (void)state;
    enter(&gate, t, 2);
    kat_turn_poke(&t[0]);
    kat_turn_poke(&t[0]);
    kat_turn_poke(&t[1]);
    assert_int_equal(gate.poked, 2);
    kat_turn_look(&t[0]);
    kat_turn_look(&t[0]);
    assert_int_equal(gate.poked, 1);
    assert_true(kat_turn_ask(&t[1], 1, 0)); /* counts as a look */
    assert_int_equal(gate.poked, 0);
    kat_turn_poke(&t[2]);
    kat_turn_leave(&t[2], 0);
    assert_int_equal(gate.poked, 0);
}

/* Who wakes many callers hears of each once, in the order of what happened,
 * and of one that has looked or left no more. */
static void news_are_told_once(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];

    (void)state;
    enter(&gate, t, 1);
    assert_int_equal(kat_gate_news(&gate), 0);
    kat_turn_ask(&t[0], 10, 0);
    kat_turn_ask(&t[1], 10, 0);
    kat_turn_tell(&t[2]);
    kat_turn_poke(&t[3]);
    kat_turn_poke(&t[3]);
    kat_turn_tell(&t[3]);
    kat_turn_rest(&t[0], 1); /* calls t[1] */
    kat_turn_poke(&t[4]);
    kat_turn_poke(&t[0]);
    kat_turn_leave(&t[4], 1);
    kat_turn_look(&t[2]);
    assert_int_equal(kat_gate_news(&gate), t[3].id);
    assert_int_equal(kat_gate_news(&gate), t[1].id);
    assert_int_equal(gate.poked, 3); /* they have not looked yet */
    kat_turn_poke(&t[3]);
    assert_int_equal(kat_gate_news(&gate), t[0].id);
    assert_int_equal(kat_gate_news(&gate), t[3].id); /* something new happened */
    assert_int_equal(kat_gate_news(&gate), 0);
    kat_turn_tell(&t[2]);
    kat_gate_close(&gate);
    assert_int_equal(kat_gate_news(&gate), 0);
    kat_turn_tell(&t[2]);
}

static void closing_makes_all_inert(void **state)
{
    kat_gate gate;
    kat_turn t[TURNS];
    int i;

    (void)state;
    enter(&gate, t, 1);
    for (i = 0; i < 3; i++)
        kat_turn_ask(&t[i], 10, 0);
    kat_turn_poke(&t[2]);
    kat_gate_close(&gate);
    check_states(t, "ooooo");
    assert_int_equal(gate.held + gate.poked, 0);
    memset(&gate, 0xA5, sizeof gate); /* it may be gone: nobody may touch it */
    for (i = 0; i < TURNS; i++) {
        assert_null(t[i].gate);
        assert_false(kat_turn_ask(&t[i], 10, 0));
        kat_turn_rest(&t[i], 0);
        kat_turn_poke(&t[i]);
        kat_turn_look(&t[i]);
        kat_turn_leave(&t[i], 0);
        kat_turn_leave(&t[i], 0);
    }
    check_states(t, "ooooo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_max_are_out),
        cmocka_unit_test(the_line_is_kept_in_order),
        cmocka_unit_test(nobody_jumps_the_line),
        cmocka_unit_test(who_leaves_the_line_is_skipped),
        cmocka_unit_test(a_lease_that_is_up_goes_to_the_next),
        cmocka_unit_test(a_lease_is_taken_back_only_for_another),
        cmocka_unit_test(a_lease_counts_from_the_look),
        cmocka_unit_test(a_lease_runs_out_unseen_too),
        cmocka_unit_test(pokes_are_counted_once),
        cmocka_unit_test(news_are_told_once),
        cmocka_unit_test(closing_makes_all_inert),
    };

    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
