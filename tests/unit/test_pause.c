#include "core/pause.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_refused_key_pauses_at_once(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 1);
    struct pause p;
    pause_init(&p);
    assert_true(pause_allows(&p, 0));
    assert_false(pause_begin(&p));
    assert_true(pause_fault(&p, true, false, 5, 10, &random));
    assert_true(p.paused);
    assert_false(pause_allows(&p, 10));
    assert_in_range(p.trial_at_us, 10 + 500 * MS_US, 10 + 1500 * MS_US);
    /* what was under way says nothing new, good or bad */
    int64_t at = p.trial_at_us;
    assert_false(pause_fault(&p, true, false, 6, 11, &random));
    assert_false(pause_passed(&p, false, 6));
    assert_int_equal(p.trial_at_us, at);
    assert_true(p.paused);
}

static void one_trial_at_a_time_until_it_passes(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 1);
    struct pause p;
    pause_init(&p);
    pause_fault(&p, true, false, 5, 10, &random);
    int64_t now = 10;
    for (int i = 0; i < 200; i++) {
        assert_in_range(p.trial_at_us - now, 500 * MS_US, 31 * SECOND_US);
        now = p.trial_at_us;
        assert_true(pause_allows(&p, now));
        assert_true(pause_begin(&p));
        assert_false(pause_allows(&p, now));
        if (i % 3 == 0)
            pause_unknown(&p, true, now, &random);
        else
            assert_false(pause_fault(&p, true, true, now, now, &random));
    }
    pause_mended(&p, now);
    assert_true(pause_allows(&p, now));
    assert_true(pause_begin(&p));
    assert_true(pause_passed(&p, true, now));
    assert_false(p.paused);
    assert_true(pause_allows(&p, now));
}

static void a_403_needs_a_second_witness(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 1);
    struct pause p;
    pause_init(&p);
    assert_false(pause_fault(&p, false, false, 5, 10, &random));
    /* sent before the first refusal was known: the same moment, so no second witness */
    assert_false(pause_fault(&p, false, false, 7, 12, &random));
    assert_false(pause_passed(&p, false, 8)); /* nor is this acceptance one against it */
    assert_true(pause_fault(&p, false, false, 20, 25, &random));
    assert_true(p.paused);
}

static void an_acceptance_between_clears_the_doubt(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 1);
    struct pause p;
    pause_init(&p);
    for (int64_t now = 10; now < 1000; now += 10) {
        assert_false(pause_fault(&p, false, false, now, now + 1, &random));
        pause_passed(&p, false, now + 2);
    }
    assert_false(p.paused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_key_pauses_at_once),
        cmocka_unit_test(one_trial_at_a_time_until_it_passes),
        cmocka_unit_test(a_403_needs_a_second_witness),
        cmocka_unit_test(an_acceptance_between_clears_the_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
