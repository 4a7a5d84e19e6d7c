#include "core/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define AT INT64_C(1795248000000)
#define MINUTE INT64_C(60000)
#define DAY (MINUTE * 60 * 24)

static void what_the_hub_itself_says_is_no_telemetry(void **state)
{
    (void)state;
    static const char *const telemetry[] = {
        "", "Telemetry", "telemetry", "Events of mine", "event", "deviceLifecycle"};
    static const char *const others[] = {"twinChangeEvents",
                                         "deviceLifecycleEvents",
                                         "deviceConnectionStateEvents",
                                         "digitalTwinChangeEvents",
                                         "jobLifecycleEvents",
                                         "TWINCHANGEEVENTS",
                                         "Events"};
    for (size_t i = 0; i < sizeof telemetry / sizeof telemetry[0]; i++)
        assert_true(event_is_telemetry(slice_from(telemetry[i])));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(event_is_telemetry(slice_from(others[i])));
    assert_true(event_is_telemetry((struct slice){NULL, 0}));
}

static void the_creation_time_counts_if_it_makes_sense(void **state)
{
    (void)state;
    assert_true(event_time_ms(0, AT) == AT);
    assert_true(event_time_ms(AT - 1, AT) == AT - 1);
    assert_true(event_time_ms(AT - 30 * DAY, AT) == AT - 30 * DAY);
    assert_true(event_time_ms(AT + 5 * MINUTE, AT) == AT + 5 * MINUTE);
    assert_true(event_time_ms(AT - 366 * DAY, AT) == AT - 366 * DAY);
}

static void a_clock_that_is_wrong_does_not_count(void **state)
{
    (void)state;
    static const int64_t wrong[] = {INT64_MIN,
                                    -1,
                                    1,
                                    INT64_C(946684800000), /* 2000, where many clocks begin */
                                    AT - 366 * DAY - 1,
                                    AT + 5 * MINUTE + 1,
                                    INT64_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_true(event_time_ms(wrong[i], AT) == AT);
    assert_true(event_time_ms(AT, 0) == 0); /* without an enqueued time nothing can be judged */
}

static void only_utf8_is_read(void **state)
{
    (void)state;
    static const char *const readable[] = {"", "utf-8", "UTF-8", "utf8", "us-ascii", "identity"};
    static const char *const others[] = {"gzip", "deflate", "utf-16", "utf-32", "utf-8 ", "utf-7"};
    for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++)
        assert_true(event_is_utf8(slice_from(readable[i])));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(event_is_utf8(slice_from(others[i])));
    assert_true(event_is_utf8((struct slice){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_hub_itself_says_is_no_telemetry),
        cmocka_unit_test(the_creation_time_counts_if_it_makes_sense),
        cmocka_unit_test(a_clock_that_is_wrong_does_not_count),
        cmocka_unit_test(only_utf8_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
