/* translate and the JSON reader below it. */
#include "core/translate.h"

#include "base/memory.h"
#include "core/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AT INT64_C(1634630768641)
#define ROW(name, value, type)                                                                     \
    "{\"name\":\"" name                                                                            \
    "\",\"time\":1634630768641,\"quality\":\"GOOD\",\"value\":{\"value\":" value                   \
    ",\"baseType\":\"" type "\"}}"

static struct rows rows;
static struct error why;

static int set_up(void **state)
{
    (void)state;
    rows_init(&rows);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rows_free(&rows);
    return 0;
}

static bool try_bytes(const char *bytes, size_t n, const char *time_member)
{
    struct translate_rules rules = {slice_from(time_member)};
    /* An exact copy on the heap, so that the sanitizer sees every step beyond it. */
    char *copy = xmalloc(n);
    if (n > 0)
        memcpy(copy, bytes, n);
    memset(&why, 0, sizeof why);
    bool ok = translate((struct slice){copy, n}, AT, &rules, &rows, &why);
    free(copy);
    return ok;
}

static bool try_text(const char *body)
{
    return try_bytes(body, strlen(body), NULL);
}

/* The rows of the body are exactly this text. */
static void check(const char *body, const char *expected)
{
    if (!try_text(body))
        fail_msg("%s: refused: %s", body, why.message);
    assert_string_equal(buffer_text(&rows.text), expected);
}

