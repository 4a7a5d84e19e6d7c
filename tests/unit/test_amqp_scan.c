#include "source/amqp_scan.h"

#include <proton/message.h>

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BYTES(literal) ((struct slice){(literal), sizeof(literal) - 1})

static void expect_text(struct slice got, const char *wanted)
{
    if (!slice_equal(got, slice_from(wanted)))
        fail_msg("'%.*s' is not '%s'", (int)got.n, got.p ? got.p : "", wanted);
}

static pn_bytes_t text(const char *s)
{
    return pn_bytes(strlen(s), s);
}

static void put_text(pn_data_t *map, const char *key, const char *value)
{
    (void)pn_data_put_symbol(map, text(key));
    (void)pn_data_put_string(map, text(value));
}

static void open_map(pn_data_t *map)
{
    (void)pn_data_put_map(map);
    (void)pn_data_enter(map);
}

/* One of each kind that clients of Microsoft send. */
static void put_properties(pn_data_t *map)
{
    open_map(map);
    put_text(map, "colour", "green");
    (void)pn_data_put_string(map, text("level"));
    (void)pn_data_put_int(map, -7);
    (void)pn_data_put_string(map, text("on"));
    (void)pn_data_put_bool(map, true);
    (void)pn_data_put_string(map, text("at"));
    (void)pn_data_put_timestamp(map, 1634638330123);
    (void)pn_data_put_string(map, text("heat"));
    (void)pn_data_put_double(map, 21.5);
    (void)pn_data_put_string(map, text("cold"));
    (void)pn_data_put_float(map, -0.25f);
    (void)pn_data_put_string(map, text("none"));
    (void)pn_data_put_null(map);
    (void)pn_data_put_string(map, text("who"));
    (void)pn_data_put_uuid(map, (pn_uuid_t){"0123456789abcde"});
    (void)pn_data_exit(map);
}

/* A message as an IoT hub sends it. The caller frees the bytes. */
static struct slice telemetry(const char *body)
{
    pn_message_t *m = pn_message();
    pn_data_t *instructions = pn_message_instructions(m);
    open_map(instructions);
    (void)pn_data_put_symbol(instructions, text("last_enqueued_sequence_number"));
    (void)pn_data_put_long(instructions, 77);
    (void)pn_data_put_symbol(instructions, text("last_enqueued_offset"));
    (void)pn_data_put_string(instructions, text("9000"));
    (void)pn_data_put_symbol(instructions, text("last_enqueued_time_utc"));
    (void)pn_data_put_timestamp(instructions, 1634638331000);
    (void)pn_data_exit(instructions);
    pn_data_t *map = pn_message_annotations(m);
    open_map(map);
    (void)pn_data_put_symbol(map, text("x-opt-sequence-number"));
    (void)pn_data_put_long(map, 42);
    put_text(map, "x-opt-offset", "12916091040");
    (void)pn_data_put_symbol(map, text("x-opt-enqueued-time"));
    (void)pn_data_put_timestamp(map, 1634638330123);
    put_text(map, "iothub-connection-device-id", "device-00001");
    put_text(map, "iothub-connection-module-id", "edge");
    put_text(map, "iothub-connection-auth-generation-id", "637618061680407492");
    put_text(map, "iothub-connection-auth-method", "{\"scope\":\"device\"}");
    put_text(map, "iothub-message-source", "Telemetry");
    put_text(map, "iothub-creation-time-utc", "2021-10-19T10:12:08.641Z");
    put_text(map, "dt-subject", "thermostat1");
    put_text(map, "x-unknown", "whatever");
    (void)pn_data_exit(map);
    (void)pn_message_set_content_type(m, "application/json");
    (void)pn_message_set_content_encoding(m, "utf-8");
    (void)pn_message_set_id(m, (pn_atom_t){.type = PN_STRING, .u.as_bytes = text("m-1")});
    (void)pn_message_set_correlation_id(m,
                                        (pn_atom_t){.type = PN_STRING, .u.as_bytes = text("c-1")});
    put_properties(pn_message_properties(m));
    (void)pn_message_set_inferred(m, true);
    (void)pn_data_put_binary(pn_message_body(m), text(body));
    size_t n = 4096;
    char *bytes = malloc(n);
    assert_int_equal(pn_message_encode(m, bytes, &n), 0);
    pn_message_free(m);
    return (struct slice){bytes, n};
}

