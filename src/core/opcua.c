#include "core/opcua.h"

#include "base/memory.h"
#include "core/base_type.h"
#include "core/hash.h"
#include "core/json_scan.h"
#include "core/mapping_program.h"
#include "core/opcua_name.h"
#include "core/translate.h"

#include <stdlib.h>

enum { THINGS_MAX = 512, WRAPPERS_MAX = 4 };

#define NAMES_MAX (2 * TRANSLATE_BODY_MAX)

/* Where a text stands in the names, which move while they grow. */
struct span {
    size_t at, n;
};

struct value {
    struct json_value value;
    int64_t time_ms;
    const char *quality;
    const struct mapping_rule *rule;
    const struct base_type *type;
    struct span name;
    uint32_t thing;
};

struct thing {
    struct span name;
    uint64_t hash;
};

struct opcua {
    struct value *values;
    uint32_t value_count, value_capacity;
    struct thing things[THINGS_MAX];
    uint32_t thing_count;
    struct buffer names;
    struct mapping_origin *origins; /* of the rows that were last written */
    uint32_t origin_capacity;
    const struct opcua_naming *naming;
    const char *why;
};

/* What is known of a message while its values are read. */
struct context {
    struct opcua_place place;
    int64_t time_ms;
};

struct opcua *opcua_create(void)
{
    struct opcua *o = xcalloc(1, sizeof *o);
    buffer_init(&o->names, NAMES_MAX);
    return o;
}

void opcua_free(struct opcua *o)
{
    if (o == NULL)
        return;
    buffer_free(&o->names);
    free(o->values);
    free(o->origins);
    free(o);
}

