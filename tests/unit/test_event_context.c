#include "node/event_context.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void write(const struct source_message *message, struct buffer *json, const char *expected)
{
    buffer_init(json, 1 << 16);
    assert_true(event_context_write(message, json));
    assert_string_equal(buffer_text(json), expected);
}

static void nothing_is_an_empty_object(void **state)
{
    (void)state;
    struct buffer json;
    write(&(struct source_message){.device = SLICE_LITERAL("d"), .body = SLICE_LITERAL("{}")},
          &json, "{}");
    buffer_free(&json);
}

static struct slice properties_of(struct buffer *to)
{
    const struct source_property all[] = {
        {.name = SLICE_LITERAL("colour"),
         .kind = SOURCE_VALUE_TEXT,
         .text = SLICE_LITERAL("green")},
        {.name = SLICE_LITERAL("level"), .kind = SOURCE_VALUE_INTEGER, .integer = INT64_MIN},
        {.name = SLICE_LITERAL("at"), .kind = SOURCE_VALUE_TIME, .integer = 1634638330123},
        {.name = SLICE_LITERAL("on"), .kind = SOURCE_VALUE_BOOLEAN, .integer = 1},
        {.name = SLICE_LITERAL("heat"), .kind = SOURCE_VALUE_NUMBER, .number = 2.0},
        {.name = SLICE_LITERAL("none"), .kind = SOURCE_VALUE_NULL}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_true(source_put_property(to, &all[i]));
    return buffer_slice(to);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    struct buffer properties, json, texts;
    buffer_init(&properties, 4096);
    struct source_message m = {.creation_ms = 1795248000000,
                               .message_source = SLICE_LITERAL("Telemetry"),
                               .subject = SLICE_LITERAL("engine"),
                               .content_type = SLICE_LITERAL("application/json"),
                               .content_encoding = SLICE_LITERAL("utf-8"),
                               .message_id = SLICE_LITERAL("a\"b"),
                               .correlation_id = SLICE_LITERAL("c"),
                               .auth_generation = SLICE_LITERAL("637"),
                               .auth_method = SLICE_LITERAL("{\"scope\":\"device\"}"),
                               .properties = properties_of(&properties)};
    write(&m, &json,
          "{\"creation_ms\":1795248000000,\"message_source\":\"Telemetry\",\"subject\":\"engine\","
          "\"content_type\":\"application/json\",\"content_encoding\":\"utf-8\","
          "\"message_id\":\"a\\\"b\",\"correlation_id\":\"c\",\"auth_generation\":\"637\","
          "\"auth_method\":\"{\\\"scope\\\":\\\"device\\\"}\",\"properties\":{\"colour\":\"green\","
          "\"level\":-9223372036854775808,\"at\":{\"time_ms\":1634638330123},\"on\":true,"
          "\"heat\":2.00000000000000000e+00,\"none\":null}}");
    struct source_message back = {.device = SLICE_LITERAL("d"), .enqueued_ms = 7};
    buffer_init(&texts, 1 << 16);
    assert_true(event_context_read(buffer_text(&json), &back, &texts));
    assert_true(back.creation_ms == m.creation_ms && back.enqueued_ms == 7);
    assert_true(slice_equal(back.device, SLICE_LITERAL("d")));
    assert_true(slice_equal(back.subject, m.subject));
    assert_true(slice_equal(back.content_encoding, m.content_encoding));
    assert_true(slice_equal(back.message_id, m.message_id));
    assert_true(slice_equal(back.auth_method, m.auth_method));
    assert_true(slice_equal(back.properties, m.properties));
    buffer_free(&properties);
    buffer_free(&json);
    buffer_free(&texts);
}

/* The database would refuse the whole batch of dead letters. */
static void what_the_database_cannot_hold_is_replaced(void **state)
{
    (void)state;
    struct buffer properties, json;
    buffer_init(&properties, 4096);
    const struct source_property odd[] = {
        {.name = SLICE_LITERAL("a\0b\0"), .kind = SOURCE_VALUE_TEXT, .text = SLICE_LITERAL("\xff")},
        {.name = SLICE_LITERAL("nan"), .kind = SOURCE_VALUE_NUMBER, .number = NAN},
        {.name = SLICE_LITERAL("inf"), .kind = SOURCE_VALUE_NUMBER, .number = INFINITY}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        assert_true(source_put_property(&properties, &odd[i]));
    write(&(struct source_message){.properties = buffer_slice(&properties)}, &json,
          "{\"properties\":{\"a\\ufffdb\\ufffd\":\"\\ufffd\",\"nan\":null,\"inf\":null}}");
    buffer_free(&properties);
    buffer_free(&json);
}

static void what_makes_no_sense_is_passed_over(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{}",
                                        "null",
                                        "[]",
                                        "7",
                                        "{\"creation_ms\":\"x\",\"subject\":7,\"properties\":[]}",
                                        "{\"properties\":{\"a\":[1],\"b\":{\"c\":1}}}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct source_message m = {.device = SLICE_LITERAL("d")};
        struct buffer b;
        buffer_init(&b, 4096);
        assert_true(event_context_read(texts[i], &m, &b));
        assert_true(m.creation_ms == 0 && m.subject.n == 0);
        assert_true(slice_equal(m.device, SLICE_LITERAL("d")));
        buffer_free(&b);
    }
}

static void a_full_buffer_is_told(void **state)
{
    (void)state;
    struct source_message m = {.subject = SLICE_LITERAL("engine")};
    struct buffer b;
    buffer_init(&b, 8);
    assert_false(event_context_write(&m, &b));
    buffer_free(&b);
    buffer_init(&b, 4);
    assert_false(event_context_read("{\"subject\":\"engine\"}", &m, &b));
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_an_empty_object),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(what_the_database_cannot_hold_is_replaced),
        cmocka_unit_test(what_makes_no_sense_is_passed_over),
        cmocka_unit_test(a_full_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
