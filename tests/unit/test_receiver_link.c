#include "source/eventhubs/receiver_link.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_position_has_a_filter(void **state)
{
    (void)state;
    static const struct {
        struct source_position position;
        const char *filter;
    } cases[] = {
        {{.kind = SOURCE_AT_EARLIEST}, "amqp.annotation.x-opt-offset > '-1'"},
        {{.kind = SOURCE_AT_LATEST}, "amqp.annotation.x-opt-offset > '@latest'"},
        {{.kind = SOURCE_AFTER_OFFSET, .offset = {"4512", 4}},
         "amqp.annotation.x-opt-offset > '4512'"},
        {{.kind = SOURCE_AT_TIME, .time_ms = 1634638330123},
         "amqp.annotation.x-opt-enqueued-time > '1634638330122'"},
        {{.kind = SOURCE_AT_SEQUENCE, .sequence = 0},
         "amqp.annotation.x-opt-sequence-number >= '0'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *filter = receiver_link_filter(cases[i].position);
        assert_string_equal(filter, cases[i].filter);
        free(filter);
    }
}

static void an_offset_cannot_leave_its_quotes(void **state)
{
    (void)state;
    assert_true(receiver_link_is_offset(SLICE_LITERAL("12916091040")));
    assert_true(receiver_link_is_offset(SLICE_LITERAL("0:4512:0")));
    assert_false(receiver_link_is_offset(SLICE_LITERAL("")));
    assert_false(receiver_link_is_offset(SLICE_LITERAL("1' OR '1")));
    assert_false(receiver_link_is_offset(SLICE_LITERAL("1\n2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_position_has_a_filter),
        cmocka_unit_test(an_offset_cannot_leave_its_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
