#include "core/base_type.h"

#include "core/translate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

/* How the values of a base type are written. */
enum class {
    CLASS_TEXT,
    CLASS_NUMBER,
    CLASS_INTEGER,
    CLASS_LONG,
    CLASS_BOOLEAN,
    CLASS_DATETIME,
    CLASS_LOCATION,
    CLASS_JSON,
    CLASS_INFOTABLE,
    CLASS_VARIANT
};

struct base_type {
    const char *name;
    enum class class;
};

/* Beside those of the values themselves, all that are texts: links, names of entities, and what
 * ThingWorx reads from a text of its own. */
static const struct base_type types[] = {
    {"NUMBER", CLASS_NUMBER},
    {"BOOLEAN", CLASS_BOOLEAN},
    {"LONG", CLASS_LONG},
    {"STRING", CLASS_TEXT},
    {"JSON", CLASS_JSON},
    {"INTEGER", CLASS_INTEGER},
    {"DATETIME", CLASS_DATETIME},
    {"LOCATION", CLASS_LOCATION},
    {"INFOTABLE", CLASS_INFOTABLE},
    {"QUERY", CLASS_JSON},
    {"VARIANT", CLASS_VARIANT},
    {"TIMESPAN", CLASS_NUMBER},
    {"TEXT", CLASS_TEXT},
    {"HTML", CLASS_TEXT},
    {"XML", CLASS_TEXT},
    {"HYPERLINK", CLASS_TEXT},
    {"IMAGELINK", CLASS_TEXT},
    {"IMAGE", CLASS_TEXT},
    {"BLOB", CLASS_TEXT},
    {"PASSWORD", CLASS_TEXT},
    {"GUID", CLASS_TEXT},
    {"TAGS", CLASS_TEXT},
    {"SCHEDULE", CLASS_TEXT},
    {"THINGNAME", CLASS_TEXT},
    {"THINGSHAPENAME", CLASS_TEXT},
    {"THINGTEMPLATENAME", CLASS_TEXT},
    {"DATASHAPENAME", CLASS_TEXT},
    {"MASHUPNAME", CLASS_TEXT},
    {"MENUNAME", CLASS_TEXT},
    {"BASETYPENAME", CLASS_TEXT},
    {"USERNAME", CLASS_TEXT},
    {"GROUPNAME", CLASS_TEXT},
    {"PROPERTYNAME", CLASS_TEXT},
    {"SERVICENAME", CLASS_TEXT},
    {"EVENTNAME", CLASS_TEXT},
};

const struct base_type *base_type_find(struct slice name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (slice_equal(name, slice_from(types[i].name)))
            return &types[i];
    return NULL;
}

const char *base_type_name(const struct base_type *type)
{
    return type->name;
}

const struct base_type *base_type_natural(enum json_kind kind)
{
    switch (kind) {
    case JSON_BOOLEAN:
        return &types[1];
    case JSON_LONG:
        return &types[2];
    case JSON_STRING:
        return &types[3];
    case JSON_OBJECT:
    case JSON_ARRAY:
        return &types[4];
    case JSON_NUMBER:
    case JSON_NULL:
        break;
    }
    return &types[0];
}

void base_type_write_natural(const struct json_value *value, struct buffer *to)
{
    const char *around = value->kind == JSON_STRING ? "\"" : "";
    (void)buffer_append_text(to, value->kind == JSON_ARRAY ? "{\"array\":" : around);
    (void)buffer_append_slice(to, value->text);
    (void)buffer_append_text(to, value->kind == JSON_ARRAY ? "}" : around);
}

static bool is_number(const struct json_value *value)
{
    return value->kind == JSON_NUMBER || value->kind == JSON_LONG;
}

/* The number that the value is, or that stands in its text. */
static bool number_of(const struct json_value *value, struct json_value *number)
{
    if (is_number(value)) {
        *number = *value;
        return true;
    }
    struct json_cursor c = json_scan_begin(value->text);
    return value->kind == JSON_STRING && !value->escaped && json_scan_value(&c, 0, number) &&
           c.p == c.end && is_number(number) && number->text.p == value->text.p;
}

