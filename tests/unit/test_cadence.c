#include "core/cadence.h"

#include "base/clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void many_nodes_ask_less_often(void **state)
{
    (void)state;
    static const struct {
        int64_t live;
        int64_t ms;
    } cases[] = {{INT_MIN, 1000}, {0, 1000},   {1, 1000},   {100, 1000},    {101, 1010},
                 {300, 3000},     {499, 4990}, {500, 5000}, {100000, 5000}, {INT_MAX, 5000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(cadence_us(cases[i].live), cases[i].ms * MS_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(many_nodes_ask_less_often)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