static void check_refused(const char *body, const char *reason)
{
    if (try_text(body))
        fail_msg("%s: accepted as %s", body, buffer_text(&rows.text));
    if (strstr(why.message, reason) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", body, why.message, reason);
    assert_int_equal(rows.count, 0);
}

static void each_type_becomes_its_row(void **state)
{
    (void)state;
    check("{\"a\":21.5}", ROW("a", "21.5", "NUMBER"));
    check("{\"a\":true}", ROW("a", "true", "BOOLEAN"));
    check("{\"a\":false}", ROW("a", "false", "BOOLEAN"));
    check("{\"a\":\"x\"}", ROW("a", "\"x\"", "STRING"));
    check("{\"a\":\"\"}", ROW("a", "\"\"", "STRING"));
    check("{\"a\":{\"b\": [1, {}]}}", ROW("a", "{\"b\": [1, {}]}", "JSON"));
    check("{\"a\":[1, 2]}", ROW("a", "{\"array\":[1, 2]}", "JSON"));
    check("{\"a\":[]}", ROW("a", "{\"array\":[]}", "JSON"));
    check("{\"a\":null}", "");
    assert_int_equal(rows.count, 0);
    check("{}", "");
    check(" \t\r\n{ \"a\" : 1 , \"b\" : 2 } \n",
          ROW("a", "1", "NUMBER") "," ROW("b", "2", "NUMBER"));
    assert_int_equal(rows.count, 2);
    struct slice second = rows_row(&rows, 1);
    assert_true(slice_equal(second, SLICE_LITERAL(ROW("b", "2", "NUMBER"))));
    assert_true(slice_equal(rows_row(&rows, 0), SLICE_LITERAL(ROW("a", "1", "NUMBER"))));
    check("{\"a\":1,\"b\":null}", ROW("a", "1", "NUMBER"));
    check("{\"a\":null,\"b\":1}", ROW("b", "1", "NUMBER"));
}

static void numbers_keep_their_text(void **state)
{
    static const struct {
        const char *text, *type;
    } numbers[] = {
        {"0", "NUMBER"},
        {"-0", "NUMBER"},
        {"-0.0", "NUMBER"},
        {"1e3", "NUMBER"},
        {"1E+03", "NUMBER"},
        {"1.50", "NUMBER"},
        {"0.1000000000000000055511151231257827", "NUMBER"},
        {"2.5e-400", "NUMBER"},
        {"1.7976931348623157e308", "NUMBER"},
        {"9007199254740991", "NUMBER"},
        {"9007199254740992", "NUMBER"},
        {"9007199254740993", "LONG"},
        {"-9007199254740992", "NUMBER"},
        {"-9007199254740993", "LONG"},
        {"9223372036854775807", "LONG"},
        {"9223372036854775808", "NUMBER"},
        {"-9223372036854775808", "LONG"},
        {"-9223372036854775809", "NUMBER"},
        {"18446744073709551616", "NUMBER"},
        {"123456789012345678901234567890", "NUMBER"},
        {"9007199254740993.0", "NUMBER"},
        {"9007199254740993e0", "NUMBER"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char *body = xasprintf("{\"a\":%s}", numbers[i].text);
        char *expected =
            xasprintf("{\"name\":\"a\",\"time\":1634630768641,\"quality\":\"GOOD\",\"value\":{"
                      "\"value\":%s,\"baseType\":\"%s\"}}",
                      numbers[i].text, numbers[i].type);
        check(body, expected);
        free(body);
        free(expected);
    }
}

static void bad_numbers_are_refused(void **state)
{
    static const char *const numbers[] = {"01",  "-01", "+1",  ".5", "1.",  "1.e3", "1e",
                                          "1e+", "-",   "--1", "00", "0x1", "1_0",  "1.5.5"};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char *body = xasprintf("{\"a\":%s}", numbers[i]);
        check_refused(body, "");
        free(body);
    }
    check_refused("{\"a\":1e309}", "number out of range");
    check_refused("{\"a\":-1.8e308}", "number out of range");
    check_refused("{\"a\":[1e999]}", "number out of range");
    char digits[JSON_NUMBER_MAX + 2];
    memset(digits, '1', sizeof digits);
    for (size_t n = JSON_NUMBER_MAX; n <= JSON_NUMBER_MAX + 1; n++) {
        char *body = xasprintf("{\"a\":%.*s}", (int)n, digits);
        if (n == JSON_NUMBER_MAX)
            assert_true(try_text(body));
        else
            check_refused(body, "number out of range");
        free(body);
    }
}

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    check_refused("", "not an object at byte 0");
    check_refused("   ", "not an object");
    check_refused("[1]", "not an object");
    check_refused("1", "not an object");
    check_refused("null", "not an object");
    check_refused("{", "unfinished object");
    check_refused("{\"a\":1", "unfinished object");
    check_refused("{\"a\":1,", "unfinished object");
    check_refused("{\"a\":1,}", "string expected");
    check_refused("{,}", "string expected");
    check_refused("{a:1}", "string expected");
    check_refused("{'a':1}", "string expected");
    check_refused("{\"a\"}", "colon expected");
    check_refused("{\"a\" 1}", "colon expected");
    check_refused("{\"a\":}", "unknown word");
    check_refused("{\"a\":", "value missing");
    check_refused("{\"a\":1 \"b\":2}", "unfinished object");
    check_refused("{\"a\":1}x", "something follows the object at byte 7");
    check_refused("{\"a\":1}{\"a\":1}", "something follows");
    check_refused("{\"a\":NaN}", "unknown word");
    check_refused("{\"a\":Infinity}", "unknown word");
    check_refused("{\"a\":-Infinity}", "invalid number");
    check_refused("{\"a\":True}", "unknown word");
    check_refused("{\"a\":tru}", "unknown word");
    check_refused("{\"a\":nul", "unknown word");
    check_refused("{\"a\":nullx}", "unfinished object");
    check_refused("{\"a\":undefined}", "unknown word");
    check_refused("{\"a\":[1,]}", "unknown word");
    check_refused("{\"a\":[1", "unfinished array");
    check_refused("{\"a\":[1}", "unfinished array");
    check_refused("{\"a\":{\"b\":1]}", "unfinished object");
    check_refused("{\"a\":{\"b\"}}", "colon expected");
    check_refused("{\"a\":{1:1}}", "string expected");
    check_refused("{\"a\":1}//", "something follows");
    check_refused("\xef\xbb\xbf{\"a\":1}", "not an object");
    assert_false(try_bytes("{\"a\":1}\0", 8, NULL));
    assert_false(try_bytes("{\"a\0b\":1}", 9, NULL));
    assert_string_equal(why.message, "not a JSON object: control character in a string at byte 3");
    assert_true(strlen(why.hint) > 0);
}

/* Every prefix of a body is refused, every single changed byte is survived. */
static void truncated_and_damaged_bodies(void **state)
{
    static const char body[] =
        "{\"n\":-1.5e3,\"s\":\"\\u00e9\\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
        "\",\"o\":{\"x\":[true,false,null]},\"t\":true}";
    (void)state;
    size_t n = sizeof body - 1;
    assert_true(try_bytes(body, n, NULL));
    for (size_t i = 0; i < n; i++)
        assert_false(try_bytes(body, i, NULL));
    for (size_t i = 0; i < n; i++)
        for (unsigned c = 0; c < 256; c++) {
            char copy[sizeof body];
            memcpy(copy, body, sizeof body);
            copy[i] = (char)c;
            (void)try_bytes(copy, n, NULL);
        }
}

