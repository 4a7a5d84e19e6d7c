#pragma once
#include "base/slice.h"
#include "thingworx/base_type.h"
#include "thingworx/names.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

/* The Things, their property definitions and their current values. */
struct property {
    char *name;
    uint32_t name_id;
    const struct base_type *type;
    bool defined; /* added, and not in force before the Thing is restarted */
    char *text;   /* the current value as JSON text, NULL before the first */
    size_t text_n;
    size_t text_capacity;
    int64_t time_ms;
    uint32_t quality; /* a number of struct names */
    UT_hash_handle hh;
};

struct thing {
    char *name;
    uint32_t name_id;
    bool permissive; /* any property name is accepted */
    bool enabled;
    int64_t changed_us; /* when it was made, or restarted with new definitions */
    unsigned in_flight;
    struct property *properties;
    UT_hash_handle hh;
};

struct model {
    int64_t sync_us; /* until all nodes of the platform know of a change */
    struct names *names;
    struct thing *things;
};

void model_init(struct model *model);
void model_free(struct model *model);

/* Things are never deleted, so the pointer stays valid. NULL if there is none. */
struct thing *model_find(const struct model *model, struct slice name);

/* The same, if the node of the platform that is asked knows of it. */
struct thing *model_seen(const struct model *model, struct slice name);

/* Finds or creates; a new Thing is enabled. */
struct thing *model_thing(struct model *model, struct slice name);

size_t model_count(const struct model *model);

struct property *thing_property(const struct thing *thing, struct slice name);

/* Defines a property, or changes the type of one. */
struct property *thing_define(struct model *model, struct thing *thing, struct slice name,
                              const struct base_type *type);

/* Makes the value current unless the current one is newer. */
void property_set(struct property *property, struct slice text, int64_t time_ms, uint32_t quality);
