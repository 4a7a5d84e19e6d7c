/* OPC Publisher's messages into rows of Things. The messages are small ones of our own; where the
 * folder of real ones is (HOLDFAST_OPCUA_MESSAGES), they are read too. */
#include "core/opcua.h"

#include "base/memory.h"
#include "core/lane.h"
#include "core/parcel.h"
#include "core/unzip.h"

#include <dirent.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define AT INT64_C(1634630768641)
/* 2021-10-19T08:06:08.641Z */
#define T1 "\"2021-10-19T08:06:08.641Z\""
#define T1_MS "1634630768641"
#define T2 "\"2021-10-19T08:06:09.0001234Z\""
#define T2_MS "1634630769000"
#define ROW(name, time, quality, value, type)                                                      \
    "{\"name\":\"" name "\",\"time\":" time ",\"quality\":\"" quality                              \
    "\",\"value\":{\"value\":" value ",\"baseType\":\"" type "\"}}"

static struct opcua *opcua;
static struct rows rows;
static struct error why;

static int set_up(void **state)
{
    (void)state;
    opcua = opcua_create();
    rows_init(&rows);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    opcua_free(opcua);
    rows_free(&rows);
    return 0;
}

static bool read_with(const char *body, size_t n, const struct mapping_rule *rules, size_t count)
{
    struct mapping *mapping = count > 0 ? mapping_compile(rules, count, &why) : NULL;
    struct mapping_event event = {.device = SLICE_LITERAL("edge"), .module = SLICE_LITERAL("opc")};
    struct opcua_naming naming = {.thing = SLICE_LITERAL("bound"),
                                  .device = SLICE_LITERAL("edge"),
                                  .module = SLICE_LITERAL("opc"),
                                  .program = mapping ? mapping_select(mapping, &event) : NULL};
    char *copy = xmalloc(n);
    memcpy(copy, body, n);
    memset(&why, 0, sizeof why);
    bool ok = opcua_read(opcua, (struct slice){copy, n}, AT, &naming, &why);
    if (ok) {
        /* All of it as text: "Thing: rows; Thing: rows". */
        struct buffer all;
        buffer_init(&all, 1 << 24);
        for (uint32_t i = 0; i < opcua_things(opcua); i++) {
            struct slice thing = opcua_rows(opcua, i, &rows);
            (void)buffer_append_slice(&all, thing);
            (void)buffer_append_text(&all, ": ");
            (void)buffer_append_slice(&all, buffer_slice(&rows.text));
            (void)buffer_append_text(&all, "; ");
        }
        rows_clear(&rows, 0);
        (void)buffer_append_slice(&rows.text, buffer_slice(&all));
        buffer_free(&all);
    }
    free(copy);
    mapping_free(mapping);
    return ok;
}

static void check_with(const char *body, const char *expected, const struct mapping_rule *rules,
                       size_t count)
{
    if (!read_with(body, strlen(body), rules, count))
        fail_msg("%s: %s", body, why.message);
    assert_string_equal(buffer_text(&rows.text), expected);
}

static void check(const char *body, const char *expected)
{
    check_with(body, expected, NULL, 0);
}

#define NETWORK(messages)                                                                          \
    "{\"MessageId\":\"7\",\"MessageType\":\"ua-data\",\"PublisherId\":\"pub\","                    \
    "\"DataSetWriterGroup\":\"g\",\"Messages\":" messages "}"
#define SET(type, payload)                                                                         \
    "{\"DataSetWriterId\":\"w1\",\"SequenceNumber\":3,\"MessageType\":\"" type                     \
    "\",\"Timestamp\":" T2 ",\"Payload\":" payload "}"

