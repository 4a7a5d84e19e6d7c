#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "hub/message.h"

#include <json-c/json.h>

/* The sections of an event that tests give as JSON. Those that belong to the properties section
 * of AMQP (message-id, correlation-id, content-type, ...) go there, all others become message
 * annotations and take the place of the hub's own. null leaves one out. */
struct system_properties {
    struct buffer annotations;
    uint32_t annotation_count; /* keys and values */
    struct buffer properties;  /* the encoded section; empty: the usual one */
    struct buffer application; /* the encoded section; empty: none */
};

/* Reads both objects; each may be NULL. False and err when one is no object, or a property has a
 * value that AMQP does not know for it; to be freed in every case. */
bool system_properties_read(struct system_properties *properties, struct json_object *system,
                            struct json_object *application, struct error *err);
void system_properties_free(struct system_properties *properties);

/* Makes the telemetry carry them; borrowed. */
void system_properties_apply(const struct system_properties *properties,
                             struct telemetry *telemetry);