static void strings_are_checked_and_copied(void **state)
{
    (void)state;
    check("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uD83d\\uDe00\"}",
          ROW("a", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uD83d\\uDe00\"", "STRING"));
    check("{\"a\":\"\\u0000\"}", ROW("a", "\"\\u0000\"", "STRING"));
    check("{\"a\":\"\\ud800\"}", ROW("a", "\"\\ud800\"", "STRING"));
    check("{\"a\":\"\x7f\"}", ROW("a", "\"\x7f\"", "STRING"));
    check_refused("{\"a\":\"\\x\"}", "invalid escape");
    check_refused("{\"a\":\"\\u12g4\"}", "invalid escape");
    check_refused("{\"a\":\"\\u123", "invalid escape");
    check_refused("{\"a\":\"\\", "unfinished string");
    check_refused("{\"a\":\"x", "unfinished string");
    check_refused("{\"a\":\"1234567890", "unfinished string");
    check_refused("{\"a\":\"\n\"}", "control character");
    check_refused("{\"a\":\"12345678\x1f\"}", "control character");
    for (unsigned c = 1; c < 0x20; c++) {
        char body[] = "{\"a\":\"1234_678\"}";
        *strchr(body, '_') = (char)c;
        check_refused(body, "control character");
    }
}

static void utf8_is_checked(void **state)
{
    static const char *const good[] = {"\xc2\x80",         "\xdf\xbf",        "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",     "\xee\x80\x80",    "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\xaf",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x41",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xe2\x82\x41",
        "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char *body = xasprintf("{\"%s\":\"x%sy\"}", good[i], good[i]);
        if (!try_text(body))
            fail_msg("good sequence %zu: %s", i, why.message);
        free(body);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *body = xasprintf("{\"a\":\"12345%s789\"}", bad[i]);
        check_refused(body, "invalid UTF-8");
        free(body);
        body = xasprintf("{\"%s\":1}", bad[i]);
        check_refused(body, "invalid UTF-8");
        free(body);
        body = xasprintf("{\"a\":[\"%s\"]}", bad[i]);
        check_refused(body, "invalid UTF-8");
        free(body);
    }
}

static void of_equal_names_the_last_wins(void **state)
{
    (void)state;
    check("{\"a\":1,\"b\":2,\"a\":\"x\"}", ROW("a", "\"x\"", "STRING") "," ROW("b", "2", "NUMBER"));
    check("{\"a\":1,\"a\":null}", "");
    check("{\"a\":null,\"a\":1}", ROW("a", "1", "NUMBER"));
    check("{\"a\":1,\"\\u0061\":2}", ROW("a", "2", "NUMBER"));
    check("{\"\\u00e9\":1,\"\xc3\xa9\":2}", ROW("\xc3\xa9", "2", "NUMBER"));
    check("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", ROW("\xf0\x9f\x98\x80", "2", "NUMBER"));
    check("{\"\\/\":1,\"/\":2}", ROW("/", "2", "NUMBER"));
    check("{\"\\u0022\":1,\"\\\"\":2}", ROW("\\\"", "2", "NUMBER"));
    check("{\"\\u005C\":1,\"\\\\\":2}", ROW("\\\\", "2", "NUMBER"));
    check("{\"\\u000A\":1,\"\\n\":2}", ROW("\\n", "2", "NUMBER"));
    check("{\"\\u0001\":1,\"\\u0001\":2}", ROW("\\u0001", "2", "NUMBER"));
    check("{\"\\uD800\":1,\"\\ud800\":2}", ROW("\\ud800", "2", "NUMBER"));
    check("{\"\\ud800\\u0061\":1}", ROW("\\ud800a", "1", "NUMBER"));
    check("{\"\\ud800x\":1,\"\\ud800\\ud800\":2}",
          ROW("\\ud800x", "1", "NUMBER") "," ROW("\\ud800\\ud800", "2", "NUMBER"));
    check("{\"\\b\\f\\r\\t\\u0008\\u000c\\u000d\\u0009\":1}",
          ROW("\\b\\f\\r\\t\\b\\f\\r\\t", "1", "NUMBER"));
    check("{\"\\u20ac\\u07ff\":1}", ROW("\xe2\x82\xac\xdf\xbf", "1", "NUMBER"));
    check("{\"\":1,\"\":2}", ROW("", "2", "NUMBER"));
}