static void key_and_delta_frames(void **state)
{
    (void)state;
    check(NETWORK("[" SET("ua-keyframe", "{\"Speed\":{\"Value\":1.50,\"SourceTimestamp\":" T1
                                         ",\"ServerTimestamp\":" T2 "},\"On\":{\"Value\":true,"
                                         "\"ServerTimestamp\":" T1 "},\"Raw\":7}") "]"),
          "bound: " ROW("Speed", T1_MS, "GOOD", "1.50", "NUMBER") "," ROW(
              "On", T1_MS, "GOOD", "true", "BOOLEAN") "," ROW("Raw", T2_MS, "GOOD", "7",
                                                              "NUMBER") "; ");
    /* Strict: numbers for writer and status, one object instead of an array. */
    check(
        "[" NETWORK("{\"DataSetWriterId\":4,\"MessageType\":\"ua-deltaframe\",\"Payload\":{"
                    "\"a\":{\"Value\":1,\"StatusCode\":2147483648},"
                    "\"b\":{\"Value\":2,\"StatusCode\":1083179008},"
                    "\"c\":{\"Value\":3,\"StatusCode\":0},"
                    "\"d\":{\"StatusCode\":2147483648},"
                    "\"e\":{\"Value\":null}}}") "]",
        "bound: " ROW("a", T1_MS, "BAD", "1", "NUMBER") "," ROW(
            "b", T1_MS, "UNKNOWN", "2", "NUMBER") "," ROW("c", T1_MS, "GOOD", "3", "NUMBER") "; ");
    /* Compatibility: status as an object. */
    check(NETWORK("[" SET("ua-deltaframe",
                          "{\"a\":{\"Value\":1,\"SourceTimestamp\":" T1 ",\"StatusCode\":{"
                          "\"Symbol\":\"BadX\",\"Code\":2150891520}}}") "]"),
          "bound: " ROW("a", T1_MS, "BAD", "1", "NUMBER") "; ");
    /* A structure is JSON, an object that only looks like a value with its time is too. */
    check(NETWORK("[" SET("ua-keyframe", "{\"s\":{\"Value\":{\"x\":1},\"SourceTimestamp\":" T1
                                         "},\"o\":{\"Value\":1,\"Other\":2}}") "]"),
          "bound: " ROW("s", T1_MS, "GOOD", "{\"x\":1}", "JSON") "," ROW(
              "o", T2_MS, "GOOD", "{\"Value\":1,\"Other\":2}", "JSON") "; ");
}

static void what_carries_no_values(void **state)
{
    (void)state;
    check(NETWORK("[" SET("ua-keepalive", "{}") "]"), "");
    check(NETWORK("[{\"DataSetWriterId\":1,\"MessageType\":\"ua-keepalive\"}]"), "");
    check("{\"MessageId\":\"0\",\"MessageType\":\"ua-metadata\",\"PublisherId\":\"p\","
          "\"DataSetWriterId\":1,\"MetaData\":{\"Fields\":[]}}",
          "");
    check("[]", "");
    check(NETWORK("[]"), "");
}

static void batches(void **state)
{
    (void)state;
    check("[" NETWORK(
              "[" SET("ua-keyframe", "{\"a\":{\"Value\":1,\"SourceTimestamp\":" T1 "}}") "," SET(
                  "ua-deltaframe",
                  "{\"a\":{\"Value\":2,\"SourceTimestamp\":" T2
                  "}}") "]") "," NETWORK("[" SET("ua-keyframe", "{\"b\":3}") "]") "]",
          "bound: " ROW("a", T1_MS, "GOOD", "1", "NUMBER") "," ROW(
              "a", T2_MS, "GOOD", "2", "NUMBER") "," ROW("b", T2_MS, "GOOD", "3", "NUMBER") "; ");
}

