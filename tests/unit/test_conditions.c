#include "source/eventhubs/conditions.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_row_is_found_and_explained(void **state)
{
    (void)state;
    size_t count;
    const struct condition *rows = conditions(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(rows[i].meaning) > 0);
        struct slice text = slice_from(rows[i].text ? rows[i].text : "something else");
        struct slice name = i + 1 < count ? slice_from(rows[i].name) : SLICE_LITERAL("x:unknown");
        assert_ptr_equal(condition_find(name, text), &rows[i]);
        struct error err;
        assert_int_equal(condition_explain("it happened", name, text, &err), rows[i].end);
        assert_string_equal(err.message, "it happened");
        assert_non_null(strstr(err.detail, rows[i].meaning));
        assert_non_null(strstr(err.hint, rows[i].advice)); /* whole: it fits */
        assert_ptr_equal(strstr(err.hint, condition_action(rows[i].end)), err.hint);
    }
}

/* What the service is known to say, and what each must lead to. */
static void what_the_service_says_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        enum source_end end;
    } known[] = {
        {"amqp:link:stolen", "New receiver 'a' with higher epoch of '7' is created",
         SOURCE_END_STOLEN},
        {"amqp:link:stolen", "At least one receiver for the endpoint is created with epoch of '0'",
         SOURCE_END_STOLEN},
        {"com.microsoft:argument-error",
         "The supplied offset '51541496928' is invalid. The last offset in the system is '1'",
         SOURCE_END_BAD_OFFSET},
        {"com.microsoft:argument-error",
         "The supplied sequence number '9' is invalid. The last sequence number in the system is 1",
         SOURCE_END_BAD_OFFSET},
        {"com.microsoft:argument-error", "The link name is too long", SOURCE_END_REFUSED},
        {"com.microsoft:argument-out-of-range",
         "The supplied offset '51541496928' is invalid. The last offset in the system is '1'",
         SOURCE_END_BAD_OFFSET},
        {"com.microsoft:argument-out-of-range",
         "The specified partition is invalid for an EventHub partition sender or receiver. It "
         "should be between 0 and 3.",
         SOURCE_END_NOT_FOUND},
        {"com.microsoft:argument-error",
         "The specified partition is invalid for an EventHub partition sender or receiver.",
         SOURCE_END_NOT_FOUND},
        {"amqp:not-allowed", "Receiver 'a' with a higher epoch of '7' already exists",
         SOURCE_END_STOLEN},
        {"amqp:resource-locked", "Receiver 'a' with a higher epoch of '7' already exists",
         SOURCE_END_STOLEN},
        {"com.microsoft:georeplication:invalid-offset", "", SOURCE_END_BAD_OFFSET},
        {"com.microsoft:server-busy",
         "The request was terminated because the entity is being "
         "throttled. Error code : 50002",
         SOURCE_END_BUSY},
        {"com.microsoft:server-busy", "Error code : 50008", SOURCE_END_BUSY},
        {"com.microsoft:server-busy", "", SOURCE_END_BUSY},
        {"amqp:resource-limit-exceeded",
         "Exceeded the maximum number of allowed receivers per "
         "partition in a consumer group which is 5",
         SOURCE_END_BUSY},
        {"amqp:link:detach-forced", "The link is force detached", SOURCE_END_LOST},
        {"amqp:connection:forced", "The connection was inactive", SOURCE_END_LOST},
        {"amqp:internal-error", "", SOURCE_END_LOST},
        {"com.microsoft:timeout", "", SOURCE_END_LOST},
        {"com.microsoft:operation-cancelled", "", SOURCE_END_LOST},
        {"amqp:link:transfer-limit-exceeded", "", SOURCE_END_LOST},
        {"com.microsoft:partition-not-owned", "", SOURCE_END_LOST},
        {"amqp:link:message-size-exceeded", "", SOURCE_END_BAD_MESSAGE},
        {"amqp:unauthorized-access", "", SOURCE_END_REFUSED},
        {"amqp:unauthorized-access", "ExpiredToken: The token is expired.", SOURCE_END_LOST},
        {"com.microsoft:auth-failed", "", SOURCE_END_REFUSED},
        {"com.microsoft:entity-disabled", "", SOURCE_END_REFUSED},
        {"amqp:not-allowed", "", SOURCE_END_REFUSED},
        {"amqp:link:redirect", "", SOURCE_END_REFUSED},
        {"amqp:not-found", "The messaging entity could not be found", SOURCE_END_NOT_FOUND},
    };
    size_t count;
    const struct condition *rows = conditions(&count);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct condition *row =
            condition_find(slice_from(known[i].name), slice_from(known[i].text));
        if (row == &rows[count - 1] || row->end != known[i].end)
            fail_msg("%s: %s is taken for %s", known[i].name, known[i].text,
                     source_end_name(row->end));
    }
}

static void no_reason_is_a_loss(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(
        condition_explain("gone", (struct slice){NULL, 0}, (struct slice){NULL, 0}, &err),
        SOURCE_END_LOST);
    assert_true(strlen(err.hint) > 0);
}

static void statuses_mean_conditions(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum source_end end;
    } expected[] = {
        {400, SOURCE_END_REFUSED},   {401, SOURCE_END_REFUSED}, {403, SOURCE_END_REFUSED},
        {404, SOURCE_END_NOT_FOUND}, {410, SOURCE_END_LOST},    {418, SOURCE_END_REFUSED},
        {429, SOURCE_END_BUSY},      {500, SOURCE_END_LOST},    {503, SOURCE_END_BUSY},
        {504, SOURCE_END_LOST},      {599, SOURCE_END_LOST},    {0, SOURCE_END_LOST}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct error err;
        assert_int_equal(condition_of_status("no", expected[i].status, SLICE_LITERAL("t"), &err),
                         expected[i].end);
        assert_true(strlen(err.detail) > 0 && strlen(err.hint) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_and_explained),
        cmocka_unit_test(what_the_service_says_is_understood),
        cmocka_unit_test(no_reason_is_a_loss),
        cmocka_unit_test(statuses_mean_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
