/* How much is logged, and who says so. */
#include "core/verbosity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000000)

static struct verbosity v;
static const struct verbosity_wish none = {0};

static int set_up(void **state)
{
    (void)state;
    verbosity_init(&v, LOG_INFO);
    return 0;
}

static void ask(int64_t id, enum log_level level, int64_t for_us, int64_t now_us)
{
    struct verbosity_wish wish = {id, level, for_us};
    verbosity_ask(&v, &wish, now_us);
}

static void test_a_wish_ends_by_itself(void **state)
{
    (void)state;
    verbosity_ask(&v, &none, 1);
    assert_int_equal(verbosity_now(&v, 1), LOG_INFO);
    ask(7, LOG_DEBUG, 2 * MINUTE, 1);
    assert_int_equal(verbosity_now(&v, 1), LOG_DEBUG);
    assert_int_equal(verbosity_now(&v, 2 * MINUTE), LOG_DEBUG);
    assert_int_equal(verbosity_now(&v, 2 * MINUTE + 1), LOG_INFO);
}

/* The configuration is read again whenever anything in it changes. */
static void test_the_same_wish_is_not_begun_again(void **state)
{
    (void)state;
    ask(7, LOG_DEBUG, 2 * MINUTE, 1);
    ask(7, LOG_DEBUG, 1 * MINUTE, 1 * MINUTE);
    assert_int_equal(verbosity_now(&v, 2 * MINUTE + 1), LOG_INFO);
    ask(7, LOG_DEBUG, 1, 3 * MINUTE);
    assert_int_equal(verbosity_now(&v, 3 * MINUTE), LOG_INFO);
    ask(8, LOG_ERROR, MINUTE, 3 * MINUTE);
    assert_int_equal(verbosity_now(&v, 3 * MINUTE), LOG_ERROR);
}

static void test_a_wish_that_is_taken_back_ends(void **state)
{
    (void)state;
    ask(7, LOG_DEBUG, 2 * MINUTE, 1);
    verbosity_ask(&v, &none, MINUTE);
    assert_int_equal(verbosity_now(&v, MINUTE), LOG_INFO);
}

static void test_signals_step(void **state)
{
    (void)state;
    verbosity_step(&v, true, 1);
    assert_int_equal(verbosity_now(&v, 1), LOG_DEBUG);
    verbosity_step(&v, true, 1);
    assert_int_equal(verbosity_now(&v, 1), LOG_DEBUG);
    for (int i = 0; i < 5; i++)
        verbosity_step(&v, false, 1);
    assert_int_equal(verbosity_now(&v, 1), LOG_ERROR);
}

static void test_what_came_last_counts(void **state)
{
    (void)state;
    ask(7, LOG_DEBUG, 2 * MINUTE, 1);
    verbosity_step(&v, false, 2);
    assert_int_equal(verbosity_now(&v, 3), LOG_INFO);
    verbosity_step(&v, false, 3);
    ask(7, LOG_DEBUG, 2 * MINUTE, 4);
    assert_int_equal(verbosity_now(&v, 4), LOG_WARNING);
    ask(8, LOG_DEBUG, MINUTE, 5);
    assert_int_equal(verbosity_now(&v, 5), LOG_DEBUG);
    assert_int_equal(verbosity_now(&v, 5 + MINUTE), LOG_WARNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_wish_ends_by_itself, set_up),
        cmocka_unit_test_setup(test_the_same_wish_is_not_begun_again, set_up),
        cmocka_unit_test_setup(test_a_wish_that_is_taken_back_ends, set_up),
        cmocka_unit_test_setup(test_signals_step, set_up),
        cmocka_unit_test_setup(test_what_came_last_counts, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
