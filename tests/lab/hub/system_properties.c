#include "hub/system_properties.h"

#include "hub/hub.h"
#include "hub/wire.h"

#include <string.h>

enum { SECTION_PROPERTIES = 0x73, SECTION_APPLICATION = 0x74 };

enum type { TEXT, BYTES, SYMBOL, TIME, COUNT };

/* The properties section is a list in this order. */
static const struct {
    const char *name;
    enum type type;
    const char *otherwise;
} fields[] = {
    {"message-id", TEXT, NULL},
    {"user-id", BYTES, NULL},
    {"to", TEXT, NULL},
    {"subject", TEXT, NULL},
    {"reply-to", TEXT, NULL},
    {"correlation-id", TEXT, NULL},
    {"content-type", SYMBOL, "application/json"},
    {"content-encoding", SYMBOL, "utf-8"},
    {"absolute-expiry-time", TIME, NULL},
    {"creation-time", TIME, NULL},
    {"group-id", TEXT, NULL},
    {"group-sequence", COUNT, NULL},
    {"reply-to-group-id", TEXT, NULL},
};
#define FIELDS (sizeof fields / sizeof *fields)

static struct slice text_of(struct json_object *value)
{
    return slice_from(json_object_get_string(value));
}

static bool put_field(struct buffer *out, size_t i, struct json_object *value, struct error *err)
{
    bool number = json_object_is_type(value, json_type_int);
    bool wants_number = fields[i].type == TIME || fields[i].type == COUNT;
    if (number != wants_number && (wants_number || !json_object_is_type(value, json_type_string)))
        return error_set(err, "\"%s\" must be a %s", fields[i].name,
                         wants_number ? "whole number" : "string");
    switch (fields[i].type) {
    case TEXT:
        wire_put_string(out, text_of(value));
        break;
    case BYTES:
        wire_put_binary(out, text_of(value));
        break;
    case SYMBOL:
        wire_put_symbol(out, text_of(value));
        break;
    case TIME:
        wire_put_timestamp(out, json_object_get_int64(value));
        break;
    case COUNT:
        wire_put_uint(out, (uint32_t)json_object_get_int64(value));
        break;
    }
    return true;
}

static bool put_properties(struct buffer *out, struct json_object *system, struct error *err)
{
    wire_put_descriptor(out, SECTION_PROPERTIES);
    size_t list = wire_begin_list(out);
    for (size_t i = 0; i < FIELDS; i++) {
        struct json_object *value = NULL;
        bool given = json_object_object_get_ex(system, fields[i].name, &value);
        if (value != NULL) {
            if (!put_field(out, i, value, err))
                return false;
        } else if (!given && fields[i].otherwise != NULL) {
            wire_put_symbol(out, slice_from(fields[i].otherwise));
        } else {
            wire_put_null(out);
        }
    }
    wire_end(out, list, FIELDS);
    return true;
}

static bool is_field(const char *name)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].name, name) == 0)
            return true;
    return false;
}

/* The moments among an IoT Hub's annotations are timestamps. */
static bool is_moment(const char *name)
{
    static const char *const moments[] = {"iothub-enqueuedtime", "iothub-creation-time-utc",
                                          "x-opt-enqueued-time"};
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++)
        if (strcmp(moments[i], name) == 0)
            return true;
    return false;
}

static void put_value(struct buffer *out, const char *name, struct json_object *value)
{
    if (value == NULL)
        wire_put_null(out);
    else if (json_object_is_type(value, json_type_int) && is_moment(name))
        wire_put_timestamp(out, json_object_get_int64(value));
    else if (json_object_is_type(value, json_type_int))
        wire_put_long(out, json_object_get_int64(value));
    else if (json_object_is_type(value, json_type_boolean))
        wire_put_boolean(out, json_object_get_boolean(value));
    else
        wire_put_string(out, text_of(value));
}

static bool put_application(struct buffer *out, struct json_object *application, struct error *err)
{
    uint32_t count = 0;
    if (!json_object_is_type(application, json_type_object))
        return error_set(err, "the application properties are no object");
    wire_put_descriptor(out, SECTION_APPLICATION);
    size_t map = wire_begin_map(out);
    json_object_object_foreach(application, name, value)
    {
        wire_put_string(out, slice_from(name));
        put_value(out, name, value);
        count += 2;
    }
    wire_end(out, map, count);
    return true;
}

bool system_properties_read(struct system_properties *p, struct json_object *system,
                            struct json_object *application, struct error *err)
{
    *p = (struct system_properties){0};
    buffer_init(&p->annotations, HUB_MESSAGE_MAX);
    buffer_init(&p->properties, HUB_MESSAGE_MAX);
    buffer_init(&p->application, HUB_MESSAGE_MAX);
    if (application != NULL && !put_application(&p->application, application, err))
        return false;
    if (system == NULL)
        return true;
    if (!json_object_is_type(system, json_type_object))
        return error_set(err, "\"system\" is no object");
    json_object_object_foreach(system, name, value)
    {
        if (is_field(name))
            continue;
        wire_put_symbol(&p->annotations, slice_from(name));
        put_value(&p->annotations, name, value);
        p->annotation_count += 2;
    }
    return put_properties(&p->properties, system, err);
}

void system_properties_free(struct system_properties *p)
{
    buffer_free(&p->annotations);
    buffer_free(&p->properties);
    buffer_free(&p->application);
}

void system_properties_apply(const struct system_properties *p, struct telemetry *telemetry)
{
    telemetry->annotations = buffer_slice(&p->annotations);
    telemetry->annotation_count = p->annotation_count;
    telemetry->properties = buffer_slice(&p->properties);
    telemetry->application = buffer_slice(&p->application);
}
