/* How far a partition is behind. */
#include "core/lag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { NOW_MS = 100000 };

static const struct lag_known nothing = {-1, -1, -1, -1, -1};

static void test_what_is_not_known_is_not_made_up(void **state)
{
    (void)state;
    struct lag lag = lag_of(&nothing, NOW_MS);
    assert_int_equal(lag.events, -1);
    assert_int_equal(lag.ms, -1);
    struct lag_known fresh = nothing;
    fresh.newest_sequence = 5;
    fresh.newest_ms = NOW_MS;
    lag = lag_of(&fresh, NOW_MS);
    assert_int_equal(lag.events, -1);
    assert_int_equal(lag.ms, -1);
}

static void test_events_are_counted_from_the_delivered_one(void **state)
{
    (void)state;
    struct lag_known known = {50, NOW_MS - 10, 40, NOW_MS - 300, -1};
    struct lag lag = lag_of(&known, NOW_MS);
    assert_int_equal(lag.events, 10);
    assert_int_equal(lag.ms, 290);
}

static void test_all_delivered_is_no_lag_however_old(void **state)
{
    (void)state;
    struct lag_known known = {50, NOW_MS - 9000, 50, NOW_MS - 9100, -1};
    struct lag lag = lag_of(&known, NOW_MS);
    assert_int_equal(lag.events, 0);
    assert_int_equal(lag.ms, 0);
    known.done_sequence = 60; /* the end of the log was told before it was delivered */
    known.done_ms = NOW_MS;
    assert_int_equal(lag_of(&known, NOW_MS).events, 0);
}

/* A ThingWorx that hangs stops reading, so that the hub tells nothing new: the lag grows on. */
static void test_the_oldest_event_held_ages(void **state)
{
    (void)state;
    struct lag_known known = {50, NOW_MS - 10, 40, NOW_MS - 300, NOW_MS - 290};
    assert_int_equal(lag_of(&known, NOW_MS).ms, 290);
    assert_int_equal(lag_of(&known, NOW_MS + 60000).ms, 60290);
    assert_int_equal(lag_of(&known, NOW_MS - 5000).ms, 0); /* a clock that is behind the hub's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_known_is_not_made_up),
        cmocka_unit_test(test_events_are_counted_from_the_delivered_one),
        cmocka_unit_test(test_all_delivered_is_no_lag_however_old),
        cmocka_unit_test(test_the_oldest_event_held_ages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
