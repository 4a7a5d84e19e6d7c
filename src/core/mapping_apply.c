#include "base/memory.h"
#include "core/hash.h"
#include "core/json_scan.h"
#include "core/mapping.h"
#include "core/mapping_program.h"

#include <stdio.h>
#include <stdlib.h>

#define ITEMS_MAX TRANSLATE_ROWS_MAX
#define SLOT_COUNT ((size_t)2 * ITEMS_MAX)
#define SLOT_NONE UINT16_MAX

/* Both a value of the event, found under its name in another one, and a property that comes of the
 * event: what has a name that must be there once only. */
struct item {
    uint64_t hash;
    struct slice name;
    uint32_t parent; /* of a value: the item that it stands in */
    uint16_t slot;
    struct json_value value;
    const struct mapping_compiled *rule; /* a property: what has decided; else the one of `node` */
    /* Of values only: */
    uint32_t node;                          /* in the tree of pointers */
    const struct mapping_compiled *flatten; /* stands in an object that is flattened */
    struct slice prefix;                    /* of it */
};

struct table {
    struct item *items;
    uint32_t count, capacity;
    uint16_t *slots;
};

struct mapping_scratch {
    struct table values, properties;
    struct buffer names; /* canonical names of members */
    struct buffer paths; /* names of what is flattened */
    const char **unfit;  /* of each row: the base type that it did not fit */
    uint32_t unfit_capacity;
};

struct mapping_scratch *mapping_scratch_create(void)
{
    struct mapping_scratch *scratch = xcalloc(1, sizeof *scratch);
    buffer_init(&scratch->names, TRANSLATE_BODY_MAX);
    buffer_init(&scratch->paths, TRANSLATE_BODY_MAX);
    return scratch;
}

static void table_free(struct table *table)
{
    free(table->items);
    free(table->slots);
}

void mapping_scratch_free(struct mapping_scratch *scratch)
{
    table_free(&scratch->values);
    table_free(&scratch->properties);
    buffer_free(&scratch->names);
    buffer_free(&scratch->paths);
    free((void *)scratch->unfit);
    free(scratch);
}

/* --- names that are there once ------------------------------------------------------------- */

static void table_clear(struct table *table)
{
    if (table->slots == NULL) {
        table->slots = xmalloc(SLOT_COUNT * sizeof *table->slots);
        memset(table->slots, 0xff, SLOT_COUNT * sizeof *table->slots);
    }
    for (uint32_t i = 0; i < table->count; i++)
        table->slots[table->items[i].slot] = SLOT_NONE;
    table->count = 0;
}

/* The item of that name, or a new one; NULL if there are too many. Valid until the next call. */
static struct item *find_or_add(struct table *table, uint32_t parent, struct slice name,
                                bool *added)
{
    uint64_t hash = hash_bytes(name) + parent * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = hash % SLOT_COUNT;
    *added = false;
    for (; table->slots[at] != SLOT_NONE; at = (at + 1) % SLOT_COUNT) {
        struct item *item = &table->items[table->slots[at]];
        if (item->hash == hash && item->parent == parent && slice_equal(item->name, name))
            return item;
    }
    if (table->count == ITEMS_MAX)
        return NULL;
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 32;
        table->items = xrealloc(table->items, table->capacity * sizeof *table->items);
    }
    *added = true;
    table->slots[at] = (uint16_t)table->count;
    struct item *item = &table->items[table->count++];
    *item = (struct item){.hash = hash, .name = name, .parent = parent, .slot = (uint16_t)at};
    return item;
}

/* Makes room once, so that what is written stays where it is. */
static char *end_of(struct buffer *buffer)
{
    if (buffer->data == NULL)
        (void)buffer_reserve(buffer, TRANSLATE_BODY_MAX);
    return buffer->data + buffer->n;
}

static struct slice canonical(struct mapping_scratch *scratch, const struct json_value *name)
{
    if (!name->escaped)
        return name->text;
    /* Each name of the body is read once, and is no longer then: there is always room. */
    char *to = end_of(&scratch->names);
    struct slice result = {to, json_scan_canonical(name->text, to)};
    scratch->names.n += result.n;
    return result;
}

/* --- values -------------------------------------------------------------------------------- */

struct walk {
    struct mapping_scratch *scratch;
    const struct mapping_program *program;
    struct json_cursor cursor;
};

static bool add_value(struct walk *walk, uint32_t parent, uint32_t node, struct slice name,
                      const struct json_value *value)
{
    bool added;
    struct table *values = &walk->scratch->values;
    struct item *item = find_or_add(values, parent, name, &added);
    if (item == NULL)
        return json_scan_fail(&walk->cursor, "too many members");
    item->value = *value;
    item->node = node;
    return true;
}

static bool scan_members(struct walk *walk, uint32_t parent, uint32_t parent_node)
{
    struct json_cursor *c = &walk->cursor;
    (void)json_scan_token(c, '{');
    if (json_scan_token(c, '}'))
        return true;
    do {
        struct json_value name, value;
        if (!json_scan_string(c, &name) || !json_scan_token(c, ':') ||
            !json_scan_value(c, JSON_DEPTH_MAX, &value))
            return false;
        struct slice text = canonical(walk->scratch, &name);
        uint32_t node = mapping_step(walk->program, parent_node, text);
        if (!add_value(walk, parent, node, text, &value))
            return false;
    } while (json_scan_token(c, ','));
    return true;
}

