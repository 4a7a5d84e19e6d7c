#pragma once
#include "base/buffer.h"
#include "base/slice.h"
#include "core/json_scan.h"

#include <stdbool.h>

/* ThingWorx's base types, and what a JSON value becomes in each. */

struct base_type;

/* NULL if there is none of that name. */
const struct base_type *base_type_find(struct slice name);
const char *base_type_name(const struct base_type *type);

/* The base type of a value that no rule concerns; of a null too, which becomes no row. */
const struct base_type *base_type_natural(enum json_kind kind);

/* Appends the value as JSON text that ThingWorx reads as that base type. False, and nothing is
 * appended, if it does not fit; docs/mapping.md has the table. A null fits nothing. The buffer may
 * overflow. */
bool base_type_write(const struct base_type *type, const struct json_value *value,
                     struct buffer *to);

/* Appends the value by its natural base type, which fits always but for a null. */
void base_type_write_natural(const struct json_value *value, struct buffer *to);