/* Around the switch from comparing to the table, and at the ceiling. */
static void many_members(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 31, 32, 33, 34, 64, 65, 1000, TRANSLATE_ROWS_MAX};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct buffer body;
        buffer_init(&body, 1 << 20);
        for (int round = 0; round < 2; round++)
            for (unsigned i = 0; i < counts[c]; i++)
                buffer_printf(&body, "%s\"m%u\":%u", body.n ? "," : "{", i, i + (unsigned)round);
        buffer_printf(&body, "}");
        assert_true(try_text(buffer_text(&body)));
        assert_int_equal(rows.count, counts[c]);
        for (unsigned i = 0; i < counts[c]; i += 30) {
            char *expected =
                xasprintf("{\"name\":\"m%u\",\"time\":1634630768641,\"quality\":\"GOOD\",\"value\":"
                          "{\"value\":%u,\"baseType\":\"NUMBER\"}}",
                          i, i + 1);
            assert_true(slice_equal(rows_row(&rows, i), slice_from(expected)));
            free(expected);
        }
        body.n--;
        buffer_printf(&body, ",\"one more\":1}");
        assert_int_equal(try_text(buffer_text(&body)), counts[c] < TRANSLATE_ROWS_MAX);
        if (counts[c] == TRANSLATE_ROWS_MAX)
            assert_non_null(strstr(why.message, "too many members"));
        buffer_free(&body);
    }
}

static void ceilings_of_depth_and_size(void **state)
{
    (void)state;
    for (unsigned depth = JSON_DEPTH_MAX - 2; depth <= JSON_DEPTH_MAX; depth++) {
        for (int objects = 0; objects < 2; objects++) {
            struct buffer body;
            buffer_init(&body, 4096);
            buffer_printf(&body, "{\"a\":");
            for (unsigned i = 0; i < depth; i++)
                buffer_printf(&body, objects ? "{\"a\":" : "[");
            buffer_printf(&body, "1");
            for (unsigned i = 0; i < depth; i++)
                buffer_printf(&body, objects ? "}" : "]");
            buffer_printf(&body, "}");
            if (depth < JSON_DEPTH_MAX)
                assert_true(try_text(buffer_text(&body)));
            else
                check_refused(buffer_text(&body), "nested too deep");
            buffer_free(&body);
        }
    }
    for (size_t n = TRANSLATE_BODY_MAX; n <= TRANSLATE_BODY_MAX + 1; n++) {
        char *body = xasprintf("{\"a\":\"%0*d\"}", (int)n - 8, 0);
        assert_int_equal(strlen(body), n);
        assert_int_equal(try_bytes(body, n, NULL), n == TRANSLATE_BODY_MAX);
        free(body);
    }
    assert_non_null(strstr(why.message, "longer than 1048576"));
}

static void check_time(const char *body, int64_t expected, bool unusable)
{
    if (!try_bytes(body, strlen(body), "ts"))
        fail_msg("%s: %s", body, why.message);
    assert_int_equal(rows.time_ms, expected);
    assert_int_equal(rows.time_unusable, unusable);
}

static void the_events_own_time(void **state)
{
    (void)state;
    check_time("{\"a\":1}", AT, false);
    check_time("{\"ts\":null}", AT, false);
    check_time("{\"ts\":1000,\"a\":1}", 1000, false);
    assert_int_equal(rows.count, 2);
    assert_string_equal(buffer_text(&rows.text),
                        "{\"name\":\"ts\",\"time\":1000,\"quality\":\"GOOD\",\"value\":{\"value\":"
                        "1000,\"baseType\":\"NUMBER\"}},{\"name\":\"a\",\"time\":1000,\"quality\":"
                        "\"GOOD\",\"value\":{\"value\":1,\"baseType\":\"NUMBER\"}}");
    check_time("{\"a\":1,\"ts\":1000}", 1000, false);
    check_time("{\"ts\":5,\"ts\":6}", 6, false);
    check_time("{\"ts\":\"2021-10-19T08:06:08.641Z\"}", AT, false);
    check_time("{\"ts\":\"2014-04-01 00:00:00\"}", 1396310400000, false);
    check_time("{\"ts\":true}", AT, true);
    check_time("{\"ts\":{}}", AT, true);
    check_time("{\"ts\":-1}", AT, true);
    check_time("{\"ts\":1.5}", AT, true);
    check_time("{\"ts\":1e3}", AT, true);
    check_time("{\"ts\":9007199254740993}", AT, true);
    check_time("{\"ts\":\"yesterday\"}", AT, true);
    check_time("{\"a\":1}", AT, false);
    /* Any time that is handed in can be written. */
    struct translate_rules rules = {.time_member = {NULL, 0}};
    assert_true(translate(SLICE_LITERAL("{\"a\":1}"), INT64_MIN, &rules, &rows, &why));
    assert_non_null(strstr(buffer_text(&rows.text), "\"time\":-9223372036854775808,"));
    assert_true(translate(SLICE_LITERAL("{\"a\":1}"), 0, &rules, &rows, &why));
    assert_non_null(strstr(buffer_text(&rows.text), "\"time\":0,"));
}

