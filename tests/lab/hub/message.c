#include "hub/message.h"

#include "hub/wire.h"

#include <string.h>

enum {
    SECTION_HEADER = 0x70,
    SECTION_DELIVERY_ANNOTATIONS = 0x71,
    SECTION_MESSAGE_ANNOTATIONS = 0x72,
    SECTION_PROPERTIES = 0x73,
    SECTION_DATA = 0x75,
    SECTION_VALUE = 0x77,
    SECTION_FOOTER = 0x78
};

#define KEY(text) SLICE_LITERAL(text)

struct slice message_offset(int64_t offset, bool prefixed, char *space)
{
    char *p = space + OFFSET_TEXT - 1;
    char *end = p;
    *p = '\0';
    uint64_t rest = (uint64_t)offset;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (prefixed) {
        *--p = ':';
        *--p = '1';
    }
    return (struct slice){p, (size_t)(end - p)};
}

/* Three pairs: six items of the map. */
static void put_stamp(struct buffer *out, const struct stamp *stamp)
{
    char space[OFFSET_TEXT];
    wire_put_symbol(out, KEY("x-opt-sequence-number"));
    wire_put_long(out, stamp->sequence);
    wire_put_symbol(out, KEY("x-opt-offset"));
    wire_put_string(out, message_offset(stamp->offset, stamp->prefixed, space));
    wire_put_symbol(out, KEY("x-opt-enqueued-time"));
    wire_put_timestamp(out, stamp->enqueued_ms);
}

static void put_text_pair(struct buffer *out, struct slice key, struct slice value)
{
    wire_put_symbol(out, key);
    wire_put_string(out, value);
}

static struct slice auth_method(bool module)
{
    return module ? KEY("{\"scope\":\"module\",\"type\":\"sas\",\"issuer\":\"iothub\","
                        "\"acceptingIpFilterRule\":null}")
                  : KEY("{\"scope\":\"device\",\"type\":\"sas\",\"issuer\":\"iothub\","
                        "\"acceptingIpFilterRule\":null}");
}

/* Whether the sender gave this annotation itself, be it as null. */
static bool given(const struct telemetry *t, struct slice name)
{
    struct slice rest = t->annotations;
    struct wire_value key;
    struct wire_value value;
    while (rest.n > 0 && wire_read(&rest, &key) && wire_read(&rest, &value))
        if (slice_equal(key.bytes, name))
            return true;
    return false;
}

/* One of the hub's own annotations, unless the sender gave it: the number of items. */
static uint32_t put_own(struct buffer *out, const struct telemetry *t, struct slice key,
                        struct slice value)
{
    if (t->annotations.n > 0 && given(t, key))
        return 0;
    put_text_pair(out, key, value);
    return 2;
}

static uint32_t put_given(struct buffer *out, const struct telemetry *t)
{
    struct slice rest = t->annotations;
    struct wire_value key;
    struct wire_value value;
    uint32_t count = 0;
    while (rest.n > 0 && wire_read(&rest, &key) && wire_read(&rest, &value)) {
        if (value.kind == WIRE_NULL)
            continue;
        buffer_append_slice(out, key.whole);
        buffer_append_slice(out, value.whole);
        count += 2;
    }
    return count;
}

static void put_usual_properties(struct buffer *out)
{
    wire_put_descriptor(out, SECTION_PROPERTIES);
    size_t list = wire_begin_list(out);
    for (int i = 0; i < 6; i++) /* message-id, user-id, to, subject, reply-to, correlation-id */
        wire_put_null(out);
    wire_put_symbol(out, KEY("application/json"));
    wire_put_symbol(out, KEY("utf-8"));
    wire_end(out, list, 8);
}

void message_put_telemetry(struct buffer *out, const struct stamp *stamp,
                           const struct telemetry *telemetry, struct event_parts *parts)
{
    size_t start = out->n;
    bool module = telemetry->module.n > 0;
    uint32_t count = 6;
    *parts = (struct event_parts){0};
    wire_put_descriptor(out, SECTION_MESSAGE_ANNOTATIONS);
    size_t map = wire_begin_map(out);
    put_stamp(out, stamp);
    put_text_pair(out, KEY("iothub-connection-device-id"), telemetry->device);
    count += 2;
    parts->device_n = (uint32_t)telemetry->device.n;
    parts->device_at = (uint32_t)(out->n - start) - parts->device_n;
    if (module) {
        put_text_pair(out, KEY("iothub-connection-module-id"), telemetry->module);
        count += 2;
        parts->module_n = (uint32_t)telemetry->module.n;
        parts->module_at = (uint32_t)(out->n - start) - parts->module_n;
    }
    count += put_own(out, telemetry, KEY("iothub-connection-auth-method"), auth_method(module));
    count +=
        put_own(out, telemetry, KEY("iothub-connection-auth-generation-id"), telemetry->generation);
    if (telemetry->annotations.n == 0 || !given(telemetry, KEY("iothub-enqueuedtime"))) {
        wire_put_symbol(out, KEY("iothub-enqueuedtime"));
        wire_put_timestamp(out, stamp->enqueued_ms);
        count += 2;
    }
    count += put_own(out, telemetry, KEY("iothub-message-source"), KEY("Telemetry"));
    count += put_given(out, telemetry);
    wire_end(out, map, count);
    if (telemetry->properties.n > 0)
        buffer_append_slice(out, telemetry->properties);
    else
        put_usual_properties(out);
    buffer_append_slice(out, telemetry->application);
    wire_put_descriptor(out, SECTION_DATA);
    wire_put_binary(out, telemetry->body);
    parts->body_n = (uint32_t)telemetry->body.n;
    parts->body_at = (uint32_t)(out->n - start) - parts->body_n;
}