/* Only elements that a pointer names. */
static bool scan_elements(struct walk *walk, uint32_t parent, uint32_t parent_node)
{
    struct json_cursor *c = &walk->cursor;
    (void)json_scan_token(c, '[');
    if (json_scan_token(c, ']'))
        return true;
    unsigned i = 0;
    do {
        struct json_value value;
        char digits[16];
        if (!json_scan_value(c, JSON_DEPTH_MAX, &value))
            return false;
        int n = snprintf(digits, sizeof digits, "%u", i++);
        uint32_t node = mapping_step(walk->program, parent_node, (struct slice){digits, (size_t)n});
        if (node != MAPPING_NONE &&
            !add_value(walk, parent, node, walk->program->nodes[node].step, &value))
            return false;
    } while (json_scan_token(c, ','));
    return true;
}

/* --- properties ---------------------------------------------------------------------------- */

/* Of two values for one property, one that a rule names wins over one that none names, else the
 * later one. */
static bool add_property(struct walk *walk, struct slice name, const struct json_value *value,
                         const struct mapping_compiled *rule)
{
    bool added;
    if (value->kind == JSON_NULL)
        return true;
    struct item *item = find_or_add(&walk->scratch->properties, 0, name, &added);
    if (item == NULL)
        return json_scan_fail(&walk->cursor, "too many members");
    if (!added && item->rule != NULL && rule == NULL)
        return true;
    item->value = *value;
    item->rule = rule;
    return true;
}

/* prefix + separator + name; p is NULL if the names become too long. */
static struct slice path_of(struct mapping_scratch *scratch, struct slice prefix,
                            struct slice separator, struct slice name)
{
    if (prefix.n == 0)
        return name;
    size_t n = prefix.n + separator.n + name.n;
    char *to = end_of(&scratch->paths);
    if (n > TRANSLATE_BODY_MAX - scratch->paths.n)
        return (struct slice){NULL, 0};
    memcpy(to, prefix.p, prefix.n);
    if (separator.n > 0)
        memcpy(to + prefix.n, separator.p, separator.n);
    memcpy(to + prefix.n + separator.n, name.p, name.n);
    scratch->paths.n += n;
    return (struct slice){to, n};
}

/* What becomes of the value itself. Sets `flatten` and `prefix` if its members are properties. */
static bool decide(struct walk *walk, uint32_t i, const struct mapping_compiled **flatten,
                   struct slice *prefix)
{
    const struct item item = walk->scratch->values.items[i];
    const struct mapping_compiled *rule =
        item.node != MAPPING_NONE ? walk->program->nodes[item.node].rule : NULL;
    bool object = item.value.kind == JSON_OBJECT;
    bool root = i == 0;
    enum mapping_action action = rule != NULL ? rule->rule->action : MAPPING_CONSTANT;
    if (action == MAPPING_DROP)
        return true;
    if (action == MAPPING_PROPERTY)
        return add_property(walk, rule->property.p != NULL ? rule->property : item.name,
                            &item.value, rule);
    struct slice name = item.name;
    if (action == MAPPING_FLATTEN && rule->property.p != NULL)
        name = rule->property;
    else if (item.flatten != NULL)
        name = path_of(walk->scratch, item.prefix, item.flatten->separator, item.name);
    if (name.p == NULL && name.n == 0 && !root)
        return json_scan_fail(&walk->cursor, "names too long");
    rule = action == MAPPING_FLATTEN ? rule : item.flatten;
    if (rule != NULL && object) {
        *flatten = rule;
        *prefix = name;
        return true;
    }
    bool as_it_came = item.parent == 0 && walk->program->nodes[0].rule == NULL;
    if (!root && (rule != NULL || as_it_came))
        return add_property(walk, name, &item.value, rule);
    return true;
}

/* Looks into the value if its members may become something. */
static bool descend(struct walk *walk, uint32_t i, const struct mapping_compiled *flatten,
                    struct slice prefix)
{
    const struct item item = walk->scratch->values.items[i];
    bool inner = item.node != MAPPING_NONE && walk->program->nodes[item.node].inner;
    const struct mapping_compiled *own =
        item.node != MAPPING_NONE ? walk->program->nodes[item.node].rule : NULL;
    bool into = inner || flatten != NULL || (i == 0 && own == NULL);
    uint32_t first = walk->scratch->values.count;
    walk->cursor.p = item.value.text.p;
    if (item.value.kind == JSON_OBJECT && into) {
        if (!scan_members(walk, i, item.node))
            return false;
    } else if (item.value.kind == JSON_ARRAY && inner) {
        if (!scan_elements(walk, i, item.node))
            return false;
    }
    for (uint32_t child = first; child < walk->scratch->values.count; child++) {
        walk->scratch->values.items[child].flatten = flatten;
        walk->scratch->values.items[child].prefix = prefix;
    }
    return true;
}