static void reads_what_an_iot_hub_sends(void **state)
{
    struct slice bytes = telemetry("{\"a\":1}");
    struct source_message m;
    assert_true(amqp_scan(bytes, *state, &m));
    expect_text(m.body, "{\"a\":1}");
    expect_text(m.device, "device-00001");
    expect_text(m.module, "edge");
    expect_text(m.offset, "12916091040");
    expect_text(m.content_type, "application/json");
    expect_text(m.content_encoding, "utf-8");
    expect_text(m.message_source, "Telemetry");
    expect_text(m.auth_generation, "637618061680407492");
    expect_text(m.subject, "thermostat1");
    expect_text(m.auth_method, "{\"scope\":\"device\"}");
    expect_text(m.message_id, "m-1");
    expect_text(m.correlation_id, "c-1");
    assert_false(m.unreadable);
    assert_int_equal(m.sequence, 42);
    assert_int_equal(m.enqueued_ms, 1634638330123);
    assert_int_equal(m.creation_ms, 1634638328641);
    assert_int_equal(m.last_sequence, 77);
    assert_int_equal(m.last_enqueued_ms, 1634638331000);
    assert_int_equal(m.wire_bytes, bytes.n);
    free((void *)(uintptr_t)bytes.p);
}

static struct source_property property(struct slice *rest, const char *name, enum source_value kind)
{
    struct source_property found;
    assert_true(source_next_property(rest, &found));
    expect_text(found.name, name);
    assert_int_equal(found.kind, kind);
    return found;
}

static void hands_out_the_properties_one_by_one(void **state)
{
    struct slice bytes = telemetry("{}");
    struct source_message m;
    assert_true(amqp_scan(bytes, *state, &m));
    struct slice rest = m.properties;
    expect_text(property(&rest, "colour", SOURCE_VALUE_TEXT).text, "green");
    assert_int_equal(property(&rest, "level", SOURCE_VALUE_INTEGER).integer, -7);
    assert_int_equal(property(&rest, "on", SOURCE_VALUE_BOOLEAN).integer, 1);
    assert_int_equal(property(&rest, "at", SOURCE_VALUE_TIME).integer, 1634638330123);
    assert_true(property(&rest, "heat", SOURCE_VALUE_NUMBER).number == 21.5);
    assert_true(property(&rest, "cold", SOURCE_VALUE_NUMBER).number == -0.25);
    (void)property(&rest, "none", SOURCE_VALUE_NULL);
    assert_int_equal(property(&rest, "who", SOURCE_VALUE_OTHER).text.n, 17);
    struct source_property more;
    assert_false(source_next_property(&rest, &more));
    free((void *)(uintptr_t)bytes.p);
    rest = (struct slice){NULL, 0};
    assert_false(source_next_property(&rest, &more));
    rest = BYTES("\xa1\x01k"); /* a name without a value */
    assert_false(source_next_property(&rest, &more));
}

static void properties_can_be_written_too(void **state)
{
    (void)state;
    char large[300];
    memset(large, 'x', sizeof large);
    struct slice text = {large, sizeof large};
    const struct source_property all[] = {
        {.name = SLICE_LITERAL("colour"), .kind = SOURCE_VALUE_TEXT, .text = SLICE_LITERAL("")},
        {.name = SLICE_LITERAL(""), .kind = SOURCE_VALUE_TEXT, .text = text},
        {.name = text, .kind = SOURCE_VALUE_INTEGER, .integer = INT64_MIN},
        {.name = SLICE_LITERAL("at"), .kind = SOURCE_VALUE_TIME, .integer = 1634638330123},
        {.name = SLICE_LITERAL("on"), .kind = SOURCE_VALUE_BOOLEAN, .integer = 1},
        {.name = SLICE_LITERAL("off"), .kind = SOURCE_VALUE_BOOLEAN, .integer = 0},
        {.name = SLICE_LITERAL("heat"), .kind = SOURCE_VALUE_NUMBER, .number = -21.5},
        {.name = SLICE_LITERAL("none"), .kind = SOURCE_VALUE_NULL}};
    struct buffer b;
    buffer_init(&b, 4096);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_true(source_put_property(&b, &all[i]));
    struct slice rest = buffer_slice(&b);
    struct source_property found;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_true(source_next_property(&rest, &found));
        assert_true(slice_equal(found.name, all[i].name) && found.kind == all[i].kind);
        assert_true(slice_equal(found.text, all[i].text));
        assert_true(found.integer == all[i].integer && found.number == all[i].number);
    }
    assert_int_equal(rest.n, 0);
    assert_false(source_put_property(&b, &(struct source_property){.kind = SOURCE_VALUE_OTHER}));
    buffer_free(&b);
    buffer_init(&b, 4);
    assert_false(source_put_property(&b, &all[1]));
    buffer_free(&b);
}