static bool write_text(const struct json_value *value, struct buffer *to)
{
    (void)buffer_append_text(to, "\"");
    if (value->kind == JSON_STRING)
        (void)buffer_append_slice(to, value->text);
    else
        (void)buffer_append_json(to, value->text);
    (void)buffer_append_text(to, "\"");
    return true;
}

static bool write_number(const struct json_value *value, struct buffer *to)
{
    struct json_value number;
    if (value->kind == JSON_BOOLEAN) {
        (void)buffer_append_text(to, value->text.p[0] == 't' ? "1" : "0");
        return true;
    }
    if (!number_of(value, &number))
        return false;
    (void)buffer_append_slice(to, number.text);
    return true;
}

/* A whole number, its text perhaps with a fraction of zeros. */
static bool whole_of(const struct json_value *value, int64_t *whole)
{
    struct json_value number;
    if (!number_of(value, &number))
        return false;
    char digits[24];
    struct slice text = number.text;
    const char *dot = memchr(text.p, '.', text.n);
    if (dot != NULL) {
        for (const char *p = dot + 1; p < text.p + text.n; p++)
            if (*p != '0')
                return false;
        text.n = (size_t)(dot - text.p);
    }
    if (text.n >= sizeof digits || memchr(text.p, 'e', text.n) != NULL ||
        memchr(text.p, 'E', text.n) != NULL)
        return false;
    memcpy(digits, text.p, text.n);
    digits[text.n] = '\0';
    /* At most 22 digits: beyond 64 bits, the next larger type has room to compare. */
    __int128 sum = 0;
    for (const char *p = digits[0] == '-' ? digits + 1 : digits; *p != '\0'; p++)
        sum = sum * 10 + (*p - '0');
    sum = digits[0] == '-' ? -sum : sum;
    *whole = (int64_t)sum;
    return sum >= INT64_MIN && sum <= INT64_MAX;
}

static bool write_whole(const struct json_value *value, int64_t least, int64_t most,
                        struct buffer *to)
{
    int64_t whole = value->kind == JSON_BOOLEAN && value->text.p[0] == 't' ? 1 : 0;
    if (value->kind != JSON_BOOLEAN && !whole_of(value, &whole))
        return false;
    if (whole < least || whole > most)
        return false;
    (void)buffer_printf(to, "%" PRId64, whole);
    return true;
}

static bool not_zero(struct slice number)
{
    for (size_t i = 0; i < number.n && number.p[i] != 'e' && number.p[i] != 'E'; i++)
        if (number.p[i] >= '1' && number.p[i] <= '9')
            return true;
    return false;
}

/* As the Azure connector of ThingWorx reads them: texts but "true" and numbers that are not zero
 * are false. */
static bool write_boolean(const struct json_value *value, struct buffer *to)
{
    struct json_value number;
    bool is;
    if (value->kind == JSON_BOOLEAN)
        is = value->text.p[0] == 't';
    else if (number_of(value, &number))
        is = not_zero(number.text);
    else if (value->kind == JSON_STRING)
        is = value->text.n == 4 && strncasecmp(value->text.p, "true", 4) == 0;
    else
        return false;
    (void)buffer_append_text(to, is ? "true" : "false");
    return true;
}

static bool write_datetime(const struct json_value *value, struct buffer *to)
{
    int64_t time_ms;
    if ((value->kind != JSON_STRING && !is_number(value)) ||
        (!translate_time(value->text, &time_ms) &&
         !(is_number(value) && whole_of(value, &time_ms))))
        return false;
    (void)buffer_printf(to, "%" PRId64, time_ms);
    return true;
}

/* --- places -------------------------------------------------------------------------------- */

enum { LATITUDE, LONGITUDE, ELEVATION, PARTS };

