#pragma once
#include "source/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Heartbeat rules carried out: which Things are heard of on the partitions that this node reads
 * (core/presence), told to ThingWorx on the way of all values, and kept in the database for whoever
 * reads the partition next. Where a fleet has no rule, its partitions have no beats (NULL), which
 * every function here takes. */

struct node_parts;
struct heartbeats;
struct beats; /* of one grant; begins with a struct owner, see parts.h */
struct fleet_config;
struct lane_key;
struct parcel;

struct heartbeats *heartbeats_create(struct node_parts *node);
void heartbeats_free(struct heartbeats *h);

struct beats_place {
    const char *hub;
    int partition_id;
    int64_t token;
    int64_t time_ms; /* of the checkpoint; -1 or 0: there is none */
};
/* NULL if no rule concerns the hub's fleet. */
struct beats *heartbeats_open(struct heartbeats *h, const struct beats_place *place);
void heartbeats_close(struct beats *b);
/* The rules may have changed. */
void heartbeats_configure(struct heartbeats *h);

/* Goes on where the former grant of the partition stands, which has nothing from then on. */
void heartbeats_inherit(struct beats *b, struct beats *former);
/* What was said may be lost: nothing has been delivered, or all that was not sent is dropped. */
void heartbeats_drop(struct beats *b, bool all);
/* Nothing that was said here is on the wire any more. */
bool heartbeats_idle(const struct beats *b);

/* The partition has brought an event, of whatever kind. */
void heartbeats_read(struct beats *b, const struct source_message *message);
/* The event is about to go to the Thing that its device is bound to. Returns the parcel that says
 * "connected", to go behind the event's own; NULL: that has been said. */
struct parcel *heartbeats_heard(struct beats *b, void *owner, uint64_t ticket,
                                const struct fleet_config *fleet,
                                const struct source_message *message, const struct lane_key *thing);
/* From time to time. `listening`: what the partition brings would be read at once. */
void heartbeats_look(struct beats *b, bool listening, int64_t now_us);

/* "Disconnected" was accepted; or refused. */
void heartbeats_told(struct beats *b, const struct parcel *parcel);
void heartbeats_refused(struct beats *b, const struct parcel *parcel, const char *detail);

/* Loads and writes rows, if the database is there. */
void heartbeats_tick(struct heartbeats *h, int64_t now_us);
/* Before checkpoints are saved: writes the rows of all Things whose first event they may pass.
 * False: there are none, `done` is not called. */
bool heartbeats_save(struct heartbeats *h, void (*done)(void *ctx, bool ok), void *ctx);
/* The database may have lost what was written. */
void heartbeats_save_anew(struct heartbeats *h);

/* Things that are heard of. */
size_t heartbeats_connected(const struct heartbeats *h);
