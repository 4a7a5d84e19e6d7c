#pragma once
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

/* Heartbeat rules of a fleet: a property that says whether a device is heard of. What they mean
 * stands in docs/mapping.md. */
struct heartbeat_rule {
    char *name;
    char *devices, *modules; /* patterns as in core/mapping.h; NULL: all */
    char *property;
    int64_t silence_ms; /* without an event for so long the property becomes false */
};

/* The rule that decides over the device, or a module of it; NULL: none. Rules come in the order in
 * which they decide: the last one that fits. */
const struct heartbeat_rule *heartbeat_select(const struct heartbeat_rule *rules, size_t count,
                                              struct slice device, struct slice module);
