#include "thingworx/update.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIELD_NAME = 1, FIELD_TIME = 2, FIELD_VALUE = 4, FIELD_QUALITY = 8, FIELD_THING = 16 };

static const struct field {
    const char *name;
    const char *type;
    unsigned bit;
} fields[] = {
    {"name", "STRING", FIELD_NAME},      {"time", "DATETIME", FIELD_TIME},
    {"value", "VARIANT", FIELD_VALUE},   {"quality", "STRING", FIELD_QUALITY},
    {"thing", "THINGNAME", FIELD_THING},
};

/* Only the bulk service knows the field of the Thing. */
static const struct field *find_field(const struct update *update, const struct scan_value *key)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (scan_is(key, fields[i].name))
            return fields[i].bit != FIELD_THING || update->bulk ? &fields[i] : NULL;
    return NULL;
}

static void forget(struct update *update)
{
    for (size_t i = 0; i < update->n_decoded; i++)
        free(update->decoded[i]);
    update->n_decoded = 0;
    update->n = 0;
    update->row_fields = 0;
    update->shape_fields = 0;
    update->reason[0] = '\0';
}

void update_free(struct update *update)
{
    forget(update);
    free(update->rows);
    free(update->decoded);
    *update = (struct update){0};
}

/* The first reason stands: what follows is a consequence. Returns false. */
static bool refuse(struct update *update, const char *what, struct slice detail)
{
    if (update->reason[0] == '\0')
        (void)snprintf(update->reason, sizeof update->reason, "%s%s%.*s", what,
                       detail.n > 0 ? ": " : "", (int)(detail.n < 80 ? detail.n : 80), detail.p);
    return false;
}

static bool refuse_plain(struct update *update, const char *what)
{
    return refuse(update, what, SLICE_LITERAL(""));
}

static struct slice plain_text(struct update *update, const struct scan_value *value)
{
    if (!value->escaped)
        return scan_inside(value);
    struct buffer out;
    buffer_init(&out, value->text.n * 3);
    (void)scan_decode(value, &out);
    char *text = xstrndup(buffer_text(&out), out.n);
    buffer_free(&out);
    update->decoded = xrealloc(update->decoded, (update->n_decoded + 1) * sizeof(char *));
    update->decoded[update->n_decoded++] = text;
    return slice_from(text);
}

static struct update_row *new_row(struct update *update)
{
    if (update->n == update->capacity) {
        update->capacity = update->capacity ? update->capacity * 2 : 256;
        update->rows = xrealloc(update->rows, update->capacity * sizeof(struct update_row));
    }
    struct update_row *row = &update->rows[update->n++];
    *row = (struct update_row){.has_time = false};
    return row;
}

/* Looks into an object that may be {"value":..,"baseType":".."}: with exactly these members it
 * is a VARIANT; any other object is a bare value. */
static bool open_variant(struct update *update, struct update_row *row)
{
    struct scan s = scan_start(row->value.text);
    struct scan_value key;
    struct scan_value member;
    struct scan_value value = {.text = {NULL, 0}};
    struct scan_value type = {.text = {NULL, 0}};
    bool first = true;
    (void)scan_enter(&s, '{');
    while (scan_member(&s, &first, &key) && scan_any(&s, &member)) {
        if (scan_is(&key, "value") && value.text.p == NULL)
            value = member;
        else if (scan_is(&key, "baseType") && type.text.p == NULL && member.kind == SCAN_STRING)
            type = member;
        else
            return true;
    }
    if (value.text.p == NULL || type.text.p == NULL)
        return true;
    row->declared = base_type_find(scan_inside(&type));
    if (row->declared == NULL)
        return refuse(update, "unknown base type", type.text);
    row->value = value;
    return true;
}

static bool take_field(struct update *update, struct update_row *row, const struct field *field,
                       const struct scan_value *value)
{
    switch (field->bit) {
    case FIELD_NAME:
        if (value->kind != SCAN_STRING)
            return refuse(update, "the name of a row must be text", value->text);
        row->name = plain_text(update, value);
        return true;
    case FIELD_THING:
        if (value->kind != SCAN_STRING)
            return refuse(update, "the Thing of a row must be text", value->text);
        row->thing = plain_text(update, value);
        return true;
    case FIELD_TIME:
        row->has_time = true;
        return base_type_time(value, &row->time_ms) ||
               refuse(update, "no time can be read from", value->text);
    case FIELD_QUALITY:
        if (value->kind != SCAN_STRING)
            return refuse(update, "the quality of a row must be text", value->text);
        row->quality = plain_text(update, value);
        return true;
    case FIELD_VALUE:
    default:
        row->value = *value;
        return value->kind != SCAN_OBJECT || open_variant(update, row);
    }
}

static bool read_row(struct update *update, struct scan *s)
{
    struct scan_value key;
    struct scan_value value;
    bool first = true;
    unsigned seen = 0;
    if (!scan_enter(s, '{'))
        return refuse_plain(update, "a row must be an object");
    struct update_row *row = new_row(update);
    while (scan_member(s, &first, &key)) {
        const struct field *field = find_field(update, &key);
        if (field == NULL || (seen & field->bit) != 0)
            return refuse(update, "a row has an unknown or repeated field", key.text);
        if (!scan_any(s, &value) || !take_field(update, row, field, &value))
            return false;
        seen |= field->bit;
    }
    update->row_fields |= seen;
    unsigned needed = FIELD_NAME | FIELD_VALUE | (update->bulk ? FIELD_THING : 0u);
    if (s->error == NULL && (seen & needed) != needed)
        return refuse_plain(update, "a row needs name and value, and of the bulk service a Thing");
    return s->error == NULL;
}

