#pragma once
#include "base/error.h"
#include "base/slice.h"
#include "core/rows.h"
#include "core/translate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The rules that an administrator gives for the payloads of a fleet: which value becomes which
 * property. What they mean stands in docs/mapping.md. They are compiled once for each set of rules
 * that some event is concerned by; an event that no rule concerns takes the way of
 * core/translate.h. */

enum mapping_action {
    MAPPING_PROPERTY, /* the value becomes this property, of this base type */
    MAPPING_DROP,     /* the value is left out */
    MAPPING_FLATTEN,  /* the members of the object become properties of their own */
    MAPPING_CONSTANT, /* every event has this property with this value */
    MAPPING_OPCUA     /* the event is one of OPC Publisher; names of Things and properties */
};

/* One rule as the configuration has it. Texts are NULL where there is none. */
struct mapping_rule {
    char *name;
    /* Which events it concerns: names with * for any run of characters; NULL: all. A module is
     * empty for what the device itself sends. */
    char *devices, *modules, *subjects;
    char *with_property, *with_value; /* a property of the message, and what it must be like */
    enum mapping_action action;
    char *pointer;         /* RFC 6901 */
    char *property;        /* name; of what is flattened the prefix; with opcua a template */
    char *base_type;       /* NULL: by the value's JSON type */
    char *separator;       /* flatten: between prefix and name */
    char *value;           /* constant: JSON text */
    char *thing;           /* opcua: a template */
    char *writers, *nodes; /* opcua: which values, by data set writer and node id or field */
};

enum { MAPPING_SELECTORS_MAX = 64 };

/* What of an event its rules are chosen by. */
struct mapping_event {
    struct slice device, module, subject;
    /* A property of the message as text; p is NULL if there is none. Valid until the next call. */
    struct slice (*property)(void *ctx, struct slice name);
    void *ctx;
};

struct mapping; /* the rules of one fleet, and a scratch */
struct mapping_program;

/* Of two rules for one pointer the later one decides. The rules are borrowed. NULL and a reason if
 * one of them makes no sense. */
struct mapping *mapping_compile(const struct mapping_rule *rules, size_t count, struct error *why);
void mapping_free(struct mapping *mapping);

/* The rules that concern the event, ready to be applied; NULL if none does. Valid until the next
 * call. */
const struct mapping_program *mapping_select(struct mapping *mapping,
                                             const struct mapping_event *event);
/* Whether one of them says that the event is one of OPC Publisher. */
bool mapping_is_opcua(const struct mapping_program *program);

/* As translate(), by the rules of the program. */
bool mapping_apply(struct mapping *mapping, const struct mapping_program *program,
                   struct slice body, int64_t time_ms, const struct translate_rules *rules,
                   struct rows *rows, struct error *why);

/* What decided over row i of the last mapping_apply. */
struct mapping_origin {
    const struct mapping_rule *rule; /* NULL: none, it is as it came */
    const char *wanted; /* the base type that the value did not fit; NULL: it is as the rule says */
};
struct mapping_origin mapping_origin(const struct mapping *mapping, uint32_t i);

/* Whether the text is like the pattern, in which * stands for any run of characters; NULL is like
 * everything. */
bool mapping_like(struct slice text, const char *pattern);