static void a_message_can_be_kept(void **state)
{
    struct slice bytes = telemetry("{\"a\":1}");
    struct source_message m;
    struct source_message kept;
    assert_true(amqp_scan(bytes, *state, &m));
    size_t size = source_message_size(&m);
    char *own = malloc(size);
    assert_non_null(own);
    source_message_copy(&kept, &m, own);
    struct source_property found;
    struct slice rest = kept.properties;
    assert_true(slice_equal(kept.body, m.body) && kept.body.p >= own && kept.body.p < own + size);
    assert_true(slice_equal(kept.device, m.device) && slice_equal(kept.offset, m.offset));
    assert_true(slice_equal(kept.subject, m.subject) && kept.creation_ms == m.creation_ms);
    free((void *)(uintptr_t)bytes.p);
    assert_true(source_next_property(&rest, &found));
    expect_text(found.name, "colour");
    free(own);
}

/* What is broken behind the annotations, or beside them, does not hide where the message stands. */
static void finds_the_place_of_a_message_without_sense(void **state)
{
    static const struct {
        struct slice before, after;
    } broken[] = {
        {BYTES(""), BYTES("\0\x53\x75\xa0\x05x")},          /* the body is cut off */
        {BYTES(""), BYTES("x")},                            /* rubbish at the end */
        {BYTES(""), BYTES("\0\x53\x74\xc1\x01\x01")},       /* properties that are no map */
        {BYTES("\0\x53\x71\xc1\x01\xff"), BYTES("")},       /* delivery annotations */
        {BYTES("\0\x53\x75\x40\0\x53\x73\x40"), BYTES("")}, /* sections in disorder */
    };
    static const struct slice place =
        BYTES("\0\x53\x72\xc1\x2b\x04\xa3\x15x-opt-sequence-number\x54\x09"
              "\xa3\x0cx-opt-offset\xa1\x01"
              "7");
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct buffer b;
        buffer_init(&b, 256);
        assert_true(buffer_append_slice(&b, broken[i].before) && buffer_append_slice(&b, place) &&
                    buffer_append_slice(&b, broken[i].after));
        struct source_message m;
        if (amqp_scan(buffer_slice(&b), *state, &m))
            fail_msg("took number %zu", i);
        assert_int_equal(m.sequence, 9);
        expect_text(m.offset, "7");
        buffer_free(&b);
    }
    struct source_message m;
    assert_true(amqp_scan(BYTES("\0\x53\x75\xa0\x01x"), *state, &m));
    assert_int_equal(m.sequence, -1); /* so that nobody takes it for the first */
}

/* Every prefix of a message ends in the middle of something or between two sections; none may be
 * read beyond its end, which the address sanitizer sees as each prefix has its own block. */
static void survives_every_truncation_and_every_flipped_byte(void **state)
{
    struct slice bytes = telemetry("{\"a\":1}");
    struct source_message m;
    for (size_t n = 0; n <= bytes.n; n++) {
        char *part = malloc(n ? n : 1);
        memcpy(part, bytes.p, n);
        bool ok = amqp_scan((struct slice){part, n}, *state, &m);
        assert_true(n != bytes.n || ok);
        for (size_t i = 0; n == bytes.n && i < n; i++)
            for (unsigned bit = 0; bit < 8; bit++) {
                part[i] = (char)(part[i] ^ (1 << bit));
                (void)amqp_scan((struct slice){part, n}, *state, &m);
                part[i] = (char)(part[i] ^ (1 << bit));
            }
        free(part);
    }
    free((void *)(uintptr_t)bytes.p);
}