static bool read_annotations(const struct wire_value *map, struct message *message)
{
    if (map->kind != WIRE_MAP)
        return false;
    message->annotations = map->bytes;
    message->annotation_count = map->count;
    struct slice rest = map->bytes;
    struct wire_value key;
    struct wire_value value;
    for (uint32_t i = 0; i + 1 < map->count; i += 2) {
        if (!wire_read(&rest, &key) || !wire_read(&rest, &value))
            return false;
        if (slice_equal(key.bytes, KEY("x-opt-partition-key")) && value.kind == WIRE_TEXT)
            message->partition_key = value.bytes;
    }
    return true;
}

bool message_read(struct slice bytes, struct message *message)
{
    *message = (struct message){0};
    struct wire_value section;
    uint64_t last = SECTION_HEADER;
    message->rest = bytes;
    while (bytes.n > 0) {
        if (!wire_read(&bytes, &section) || !section.described || section.descriptor < last ||
            section.descriptor > SECTION_FOOTER)
            return false;
        last = section.descriptor;
        if (section.descriptor <= SECTION_MESSAGE_ANNOTATIONS)
            message->rest = bytes;
        if (section.descriptor == SECTION_MESSAGE_ANNOTATIONS &&
            !read_annotations(&section, message))
            return false;
        bool text = section.descriptor == SECTION_DATA ||
                    (section.descriptor == SECTION_VALUE && section.kind == WIRE_TEXT);
        if (text && message->body.p == NULL)
            message->body = section.bytes;
    }
    return true;
}

bool message_each_data(struct slice bytes, bool (*each)(void *arg, struct slice data), void *arg)
{
    struct wire_value section;
    while (bytes.n > 0) {
        if (!wire_read(&bytes, &section) || !section.described)
            return false;
        if (section.descriptor == SECTION_DATA && !each(arg, section.bytes))
            return false;
    }
    return true;
}

static bool set_by_the_hub(struct slice key)
{
    return slice_equal(key, KEY("x-opt-sequence-number")) ||
           slice_equal(key, KEY("x-opt-offset")) || slice_equal(key, KEY("x-opt-enqueued-time"));
}

void message_put_sent(struct buffer *out, const struct stamp *stamp, const struct message *message,
                      struct event_parts *parts)
{
    size_t start = out->n;
    *parts = (struct event_parts){0};
    wire_put_descriptor(out, SECTION_MESSAGE_ANNOTATIONS);
    size_t map = wire_begin_map(out);
    put_stamp(out, stamp);
    uint32_t count = 6;
    struct slice rest = message->annotations;
    struct wire_value key;
    struct wire_value value;
    for (uint32_t i = 0; i + 1 < message->annotation_count; i += 2) {
        if (!wire_read(&rest, &key) || !wire_read(&rest, &value))
            break;
        if (set_by_the_hub(key.bytes))
            continue;
        buffer_append_slice(out, key.whole);
        buffer_append_slice(out, value.whole);
        count += 2;
        uint32_t at = (uint32_t)(out->n - start - value.bytes.n);
        if (slice_equal(key.bytes, KEY("iothub-connection-device-id"))) {
            parts->device_at = at;
            parts->device_n = (uint32_t)value.bytes.n;
        } else if (slice_equal(key.bytes, KEY("iothub-connection-module-id"))) {
            parts->module_at = at;
            parts->module_n = (uint32_t)value.bytes.n;
        }
    }
    wire_end(out, map, count);
    if (message->body.p != NULL) {
        parts->body_at = (uint32_t)(out->n - start + (size_t)(message->body.p - message->rest.p));
        parts->body_n = (uint32_t)message->body.n;
    }
    buffer_append_slice(out, message->rest);
}

void message_put_metrics(struct buffer *out, const struct stamp *last, int64_t now_ms)
{
    char space[OFFSET_TEXT];
    wire_put_descriptor(out, SECTION_DELIVERY_ANNOTATIONS);
    size_t map = wire_begin_map(out);
    wire_put_symbol(out, KEY("last_enqueued_sequence_number"));
    wire_put_long(out, last->sequence);
    wire_put_symbol(out, KEY("last_enqueued_offset"));
    wire_put_string(out, message_offset(last->offset, last->prefixed, space));
    wire_put_symbol(out, KEY("last_enqueued_time_utc"));
    wire_put_timestamp(out, last->enqueued_ms);
    wire_put_symbol(out, KEY("runtime_info_retrieval_time_utc"));
    wire_put_timestamp(out, now_ms);
    wire_end(out, map, 8);
}