/* Values are looked at in the order in which they were found: what stands deeper comes later. */
static bool walk_values(struct walk *walk)
{
    for (uint32_t i = 0; i < walk->scratch->values.count; i++) {
        const struct mapping_compiled *flatten = NULL;
        struct slice prefix = {NULL, 0};
        if (!decide(walk, i, &flatten, &prefix) || !descend(walk, i, flatten, prefix))
            return false;
    }
    for (size_t i = 0; i < walk->program->constant_count; i++) {
        const struct mapping_compiled *rule = walk->program->constants[i];
        if (!add_property(walk, rule->property, &rule->constant, rule))
            return false;
    }
    return true;
}

static void find_time(const struct mapping_scratch *scratch, struct slice name, struct rows *rows)
{
    for (uint32_t i = 1; i < scratch->values.count; i++) {
        const struct item *item = &scratch->values.items[i];
        if (item->parent != 0 || !slice_equal(item->name, name))
            continue;
        enum json_kind kind = item->value.kind;
        if (kind != JSON_NULL)
            rows->time_unusable = (kind != JSON_NUMBER && kind != JSON_STRING) ||
                                  !translate_time(item->value.text, &rows->time_ms);
        return;
    }
}

/* --- rows ---------------------------------------------------------------------------------- */

static void write_row(struct rows *rows, const struct item *item, const char **unfit)
{
    const struct base_type *natural = base_type_natural(item->value.kind);
    const struct base_type *type = item->rule != NULL ? item->rule->type : NULL;
    *unfit = NULL;
    rows_begin(rows, item->name, rows->time_ms, "GOOD");
    if (type != NULL && base_type_write(type, &item->value, &rows->text)) {
        rows_end(rows, base_type_name(type));
        return;
    }
    /* What does not fit goes as it came: ThingWorx takes it, or refuses it with a reason. */
    *unfit = type != NULL ? base_type_name(type) : NULL;
    base_type_write_natural(&item->value, &rows->text);
    rows_end(rows, base_type_name(natural));
}

static bool write_rows(struct mapping_scratch *scratch, struct rows *rows, struct error *why)
{
    const struct table *properties = &scratch->properties;
    if (properties->count > scratch->unfit_capacity) {
        scratch->unfit_capacity = properties->capacity;
        scratch->unfit =
            xrealloc((void *)scratch->unfit, scratch->unfit_capacity * sizeof *scratch->unfit);
    }
    for (uint32_t i = 0; i < properties->count; i++)
        write_row(rows, &properties->items[i], &scratch->unfit[i]);
    if (!rows->text.overflowed)
        return true;
    rows_clear(rows, rows->time_ms);
    return error_set(why, "the rows of the event are longer than %zu bytes", TRANSLATE_TEXT_MAX);
}

static bool scan_body(struct walk *walk, struct slice body, struct error *why)
{
    struct json_value root = {.kind = JSON_NULL};
    struct json_cursor *c = &walk->cursor;
    bool array = walk->program->nodes[0].inner || walk->program->nodes[0].rule != NULL;
    if (body.n > TRANSLATE_BODY_MAX)
        return error_set(why, "the body of %zu bytes is longer than %zu", body.n,
                         TRANSLATE_BODY_MAX);
    *c = (struct json_cursor){.p = body.p, .end = body.p + body.n};
    bool ok = json_scan_value(c, JSON_DEPTH_MAX, &root) &&
              (json_scan_end(c) || json_scan_fail(c, "something follows the object"));
    if (ok && root.kind != JSON_OBJECT && !(array && root.kind == JSON_ARRAY))
        ok = json_scan_fail(c, "not an object");
    ok =
        ok && add_value(walk, MAPPING_NONE, 0, (struct slice){NULL, 0}, &root) && walk_values(walk);
    if (!ok) {
        error_set(why, "not a JSON object: %s at byte %zu", c->why, (size_t)(c->p - body.p));
        error_hint(why, "Telemetry is one JSON object of named values, in UTF-8.");
    }
    return ok;
}

bool mapping_apply(struct mapping *mapping, const struct mapping_program *program,
                   struct slice body, int64_t time_ms, const struct translate_rules *rules,
                   struct rows *rows, struct error *why)
{
    struct mapping_scratch *scratch = mapping_scratch_of(mapping);
    struct walk walk = {.scratch = scratch, .program = program};
    rows_clear(rows, time_ms);
    table_clear(&scratch->values);
    table_clear(&scratch->properties);
    buffer_clear(&scratch->names);
    buffer_clear(&scratch->paths);
    if (!scan_body(&walk, body, why))
        return false;
    if (rules->time_member.n > 0)
        find_time(scratch, rules->time_member, rows);
    return write_rows(scratch, rows, why);
}

struct mapping_origin mapping_origin(const struct mapping *mapping, uint32_t i)
{
    const struct mapping_scratch *scratch = mapping_scratch_of(mapping);
    const struct mapping_compiled *rule = scratch->properties.items[i].rule;
    return (struct mapping_origin){rule != NULL ? rule->rule : NULL, scratch->unfit[i]};
}