static void joins_several_data_sections(void **state)
{
    struct source_message m;
    assert_true(amqp_scan(BYTES("\0\x53\x75\xa0\x03"
                                "abc\0\x53\x75\xb0\0\0\0\x02"
                                "de\0\x53\x75\xa0\0\0\x53\x75\xa0\x01"
                                "f"),
                          *state, &m));
    expect_text(m.body, "abcdef");
}

static void takes_a_value_body_that_is_text(void **state)
{
    struct source_message m;
    assert_true(amqp_scan(BYTES("\0\x53\x77\xa1\x02{}"), *state, &m));
    expect_text(m.body, "{}");
    assert_true(amqp_scan(BYTES("\0\x80\0\0\0\0\0\0\0\x77\xb1\0\0\0\x02{}"), *state, &m));
    expect_text(m.body, "{}");
    /* a number is no text: an event without a body */
    assert_true(amqp_scan(BYTES("\0\x53\x77\x54\x05"), *state, &m));
    assert_int_equal(m.body.n, 0);
}

static void steps_over_what_it_does_not_know(void **state)
{
    struct source_message m;
    /* header, an unknown section, a symbolic descriptor, a footer with a described value */
    assert_true(amqp_scan(BYTES("\0\x53\x70\x45\0\x53\x7f\xa1\x02zz\0\xa3\x03"
                                "a:b\x40\0\x53\x75\xa0\x01x\0\x53\x78\xc1\x08\x02\xa3\x01k\0\x53"
                                "\x01\x40"),
                          *state, &m));
    expect_text(m.body, "x");
}

static void reads_numbers_of_every_width(void **state)
{
    static const struct {
        struct slice value;
        int64_t expected;
    } values[] = {
        {BYTES("\x43"), 0},
        {BYTES("\x44"), 0},
        {BYTES("\x50\xff"), 255},
        {BYTES("\x51\xff"), -1},
        {BYTES("\x52\x07"), 7},
        {BYTES("\x53\x07"), 7},
        {BYTES("\x54\xfe"), -2},
        {BYTES("\x55\x7f"), 127},
        {BYTES("\x60\x01\x00"), 256},
        {BYTES("\x61\xff\xfe"), -2},
        {BYTES("\x70\xff\xff\xff\xff"), UINT32_MAX},
        {BYTES("\x71\xff\xff\xff\xff"), -1},
        {BYTES("\x80\0\0\0\0\0\0\1\0"), 256},
        {BYTES("\x81\xff\xff\xff\xff\xff\xff\xff\xff"), -1},
        {BYTES("\x83\0\0\0\0\0\0\1\0"), 256},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct buffer b;
        buffer_init(&b, 256);
        /* message annotations: map8 of one pair */
        char head[] = "\0\x53\x72\xc1?\x02\xa3\x15x-opt-sequence-number";
        head[4] = (char)(1 + 2 + 21 + values[i].value.n);
        assert_true(buffer_append(&b, head, sizeof head - 1));
        assert_true(buffer_append_slice(&b, values[i].value));
        struct source_message m;
        assert_true(amqp_scan(buffer_slice(&b), *state, &m));
        assert_int_equal(m.sequence, values[i].expected);
        buffer_free(&b);
    }
}

