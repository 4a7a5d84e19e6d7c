#include "base/log.h"

#include "base/utf8.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LONG_TEXT = 50000, MANY_FIELDS = 40 };

/* What a log has written, in memory. */
struct sheet {
    struct log *log;
    FILE *out;
    char *text;
    size_t n;
};

static void open_sheet(struct sheet *sheet, enum log_format format, enum log_level least)
{
    *sheet = (struct sheet){0};
    sheet->out = open_memstream(&sheet->text, &sheet->n);
    assert_non_null(sheet->out);
    sheet->log = log_open(sheet->out, format, least, "n1");
}

static void close_sheet(struct sheet *sheet)
{
    log_close(sheet->log);
    assert_int_equal(fclose(sheet->out), 0);
    free(sheet->text);
}

/* Whatever was handed in, what comes out is one line of UTF-8 without control characters. */
static void check_one_line(const struct sheet *sheet)
{
    assert_true(sheet->n > 0 && sheet->n <= 16 * 1024 + 2);
    assert_int_equal(strlen(sheet->text), sheet->n);
    assert_ptr_equal(strchr(sheet->text, '\n'), sheet->text + sheet->n - 1);
    for (size_t i = 0; i < sheet->n - 1;) {
        size_t length = utf8_length((struct slice){sheet->text + i, sheet->n - i});
        assert_true(length > 0 && (unsigned char)sheet->text[i] >= ' ');
        i += length;
    }
}

/* The line as an object, read by a strict parser; the caller puts it. */
static struct json_object *read_json(const struct sheet *sheet)
{
    check_one_line(sheet);
    struct json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, sheet->text, (int)sheet->n + 1);
    if (json_tokener_get_error(tokener) != json_tokener_success)
        fail_msg("%s: %s", json_tokener_error_desc(json_tokener_get_error(tokener)), sheet->text);
    json_tokener_free(tokener);
    assert_true(json_object_is_type(object, json_type_object));
    return object;
}

static struct slice text_of(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;
    if (!json_object_object_get_ex(object, name, &member))
        fail_msg("there is no \"%s\"", name);
    return (struct slice){json_object_get_string(member),
                          (size_t)json_object_get_string_len(member)};
}

/* After the time, which is checked for its form only. */
static const char *after_time(const char *line)
{
    static const char form[] = "time=0000-00-00T00:00:00.000000Z";
    for (size_t i = 0; i < sizeof form - 1; i++)
        assert_true(form[i] == '0' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]);
    return line + sizeof form - 1;
}