static void events(void **state)
{
    (void)state;
    check(NETWORK("[" SET("ua-event", "{\"EventId\":\"x==\",\"Time\":" T1
                                      ",\"http://a/b#Step\":{\"Name\":\"s\"}}") "]"),
          "bound: " ROW("EventId", T1_MS, "GOOD", "\"x==\"", "STRING") "," ROW(
              "Time", T1_MS, "GOOD", T1, "STRING") "," ROW("Step", T1_MS, "GOOD",
                                                           "{\"Name\":\"s\"}", "JSON") "; ");
    check(NETWORK("[" SET("ua-condition",
                          "{\"Id\":{\"Type\":\"ByteString\",\"Body\":\"x\"},\"Message\":{\"Type\":"
                          "\"LocalizedText\",\"Body\":{\"Text\":\"t\",\"Locale\":\"en\"}},"
                          "\"Step\":{\"Type\":\"ExtensionObject\",\"Body\":{\"TypeId\":\"i=1\","
                          "\"Encoding\":\"Json\",\"Body\":{\"n\":1}}}}") "]"),
          "bound: " ROW("Id", T2_MS, "GOOD", "\"x\"", "STRING") "," ROW(
              "Message", T2_MS, "GOOD", "\"t\"", "STRING") "," ROW("Step", T2_MS, "GOOD",
                                                                   "{\"n\":1}", "JSON") "; ");
}

static void samples(void **state)
{
    (void)state;
    check("{\"NodeId\":\"nsu=http://a/;s=Up Down\",\"EndpointUrl\":\"opc.tcp://h:1/\",\"Value\":{"
          "\"Value\":5,\"SourceTimestamp\":" T1 "}}",
          "bound: " ROW("Up_Down", T1_MS, "GOOD", "5", "NUMBER") "; ");
    check("[{\"NodeId\":\"i=2253\",\"DisplayName\":\"D\",\"Timestamp\":" T2 ",\"Value\":{"
          "\"Value\":5,\"StatusCode\":{\"Symbol\":\"Uncertain\",\"Code\":1083179008}}},"
          "{\"NodeId\":\"i=9\",\"Value\":true}]",
          "bound: " ROW("D", T2_MS, "UNKNOWN", "5", "NUMBER") "," ROW("i_9", T1_MS, "GOOD", "true",
                                                                      "BOOLEAN") "; ");
    /* An event in samples format, plain and in reversible encoding. */
    check("{\"NodeId\":\"i=1\",\"DisplayName\":\"E\",\"Value\":{\"Message\":\"m\",\"n\":1}}",
          "bound: " ROW("Message", T1_MS, "GOOD", "\"m\"", "STRING") "," ROW("n", T1_MS, "GOOD",
                                                                             "1", "NUMBER") "; ");
    check("{\"NodeId\":\"i=1\",\"Value\":{\"Type\":\"ExtensionObject\",\"Body\":{\"TypeId\":\"x\","
          "\"Encoding\":\"Json\",\"Body\":{\"Time\":{\"Type\":\"DateTime\",\"Body\":" T2 "},\"n\":{"
          "\"Type\":\"Int32\",\"Body\":1}}}}}",
          "bound: " ROW("Time", T2_MS, "GOOD", T2, "STRING") "," ROW("n", T2_MS, "GOOD", "1",
                                                                     "NUMBER") "; ");
}

static struct mapping_rule rule(const char *writers, const char *nodes, const char *thing,
                                const char *property, const char *type)
{
    return (struct mapping_rule){.name = (char *)(uintptr_t) "r",
                                 .action = MAPPING_OPCUA,
                                 .writers = (char *)(uintptr_t)writers,
                                 .nodes = (char *)(uintptr_t)nodes,
                                 .thing = (char *)(uintptr_t)thing,
                                 .property = (char *)(uintptr_t)property,
                                 .base_type = (char *)(uintptr_t)type};
}

