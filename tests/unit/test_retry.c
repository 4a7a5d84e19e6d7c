#include "core/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void stays_below_the_doubled_base(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 1);
    for (unsigned attempt = 0; attempt < 12; attempt++) {
        int64_t span = INT64_C(100) << attempt;
        int64_t highest = 0;
        for (int i = 0; i < 2000; i++) {
            int64_t delay = retry_delay_us(attempt, 100, 1000000, &random);
            assert_in_range(delay, 0, span - 1);
            highest = delay > highest ? delay : highest;
        }
        assert_true(highest > span * 9 / 10); /* full jitter: the whole interval is used */
    }
}

static void never_passes_the_cap(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 2);
    const unsigned attempts[] = {5, 62, 63, 64, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        for (int n = 0; n < 1000; n++)
            assert_in_range(retry_delay_us(attempts[i], 1000, 5000, &random), 0, 4999);
}

static void survives_odd_bounds(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 3);
    assert_int_equal(retry_delay_us(3, 0, 100, &random), 0);
    assert_int_equal(retry_delay_us(0, 100, 0, &random), 0);
    assert_in_range(retry_delay_us(UINT32_MAX, 1, INT64_MAX, &random), 0, INT64_MAX);
    assert_in_range(retry_delay_us(0, 500, 20, &random), 0, 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_below_the_doubled_base),
        cmocka_unit_test(never_passes_the_cap),
        cmocka_unit_test(survives_odd_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