static void logfmt_quotes_what_needs_it(void **state)
{
    static const struct {
        struct slice value;
        const char *field;
    } rows[] = {
        {SLICE_LITERAL("plain-text_1/2:3"), " v=plain-text_1/2:3\n"},
        {SLICE_LITERAL("M\xc3\xbcller"), " v=M\xc3\xbcller\n"},
        {SLICE_LITERAL(""), " v=\"\"\n"},
        {{NULL, 0}, " v=\"\"\n"},
        {SLICE_LITERAL("two words"), " v=\"two words\"\n"},
        {SLICE_LITERAL("a=b"), " v=\"a=b\"\n"},
        {SLICE_LITERAL("say \"hi\""), " v=\"say \\\"hi\\\"\"\n"},
        {SLICE_LITERAL("C:\\x"), " v=\"C:\\\\x\"\n"},
        {SLICE_LITERAL("a\nlevel=error"), " v=\"a\\u000alevel=error\"\n"},
        {SLICE_LITERAL("a\0b"), " v=\"a\\u0000b\"\n"},
        {SLICE_LITERAL("\xff"), " v=\"\\ufffd\"\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sheet sheet;
        open_sheet(&sheet, LOG_LOGFMT, LOG_INFO);
        log_info(sheet.log, "hello", F_SLICE("v", rows[i].value));
        check_one_line(&sheet);
        static const char start[] = " level=info node=n1 msg=hello";
        const char *rest = after_time(sheet.text);
        assert_memory_equal(rest, start, sizeof start - 1);
        assert_string_equal(rest + sizeof start - 1, rows[i].field);
        close_sheet(&sheet);
    }
}

static void an_error_comes_before_the_fields(void **state)
{
    (void)state;
    struct sheet sheet;
    struct error err;
    error_set(&err, "it broke");
    error_detail(&err, "line 1\nline 2");
    error_hint(&err, "mend it");
    (void)snprintf(err.code, sizeof err.code, "40P01");
    open_sheet(&sheet, LOG_LOGFMT, LOG_INFO);
    log_error(sheet.log, "oh dear", &err, F_NUMBER("token", -5), F_TEXT("hub", "h"));
    check_one_line(&sheet);
    assert_string_equal(after_time(sheet.text),
                        " level=error node=n1 msg=\"oh dear\" error=\"it broke\" sqlstate=40P01 "
                        "detail=\"line 1\\u000aline 2\" hint=\"mend it\" token=-5 hub=h\n");
    close_sheet(&sheet);
}

static void json_lines_say_the_same(void **state)
{
    (void)state;
    struct sheet sheet;
    struct error err;
    error_set(&err, "it \"broke\"");
    open_sheet(&sheet, LOG_JSON, LOG_INFO);
    log_error(sheet.log, "oh\ndear", &err, F_NUMBER("least", INT64_MIN),
              F_SLICE("device", SLICE_LITERAL("a\0\xff\\")), F_SLICE("none", ((struct slice){0})));
    struct json_object *object = read_json(&sheet);
    assert_true(slice_equal(text_of(object, "level"), SLICE_LITERAL("error")));
    assert_true(slice_equal(text_of(object, "node"), SLICE_LITERAL("n1")));
    assert_true(slice_equal(text_of(object, "msg"), SLICE_LITERAL("oh\ndear")));
    assert_true(slice_equal(text_of(object, "error"), SLICE_LITERAL("it \"broke\"")));
    assert_true(slice_equal(text_of(object, "device"), SLICE_LITERAL("a\0\xef\xbf\xbd\\")));
    assert_true(slice_equal(text_of(object, "none"), SLICE_LITERAL("")));
    struct json_object *least = NULL;
    assert_true(json_object_object_get_ex(object, "least", &least));
    assert_true(json_object_get_int64(least) == INT64_MIN);
    assert_false(json_object_object_get_ex(object, "cut", NULL));
    json_object_put(object);
    close_sheet(&sheet);
}

static void a_long_value_is_cut_between_characters(void **state)
{
    (void)state;
    static char text[LONG_TEXT + 1];
    for (size_t shift = 0; shift < 4; shift++) {
        struct sheet sheet;
        memset(text, 'x', shift);
        for (size_t i = shift; i < LONG_TEXT; i++)
            text[i] = "\xf0\x9f\x98\x80"[(i - shift) % 4];
        open_sheet(&sheet, LOG_JSON, LOG_INFO);
        log_info(sheet.log, "long", F_TEXT("v", text), F_TEXT("after", "still there"));
        struct json_object *object = read_json(&sheet);
        struct slice value = text_of(object, "v");
        assert_true(value.n > 2000 && value.n <= 2048);
        assert_memory_equal(value.p, text, value.n);
        assert_true(slice_equal(text_of(object, "after"), SLICE_LITERAL("still there")));
        struct json_object *cut = NULL;
        assert_true(json_object_object_get_ex(object, "cut", &cut));
        assert_true(json_object_get_boolean(cut));
        json_object_put(object);
        close_sheet(&sheet);
    }
}

/* The worst bytes (they grow sixfold) in more fields than a line can hold. */
static void a_line_beyond_its_ceiling_stays_one_that_can_be_read(void **state)
{
    (void)state;
    static char text[LONG_TEXT];
    memset(text, '\n', sizeof text);
    for (size_t n = 0; n < 2100; n += n < 60 ? 1 : 29) {
        struct log_field fields[MANY_FIELDS + 1] = {{.key = NULL}};
        for (size_t i = 0; i < MANY_FIELDS; i++)
            fields[i] = i % 2 == 0 ? F_SLICE("v", ((struct slice){text, n * 3})) : F_NUMBER("i", i);
        for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
            struct sheet sheet;
            open_sheet(&sheet, (enum log_format)format, LOG_INFO);
            log_write(sheet.log, LOG_WARNING, "many", fields);
            check_one_line(&sheet);
            bool beyond = n * 3 * 6 * MANY_FIELDS / 2 > 16384;
            if (format == LOG_JSON)
                json_object_put(read_json(&sheet));
            else if (beyond)
                assert_non_null(strstr(sheet.text, " cut=true\n"));
            close_sheet(&sheet);
        }
    }
}

static void a_long_name_and_message_are_cut_too(void **state)
{
    (void)state;
    static char text[LONG_TEXT + 1];
    memset(text, '"', LONG_TEXT);
    struct sheet sheet = {0};
    sheet.out = open_memstream(&sheet.text, &sheet.n);
    assert_non_null(sheet.out);
    sheet.log = log_open(sheet.out, LOG_JSON, LOG_DEBUG, text);
    log_debug(sheet.log, text);
    struct json_object *object = read_json(&sheet);
    assert_int_equal(text_of(object, "node").n, 2048);
    assert_int_equal(text_of(object, "msg").n, 2048);
    json_object_put(object);
    close_sheet(&sheet);
}

static void lower_levels_are_left_out(void **state)
{
    (void)state;
    struct sheet sheet;
    open_sheet(&sheet, LOG_LOGFMT, LOG_WARNING);
    log_debug(sheet.log, "no");
    log_info(sheet.log, "no");
    assert_int_equal(fflush(sheet.out), 0);
    assert_int_equal(sheet.n, 0);
    log_warning(sheet.log, "yes");
    check_one_line(&sheet);
    log_info(NULL, "nowhere");
    log_close(NULL);
    close_sheet(&sheet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_quotes_what_needs_it),
        cmocka_unit_test(an_error_comes_before_the_fields),
        cmocka_unit_test(json_lines_say_the_same),
        cmocka_unit_test(a_long_value_is_cut_between_characters),
        cmocka_unit_test(a_line_beyond_its_ceiling_stays_one_that_can_be_read),
        cmocka_unit_test(a_long_name_and_message_are_cut_too),
        cmocka_unit_test(lower_levels_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