static void rules_name_things_and_properties(void **state)
{
    (void)state;
    struct mapping_rule given[] = {rule(NULL, NULL, "{device}-{writer}", NULL, NULL),
                                   rule("w1", "Sp*", NULL, "{publisher}/{group}_{field}", NULL),
                                   rule("w2", NULL, "fixed", "\"{node}\"", "INTEGER")};
    check_with(
        NETWORK("[" SET("ua-keyframe",
                        "{\"Speed\":1,\"a\":2}") ",{\"DataSetWriterName\":"
                                                 "\"w2\",\"DataSetWriterId\":9,\"Payload\":{\"ns=2;"
                                                 "s=x\":\"3\",\"y\":0.5}}]"),
        "bound: " ROW("pub/g_Speed", T2_MS, "GOOD", "1",
                      "NUMBER") "; "
                                "edge-w1: " ROW(
                                    "a", T2_MS, "GOOD", "2",
                                    "NUMBER") "; "
                                              "fixed: " ROW("\\\"ns_2_s_x\\\"", T1_MS, "GOOD", "3",
                                                            "INTEGER") "," ROW("\\\"y\\\"", T1_MS,
                                                                               "GOOD", "0.5",
                                                                               "NUMBER") "; ",
        given, 3);
    assert_int_equal(opcua_things(opcua), 3);
    /* A name that the message leaves empty is no Thing: the bound one gets the value. */
    struct mapping_rule empty = rule(NULL, NULL, "{writer}", NULL, NULL);
    check_with("{\"NodeId\":\"i=1\",\"Value\":1}",
               "bound: " ROW("i_1", T1_MS, "GOOD", "1", "NUMBER") "; ", &empty, 1);
    /* What the message names cannot leave the name of a Thing. */
    struct mapping_rule path = rule(NULL, NULL, "line/{writer}", NULL, NULL);
    check_with(NETWORK("[{\"DataSetWriterName\":\"../x?\\\"\\u0000\",\"Payload\":{\"a\":1}}]"),
               "line/.._x___: " ROW("a", T1_MS, "GOOD", "1", "NUMBER") "; ", &path, 1);
}

static void what_is_refused(void **state)
{
    static const char *const bodies[] = {"",
                                         "{",
                                         "1",
                                         "{\"a\":1}",
                                         "[1]",
                                         "{\"Messages\":1}",
                                         "{\"Messages\":[1]}",
                                         "{\"Messages\":[{\"Payload\":[1]}]}",
                                         "{\"NodeId\":\"i=1\",\"Value\":NaN}",
                                         "[{\"NodeId\":\"i=1\",\"Value\":1},7]",
                                         "{\"NodeId\":\"\xff\",\"Value\":1}",
                                         "[]x"};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_false(read_with(bodies[i], strlen(bodies[i]), NULL, 0));
        assert_int_equal(opcua_things(opcua), 0);
        assert_true(strlen(why.message) > 0 && strlen(why.hint) > 0);
    }
}

static void ceilings(void **state)
{
    struct mapping_rule each = rule(NULL, NULL, "{field}", NULL, NULL);
    struct buffer body;
    (void)state;
    buffer_init(&body, 1 << 24);
    for (unsigned things = 512; things <= 513; things++) {
        buffer_clear(&body);
        buffer_printf(&body, "{\"Messages\":[{\"Payload\":{");
        for (unsigned i = 0; i < things; i++)
            buffer_printf(&body, "%s\"f%u\":%u", i ? "," : "", i, i);
        buffer_printf(&body, "}}]}");
        assert_int_equal(read_with(body.data, body.n, &each, 1), things == 512);
    }
    assert_non_null(strstr(why.message, "512 Things"));
    for (unsigned values = TRANSLATE_ROWS_MAX; values <= TRANSLATE_ROWS_MAX + 1; values++) {
        buffer_clear(&body);
        for (unsigned i = 0; i < values; i++)
            buffer_printf(&body, "%s{\"NodeId\":\"i=1\",\"Value\":%u}", i ? "," : "[", i);
        buffer_printf(&body, "]");
        assert_int_equal(read_with(body.data, body.n, NULL, 0), values == TRANSLATE_ROWS_MAX);
    }
    assert_non_null(strstr(why.message, "too many values"));
    /* A name beside many values is looked at for each of them. */
    for (int bytes = 4096; bytes <= 4097; bytes++) {
        buffer_clear(&body);
        buffer_printf(&body, "{\"Messages\":[{\"DataSetWriterName\":\"%0*d\",", bytes, 0);
        buffer_printf(&body, "\"Payload\":{\"f\":1}}]}");
        assert_int_equal(read_with(body.data, body.n, NULL, 0), bytes == 4096);
    }
    assert_non_null(strstr(why.message, "4096 bytes"));
    buffer_free(&body);
}

