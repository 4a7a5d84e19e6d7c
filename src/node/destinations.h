#pragma once
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

/* The ThingWorx clusters that this node writes to: for each a client, its lanes, and the pump
 * that takes rows from the lanes to the client. */

struct node_parts;
struct configuration;
struct destinations;
struct destination;
struct parcel;
struct lane_key;
struct buffer;

struct destinations *destinations_create(struct node_parts *node);
void destinations_free(struct destinations *d);

/* Makes the destinations what the configuration says; reads app keys anew. */
void destinations_configure(struct destinations *d, const struct configuration *configuration);
/* Reads the app keys again, so that a replaced secret takes effect. */
void destinations_reload_secrets(struct destinations *d);

/* NULL when there is none of that name, or its app key cannot be read. Valid until the next
 * configure. */
struct destination *destinations_find(struct destinations *d, const char *name);

/* Queues a parcel for a Thing; the pump sends it in this turn of the loop or when it can. */
void destination_push(struct destination *d, const struct lane_key *key, struct parcel *parcel);
/* The office has stored a refused row. */
void destination_row_done(struct destination *d, struct parcel *parcel);

/* The three below reach the lanes of every destination. */
void destinations_abandon(struct destinations *d, const void *owner);
size_t destinations_drop(struct destinations *d, const void *owner, int64_t above_sequence);
int64_t destinations_touched(const struct destinations *d, const void *owner);

/* Cancels every request on the wire and forgets every row: after waking up from a gap. */
void destinations_reset(struct destinations *d);
void destinations_tick(struct destinations *d, int64_t now_us);

/* JSON text for the node's report: {"name":"ok",...}. */
void destinations_describe(const struct destinations *d, struct buffer *json);
size_t destinations_on_the_wire(const struct destinations *d);
