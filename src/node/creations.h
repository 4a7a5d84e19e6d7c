#pragma once
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The Things and property definitions that a destination is given where it has none, if the fleet
 * wants it so (core/creation). What waits for them stays in its lane meanwhile. */

struct node_parts;
struct creations;
struct creation_job;
struct fleet_config;
struct lane;
struct thingworx_answer;

/* `destination`: its name, borrowed. */
struct creations *creations_create(struct node_parts *node, const char *destination);
void creations_free(struct creations *c);

/* ThingWorx says that it has no such Thing: makes it, with the properties of the rows on the wire.
 * The rows are to be sent again later. */
void creations_thing(struct creations *c, const struct fleet_config *fleet, const struct lane *lane,
                     int64_t now_us);
/* The rows on the wire are refused: defines their properties. False: that has been tried, and it is
 * not just that other nodes of ThingWorx do not know of it yet. */
bool creations_property(struct creations *c, const struct fleet_config *fleet,
                        const struct lane *lane, int64_t now_us);

/* The Thing has taken values: what was not begun is not needed. */
void creations_needless(struct creations *c, struct slice thing);

/* The job whose next call is due; NULL: none. */
struct creation_job *creations_next(struct creations *c, int64_t now_us);
/* When the next one is; INT64_MAX: none waits. */
int64_t creations_due_us(const struct creations *c);
/* Writes its call: the Thing (empty: the resource
 * EntityServices), the service, and the body. */
void creations_write(struct creation_job *job, struct slice *thing, struct slice *service,
                     struct buffer *body);
/* It was sent. */
void creations_sent(struct creations *c, struct creation_job *job);
void creations_answered(struct creations *c, struct creation_job *job,
                        const struct thingworx_answer *answer, int64_t now_us);
/* What was on the wire is cancelled. */
void creations_cancelled(struct creations *c);
void creations_tick(struct creations *c, int64_t now_us);
