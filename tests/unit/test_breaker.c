#include "core/breaker.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct breaker fresh(struct random *random)
{
    struct breaker b;
    random_seed(random, 7);
    breaker_init(&b, 0);
    return b;
}

static void opens_after_failures_in_a_row(void **state)
{
    (void)state;
    struct random random;
    struct breaker b = fresh(&random);
    for (int i = 0; i < 10; i++) {
        for (int n = 1; n < BREAKER_FAILURES; n++)
            assert_false(breaker_note(&b, BREAKER_FAILURE, 1, &random));
        assert_false(breaker_note(&b, BREAKER_SUCCESS, 1, &random));
    }
    for (int n = 1; n < BREAKER_FAILURES; n++)
        assert_false(breaker_note(&b, BREAKER_FAILURE, 2, &random));
    assert_true(breaker_allows(&b, 5));
    assert_true(breaker_note(&b, BREAKER_FAILURE, 2, &random));
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(breaker_allows(&b, 0));
    assert_int_equal(b.changed_us, 2);
}

static void opens_at_once_when_nobody_is_there(void **state)
{
    (void)state;
    struct random random;
    struct breaker b = fresh(&random);
    assert_true(breaker_note(&b, BREAKER_DEAD, 1000, &random));
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_in_range(b.probe_at_us, 1000 + 100 * MS_US, 1000 + 300 * MS_US);
    assert_false(breaker_wants_probe(&b, b.probe_at_us - 1));
    assert_true(breaker_wants_probe(&b, b.probe_at_us));
}

static void lets_one_request_prove_it(void **state)
{
    (void)state;
    struct random random;
    struct breaker b = fresh(&random);
    breaker_note(&b, BREAKER_DEAD, 0, &random);
    assert_true(breaker_note(&b, BREAKER_PROBE_OK, 10, &random));
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    assert_true(breaker_allows(&b, 0));
    assert_false(breaker_allows(&b, 1));
    struct breaker fails = b;
    assert_true(breaker_note(&b, BREAKER_SUCCESS, 20, &random));
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_true(breaker_allows(&b, 100));
    assert_true(breaker_note(&fails, BREAKER_FAILURE, 20, &random));
    assert_int_equal(fails.state, BREAKER_OPEN);
    assert_true(fails.probe_at_us > 20);
}

static void probes_back_off_to_the_cap(void **state)
{
    (void)state;
    struct random random;
    struct breaker b = fresh(&random);
    int64_t now = 0, longest = 0;
    breaker_note(&b, BREAKER_DEAD, now, &random);
    for (int i = 0; i < 500; i++) {
        int64_t wait = b.probe_at_us - now;
        assert_in_range(wait, 100 * MS_US, 100 * MS_US + 3 * SECOND_US);
        longest = wait > longest ? wait : longest;
        now = b.probe_at_us;
        assert_false(breaker_note(&b, BREAKER_PROBE_DEAD, now, &random));
        assert_int_equal(b.state, BREAKER_OPEN);
    }
    assert_true(longest > 2 * SECOND_US);
}

static void tries_a_request_where_ready_is_hidden(void **state)
{
    (void)state;
    struct random random;
    struct breaker b = fresh(&random);
    breaker_note(&b, BREAKER_DEAD, 0, &random);
    for (int i = 1; i < BREAKER_TRIAL_EVERY; i++)
        assert_false(breaker_note(&b, BREAKER_PROBE_REFUSED, i, &random));
    assert_true(breaker_note(&b, BREAKER_PROBE_REFUSED, 99, &random));
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    breaker_note(&b, BREAKER_SUCCESS, 100, &random);
    /* and a probe that is answered wrongly does not take back what a request has shown */
    assert_false(breaker_note(&b, BREAKER_PROBE_REFUSED, 101, &random));
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void a_late_success_closes(void **state)
{
    (void)state;
    struct random random;
    struct breaker b = fresh(&random);
    breaker_note(&b, BREAKER_DEAD, 0, &random);
    assert_true(breaker_note(&b, BREAKER_SUCCESS, 5, &random));
    assert_int_equal(b.state, BREAKER_CLOSED);
}

/* From every state that random events lead to, good news lead back to closed: no dead end. */
static void can_always_recover(void **state)
{
    (void)state;
    struct random random;
    struct breaker b = fresh(&random);
    int64_t now = 0;
    for (int i = 0; i < 20000; i++) {
        now += (int64_t)random_below(&random, SECOND_US);
        breaker_note(&b, (enum breaker_event)random_below(&random, BREAKER_EVENTS), now, &random);
        assert_true(b.state != BREAKER_OPEN || b.probe_at_us <= now + 4 * SECOND_US);
        struct breaker copy = b;
        if (copy.state == BREAKER_OPEN)
            breaker_note(&copy, BREAKER_PROBE_OK, now, &random);
        assert_true(breaker_allows(&copy, 0));
        breaker_note(&copy, BREAKER_SUCCESS, now, &random);
        assert_int_equal(copy.state, BREAKER_CLOSED);
        assert_string_not_equal(breaker_state_name(b.state), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_failures_in_a_row),
        cmocka_unit_test(opens_at_once_when_nobody_is_there),
        cmocka_unit_test(lets_one_request_prove_it),
        cmocka_unit_test(probes_back_off_to_the_cap),
        cmocka_unit_test(tries_a_request_where_ready_is_hidden),
        cmocka_unit_test(a_late_success_closes),
        cmocka_unit_test(can_always_recover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
