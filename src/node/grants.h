#pragma once
#include "base/slice.h"
#include "core/tracker.h"
#include "node/grant_view.h"
#include "source/source.h"
#include "store/coordination.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The partitions that this session owns, each a grant under its token. Carries out what
 * core/ownership decides, and saves the checkpoints. */

struct node_parts;
struct grants;
struct grant;
struct hub;
struct store_partition_end;

struct grants *grants_create(struct node_parts *node);
void grants_free(struct grants *g);

/* Another configuration. */
void grants_configure(struct grants *g);
/* The whole assignment of this session, as the database says it. */
void grants_assign(struct grants *g, const struct store_assigned *rows, size_t count);
/* A new session: what the last one saved may have been lost with a crash of the database, so every
 * checkpoint is saved again. */
void grants_save_anew(struct grants *g);
/* Opens what waits, looks after deadlines, credit and checkpoints. */
void grants_tick(struct grants *g, int64_t now_us);
/* Drains everything, for a clean stop; grants_parked tells when it is done. */
void grants_drain(struct grants *g);
bool grants_parked(const struct grants *g);
/* Forgets everything unsent of all grants and closes their readers, after a gap; they are opened
 * again after grants_resume, each at its last checkpointable place. */
void grants_suspend(struct grants *g);
void grants_resume(struct grants *g);
/* Stops reading of sources that cannot fence, or of all. */
void grants_hold(struct grants *g, bool only_unfenced);

/* From the hubs. */
void grants_hub_up(struct grants *g, struct hub *hub);
void grants_hub_gone(struct grants *g, const struct hub *hub); /* before it is freed */
void grant_opened(struct grant *grant);
void grant_message(struct grant *grant, const struct source_message *message);
void grant_ended(struct grant *grant, enum source_end end, const struct error *why);

/* From the flow. */
struct hub *grant_hub(const struct grant *grant);
struct beats *grant_beats(const struct grant *grant); /* NULL: no heartbeat rule */
int grant_partition_id(const struct grant *grant);
int64_t grant_token(const struct grant *grant);
/* A dead letter of that event is stored. */
void grant_lettered(struct grant *grant, int64_t sequence);
/* The event with that ticket is delivered or dead-lettered. */
void grant_complete(struct grant *grant, uint64_t ticket);

size_t grants_count(const struct grants *g);
size_t grants_in_flight(const struct grants *g);
/* Each partition, for whoever shows it. `now_ms`: wall clock. */
typedef void (*grants_each_fn)(void *ctx, const struct grant_view *view);
void grants_each(const struct grants *g, int64_t now_ms, grants_each_fn each, void *ctx);
/* Ends of the logs as last seen, for the lag. Returns how many were written. */
size_t grants_ends(const struct grants *g, struct store_partition_end *ends, size_t max);
