/* translate against json-c: what one accepts the other does, up to the differences listed below,
 * and names and values are the same. Byte 0 of the input chooses a time member; the rest is the
 * body. */
#include "core/json_scan.h"
#include "core/parcel.h"
#include "core/translate.h"

#include <json-c/json.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "fuzz_translate: %s\n", what);
    abort();
}

static json_object *parse(struct slice text)
{
    struct json_tokener *tokener = json_tokener_new_ex((int)JSON_DEPTH_MAX * 2);
    require(tokener != NULL, "no tokener");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *object = json_tokener_parse_ex(tokener, text.p, (int)text.n);
    bool ok = json_tokener_get_error(tokener) == json_tokener_success;
    for (size_t i = json_tokener_get_parse_end(tokener); ok && i < text.n; i++)
        ok = strchr(" \t\r\n", text.p[i]) != NULL;
    json_tokener_free(tokener);
    if (!ok) {
        json_object_put(object);
        return NULL;
    }
    return object;
}

/* json-c lets through: NaN and infinities, its own idea of a number, control characters in
 * strings, UTF-8 that is not well-formed, and everything that only a ceiling forbids. */
static bool stricter_by_intent(const char *message, struct slice body)
{
    static const char *const reasons[] = {"invalid number",    "number out of range",
                                          "control character", "invalid UTF-8",
                                          "nested too deep",   "too many members"};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strstr(message, reasons[i]) != NULL)
            return true;
    const char *at = strstr(message, "unknown word at byte ");
    if (at == NULL)
        return false;
    size_t position = strtoul(at + strlen("unknown word at byte "), NULL, 10);
    return position < body.n && (body.p[position] == 'N' || body.p[position] == 'I');
}

/* json-c cuts names at U+0000 and makes U+FFFD of lone surrogates, so that names may coincide. */
static bool names_are_opaque(const struct rows *rows)
{
    struct slice names = buffer_slice(&rows->names);
    return names.n > 0 && (memmem(names.p, names.n, "\\u0000", 6) != NULL ||
                           memmem(names.p, names.n, "\\ud", 3) != NULL);
}

static const char *type_of(const json_object *value, struct slice row)
{
    switch (json_object_get_type(value)) {
    case json_type_boolean:
        return "BOOLEAN";
    case json_type_string:
        return "STRING";
    case json_type_double:
        return "NUMBER";
    case json_type_int:
        break;
    case json_type_object:
    case json_type_array:
        return "JSON";
    case json_type_null:
        return "";
    }
    /* json-c reads integers beyond 64 bits as the nearest that fits. */
    int64_t n = json_object_get_int64(value);
    bool is_long = n > INT64_C(9007199254740992) || n < -INT64_C(9007199254740992);
    if (n == INT64_MAX || n == INT64_MIN)
        is_long = memmem(row.p, row.n, "\"LONG\"", 6) != NULL;
    return is_long ? "LONG" : "NUMBER";
}

static json_object *member(json_object *object, const char *name)
{
    json_object *value = NULL;
    require(json_object_object_get_ex(object, name, &value), name);
    return value;
}

static void check_row(struct slice row, int64_t time_ms, bool comparable, json_object *event)
{
    json_object *parsed = parse(row);
    require(parsed != NULL, "a row is no JSON");
    require(json_object_object_length(parsed) == 4, "a row has another shape");
    const char *name = json_object_get_string(member(parsed, "name"));
    json_object *cell = member(parsed, "value");
    json_object *value = member(cell, "value");
    const char *type = json_object_get_string(member(cell, "baseType"));
    require(json_object_get_int64(member(parsed, "time")) == time_ms, "another time");
    require(strcmp(json_object_get_string(member(parsed, "quality")), "GOOD") == 0, "quality");
    if (comparable) {
        json_object *expected = member(event, name);
        require(strcmp(type, type_of(expected, row)) == 0, "another base type");
        if (json_object_get_type(expected) == json_type_array)
            value = member(value, "array");
        require(json_object_equal(value, expected), "another value");
    }
    json_object_put(parsed);
}

static void check_rows(const struct rows *rows, json_object *event)
{
    size_t values = 0;
    bool comparable = !names_are_opaque(rows);
    json_object_object_foreach(event, name, value)
    {
        (void)name;
        values += value != NULL;
    }
    for (uint32_t i = 0; i < rows->count; i++)
        check_row(rows_row(rows, i), rows->time_ms, comparable, event);
    require(!comparable || rows->count == values, "another number of rows");
}

/* The rows that are made of places when they go out are the same. */
static void check_places(const struct rows *texts, struct slice body,
                         const struct translate_rules *rules)
{
    struct rows rows;
    struct error why = {.message = ""};
    struct buffer made;
    rows_init(&rows);
    buffer_init(&made, TRANSLATE_TEXT_MAX * 2);
    require(translate_in_place(body, 1, rules, &rows, &why), "refused in place");
    struct parcel *parcel = parcel_create(&rows, &(struct parcel_origin){.ticket = 1});
    require(parcel->row_count == texts->count, "another number of rows in place");
    for (uint32_t i = 0; i < texts->count; i++) {
        buffer_clear(&made);
        require(parcel_row(parcel, i, &made), "a row in place is longer than its ceiling");
        require(slice_equal(buffer_slice(&made), rows_row(texts, i)), "another row in place");
        struct slice name = parcel_property(parcel, i), row = rows_row(texts, i);
        size_t head = strlen(ROW_HEAD);
        require(row.n > head + name.n && memcmp(row.p + head, name.p, name.n) == 0 &&
                    row.p[head + name.n] == '"',
                "another property in place");
    }
    parcel_free(parcel);
    rows_free(&rows);
    buffer_free(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct translate_rules rules = {data[0] & 1 ? SLICE_LITERAL("ts") : SLICE_LITERAL("")};
    struct slice body = {(const char *)data + 1, size - 1};
    struct rows rows;
    struct error why = {.message = ""};
    rows_init(&rows);
    bool ok = translate(body, 1, &rules, &rows, &why);
    json_object *event = parse(body);
    if (ok) {
        require(event != NULL && json_object_is_type(event, json_type_object),
                "accepted, but not by json-c");
        check_rows(&rows, event);
        check_places(&rows, body, &rules);
    } else {
        require(rows.count == 0 && why.message[0] != '\0', "refused without a reason");
        require(event == NULL || !json_object_is_type(event, json_type_object) ||
                    memchr(body.p, '\0', body.n) != NULL || stricter_by_intent(why.message, body),
                why.message);
    }
    json_object_put(event);
    rows_free(&rows);
    return 0;
}
