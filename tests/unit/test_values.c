#include "store/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(struct buffer *array, const char *literal)
{
    assert_string_equal(array_end(array), literal);
    assert_false(array->overflowed);
    buffer_free(array);
}

static void an_empty_array(void **state)
{
    (void)state;
    struct buffer array;
    array_begin(&array);
    expect(&array, "{}");
}

static void numbers_and_nulls(void **state)
{
    (void)state;
    struct buffer array;
    array_begin(&array);
    array_null(&array);
    array_number(&array, 0);
    array_number(&array, INT64_MIN);
    array_number(&array, INT64_MAX);
    array_null(&array);
    expect(&array, "{NULL,0,-9223372036854775808,9223372036854775807,NULL}");
}

/* Quoted always, so that neither a comma nor the word NULL has a meaning. */
static void texts(void **state)
{
    (void)state;
    struct buffer array;
    array_begin(&array);
    array_text(&array, SLICE_LITERAL(""));
    array_text(&array, (struct slice){NULL, 0});
    array_text(&array, SLICE_LITERAL("NULL"));
    array_text(&array, SLICE_LITERAL("a,b {c}"));
    array_text(&array, SLICE_LITERAL("say \"hi\""));
    array_text(&array, SLICE_LITERAL("C:\\x\\"));
    array_text(&array, SLICE_LITERAL("\\\""));
    array_text(&array, SLICE_LITERAL("a\0b"));
    array_text(&array, SLICE_LITERAL("line\nM\xc3\xbcller"));
    expect(&array,
           "{\"\",\"\",\"NULL\",\"a,b {c}\",\"say \\\"hi\\\"\",\"C:\\\\x\\\\\",\"\\\\\\\"\","
           "\"a?b\",\"line\nM\xc3\xbcller\"}");
}

/* One byte that is not UTF-8 would make PostgreSQL refuse the whole statement. */
static void text_that_is_not_utf8_is_made_so(void **state)
{
    (void)state;
    struct buffer array;
    array_begin(&array);
    array_text(&array, SLICE_LITERAL("a\xff\0b\xc3\xa9\xc3"));
    assert_string_equal(array_end(&array), "{\"a??b\xc3\xa9?\"}");
    buffer_free(&array);
}

static void bytes(void **state)
{
    (void)state;
    struct buffer array;
    array_begin(&array);
    array_bytes(&array, SLICE_LITERAL(""));
    array_bytes(&array, SLICE_LITERAL("\0\x01\x7f\x80\xff\"\\"));
    array_null(&array);
    expect(&array, "{\"\\\\x\",\"\\\\x00017f80ff225c\",NULL}");
}

/* What did not fit must never look like a shorter array: it has no end, and PostgreSQL refuses. */
static void an_array_beyond_its_ceiling_is_not_a_literal(void **state)
{
    (void)state;
    struct buffer array;
    array_begin(&array);
    array.ceiling = 16;
    array_text(&array, SLICE_LITERAL("0123456789"));
    array_bytes(&array, SLICE_LITERAL("0123456789"));
    array_number(&array, 1);
    const char *text = array_end(&array);
    assert_true(array.overflowed);
    assert_true(strlen(text) <= 16);
    assert_null(strchr(text, '}'));
    buffer_free(&array);
}

static void numbers_as_parameters(void **state)
{
    (void)state;
    char text[NUMBER_TEXT];
    assert_string_equal(number_text(text, INT64_MIN), "-9223372036854775808");
    assert_string_equal(number_text(text, 42), "42");
}

static void set(PGresult *result, int column, const char *value)
{
    char copy[32];
    (void)snprintf(copy, sizeof copy, "%s", value != NULL ? value : "");
    assert_int_equal(PQsetvalue(result, 0, column, value != NULL ? copy : NULL,
                                value != NULL ? (int)strlen(value) : -1),
                     1);
}

static void columns(void **state)
{
    (void)state;
    enum { COLUMNS = 4 };
    char names[COLUMNS][2] = {"a", "b", "c", "d"};
    PGresAttDesc attributes[COLUMNS];
    memset(attributes, 0, sizeof attributes);
    for (int i = 0; i < COLUMNS; i++)
        attributes[i].name = names[i];
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(result, COLUMNS, attributes), 1);
    set(result, 0, NULL);
    set(result, 1, "-9223372036854775808");
    set(result, 2, "t");
    set(result, 3, "f");
    assert_null(row_text(result, 0, 0));
    assert_int_equal(row_number(result, 0, 0), 0);
    assert_false(row_bool(result, 0, 0));
    assert_true(row_number(result, 0, 1) == INT64_MIN);
    assert_string_equal(row_text(result, 0, 2), "t");
    assert_true(row_bool(result, 0, 2));
    assert_false(row_bool(result, 0, 3));
    PQclear(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_array),
        cmocka_unit_test(numbers_and_nulls),
        cmocka_unit_test(texts),
        cmocka_unit_test(bytes),
        cmocka_unit_test(an_array_beyond_its_ceiling_is_not_a_literal),
        cmocka_unit_test(numbers_as_parameters),
        cmocka_unit_test(text_that_is_not_utf8_is_made_so),
        cmocka_unit_test(columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
