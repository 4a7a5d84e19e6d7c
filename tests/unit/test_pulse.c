#include "core/pulse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define INTERVAL INT64_C(20000)
#define MARGIN INT64_C(1000000)

static void beats_in_time_are_steady(void **state)
{
    (void)state;
    struct pulse p;
    bool gap = true;
    pulse_init(&p, INTERVAL, MARGIN, 5000);
    assert_true(pulse_is_steady(&p, 5000));
    assert_int_equal(pulse_beat(&p, 5000 + INTERVAL, &gap), 0);
    assert_false(gap);
    assert_int_equal(pulse_beat(&p, 5000 + 3 * INTERVAL, &gap), INTERVAL);
    assert_false(gap);
    assert_true(pulse_is_steady(&p, 5000 + 3 * INTERVAL));
}

static void a_late_beat_is_a_gap_until_it_is_confirmed(void **state)
{
    (void)state;
    struct pulse p;
    bool gap;
    int64_t now = INTERVAL + MARGIN;
    pulse_init(&p, INTERVAL, MARGIN, 0);
    assert_int_equal(pulse_beat(&p, now, &gap), MARGIN);
    assert_false(gap);
    now += INTERVAL + MARGIN + 1;
    assert_int_equal(pulse_beat(&p, now, &gap), MARGIN + 1);
    assert_true(gap);
    assert_false(pulse_is_steady(&p, now));
    (void)pulse_beat(&p, now + INTERVAL, &gap);
    assert_false(gap);
    assert_false(pulse_is_steady(&p, now + INTERVAL));
    pulse_confirm(&p);
    assert_true(pulse_is_steady(&p, now + INTERVAL));
}

/* The process was stopped in the middle of a turn of the loop: what still runs of that turn must
 * not wait for the beat to learn of it. */
static void a_gap_shows_before_the_beat(void **state)
{
    (void)state;
    struct pulse p;
    pulse_init(&p, INTERVAL, MARGIN, 0);
    assert_true(pulse_is_steady(&p, INTERVAL + MARGIN));
    assert_false(pulse_is_steady(&p, INTERVAL + MARGIN + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beats_in_time_are_steady),
        cmocka_unit_test(a_late_beat_is_a_gap_until_it_is_confirmed),
        cmocka_unit_test(a_gap_shows_before_the_beat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
