#pragma once
#include "base/error.h"
#include "base/slice.h"
#include "core/mapping.h"
#include "core/rows.h"

#include <stdbool.h>
#include <stdint.h>

/* What OPC Publisher sends, into rows of one or more Things: PubSub network messages (key and delta
 * frames, events, conditions; keep-alives and metadata become nothing), alone or in arrays, in
 * compatibility and in strict mode, and samples (monitored items). A value's status code is its
 * quality, its source timestamp its time. */

struct opcua; /* the values of one event; a scratch that is used again */

/* What names are made of besides what stands in the event. */
struct opcua_naming {
    struct slice thing; /* that the device or module is bound to */
    struct slice device, module;
    const struct mapping_program *program; /* its opcua rules; NULL: none */
};

struct opcua *opcua_create(void);
void opcua_free(struct opcua *o);

/* Whether a content type is one of OPC Publisher's. */
bool opcua_is(struct slice content_type);

/* Reads an event. `time_ms` is for values without a time of their own. False and a reason if it is
 * none of these messages or passes a ceiling. The body and what `naming` points to must stay. */
bool opcua_read(struct opcua *o, struct slice body, int64_t time_ms,
                const struct opcua_naming *naming, struct error *why);

/* How many Things the values are for; 0: there are none. */
uint32_t opcua_things(const struct opcua *o);
/* Makes `rows` the values of Thing i; returns its name, valid until the next event. p is NULL if
 * they pass the ceiling of rows. */
struct slice opcua_rows(struct opcua *o, uint32_t i, struct rows *rows);
/* What decided over row i of the last opcua_rows. */
struct mapping_origin opcua_origin(const struct opcua *o, uint32_t i);