bool opcua_is(struct slice content_type)
{
    static const char *const types[] = {
        "application/x-network-message-json", "application/x-monitored-item-json",
        "application/x-network-message-gzip", "application/x-monitored-item-gzip"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (content_type.n >= strlen(types[i]) &&
            memcmp(content_type.p, types[i], strlen(types[i])) == 0)
            return true;
    return false;
}

/* --- adding values ------------------------------------------------------------------------- */

static bool fail(struct opcua *o, const char *why)
{
    o->why = why;
    return false;
}

static struct slice span_text(const struct opcua *o, struct span span)
{
    return (struct slice){o->names.data + span.at, span.n};
}

static struct span write_name(struct opcua *o, const char *template,
                              const struct opcua_place *place, bool json)
{
    size_t at = o->names.n;
    opcua_name(&o->names, template, place, o->naming, json);
    return (struct span){at, o->names.n - at};
}

/* The number of the Thing that the template names; one without a name is the bound one. */
static bool find_thing(struct opcua *o, const char *template, const struct opcua_place *place,
                       uint32_t *number)
{
    struct span name = write_name(o, template, place, false);
    if (name.n == 0)
        name = write_name(o, "{thing}", place, false);
    if (o->names.overflowed)
        return fail(o, "names too long");
    uint64_t hash = hash_bytes(span_text(o, name));
    for (uint32_t i = 0; i < o->thing_count; i++)
        if (o->things[i].hash == hash &&
            slice_equal(span_text(o, o->things[i].name), span_text(o, name))) {
            buffer_cut(&o->names, name.at);
            *number = i;
            return true;
        }
    if (o->thing_count == THINGS_MAX)
        return fail(o, "values for more than 512 Things");
    *number = o->thing_count++;
    o->things[*number] = (struct thing){name, hash};
    return true;
}

/* The last opcua rule that knows the writer and the node. */
static const struct mapping_compiled *find_rule(const struct opcua *o,
                                                const struct opcua_place *place)
{
    const struct mapping_program *program = o->naming->program;
    struct slice node = place->node.n > 0 ? place->node : place->field;
    for (size_t i = program != NULL ? program->opcua_count : 0; i > 0; i--) {
        const struct mapping_compiled *rule = program->opcua[i - 1];
        if (mapping_like(place->writer, rule->rule->writers) &&
            mapping_like(node, rule->rule->nodes))
            return rule;
    }
    return NULL;
}

static bool add(struct opcua *o, const struct context *context, const struct json_value *value,
                const char *quality)
{
    if (value->kind == JSON_NULL)
        return true;
    if (o->value_count == TRANSLATE_ROWS_MAX)
        return fail(o, "too many values");
    if (!opcua_name_fits(&context->place))
        return fail(o, "a name of more than 4096 bytes");
    if (o->value_count == o->value_capacity) {
        o->value_capacity = o->value_capacity ? o->value_capacity * 2 : 64;
        o->values = xrealloc(o->values, o->value_capacity * sizeof *o->values);
    }
    const struct mapping_compiled *compiled = find_rule(o, &context->place);
    const struct mapping_rule *rule = compiled != NULL ? compiled->rule : NULL;
    struct value *to = &o->values[o->value_count];
    *to = (struct value){.value = *value,
                         .time_ms = context->time_ms,
                         .quality = quality,
                         .rule = rule,
                         .type = compiled != NULL ? compiled->type : NULL};
    const char *thing = rule != NULL && rule->thing != NULL ? rule->thing : "{thing}";
    const char *property = rule != NULL && rule->property != NULL ? rule->property : "{field}";
    if (!find_thing(o, thing, &context->place, &to->thing))
        return false;
    to->name = write_name(o, property, &context->place, true);
    if (o->names.overflowed)
        return fail(o, "names too long");
    o->value_count++;
    return true;
}

/* --- values in their wrappers -------------------------------------------------------------- */

static bool named(const struct json_value *name, const char *text)
{
    return slice_equal(name->text, slice_from(text));
}

static bool is_name(const struct json_value *value)
{
    return value->kind == JSON_STRING || value->kind == JSON_NUMBER;
}

/* The member of that name; false if there is none. */
static bool member(struct slice object, const char *name, struct json_value *value)
{
    struct json_cursor c = json_scan_begin(object);
    struct json_value key, found;
    bool is = false;
    while (json_scan_member(&c, &key, &found))
        if (named(&key, name)) {
            *value = found;
            is = true;
        }
    return is;
}

/* Takes reversible encoding off: {"Type":..,"Body":..}, and {"TypeId":..,"Encoding":..,"Body":..}
 * of extension objects; of a localized text the text. */
static void unwrap(struct json_value *value)
{
    for (int i = 0; i < WRAPPERS_MAX && value->kind == JSON_OBJECT; i++) {
        struct json_value type, body, text;
        if (!member(value->text, "Body", &body) ||
            (!member(value->text, "Type", &type) && !member(value->text, "TypeId", &type)))
            return;
        *value = body;
        if ((named(&type, "LocalizedText") || named(&type, "21")) && body.kind == JSON_OBJECT &&
            member(body.text, "Text", &text))
            *value = text;
    }
}

/* Good, uncertain, bad: the two highest bits. In strict mode it is a number, else an object. */
static const char *quality_of(struct json_value status)
{
    struct json_value code = status;
    if (status.kind == JSON_OBJECT && !member(status.text, "Code", &code))
        return "GOOD";
    uint64_t number = 0;
    if (code.kind != JSON_NUMBER || code.text.n > 10)
        return code.kind == JSON_NULL ? "GOOD" : "UNKNOWN";
    for (size_t i = 0; i < code.text.n; i++) {
        if (code.text.p[i] < '0' || code.text.p[i] > '9')
            return "UNKNOWN";
        number = number * 10 + (uint64_t)(code.text.p[i] - '0');
    }
    static const char *const names[] = {"GOOD", "UNKNOWN", "BAD", "BAD"};
    return names[(number >> 30) & 3];
}

static void take_time(const struct json_value *value, int64_t *time_ms)
{
    if (value->kind == JSON_STRING)
        (void)translate_time(value->text, time_ms);
}

/* A value with its time and status; false if the object is something else. */
static bool read_data_value(struct slice object, struct json_value *value, const char **quality,
                            int64_t *time_ms)
{
    static const char *const others[] = {"SourcePicoseconds", "ServerPicoseconds", "Status"};
    struct json_cursor c = json_scan_begin(object);
    struct json_value name, found;
    struct json_value server = {.kind = JSON_NULL}, source = {.kind = JSON_NULL};
    bool is = false;
    *value = (struct json_value){.kind = JSON_NULL};
    while (json_scan_member(&c, &name, &found)) {
        bool known = false;
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            known = known || named(&name, others[i]);
        if (named(&name, "Value"))
            *value = found;
        else if (named(&name, "StatusCode"))
            *quality = quality_of(found);
        else if (named(&name, "SourceTimestamp"))
            source = found;
        else if (named(&name, "ServerTimestamp"))
            server = found;
        else if (!known)
            return false;
        is = is || named(&name, "Value") || named(&name, "StatusCode");
    }
    take_time(&server, time_ms);
    take_time(&source, time_ms);
    return is;
}

/* One field of a data set: a value with its time and status, or the bare value. */
static bool add_field(struct opcua *o, const struct context *context, struct json_value value)
{
    struct context own = *context;
    struct json_value inner;
    const char *quality = "GOOD";
    if (value.kind == JSON_OBJECT && read_data_value(value.text, &inner, &quality, &own.time_ms))
        value = inner;
    else {
        own = *context;
        quality = "GOOD";
    }
    unwrap(&value);
    return add(o, &own, &value, quality);
}

/* The fields of an event; it happened at its own Time. */
static bool add_event(struct opcua *o, const struct context *context, struct slice fields)
{
    struct context own = *context;
    struct json_cursor c = json_scan_begin(fields);
    struct json_value name, value;
    if (member(fields, "Time", &value)) {
        unwrap(&value);
        take_time(&value, &own.time_ms);
    }
    own.place.node = context->place.node;
    while (json_scan_member(&c, &name, &value)) {
        own.place.field = name.text;
        unwrap(&value);
        if (!add(o, &own, &value, "GOOD"))
            return false;
    }
    return true;
}

/* --- messages ------------------------------------------------------------------------------ */

static bool read_data_set(struct opcua *o, struct slice object, struct context context)
{
    struct json_cursor c = json_scan_begin(object);
    struct json_value name, value;
    struct json_value type = {.kind = JSON_NULL}, payload = {.kind = JSON_NULL};
    struct slice id = {NULL, 0};
    while (json_scan_member(&c, &name, &value)) {
        if (named(&name, "DataSetWriterName") && value.kind == JSON_STRING)
            context.place.writer = value.text;
        else if (named(&name, "DataSetWriterId") && is_name(&value))
            id = value.text;
        else if (named(&name, "Timestamp"))
            take_time(&value, &context.time_ms);
        else if (named(&name, "MessageType"))
            type = value;
        else if (named(&name, "Payload"))
            payload = value;
    }
    if (context.place.writer.n == 0)
        context.place.writer = id;
    if (named(&type, "ua-keepalive") || payload.kind == JSON_NULL)
        return true;
    if (payload.kind != JSON_OBJECT)
        return fail(o, "a payload that is no object");
    if (named(&type, "ua-event") || named(&type, "ua-condition"))
        return add_event(o, &context, payload.text);
    c = json_scan_begin(payload.text);
    while (json_scan_member(&c, &name, &value)) {
        context.place.field = name.text;
        if (!add_field(o, &context, value))
            return false;
    }
    return true;
}

static bool read_network_message(struct opcua *o, struct slice object, struct context context)
{
    struct json_cursor c = json_scan_begin(object);
    struct json_value name, value;
    struct json_value type = {.kind = JSON_NULL}, messages = {.kind = JSON_NULL};
    while (json_scan_member(&c, &name, &value)) {
        if (named(&name, "PublisherId") && is_name(&value))
            context.place.publisher = value.text;
        else if (named(&name, "DataSetWriterGroup") && value.kind == JSON_STRING)
            context.place.group = value.text;
        else if (named(&name, "MessageType"))
            type = value;
        else if (named(&name, "Messages"))
            messages = value;
    }
    if (named(&type, "ua-metadata"))
        return true;
    if (messages.kind == JSON_OBJECT)
        return read_data_set(o, messages.text, context);
    if (messages.kind != JSON_ARRAY)
        return fail(o, "a network message without messages");
    c = json_scan_begin(messages.text);
    while (json_scan_element(&c, &value)) {
        if (value.kind != JSON_OBJECT)
            return fail(o, "a message that is no object");
        if (!read_data_set(o, value.text, context))
            return false;
    }
    return true;
}

static bool read_sample(struct opcua *o, struct slice object, struct context context)
{
    struct json_cursor c = json_scan_begin(object);
    struct json_value name, value, part;
    struct json_value of = {.kind = JSON_NULL};
    while (json_scan_member(&c, &name, &value)) {
        if (named(&name, "NodeId") && value.kind == JSON_STRING)
            context.place.node = value.text;
        else if (named(&name, "DisplayName") && value.kind == JSON_STRING)
            context.place.field = value.text;
        else if (named(&name, "EndpointUrl") && value.kind == JSON_STRING)
            context.place.endpoint = value.text;
        else if (named(&name, "Timestamp"))
            take_time(&value, &context.time_ms);
        else if (named(&name, "Value"))
            of = value;
        if (!named(&name, "ExtensionFields") || value.kind != JSON_OBJECT)
            continue;
        if (member(value.text, "PublisherId", &part) && is_name(&part))
            context.place.publisher = part.text;
        if (member(value.text, "DataSetWriterId", &part) && is_name(&part))
            context.place.writer = part.text;
    }
    if (context.place.field.n == 0)
        context.place.field = context.place.node;
    struct json_value ignored;
    int64_t time_ms;
    const char *quality;
    if (of.kind == JSON_OBJECT && !read_data_value(of.text, &ignored, &quality, &time_ms)) {
        unwrap(&of);
        if (of.kind == JSON_OBJECT)
            return add_event(o, &context, of.text);
    }
    return add_field(o, &context, of);
}

static bool read_message(struct opcua *o, const struct json_value *message, int64_t time_ms)
{
    struct context context = {.time_ms = time_ms};
    struct json_value found;
    if (message->kind != JSON_OBJECT)
        return fail(o, "a message that is no object");
    if (member(message->text, "NodeId", &found))
        return read_sample(o, message->text, context);
    if (member(message->text, "Messages", &found) || member(message->text, "MetaData", &found))
        return read_network_message(o, message->text, context);
    return fail(o, "neither a network message nor a sample");
}

bool opcua_read(struct opcua *o, struct slice body, int64_t time_ms,
                const struct opcua_naming *naming, struct error *why)
{
    struct json_cursor c = json_scan_begin(body);
    struct json_value root, message;
    o->value_count = o->thing_count = 0;
    o->naming = naming;
    o->why = NULL;
    buffer_clear(&o->names);
    if (body.n > TRANSLATE_BODY_MAX)
        return error_set(why, "the body of %zu bytes is longer than %zu", body.n,
                         TRANSLATE_BODY_MAX);
    bool ok = json_scan_value(&c, JSON_DEPTH_MAX, &root) &&
              (json_scan_end(&c) || json_scan_fail(&c, "something follows"));
    if (!ok) {
        error_set(why, "not JSON: %s at byte %zu", c.why, (size_t)(c.p - body.p));
    } else if (root.kind != JSON_ARRAY) {
        ok = read_message(o, &root, time_ms);
    } else {
        c = json_scan_begin(root.text);
        while (ok && json_scan_element(&c, &message))
            ok = read_message(o, &message, time_ms);
    }
    if (o->why != NULL)
        error_set(why, "not a message of OPC Publisher: %s", o->why);
    if (!ok) {
        o->thing_count = 0;
        error_hint(why,
                   "Telemetry of another kind must not bear the content type of OPC Publisher, "
                   "nor be chosen by a rule for it.");
    }
    return ok;
}

uint32_t opcua_things(const struct opcua *o)
{
    return o->thing_count;
}

struct slice opcua_rows(struct opcua *o, uint32_t i, struct rows *rows)
{
    rows_clear(rows, 0);
    if (o->origin_capacity < o->value_count) {
        o->origin_capacity = o->value_capacity;
        o->origins = xrealloc(o->origins, o->origin_capacity * sizeof *o->origins);
    }
    for (uint32_t v = 0; v < o->value_count; v++) {
        const struct value *value = &o->values[v];
        if (value->thing != i)
            continue;
        const struct base_type *type = value->type;
        rows_begin(rows, span_text(o, value->name), value->time_ms, value->quality);
        bool fits = type != NULL && base_type_write(type, &value->value, &rows->text);
        o->origins[rows->count] = (struct mapping_origin){
            value->rule, type != NULL && !fits ? base_type_name(type) : NULL};
        if (!fits)
            base_type_write_natural(&value->value, &rows->text);
        rows_end(rows, base_type_name(fits ? type : base_type_natural(value->value.kind)));
    }
    if (rows->text.overflowed)
        return (struct slice){NULL, 0};
    return span_text(o, o->things[i].name);
}

struct mapping_origin opcua_origin(const struct opcua *o, uint32_t i)
{
    return o->origins[i];
}
