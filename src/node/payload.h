#pragma once
#include "base/error.h"
#include "base/slice.h"
#include "core/mapping.h"
#include "core/rows.h"
#include "source/source.h"

#include <stdbool.h>
#include <stdint.h>

/* What an event becomes: rows for one Thing or more. The flow delivers it, `holdfast explain` shows
 * it. */

struct payload; /* a scratch that is used again for every event */
struct fleet_config;

struct payload *payload_create(void);
/* For whoever reads the rows: all of them are texts. */
void payload_want_texts(struct payload *p);
void payload_free(struct payload *p);

/* Reads the body of an event whose device or module is bound to that Thing: unpacks it, and
 * translates it by the rules of the fleet, or as a message of OPC Publisher. False with the reason
 * why it is neither. What is given must stay while the payload is looked at. */
bool payload_read(struct payload *p, const struct fleet_config *fleet,
                  const struct source_message *message, struct slice bound, struct error *why);
/* The same of one row that was kept as a dead letter, for the Thing that it was meant for. */
bool payload_read_row(struct payload *p, struct slice row, struct slice thing, struct error *why);

/* How many Things get something. */
uint32_t payload_things(const struct payload *p);
/* The rows for one of them, valid until the next call; NULL if they pass the ceiling of rows.
 * `thing` becomes its name; empty: the one that is bound. */
const struct rows *payload_rows(struct payload *p, uint32_t i, struct slice *thing);
/* Whether it was read as a message of OPC Publisher, so that a property may have several rows. */
bool payload_is_opcua(const struct payload *p);
/* What decided over row i of the last payload_rows. */
struct mapping_origin payload_origin(const struct payload *p, uint32_t i);