static bool write_parts(const struct slice parts[PARTS], struct buffer *to)
{
    static const double limits[] = {90, 180};
    for (int i = 0; i < ELEVATION; i++) {
        char text[JSON_NUMBER_MAX + 1];
        if (parts[i].n == 0 || parts[i].n > JSON_NUMBER_MAX)
            return false;
        memcpy(text, parts[i].p, parts[i].n);
        text[parts[i].n] = '\0';
        double degrees = strtod(text, NULL);
        if (!(degrees >= -limits[i] && degrees <= limits[i]))
            return false;
    }
    (void)buffer_append_text(to, "{\"latitude\":");
    (void)buffer_append_slice(to, parts[LATITUDE]);
    (void)buffer_append_text(to, ",\"longitude\":");
    (void)buffer_append_slice(to, parts[LONGITUDE]);
    (void)buffer_append_text(to, ",\"elevation\":");
    (void)buffer_append_slice(to, parts[ELEVATION].n > 0 ? parts[ELEVATION] : SLICE_LITERAL("0"));
    (void)buffer_append_text(to, ",\"units\":\"WGS84\"}");
    return true;
}

/* "12.0,14.0" or "12.0,14.0,16", blanks allowed. */
static bool write_location_text(struct slice text, struct buffer *to)
{
    struct slice parts[PARTS] = {{NULL, 0}};
    struct json_cursor c = json_scan_begin(text);
    int n = 0;
    do {
        struct json_value number;
        if (n == PARTS || !json_scan_value(&c, 0, &number) || !is_number(&number))
            return false;
        parts[n++] = number.text;
    } while (json_scan_token(&c, ','));
    return n >= ELEVATION && json_scan_end(&c) && write_parts(parts, to);
}

static bool write_location_object(struct slice text, struct buffer *to)
{
    static const char *const names[] = {"latitude", "longitude", "elevation"};
    struct slice parts[PARTS] = {{NULL, 0}};
    struct json_cursor c = json_scan_begin(text);
    struct json_value name, value, number;
    while (json_scan_member(&c, &name, &value))
        for (int i = 0; i < PARTS; i++) {
            if (!slice_equal(name.text, slice_from(names[i])) || value.kind == JSON_NULL)
                continue;
            if (!number_of(&value, &number))
                return false;
            parts[i] = number.text;
        }
    return write_parts(parts, to);
}

static bool write_location(const struct json_value *value, struct buffer *to)
{
    if (value->kind == JSON_OBJECT)
        return write_location_object(value->text, to);
    return value->kind == JSON_STRING && !value->escaped && write_location_text(value->text, to);
}

static bool is_infotable(const struct json_value *value)
{
    struct json_cursor c = json_scan_begin(value->text);
    struct json_value name, member;
    unsigned seen = 0;
    while (value->kind == JSON_OBJECT && json_scan_member(&c, &name, &member)) {
        if (slice_equal(name.text, SLICE_LITERAL("dataShape")) && member.kind == JSON_OBJECT)
            seen |= 1;
        if (slice_equal(name.text, SLICE_LITERAL("rows")) && member.kind == JSON_ARRAY)
            seen |= 2;
    }
    return seen == 3;
}

static bool write_as_it_is(const struct json_value *value, struct buffer *to)
{
    base_type_write_natural(value, to);
    return true;
}

bool base_type_write(const struct base_type *type, const struct json_value *value,
                     struct buffer *to)
{
    if (value->kind == JSON_NULL)
        return false;
    switch (type->class) {
    case CLASS_TEXT:
        return write_text(value, to);
    case CLASS_NUMBER:
        return write_number(value, to);
    case CLASS_INTEGER:
        return write_whole(value, INT32_MIN, INT32_MAX, to);
    case CLASS_LONG:
        return write_whole(value, INT64_MIN, INT64_MAX, to);
    case CLASS_BOOLEAN:
        return write_boolean(value, to);
    case CLASS_DATETIME:
        return write_datetime(value, to);
    case CLASS_LOCATION:
        return write_location(value, to);
    case CLASS_JSON:
        return (value->kind == JSON_OBJECT || value->kind == JSON_ARRAY) &&
               write_as_it_is(value, to);
    case CLASS_INFOTABLE:
        return is_infotable(value) && write_as_it_is(value, to);
    case CLASS_VARIANT:
        break;
    }
    return write_as_it_is(value, to);
}
