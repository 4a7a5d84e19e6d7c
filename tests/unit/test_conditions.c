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
        assert_true(strlen(rows[i].meaning) > 0 && strlen(rows[i].advice) > 0);
        struct slice text = slice_from(rows[i].text ? rows[i].text : "something else");
        struct slice name = i + 1 < count ? slice_from(rows[i].name) : SLICE_LITERAL("x:unknown");
        assert_ptr_equal(condition_find(name, text), &rows[i]);
        struct error err;
        assert_int_equal(condition_explain("it happened", name, text, &err), rows[i].end);
        assert_string_equal(err.message, "it happened");
        assert_non_null(strstr(err.detail, rows[i].meaning));
        assert_string_equal(err.hint, rows[i].advice);
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
    } expected[] = {{400, SOURCE_END_REFUSED}, {401, SOURCE_END_REFUSED},
                    {403, SOURCE_END_REFUSED}, {404, SOURCE_END_NOT_FOUND},
                    {418, SOURCE_END_REFUSED}, {500, SOURCE_END_LOST},
                    {503, SOURCE_END_BUSY},    {504, SOURCE_END_LOST},
                    {599, SOURCE_END_LOST},    {0, SOURCE_END_LOST}};
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
        cmocka_unit_test(no_reason_is_a_loss),
        cmocka_unit_test(statuses_mean_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