static void refuses_what_makes_no_sense(void **state)
{
    static const struct slice bad[] = {
        BYTES("x"),                                  /* no described value */
        BYTES("\0\x53"),                             /* half a descriptor */
        BYTES("\0\x53\x75"),                         /* no value */
        BYTES("\0\x53\x75\xa0\x05x"),                /* shorter than it says */
        BYTES("\0\x53\x75\xb0\xff\xff\xff\xff"),     /* much shorter */
        BYTES("\0\x53\x75\x40"),                     /* a data section that is no binary */
        BYTES("\0\x53\x72\xc1\x01\x01"),             /* an odd number of members */
        BYTES("\0\x53\x72\xc1\x01\xff"),             /* more members than bytes, odd */
        BYTES("\0\x53\x72\xc1\x01\xfe"),             /* more members than bytes */
        BYTES("\0\x53\x72\xc1\x03\x02\x40\x40\x40"), /* bytes left over */
        BYTES("\0\x53\x72\xc1\x00"),                 /* a map without a count */
        BYTES("\0\x53\x72\x45"),                     /* annotations that are no map */
        BYTES("\0\x53\x73\xc1\x01\x00"),             /* properties that are no list */
        BYTES("\0\x53\x73\xc0\x01\x01"),             /* a list shorter than it says */
        BYTES("\0\x53\x75\x30"),                     /* a constructor that does not exist */
        BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0"),         /* descriptors without end */
    };
    struct source_message m;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (amqp_scan(bad[i], *state, &m))
            fail_msg("accepted number %zu", i);
}

static void reads_times_as_text_only_in_utc(void **state)
{
    static const struct {
        const char *text;
        int64_t expected;
    } times[] = {
        {"2021-10-19T10:12:08.641Z", 1634638328641},
        {"2021-10-19 10:12:08", 1634638328000},
        {"2021-10-19T10:12:08.6412345+00:00", 1634638328641},
        {"1970-01-01T00:00:00Z", 0},
        {"2000-02-29T23:59:59.9Z", 951868799900},
        {"2021-10-19T10:12:08+02:00", 0},
        {"2021-13-19T10:12:08Z", 0},
        {"2021-10-19T10:12", 0},
        {"yesterday", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct buffer b;
        buffer_init(&b, 256);
        char head[] = "\0\x53\x72\xc1?\x02\xa3\x18iothub-creation-time-utc\xa1?";
        head[4] = (char)(1 + 2 + 24 + 2 + strlen(times[i].text));
        head[sizeof head - 2] = (char)strlen(times[i].text);
        assert_true(buffer_append(&b, head, sizeof head - 1));
        assert_true(buffer_append_text(&b, times[i].text));
        struct source_message m;
        assert_true(amqp_scan(buffer_slice(&b), *state, &m));
        if (m.creation_ms != times[i].expected)
            fail_msg("%s is %lld", times[i].text, (long long)m.creation_ms);
        buffer_free(&b);
    }
}

static void cuts_values_off(void **state)
{
    (void)state;
    struct slice rest = BYTES("\x40\xa1\x02hi\0\x53\x01\xc0\x01\x00\x98");
    assert_int_equal(amqp_take(&rest).n, 1);
    assert_int_equal(amqp_take(&rest).n, 4);
    assert_int_equal(amqp_take(&rest).n, 6);
    assert_null(amqp_take(&rest).p); /* a uuid without its bytes */
    assert_int_equal(rest.n, 1);
}

int main(void)
{
    struct buffer joined;
    buffer_init(&joined, 1u << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(reads_what_an_iot_hub_sends, &joined),
        cmocka_unit_test_prestate(hands_out_the_properties_one_by_one, &joined),
        cmocka_unit_test(properties_can_be_written_too),
        cmocka_unit_test_prestate(a_message_can_be_kept, &joined),
        cmocka_unit_test_prestate(finds_the_place_of_a_message_without_sense, &joined),
        cmocka_unit_test_prestate(survives_every_truncation_and_every_flipped_byte, &joined),
        cmocka_unit_test_prestate(joins_several_data_sections, &joined),
        cmocka_unit_test_prestate(takes_a_value_body_that_is_text, &joined),
        cmocka_unit_test_prestate(steps_over_what_it_does_not_know, &joined),
        cmocka_unit_test_prestate(reads_numbers_of_every_width, &joined),
        cmocka_unit_test_prestate(refuses_what_makes_no_sense, &joined),
        cmocka_unit_test_prestate(reads_times_as_text_only_in_utc, &joined),
        cmocka_unit_test_prestate(cuts_values_off, &joined),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_free(&joined);
    return failed;
}