static void content_types(void **state)
{
    (void)state;
    assert_true(opcua_is(SLICE_LITERAL("application/x-network-message-json-v1")));
    assert_true(opcua_is(SLICE_LITERAL("application/x-monitored-item-json-v1")));
    assert_false(opcua_is(SLICE_LITERAL("application/json")));
    assert_false(opcua_is(SLICE_LITERAL("application/x-network")));
    assert_false(opcua_is((struct slice){NULL, 0}));
}

/* ---- several parcels of one event --------------------------------------------------------- */

static void an_event_is_complete_with_its_last_parcel(void **state)
{
    struct parcel_origin origin = {.thing = SLICE_LITERAL("other")};
    struct bundle *bundle = NULL;
    struct parcel *parcels[3];
    (void)state;
    rows_clear(&rows, 0);
    for (int i = 0; i < 3; i++) {
        parcels[i] = parcel_create(&rows, &origin);
        assert_true(slice_equal(parcels[i]->thing, origin.thing));
        parcel_join(parcels[i], &bundle);
    }
    assert_false(parcel_completes(parcels[1]));
    parcel_free(parcels[1]);
    assert_false(parcel_completes(parcels[0]));
    assert_true(parcel_completes(parcels[2]));
    parcel_free(parcels[2]);
    parcel_free(parcels[0]);
    struct parcel *alone = parcel_create(&rows, &origin);
    assert_true(parcel_completes(alone));
    parcel_free(alone);
}

static void ignore_parcel(void *ctx, struct parcel *parcel)
{
    (void)ctx;
    (void)parcel;
}

/* The hand-over rule: what has the sequence of an event that some Thing has seen is not dropped. */
static void a_hand_over_keeps_the_rest_of_a_half_delivered_event(void **state)
{
    struct lane_limits limits = {10, 100000};
    struct lane_handlers handlers = {.completed = ignore_parcel};
    struct lanes *lanes = lanes_create(&limits, &handlers);
    struct translate_rules none = {.time_member = {NULL, 0}};
    int partition;
    struct bundle *bundle = NULL;
    struct parcel *parcels[3];
    struct buffer body;
    (void)state;
    assert_true(translate(SLICE_LITERAL("{\"a\":1}"), 1, &none, &rows, &why));
    for (int i = 0; i < 3; i++) {
        struct parcel_origin origin = {.partition = &partition, .sequence = i < 2 ? 5 : 6};
        parcels[i] = parcel_create(&rows, &origin);
        if (i < 2)
            parcel_join(parcels[i], &bundle);
    }
    lanes_push(lanes, SLICE_LITERAL("A"), parcels[0]);
    lanes_push(lanes, SLICE_LITERAL("B"), parcels[1]);
    lanes_push(lanes, SLICE_LITERAL("C"), parcels[2]);
    buffer_init(&body, lanes_body_ceiling(lanes));
    struct lane *lane = lanes_next(lanes, 0);
    assert_int_equal(lane_take(lane, &body), 1);
    /* Even when the first of them is done and gone, its event counts as seen. */
    lane_answer(lanes, lane, LANE_ACCEPTED, 0, NULL, 0);
    assert_int_equal(lanes_touched(lanes, &partition), 5);
    assert_int_equal(lanes_drop(lanes, &partition, lanes_touched(lanes, &partition)), 1);
    assert_int_equal(lanes_pending(lanes, &partition), 1);
    assert_true(slice_equal(lane_thing(lanes_next(lanes, 0)), SLICE_LITERAL("B")));
    lanes_free(lanes);
    buffer_free(&body);
}

/* ---- compressed bodies -------------------------------------------------------------------- */

/* NOLINTNEXTLINE(readability-non-const-parameter): deflate writes there */
static size_t zip(const char *text, size_t n, unsigned char *to, size_t room)
{
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)text,
                       .avail_in = (uInt)n,
                       .next_out = to,
                       .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t written = room - stream.avail_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return written;
}