static void texts_of_times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: no time */
    } times[] = {
        {"0", 0},
        {"1634630768641", AT},
        {"253402300799999", 253402300799999},
        {"253402300800000", -1},
        {"9999999999999999999999", -1},
        {"", -1},
        {"1970-01-01", 0},
        {"1970-01-01T00:00", 0},
        {"1970-01-01T00:00:00.001", 1},
        {"1970-01-01T00:00:00,5Z", 500},
        {"1970-01-01t00:00:01.999999999z", 1999},
        {"1970-01-02 00:00:00", 86400000},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1970-01-01T00:00:00-01:30", 5400000},
        {"1970-01-01T02:00:00+0200", 0},
        {"1970-01-01T02:00:00+02", 0},
        {"1970-01-01T00:00:00+01:00", -1},
        {"2000-02-29", 951782400000},
        {"2000-03-01", 951868800000},
        {"2024-02-29T23:59:60Z", 1709251199000},
        {"2024-12-31T23:59:59Z", 1735689599000},
        {"2100-02-28", 4107456000000},
        {"2100-02-29", -1},
        {"2023-02-29", -1},
        {"2023-04-31", -1},
        {"2023-13-01", -1},
        {"2023-00-01", -1},
        {"2023-01-00", -1},
        {"2023-12-31", 1703980800000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"9999-12-31T23:59:59.999-01:00", -1},
        {"1969-12-31", -1},
        {"2023-01-01T24:00:00", -1},
        {"2023-01-01T00:60:00", -1},
        {"2023-01-01T00:00:61", -1},
        {"2023-01-01T00:00:00.", -1},
        {"2023-01-01T00", -1},
        {"2023-01-01T", -1},
        {"2023-01-01 ", -1},
        {"2023-01-01X00:00:00", -1},
        {"2023-01-01T00:00:00Zx", -1},
        {"2023-01-01T00:00:00+", -1},
        {"2023-01-01T00:00:00+1", -1},
        {"2023-01-01T00:00:00+24:00", -1},
        {"2023-01-01T00:00:00+00:60", -1},
        {"2023-01-01T00:00:00+00:0", -1},
        {"2023-1-1", -1},
        {"23-01-01", -1},
        {"2023/01/01", -1},
        {" 2023-01-01", -1},
        {"12a", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        int64_t ms = -1;
        bool ok = translate_time(slice_from(times[i].text), &ms);
        if (ok != (times[i].ms >= 0) || ms != times[i].ms)
            fail_msg("\"%s\" is read as %lld", times[i].text, (long long)ms);
    }
}

static void a_row_comes_back_from_a_dead_letter(void **state)
{
    (void)state;
    static const char row[] = ROW("a", "{\"array\":[1,2]}", "JSON");
    assert_true(translate_row(slice_from(row), &rows, &why));
    assert_int_equal(rows.count, 1);
    assert_string_equal(buffer_text(&rows.text), row);
    assert_false(translate_row(SLICE_LITERAL("{\"a\":1}"), &rows, &why));
    assert_int_equal(rows.count, 0);
    assert_false(translate_row(SLICE_LITERAL("{\"name\":\""), &rows, &why));
    assert_false(translate_row(SLICE_LITERAL("{\"name\":\"a\"}x"), &rows, &why));
    assert_false(translate_row(SLICE_LITERAL("{\"name\":\"a"), &rows, &why));
    assert_false(translate_row(SLICE_LITERAL(""), &rows, &why));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_becomes_its_row),
        cmocka_unit_test(numbers_keep_their_text),
        cmocka_unit_test(bad_numbers_are_refused),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(truncated_and_damaged_bodies),
        cmocka_unit_test(strings_are_checked_and_copied),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(of_equal_names_the_last_wins),
        cmocka_unit_test(many_members),
        cmocka_unit_test(ceilings_of_depth_and_size),
        cmocka_unit_test(the_events_own_time),
        cmocka_unit_test(texts_of_times),
        cmocka_unit_test(a_row_comes_back_from_a_dead_letter),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