static bool read_rows(struct update *update, struct scan *s)
{
    bool first = true;
    if (!scan_enter(s, '['))
        return refuse_plain(update, "rows must be an array");
    while (scan_element(s, &first))
        if (!read_row(update, s))
            return false;
    return s->error == NULL;
}

/* One field definition: {"name":"time","baseType":"DATETIME", ...}. */
static bool read_definition(struct update *update, struct scan *s, const struct field *field)
{
    struct scan_value key;
    struct scan_value value;
    bool first = true;
    unsigned seen = 0;
    if (!scan_enter(s, '{'))
        return refuse_plain(update, "a field definition must be an object");
    while (scan_member(s, &first, &key) && scan_any(s, &value)) {
        if (scan_is(&key, "name")) {
            seen |= 1;
            if (!scan_is(&value, field->name))
                return refuse(update, "a field definition has another name", value.text);
        } else if (scan_is(&key, "baseType")) {
            seen |= 2;
            if (!scan_is(&value, field->type))
                return refuse(update, "a field definition has the wrong base type", value.text);
        }
    }
    if (s->error == NULL && seen != 3)
        return refuse(update, "a field definition needs name and baseType",
                      slice_from(field->name));
    update->shape_fields |= field->bit;
    return s->error == NULL;
}

static bool read_definitions(struct update *update, struct scan *s)
{
    struct scan_value key;
    bool first = true;
    if (!scan_enter(s, '{'))
        return refuse_plain(update, "fieldDefinitions must be an object");
    while (scan_member(s, &first, &key)) {
        const struct field *field = find_field(update, &key);
        if (field == NULL)
            return refuse(update, "NamedVTQ has no field", key.text);
        if (!read_definition(update, s, field))
            return false;
    }
    return s->error == NULL;
}

static bool read_shape(struct update *update, struct scan *s)
{
    struct scan_value key;
    struct scan_value value;
    bool first = true;
    if (!scan_enter(s, '{'))
        return refuse_plain(update, "dataShape must be an object");
    while (scan_member(s, &first, &key))
        if (!(scan_is(&key, "fieldDefinitions") ? read_definitions(update, s)
                                                : scan_any(s, &value)))
            return false;
    return s->error == NULL;
}

static bool read_table(struct update *update, struct scan *s)
{
    struct scan_value key;
    struct scan_value value;
    bool first = true;
    bool rows = false;
    if (!scan_enter(s, '{'))
        return refuse_plain(update, "values must be an infotable");
    while (scan_member(s, &first, &key)) {
        bool ok;
        if (scan_is(&key, "dataShape")) {
            ok = read_shape(update, s);
        } else if (scan_is(&key, "rows")) {
            rows = true;
            ok = read_rows(update, s);
        } else if (scan_is(&key, "name") || scan_is(&key, "description") ||
                   scan_is(&key, "created")) {
            ok = scan_any(s, &value);
        } else {
            ok = refuse(update, "an infotable has no member", key.text);
        }
        if (!ok)
            return false;
    }
    if (s->error == NULL && !rows)
        return refuse_plain(update, "the infotable has no rows");
    if (s->error == NULL && ((update->row_fields & ~update->shape_fields) != 0 ||
                             (update->shape_fields & FIELD_NAME) == 0))
        return refuse_plain(update, "the data shape does not define every field of the rows");
    return s->error == NULL;
}

static enum update_result result(struct update *update, struct slice body, struct scan *s, bool ok)
{
    if (ok && scan_end(s))
        return UPDATE_OK;
    /* A shape was refused half way: the rest may still be no JSON. */
    struct scan whole = scan_start(body);
    struct scan_value value;
    if (scan_any(&whole, &value) && scan_end(&whole))
        return UPDATE_BAD_SHAPE;
    update->reason[0] = '\0';
    (void)refuse(update, "not JSON", slice_from(whole.error));
    return UPDATE_NOT_JSON;
}

static enum update_result read_call(struct update *update, struct slice body, bool bulk)
{
    struct scan s = scan_start(body);
    update->bulk = bulk;
    struct scan_value key;
    bool first = true;
    bool values = false;
    forget(update);
    if (!scan_enter(&s, '{'))
        return result(update, body, &s, refuse_plain(update, "the parameters must be an object"));
    while (scan_member(&s, &first, &key)) {
        if (!scan_is(&key, "values") || values)
            return result(update, body, &s,
                          refuse(update, "the service has no parameter", key.text));
        values = true;
        if (!read_table(update, &s))
            return result(update, body, &s, false);
    }
    if (s.error == NULL && !values)
        return result(update, body, &s, refuse_plain(update, "the parameter values is missing"));
    return result(update, body, &s, true);
}

enum update_result update_read(struct update *update, struct slice body)
{
    return read_call(update, body, false);
}

enum update_result update_read_bulk(struct update *update, struct slice body)
{
    return read_call(update, body, true);
}

enum update_result update_read_values(struct update *update, struct slice body)
{
    struct scan s = scan_start(body);
    struct scan_value key;
    bool first = true;
    forget(update);
    if (!scan_enter(&s, '{'))
        return result(update, body, &s, refuse_plain(update, "the body must be an object"));
    while (scan_member(&s, &first, &key)) {
        struct update_row *row = new_row(update);
        row->name = plain_text(update, &key);
        if (!scan_any(&s, &row->value))
            break;
    }
    return result(update, body, &s, s.error == NULL);
}
