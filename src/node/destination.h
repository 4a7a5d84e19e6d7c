#pragma once
#include "thingworx/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One ThingWorx cluster that this node writes to: a client, the lanes of its Things, and the pump
 * that takes rows from the lanes to the client. */

struct buffer;
struct destination;
struct destination_config;
struct lane_key;
struct lanes;
struct node_parts;
struct parcel;

/* If a base URL is unusable it sends nothing, and says so, until it is changed. */
struct destination *destination_open(struct node_parts *node,
                                     const struct destination_config *config);
void destination_free(struct destination *d);
const char *destination_name(const struct destination *d);

/* Another configuration; reads the app key anew. What is on the wire goes on. */
void destination_change(struct destination *d, const struct destination_config *config);
/* Reads the secrets again, so that a replaced one takes effect. */
void destination_reload_secret(struct destination *d);
/* Cancels every request on the wire and forgets every row: after waking up from a gap. */
void destination_reset(struct destination *d);
/* From time to time: nothing may wait for ever. */
void destination_tick(struct destination *d, int64_t now_us);
/* Nothing is queued or on the wire. */
bool destination_is_empty(const struct destination *d);

/* For lanes_expect, before a Thing gets a parcel. */
const struct lanes *destination_lanes(const struct destination *d);
/* Queues a parcel for a Thing; the pump sends it in this turn of the loop or when it can. */
void destination_push(struct destination *d, const struct lane_key *key, struct parcel *parcel);
/* The office has stored a refused row. */
void destination_row_done(struct destination *d, struct parcel *parcel);
void destination_abandon(struct destination *d, const void *owner);
size_t destination_drop(struct destination *d, const void *owner, int64_t above_sequence);
int64_t destination_touched(const struct destination *d, const void *owner);

/* What of it is shown. */
struct destination_view {
    const char *name, *state;
    bool bulk;
    size_t values_waiting;          /* queued and on the wire */
    unsigned in_flight, allowed;    /* requests */
    const struct thingworx *client; /* for its base URLs */
    struct thingworx_counters counts;
};
struct destination_view destination_look(const struct destination *d);

/* Things with a request on the wire. */
size_t destination_on_the_wire(const struct destination *d);
/* "ok", "unreachable", "paused" or "failed", and why it is not "ok" ("" if it is). */
const char *destination_state(const struct destination *d);
const char *destination_reason(const struct destination *d);
/* How rows go out: "per_thing" or "bulk". */
const char *destination_delivery(const struct destination *d);
