#include "node/event_context.h"

#include "base/memory.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <math.h>
#include <string.h>

/* The texts of a message that are part of its context. */
static const struct member {
    const char *name;
    size_t at;
} MEMBERS[] = {{"message_source", offsetof(struct source_message, message_source)},
               {"subject", offsetof(struct source_message, subject)},
               {"content_type", offsetof(struct source_message, content_type)},
               {"content_encoding", offsetof(struct source_message, content_encoding)},
               {"message_id", offsetof(struct source_message, message_id)},
               {"correlation_id", offsetof(struct source_message, correlation_id)},
               {"auth_generation", offsetof(struct source_message, auth_generation)},
               {"auth_method", offsetof(struct source_message, auth_method)}};

/* ---- writing ------------------------------------------------------------------------------ */

static void put_text(struct buffer *json, struct slice text)
{
    (void)buffer_append_text(json, "\"");
    for (;;) {
        const char *nul = text.n > 0 ? memchr(text.p, '\0', text.n) : NULL;
        size_t n = nul != NULL ? (size_t)(nul - text.p) : text.n;
        (void)buffer_append_json(json, (struct slice){text.p, n});
        if (nul == NULL)
            break;
        (void)buffer_append_text(json, "\\ufffd");
        text = (struct slice){nul + 1, text.n - n - 1};
    }
    (void)buffer_append_text(json, "\"");
}

/* `first` is whether nothing stands in the object yet. */
static void put_name(struct buffer *json, struct slice name, bool *first)
{
    (void)buffer_append_text(json, *first ? "" : ",");
    put_text(json, name);
    (void)buffer_append_text(json, ":");
    *first = false;
}

static void put_value(struct buffer *json, const struct source_property *property)
{
    switch (property->kind) {
    case SOURCE_VALUE_BOOLEAN:
        (void)buffer_append_text(json, property->integer ? "true" : "false");
        return;
    case SOURCE_VALUE_INTEGER:
        (void)buffer_printf(json, "%" PRId64, property->integer);
        return;
    case SOURCE_VALUE_TIME:
        (void)buffer_printf(json, "{\"time_ms\":%" PRId64 "}", property->integer);
        return;
    case SOURCE_VALUE_NUMBER:
        if (isfinite(property->number)) {
            (void)buffer_printf(json, "%.17e", property->number);
            return;
        }
        break;
    case SOURCE_VALUE_TEXT:
        put_text(json, property->text);
        return;
    case SOURCE_VALUE_NULL:
    case SOURCE_VALUE_OTHER:
        break;
    }
    (void)buffer_append_text(json, "null");
}

static void put_properties(struct buffer *json, struct slice properties)
{
    struct source_property property;
    bool first = true;
    (void)buffer_append_text(json, "{");
    while (source_next_property(&properties, &property)) {
        put_name(json, property.name, &first);
        put_value(json, &property);
    }
    (void)buffer_append_text(json, "}");
}

bool event_context_write(const struct source_message *message, struct buffer *json)
{
    bool first = true;
    (void)buffer_append_text(json, "{");
    if (message->creation_ms != 0) {
        put_name(json, SLICE_LITERAL("creation_ms"), &first);
        (void)buffer_printf(json, "%" PRId64, message->creation_ms);
    }
    for (size_t i = 0; i < sizeof MEMBERS / sizeof MEMBERS[0]; i++) {
        const struct slice *text = (const struct slice *)((const char *)message + MEMBERS[i].at);
        if (text->n == 0)
            continue;
        put_name(json, slice_from(MEMBERS[i].name), &first);
        put_text(json, *text);
    }
    if (message->properties.n > 0) {
        put_name(json, SLICE_LITERAL("properties"), &first);
        put_properties(json, message->properties);
    }
    return buffer_append_text(json, "}") && !json->overflowed;
}

/* ---- reading ------------------------------------------------------------------------------ */

static struct slice text_of(struct json_object *value)
{
    return (struct slice){json_object_get_string(value), (size_t)json_object_get_string_len(value)};
}

static bool property_of(struct json_object *value, struct source_property *to)
{
    struct json_object *time_ms;
    switch (json_object_get_type(value)) {
    case json_type_null:
        to->kind = SOURCE_VALUE_NULL;
        return true;
    case json_type_boolean:
        to->kind = SOURCE_VALUE_BOOLEAN;
        to->integer = json_object_get_boolean(value);
        return true;
    case json_type_int:
        to->kind = SOURCE_VALUE_INTEGER;
        to->integer = json_object_get_int64(value);
        return true;
    case json_type_double:
        to->kind = SOURCE_VALUE_NUMBER;
        to->number = json_object_get_double(value);
        return true;
    case json_type_string:
        to->kind = SOURCE_VALUE_TEXT;
        to->text = text_of(value);
        return true;
    case json_type_object:
        to->kind = SOURCE_VALUE_TIME;
        to->integer = json_object_object_get_ex(value, "time_ms", &time_ms)
                          ? json_object_get_int64(time_ms)
                          : 0;
        return true;
    case json_type_array:
        break;
    }
    return false;
}

/* The slices are set when nothing more is added, as the buffer may move. */
struct place {
    size_t begin, n;
};

static void add_properties(struct json_object *root, struct buffer *texts, struct place *place)
{
    struct json_object *properties;
    place->begin = texts->n;
    if (json_object_object_get_ex(root, "properties", &properties) &&
        json_object_is_type(properties, json_type_object)) {
        json_object_object_foreach(properties, name, value)
        {
            struct source_property property = {.name = slice_from(name)};
            if (property_of(value, &property))
                (void)source_put_property(texts, &property);
        }
    }
    place->n = texts->n - place->begin;
}

bool event_context_read(const char *json, struct source_message *message, struct buffer *texts)
{
    enum { COUNT = sizeof MEMBERS / sizeof MEMBERS[0] };
    struct place places[COUNT] = {{0}};
    struct place properties;
    struct json_object *value;
    struct json_object *root = json_tokener_parse(json);
    for (size_t i = 0; i < COUNT; i++) {
        if (!json_object_object_get_ex(root, MEMBERS[i].name, &value) ||
            !json_object_is_type(value, json_type_string))
            continue;
        places[i].begin = texts->n;
        if (buffer_append_slice(texts, text_of(value)))
            places[i].n = texts->n - places[i].begin;
    }
    add_properties(root, texts, &properties);
    if (json_object_object_get_ex(root, "creation_ms", &value))
        message->creation_ms = json_object_get_int64(value);
    json_object_put(root);
    if (texts->overflowed)
        return false;
    for (size_t i = 0; i < COUNT; i++)
        *(struct slice *)((char *)message + MEMBERS[i].at) =
            (struct slice){places[i].n > 0 ? texts->data + places[i].begin : NULL, places[i].n};
    message->properties =
        (struct slice){properties.n > 0 ? texts->data + properties.begin : NULL, properties.n};
    return true;
}

/* ---- of a single value -------------------------------------------------------------------- */

bool event_context_write_thing(struct slice thing, struct buffer *json)
{
    (void)buffer_append_text(json, "{\"thing\":");
    put_text(json, thing);
    return buffer_append_text(json, "}") && !json->overflowed;
}

char *event_context_thing(const char *json)
{
    struct json_object *value;
    struct json_object *root = json_tokener_parse(json);
    char *thing = NULL;
    if (json_object_object_get_ex(root, "thing", &value) &&
        json_object_is_type(value, json_type_string))
        thing = xstrdup(json_object_get_string(value));
    json_object_put(root);
    return thing;
}
