/* mapping_apply against translate (with rules that touch nothing, both must say the same) and
 * against json-c (what is flattened is what json-c finds at the leaves). Byte 0 of the input
 * chooses the rules; the rest is the body. */
#include "core/json_scan.h"
#include "core/mapping.h"

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
    (void)fprintf(stderr, "fuzz_mapping: %s\n", what);
    abort();
}

static struct mapping_rule rule(enum mapping_action action, const char *pointer, const char *type)
{
    return (struct mapping_rule){.name = (char *)(uintptr_t) "r",
                                 .action = action,
                                 .pointer = (char *)(uintptr_t)pointer,
                                 .base_type = (char *)(uintptr_t)type,
                                 .separator = (char *)(uintptr_t) "\x01"};
}

static bool apply(const struct mapping_rule *rules, size_t count, struct slice body,
                  struct rows *rows, struct error *why)
{
    struct mapping *mapping = mapping_compile(rules, count, why);
    require(mapping != NULL, "no mapping");
    struct mapping_event event = {.device = SLICE_LITERAL("d")};
    const struct mapping_program *program = mapping_select(mapping, &event);
    struct translate_rules none = {.time_member = {NULL, 0}};
    bool ok = mapping_apply(mapping, program, body, 1, &none, rows, why);
    require(ok || (rows->count == 0 && why->message[0] != '\0'), "refused without a reason");
    mapping_free(mapping);
    return ok;
}

static json_object *parse(struct slice text)
{
    struct json_tokener *tokener = json_tokener_new_ex((int)JSON_DEPTH_MAX * 2);
    json_object *object = json_tokener_parse_ex(tokener, text.p, (int)text.n);
    json_tokener_free(tokener);
    return object;
}

static int compare_rows(const void *a, const void *b)
{
    const struct slice *x = a;
    const struct slice *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

static struct slice *sorted(const struct rows *rows)
{
    struct slice *list = calloc(rows->count + 1, sizeof *list);
    require(list != NULL, "memory");
    for (uint32_t i = 0; i < rows->count; i++)
        list[i] = rows_row(rows, i);
    qsort(list, rows->count, sizeof *list, compare_rows);
    return list;
}

/* Rules that name nothing that is there change nothing. */
static void check_unmoved(struct slice body)
{
    struct mapping_rule none = rule(MAPPING_DROP, "/no such name/0", NULL);
    struct translate_rules rules = {.time_member = {NULL, 0}};
    struct rows mapped, plain;
    struct error why, other;
    rows_init(&mapped);
    rows_init(&plain);
    bool same = apply(&none, 1, body, &mapped, &why) == translate(body, 1, &rules, &plain, &other);
    /* One place less: the body itself is a value too. An array is none that a rule could name. */
    require(same || plain.count == TRANSLATE_ROWS_MAX || body.p[0] != '{', "accepted by one only");
    if (same && plain.count > 0) {
        require(mapped.count == plain.count, "another number of rows");
        struct slice *a = sorted(&mapped), *b = sorted(&plain);
        for (uint32_t i = 0; i < plain.count; i++)
            require(slice_equal(a[i], b[i]), "another row");
        free(a);
        free(b);
    }
    rows_free(&mapped);
    rows_free(&plain);
}

static size_t leaves(json_object *object)
{
    size_t n = 0;
    json_object_object_foreach(object, name, value)
    {
        (void)name;
        n += json_object_is_type(value, json_type_object) ? leaves(value) : value != NULL;
    }
    return n;
}

static void check_rows(const struct rows *rows)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        json_object *row = parse(rows_row(rows, i));
        json_object *cell, *value;
        require(json_object_object_length(row) == 4, "a row has another shape");
        require(json_object_object_get_ex(row, "value", &cell) &&
                    json_object_object_get_ex(cell, "value", &value) && value != NULL &&
                    json_object_object_length(cell) == 2,
                "a row has no value");
        json_object_put(row);
    }
}

static void check_flat(struct slice body)
{
    struct mapping_rule flat = rule(MAPPING_FLATTEN, "", NULL);
    struct rows rows;
    struct error why;
    rows_init(&rows);
    if (apply(&flat, 1, body, &rows, &why)) {
        json_object *event = parse(body);
        check_rows(&rows);
        /* json-c cuts names at U+0000 and makes U+FFFD of lone surrogates; a name may hold the
         * separator. */
        if (json_object_is_type(event, json_type_object) &&
            memmem(body.p, body.n, "\\u", 2) == NULL)
            require(leaves(event) == rows.count, "another number of leaves");
        json_object_put(event);
    }
    rows_free(&rows);
}

static void check_types(struct slice body, unsigned which)
{
    static const char *const types[] = {"NUMBER",   "INTEGER", "LONG", "BOOLEAN",   "DATETIME",
                                        "LOCATION", "STRING",  "JSON", "INFOTABLE", "VARIANT"};
    const char *type = types[which % (sizeof types / sizeof types[0])];
    struct mapping_rule given[] = {
        rule(MAPPING_PROPERTY, "/a", type), rule(MAPPING_PROPERTY, "/a/b", type),
        rule(MAPPING_PROPERTY, "/a/0/c", type), rule(MAPPING_FLATTEN, "/f", NULL)};
    struct rows rows;
    struct error why;
    rows_init(&rows);
    if (apply(given, 4, body, &rows, &why))
        check_rows(&rows);
    rows_free(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct slice body = {(const char *)data + 1, size - 1};
    if (data[0] % 3 == 0)
        check_unmoved(body);
    else if (data[0] % 3 == 1)
        check_flat(body);
    else
        check_types(body, data[0] / 3);
    return 0;
}
