#include "core/mapping.h"

#include "base/memory.h"
#include "core/hash.h"
#include "core/mapping_program.h"

#include <stdlib.h>

/* A sender may vary what its events are chosen by; the programs that it causes are bounded. */
enum { PROGRAMS_MAX = 256 };

struct selector {
    const char *devices, *modules, *subjects, *with_property, *with_value;
};

struct mapping {
    struct mapping_compiled *rules;
    uint64_t *selected_by; /* of each rule, its selector's bit */
    size_t rule_count;
    struct selector selectors[MAPPING_SELECTORS_MAX];
    unsigned selector_count;
    struct mapping_program *programs;
    struct mapping_program *last;
    struct mapping_scratch *scratch;
};

/* --- which events -------------------------------------------------------------------------- */

bool mapping_like(struct slice text, const char *pattern)
{
    const char *p = text.p != NULL ? text.p : "";
    const char *end = p + text.n;
    const char *star = NULL; /* the pattern behind the last *, and what it has taken so far */
    const char *taken = NULL;
    if (pattern == NULL)
        return true;
    while (p < end) {
        if (*pattern == '*') {
            star = ++pattern;
            taken = p;
        } else if (*pattern == *p && *pattern != '\0') {
            pattern++;
            p++;
        } else if (star != NULL) {
            pattern = star;
            p = ++taken;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_selector(const struct selector *a, const struct selector *b)
{
    return same_text(a->devices, b->devices) && same_text(a->modules, b->modules) &&
           same_text(a->subjects, b->subjects) && same_text(a->with_property, b->with_property) &&
           same_text(a->with_value, b->with_value);
}

static bool add_selector(struct mapping *mapping, size_t i, struct error *why)
{
    const struct mapping_rule *rule = mapping->rules[i].rule;
    struct selector selector = {rule->devices, rule->modules, rule->subjects, rule->with_property,
                                rule->with_value};
    unsigned s = 0;
    while (s < mapping->selector_count && !same_selector(&mapping->selectors[s], &selector))
        s++;
    if (s == MAPPING_SELECTORS_MAX)
        return error_set(why, "the mapping rules choose events in more than %d ways",
                         MAPPING_SELECTORS_MAX);
    if (s == mapping->selector_count)
        mapping->selectors[mapping->selector_count++] = selector;
    mapping->selected_by[i] = UINT64_C(1) << s;
    return true;
}

static bool concerns(const struct selector *selector, const struct mapping_event *event)
{
    if (!mapping_like(event->device, selector->devices) ||
        !mapping_like(event->module, selector->modules) ||
        !mapping_like(event->subject, selector->subjects))
        return false;
    if (selector->with_property == NULL)
        return true;
    struct slice value = event->property(event->ctx, slice_from(selector->with_property));
    return value.p != NULL && mapping_like(value, selector->with_value);
}

/* --- programs ------------------------------------------------------------------------------ */

static uint64_t step_hash(uint32_t parent, struct slice name)
{
    return hash_bytes(name) + parent * UINT64_C(0x9e3779b97f4a7c15);
}

/* The slot of that step, or the free one where it belongs. */
static uint32_t *find_slot(const struct mapping_program *program, uint32_t parent,
                           struct slice name, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & program->slot_mask;
    for (;; at = (at + 1) & program->slot_mask) {
        uint32_t *slot = &program->slots[at];
        if (*slot == MAPPING_NONE)
            return slot;
        const struct mapping_node *node = &program->nodes[*slot];
        if (node->hash == hash && node->parent == parent && slice_equal(node->step, name))
            return slot;
    }
}

uint32_t mapping_step(const struct mapping_program *program, uint32_t parent, struct slice name)
{
    if (parent == MAPPING_NONE || !program->nodes[parent].inner)
        return MAPPING_NONE;
    return *find_slot(program, parent, name, step_hash(parent, name));
}

/* The text as it stands in a JSON string, in its canonical form. Caller frees. */
static char *canonical_text(const char *raw, size_t n, size_t *length)
{
    struct buffer escaped;
    buffer_init(&escaped, n * 6 + 1);
    (void)buffer_append_json(&escaped, (struct slice){raw, n});
    char *to = xmalloc(escaped.n + 1);
    *length = json_scan_canonical(buffer_slice(&escaped), to);
    buffer_free(&escaped);
    return to;
}

/* One step of a pointer, without its escapes ~0 and ~1; *at moves behind it. */
static char *next_step(const char **at, size_t *length)
{
    size_t n = strcspn(*at, "/");
    char *raw = xmalloc(n + 1);
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        bool escape = (*at)[i] == '~' && i + 1 < n;
        raw[to++] = !escape ? (*at)[i] : (*at)[i + 1] == '1' ? '/' : '~';
        i += escape ? 1 : 0;
    }
    *at += n;
    char *canonical = canonical_text(raw, to, length);
    free(raw);
    return canonical;
}

static void add_pointer(struct mapping_program *program, const struct mapping_compiled *rule)
{
    uint32_t node = 0;
    const char *at = rule->rule->pointer != NULL ? rule->rule->pointer : "";
    while (*at == '/') {
        size_t n;
        at++;
        char *step = next_step(&at, &n);
        struct slice name = {step, n};
        uint64_t hash = step_hash(node, name);
        uint32_t *slot = find_slot(program, node, name, hash);
        program->nodes[node].inner = true;
        if (*slot == MAPPING_NONE) {
            *slot = program->node_count++;
            program->nodes[*slot] =
                (struct mapping_node){.parent = node, .hash = hash, .step = name};
        } else {
            free(step);
        }
        node = *slot;
    }
    program->nodes[node].rule = rule;
}

static size_t steps_of(const struct mapping_rule *rule)
{
    size_t n = 0;
    for (const char *p = rule->pointer; p != NULL && *p != '\0'; p++)
        n += *p == '/';
    return n;
}

static struct mapping_program *program_create(const struct mapping *mapping, uint64_t mask)
{
    struct mapping_program *program = xcalloc(1, sizeof *program);
    size_t nodes = 1;
    for (size_t i = 0; i < mapping->rule_count; i++)
        nodes += steps_of(mapping->rules[i].rule);
    uint32_t slots = 4;
    while (slots < nodes * 2)
        slots *= 2;
    program->mask = mask;
    program->nodes = xcalloc(nodes, sizeof *program->nodes);
    program->nodes[0].parent = MAPPING_NONE;
    program->node_count = 1;
    program->slots = xmalloc(slots * sizeof *program->slots);
    memset(program->slots, 0xff, slots * sizeof *program->slots);
    program->slot_mask = slots - 1;
    program->constants = xcalloc(mapping->rule_count, sizeof(const struct mapping_compiled *));
    program->opcua = xcalloc(mapping->rule_count, sizeof(const struct mapping_compiled *));
    for (size_t i = 0; i < mapping->rule_count; i++) {
        const struct mapping_compiled *rule = &mapping->rules[i];
        if ((mapping->selected_by[i] & mask) == 0)
            continue;
        if (rule->rule->action == MAPPING_OPCUA)
            program->opcua[program->opcua_count++] = rule;
        else if (rule->rule->action == MAPPING_CONSTANT)
            program->constants[program->constant_count++] = rule;
        else
            add_pointer(program, rule);
    }
    return program;
}

static void program_free(struct mapping_program *program)
{
    for (uint32_t i = 0; i < program->node_count; i++)
        free((void *)(uintptr_t)program->nodes[i].step.p);
    free(program->nodes);
    free(program->slots);
    free((void *)program->constants);
    free((void *)program->opcua);
    free(program);
}

static void forget_programs(struct mapping *mapping)
{
    struct mapping_program *program, *next;
    HASH_ITER(hh, mapping->programs, program, next)
    {
        HASH_DEL(mapping->programs, program);
        program_free(program);
    }
    mapping->last = NULL;
}

const struct mapping_program *mapping_select(struct mapping *mapping,
                                             const struct mapping_event *event)
{
    uint64_t mask = 0;
    for (unsigned s = 0; s < mapping->selector_count; s++)
        if (concerns(&mapping->selectors[s], event))
            mask |= UINT64_C(1) << s;
    if (mask == 0)
        return NULL;
    if (mapping->last != NULL && mapping->last->mask == mask)
        return mapping->last;
    struct mapping_program *program;
    HASH_FIND(hh, mapping->programs, &mask, sizeof mask, program);
    if (program == NULL) {
        if (HASH_COUNT(mapping->programs) >= PROGRAMS_MAX)
            forget_programs(mapping);
        program = program_create(mapping, mask);
        HASH_ADD(hh, mapping->programs, mask, sizeof mask, program);
    }
    mapping->last = program;
    return program;
}

bool mapping_is_opcua(const struct mapping_program *program)
{
    return program->opcua_count > 0;
}

/* --- compiling ----------------------------------------------------------------------------- */

static struct slice own_text(const char *raw)
{
    if (raw == NULL)
        return (struct slice){NULL, 0};
    size_t n;
    char *text = canonical_text(raw, strlen(raw), &n);
    return (struct slice){text, n};
}

static bool compile_rule(const struct mapping_rule *rule, struct mapping_compiled *to,
                         struct error *why)
{
    *to = (struct mapping_compiled){
        .rule = rule, .property = own_text(rule->property), .separator = own_text(rule->separator)};
    if (rule->base_type != NULL) {
        to->type = base_type_find(slice_from(rule->base_type));
        if (to->type == NULL)
            return error_set(why, "the mapping rule %s has an unknown base type", rule->name);
    }
    if (rule->action != MAPPING_CONSTANT)
        return true;
    struct json_cursor c = json_scan_begin(slice_from(rule->value != NULL ? rule->value : ""));
    if (rule->property == NULL || !json_scan_value(&c, JSON_DEPTH_MAX - 1, &to->constant) ||
        !json_scan_end(&c))
        return error_set(why, "the mapping rule %s has no value that can be used", rule->name);
    return true;
}

struct mapping *mapping_compile(const struct mapping_rule *rules, size_t count, struct error *why)
{
    struct mapping *mapping = xcalloc(1, sizeof *mapping);
    mapping->rules = xcalloc(count, sizeof *mapping->rules);
    mapping->selected_by = xcalloc(count, sizeof *mapping->selected_by);
    mapping->scratch = mapping_scratch_create();
    for (size_t i = 0; i < count; i++) {
        mapping->rule_count++;
        if (!compile_rule(&rules[i], &mapping->rules[i], why) || !add_selector(mapping, i, why)) {
            error_hint(why, "Upgrade this node, or change the rule with holdfast.set_mapping.");
            mapping_free(mapping);
            return NULL;
        }
    }
    return mapping;
}

void mapping_free(struct mapping *mapping)
{
    if (mapping == NULL)
        return;
    forget_programs(mapping);
    for (size_t i = 0; i < mapping->rule_count; i++) {
        free((void *)(uintptr_t)mapping->rules[i].property.p);
        free((void *)(uintptr_t)mapping->rules[i].separator.p);
    }
    mapping_scratch_free(mapping->scratch);
    free(mapping->rules);
    free(mapping->selected_by);
    free(mapping);
}

struct mapping_scratch *mapping_scratch_of(const struct mapping *mapping)
{
    return mapping->scratch;
}
