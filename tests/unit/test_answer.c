#include "core/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void classes_by_status(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum answer_class class;
    } expected[] = {
        {200, ANSWER_ACCEPTED},      {204, ANSWER_ACCEPTED}, {301, ANSWER_CONFIGURATION},
        {302, ANSWER_CONFIGURATION}, {400, ANSWER_SUSPECT},  {401, ANSWER_CONFIGURATION},
        {403, ANSWER_CONFIGURATION}, {404, ANSWER_SUSPECT},  {405, ANSWER_CONFIGURATION},
        {406, ANSWER_CONFIGURATION}, {408, ANSWER_RETRY},    {409, ANSWER_SUSPECT},
        {413, ANSWER_TOO_LARGE},     {415, ANSWER_SUSPECT},  {429, ANSWER_THROTTLED},
        {500, ANSWER_SUSPECT},       {502, ANSWER_RETRY},    {503, ANSWER_RETRY},
        {504, ANSWER_RETRY},         {599, ANSWER_RETRY},    {0, ANSWER_RETRY},
        {100, ANSWER_RETRY},         {999, ANSWER_RETRY},
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(answer_classify(expected[i].status, false, false), expected[i].class);
}

static void a_page_is_never_accepted(void **state)
{
    (void)state;
    assert_int_equal(answer_classify(200, false, true), ANSWER_CONFIGURATION);
    /* Tomcat writes its errors as pages too: the status decides */
    assert_int_equal(answer_classify(404, false, true), ANSWER_SUSPECT);
    assert_int_equal(answer_classify(503, false, true), ANSWER_RETRY);
}

static void no_answer_is_retried_whatever_the_status(void **state)
{
    (void)state;
    assert_int_equal(answer_classify(0, true, false), ANSWER_RETRY);
    assert_int_equal(answer_classify(200, true, true), ANSWER_RETRY);
}

static void every_rule_has_words(void **state)
{
    (void)state;
    for (int status = -1; status < 1100; status++) {
        const struct answer_rule *rule = answer_rule(status, false, false);
        assert_true(strlen(rule->meaning) > 0);
        assert_true(strlen(answer_class_name(rule->class)) > 0);
        /* what stops a destination wakes somebody: it must say what to do */
        if (rule->class != ANSWER_ACCEPTED)
            assert_true(strlen(rule->hint) > 0);
    }
}

static void check_text(const char *body, size_t n, size_t size, const char *expected)
{
    char out[64];
    answer_text((struct slice){body, n}, out, size);
    assert_string_equal(out, expected);
}

static void text_becomes_one_printable_line(void **state)
{
    (void)state;
    check_text(NULL, 0, 64, "");
    check_text("plain", 5, 64, "plain");
    check_text("  a\r\n\t b\0c\x7f ", 12, 64, "a b c");
    check_text("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15, 64,
               "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    check_text("\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80|", 11, 64, "??????????|");
    check_text("a\xe2\x82", 3, 64, "a??");
    check_text("abcdef", 6, 4, "abc");
    check_text("ab\xe2\x82\xac", 5, 5, "ab"); /* never half a character */
    check_text("abc", 3, 1, "");
}

static bool names(const char *text, const char *thing)
{
    return answer_names_missing(slice_from(text), slice_from(thing));
}

static void a_thing_that_is_missing_is_named(void **state)
{
    (void)state;
    assert_true(names("Entity Not Found : [pump-1]", "pump-1"));
    assert_true(names("HTTP 404: Thing 'pump-1' not found", "pump-1"));
    assert_true(names("pump-1 not found", "pump-1"));
    /* Another one, or one of its properties, or nobody knows what. */
    assert_false(names("Entity Not Found : [pump-10]", "pump-1"));
    assert_false(names("Entity Not Found : [pump-1.speed]", "pump-1"));
    assert_false(names("Property Not Found : [pump-1]", "pump-1"));
    assert_false(names("property speed of pump-1 not found", "pump-1"));
    assert_false(names("Not Found", "pump-1"));
    assert_false(names("[pump-1] is disabled", "pump-1"));
    assert_false(names("Not Found", ""));
    assert_false(names("", "pump-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_by_status),
        cmocka_unit_test(a_page_is_never_accepted),
        cmocka_unit_test(no_answer_is_retried_whatever_the_status),
        cmocka_unit_test(every_rule_has_words),
        cmocka_unit_test(text_becomes_one_printable_line),
        cmocka_unit_test(a_thing_that_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
