/* When the skew of two clocks is said. */
#include "core/skew.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void it_is_said_once(void **state)
{
    (void)state;
    struct skew s = {0};
    assert_false(skew_seen(&s, 60 * SECOND_US));
    assert_false(skew_seen(&s, -60 * SECOND_US));
    assert_true(skew_seen(&s, -61 * SECOND_US));
    assert_false(skew_seen(&s, -62 * SECOND_US));
    assert_false(skew_seen(&s, 3600 * SECOND_US));
    assert_false(skew_seen(&s, SECOND_US));
    assert_true(skew_seen(&s, 61 * SECOND_US)); /* it had been mended */
}

static void it_is_looked_at_once_a_minute(void **state)
{
    (void)state;
    struct skew s = {0};
    assert_true(skew_is_due(&s, 5));
    assert_false(skew_is_due(&s, 4 + 60 * SECOND_US));
    assert_true(skew_is_due(&s, 5 + 60 * SECOND_US));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_said_once),
        cmocka_unit_test(it_is_looked_at_once_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
