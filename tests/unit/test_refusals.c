#include "core/refusals.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void remembers_the_first_and_the_last(void **state)
{
    (void)state;
    static struct refusals r;
    assert_null(refusals_find(&r, 7, 0));
    assert_null(refusals_find(&r, 0, 0));
    refusals_note(&r, 7, 500, 10);
    refusals_note(&r, 7, 500, 30);
    const struct refusal *found = refusals_find(&r, 7, 40);
    assert_non_null(found);
    assert_int_equal(found->status, 500);
    assert_int_equal(found->first_us, 10);
    assert_int_equal(found->last_us, 30);
    refusals_note(&r, 7, 404, 50); /* another kind of refusal begins anew */
    found = refusals_find(&r, 7, 50);
    assert_int_equal(found->status, 404);
    assert_int_equal(found->first_us, 50);
}

static void forgets_what_is_old_or_pushed_out(void **state)
{
    (void)state;
    static struct refusals r;
    refusals_note(&r, 7, 500, 10);
    assert_non_null(refusals_find(&r, 7, 10 + 300 * SECOND_US));
    assert_null(refusals_find(&r, 7, 11 + 300 * SECOND_US));
    refusals_note(&r, 7, 500, 400 * SECOND_US);
    assert_int_equal(refusals_find(&r, 7, 400 * SECOND_US)->first_us, 400 * SECOND_US);
    refusals_note(&r, 7 + REFUSALS_SLOTS, 500, 401 * SECOND_US);
    assert_null(refusals_find(&r, 7, 401 * SECOND_US));
    assert_non_null(refusals_find(&r, 7 + REFUSALS_SLOTS, 401 * SECOND_US));
    refusals_accepted(&r, 7);
    assert_non_null(refusals_find(&r, 7 + REFUSALS_SLOTS, 401 * SECOND_US));
}

static void an_acceptance_proves_that_the_thing_exists(void **state)
{
    (void)state;
    static struct refusals r;
    refusals_note(&r, 7, 404, 10);
    refusals_accepted(&r, 7);
    assert_null(refusals_find(&r, 7, 10));
    refusals_note(&r, 7, 500, 20);
    refusals_accepted(&r, 7);
    assert_non_null(refusals_find(&r, 7, 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers_the_first_and_the_last),
        cmocka_unit_test(forgets_what_is_old_or_pushed_out),
        cmocka_unit_test(an_acceptance_proves_that_the_thing_exists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
