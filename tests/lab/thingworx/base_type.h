#pragma once
#include "base/slice.h"
#include "json_scan.h"

#include <stdbool.h>
#include <stdint.h>

/* The base types of ThingWorx and which JSON values fit them. */
enum type_class {
    TYPE_TEXT,
    TYPE_NUMBER,
    TYPE_INTEGER,
    TYPE_LONG,
    TYPE_BOOLEAN,
    TYPE_DATETIME,
    TYPE_LOCATION,
    TYPE_JSON,
    TYPE_INFOTABLE,
    TYPE_VARIANT,
};

struct base_type {
    const char *name;
    enum type_class class;
};

/* The type of that name, NULL if there is none. */
const struct base_type *base_type_find(struct slice name);

/* The type of a property on a permissive Thing: takes everything. */
const struct base_type *base_type_any(void);

/* True if the value may be written to a property of type `definition`. `declared` is the base
 * type that came with the value, NULL for a bare one. */
bool base_type_fits(const struct base_type *definition, const struct base_type *declared,
                    const struct scan_value *value);

/* Reads a DATETIME: epoch milliseconds as a number or as text, or ISO 8601 text. */
bool base_type_time(const struct scan_value *value, int64_t *time_ms);