static void bodies_are_unpacked_up_to_a_ceiling(void **state)
{
    enum { CEILING = 100000 };
    unsigned char packed[4096];
    struct buffer to;
    (void)state;
    buffer_init(&to, CEILING);
    char *zeros = xcalloc(CEILING + 1, 1);
    for (size_t n = CEILING; n <= CEILING + 1; n++) {
        size_t packed_n = zip(zeros, n, packed, sizeof packed);
        struct slice body = {(char *)packed, packed_n};
        assert_true(unzip_is(body));
        buffer_clear(&to);
        assert_int_equal(unzip(body, &to, &why), n == CEILING);
        if (n == CEILING)
            assert_int_equal(to.n, CEILING);
    }
    assert_non_null(strstr(why.message, "longer than"));
    size_t n = zip("{\"a\":1}", 7, packed, sizeof packed);
    for (size_t cut = 0; cut < n; cut++) {
        buffer_clear(&to);
        assert_false(unzip((struct slice){(char *)packed, cut}, &to, &why));
    }
    buffer_clear(&to);
    assert_true(unzip((struct slice){(char *)packed, n}, &to, &why));
    assert_true(slice_equal(buffer_slice(&to), SLICE_LITERAL("{\"a\":1}")));
    packed[n] = 0;
    buffer_clear(&to);
    assert_false(unzip((struct slice){(char *)packed, n + 1}, &to, &why));
    packed[n / 2] ^= 0x55;
    buffer_clear(&to);
    assert_false(unzip((struct slice){(char *)packed, n}, &to, &why));
    assert_false(unzip_is(SLICE_LITERAL("{\"a\":1}")));
    assert_false(unzip_is((struct slice){NULL, 0}));
    free(zeros);
    buffer_free(&to);
}

/* ---- real messages ------------------------------------------------------------------------ */

static void read_real(const char *path)
{
    struct json_object *file = json_object_from_file(path);
    struct json_object *body, *properties, *type;
    assert_true(json_object_object_get_ex(file, "body", &body));
    assert_true(json_object_object_get_ex(file, "properties", &properties));
    assert_true(json_object_object_get_ex(properties, "$$ContentType", &type));
    assert_true(opcua_is(slice_from(json_object_get_string(type))));
    const char *text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
    if (!read_with(text, strlen(text), NULL, 0))
        fail_msg("%s: %s", path, why.message);
    bool metadata = strstr(text, "ua-metadata") != NULL;
    assert_int_equal(opcua_things(opcua), metadata ? 0 : 1);
    if (strstr(text, "StatusCode") != NULL)
        assert_non_null(strstr(buffer_text(&rows.text), "\"UNKNOWN\""));
    json_object_put(file);
}

static void real_messages(void **state)
{
    const char *folder = getenv("HOLDFAST_OPCUA_MESSAGES");
    DIR *dir = folder != NULL ? opendir(folder) : NULL;
    (void)state;
    if (dir == NULL) {
        print_message("no real messages: HOLDFAST_OPCUA_MESSAGES names no folder\n");
        skip();
        return; /* skip() does not come back, which the analyzer cannot know */
    }
    size_t n = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".json") == NULL)
            continue;
        char *path = xasprintf("%s/%s", folder, entry->d_name);
        read_real(path);
        free(path);
        n++;
    }
    (void)closedir(dir);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_and_delta_frames),
        cmocka_unit_test(what_carries_no_values),
        cmocka_unit_test(batches),
        cmocka_unit_test(events),
        cmocka_unit_test(samples),
        cmocka_unit_test(rules_name_things_and_properties),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(ceilings),
        cmocka_unit_test(content_types),
        cmocka_unit_test(an_event_is_complete_with_its_last_parcel),
        cmocka_unit_test(a_hand_over_keeps_the_rest_of_a_half_delivered_event),
        cmocka_unit_test(bodies_are_unpacked_up_to_a_ceiling),
        cmocka_unit_test(real_messages),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
