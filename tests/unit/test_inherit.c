#include "core/inherit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool inherits(int64_t began, int64_t lettered, int64_t prefix, int64_t stored)
{
    struct inherit_past past = {.began = began, .lettered = lettered, .prefix = prefix};
    return inherit_prefix(&past, stored);
}

static void what_was_delivered_since_the_checkpoint_is_not_delivered_again(void **state)
{
    (void)state;
    assert_true(inherits(100, INHERIT_NONE, 150, 120));
    assert_true(inherits(100, INHERIT_NONE, 150, 100));
    assert_true(inherits(INHERIT_NONE, INHERIT_NONE, 0, INHERIT_NONE));
}

static void a_checkpoint_that_is_further_wins(void **state)
{
    (void)state;
    assert_false(inherits(100, INHERIT_NONE, 150, 150));
    assert_false(inherits(100, INHERIT_NONE, 150, 170)); /* somebody else has read on */
    assert_false(inherits(INHERIT_NONE, INHERIT_NONE, INHERIT_NONE, INHERIT_NONE));
}

static void a_dead_letter_that_may_be_lost_is_written_again(void **state)
{
    (void)state;
    assert_false(inherits(100, 130, 150, 120));
    assert_true(inherits(100, 120, 150, 120));
}

/* An asynchronous standby that is further behind than this grant is old. */
static void what_others_did_before_is_not_vouched_for(void **state)
{
    (void)state;
    assert_false(inherits(100, INHERIT_NONE, 150, 99));
    assert_false(inherits(0, INHERIT_NONE, 150, INHERIT_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_delivered_since_the_checkpoint_is_not_delivered_again),
        cmocka_unit_test(a_checkpoint_that_is_further_wins),
        cmocka_unit_test(a_dead_letter_that_may_be_lost_is_written_again),
        cmocka_unit_test(what_others_did_before_is_not_vouched_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
