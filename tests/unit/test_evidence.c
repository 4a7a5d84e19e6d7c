#include "core/evidence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { A = 11, B = 22, C = 33 };

static struct evidence fresh(void)
{
    struct evidence e;
    evidence_init(&e);
    return e;
}

static void needs_both_ready_and_another_thing(void **state)
{
    (void)state;
    struct evidence e = fresh();
    assert_false(evidence_refuted(&e, A, 0));
    evidence_probe(&e, true);
    assert_false(evidence_refuted(&e, A, 10));
    evidence_accepted(&e, A, 21); /* the Thing itself does not count */
    assert_false(evidence_refuted(&e, A, 10));
    evidence_accepted(&e, B, 22);
    assert_true(evidence_refuted(&e, A, 10));
    assert_true(evidence_refuted(&e, B, 10)); /* A was accepted */
    assert_true(evidence_refuted(&e, C, 10));
    struct evidence without_probe = fresh();
    evidence_accepted(&without_probe, B, 22);
    assert_false(evidence_refuted(&without_probe, A, 10));
}

static void only_what_was_sent_after_the_refusal_counts(void **state)
{
    (void)state;
    struct evidence e = fresh();
    evidence_probe(&e, true);
    evidence_accepted(&e, B, 30);
    assert_true(evidence_refuted(&e, A, 30));
    assert_false(evidence_refuted(&e, A, 31));
    evidence_accepted(&e, B, 45);
    evidence_accepted(&e, B, 15); /* answered late: does not set it back */
    assert_true(evidence_refuted(&e, A, 45));
}

static void failure_forgets_everything(void **state)
{
    (void)state;
    for (int by_probe = 0; by_probe < 2; by_probe++) {
        struct evidence e = fresh();
        evidence_probe(&e, true);
        evidence_accepted(&e, B, 30);
        uint64_t before = e.generation;
        if (by_probe)
            evidence_probe(&e, false);
        else
            evidence_forget(&e);
        assert_true(e.generation != before);
        assert_false(evidence_refuted(&e, A, 10));
        evidence_probe(&e, true);
        assert_false(evidence_refuted(&e, A, 10));
        evidence_accepted(&e, C, 50);
        assert_true(evidence_refuted(&e, A, 10));
    }
}

static void a_busy_thing_does_not_push_the_other_out(void **state)
{
    (void)state;
    struct evidence e = fresh();
    evidence_probe(&e, true);
    evidence_accepted(&e, B, 101);
    for (int64_t t = 102; t < 200; t++)
        evidence_accepted(&e, A, t);
    assert_true(evidence_refuted(&e, A, 100 - 1));
    evidence_accepted(&e, C, 200);
    assert_true(evidence_refuted(&e, C, 99));
    assert_true(evidence_refuted(&e, A, 99));
}

/* Against the plain definition: every acceptance kept in a list. The two that are kept may miss
 * an older one, but never claim one that was not. */
static void never_claims_what_was_not(void **state)
{
    (void)state;
    struct {
        uint64_t thing;
        int64_t at;
    } all[300];
    uint64_t seed = 1;
    struct evidence e = fresh();
    evidence_probe(&e, true);
    for (int n = 0; n < 300; n++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        all[n].thing = 1 + (seed >> 33) % 4;
        all[n].at = n + 1;
        evidence_accepted(&e, all[n].thing, all[n].at);
        for (uint64_t thing = 1; thing <= 5; thing++)
            for (int64_t since = n > 5 ? n - 5 : 0; since <= n + 1; since++) {
                bool expected = false;
                for (int i = 0; i <= n; i++)
                    expected |= all[i].thing != thing && all[i].at >= since;
                assert_int_equal(evidence_refuted(&e, thing, since), expected);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needs_both_ready_and_another_thing),
        cmocka_unit_test(only_what_was_sent_after_the_refusal_counts),
        cmocka_unit_test(failure_forgets_everything),
        cmocka_unit_test(a_busy_thing_does_not_push_the_other_out),
        cmocka_unit_test(never_claims_what_was_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
