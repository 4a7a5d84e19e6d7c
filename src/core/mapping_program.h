#pragma once
#include "base/slice.h"
#include "core/base_type.h"
#include "core/mapping.h"

#include <stdint.h>
#include <uthash.h>

/* What mapping.c compiles and mapping_apply.c carries out. */

#define MAPPING_NONE UINT32_MAX

/* A rule with its texts as they stand in JSON. */
struct mapping_compiled {
    const struct mapping_rule *rule;
    struct slice property; /* p NULL: the value's own name */
    struct slice separator;
    const struct base_type *type; /* NULL: by the value */
    struct json_value constant;
};

/* A place in the tree of all pointers. */
struct mapping_node {
    uint32_t parent;
    uint64_t hash;
    struct slice step; /* canonical, as in json_scan.h */
    const struct mapping_compiled *rule;
    bool inner; /* some pointer goes on from here */
};

struct mapping_program {
    UT_hash_handle hh;
    uint64_t mask; /* of the selectors */
    struct mapping_node *nodes;
    uint32_t node_count;
    uint32_t *slots; /* of (parent, step), a power of two */
    uint32_t slot_mask;
    const struct mapping_compiled **constants;
    size_t constant_count;
    const struct mapping_compiled **opcua; /* in the order in which they decide */
    size_t opcua_count;
};

/* The place of that name below a place; MAPPING_NONE if no pointer goes there. */
uint32_t mapping_step(const struct mapping_program *program, uint32_t parent, struct slice name);

struct mapping_scratch;
struct mapping_scratch *mapping_scratch_create(void);
void mapping_scratch_free(struct mapping_scratch *scratch);
struct mapping_scratch *mapping_scratch_of(const struct mapping *mapping);
