#pragma once
#include "base/error.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

/* What ThingWorx refuses, kept until replayed or discarded. */

struct pg_connection;

struct store_dead_letter {
    int partition_id;
    int64_t token;
    struct slice device, module, offset;
    int64_t sequence, enqueued_ms;
    const char *reason; /* unbound, unparsable, refused, too_large */
    struct slice detail;
    struct slice property; /* empty: the whole event */
    struct slice payload;
    struct slice context; /* JSON object: what came with a whole event; empty: nothing */
    int attempts;
};

/* An error too when some were not kept, because the caller does not own their partitions: then
 * which ones is for the next assignment to say. */
typedef void (*store_kept_fn)(void *ctx, const struct error *err);
void store_keep_dead_letters(struct pg_connection *pg, const char *key,
                             const struct store_dead_letter *rows, size_t count, store_kept_fn done,
                             void *ctx);

struct store_replay {
    int64_t dead_letter_id;
    int partition_id;
    const char *hub, *fleet;
    struct slice device, module;
    int64_t enqueued_ms;
    struct slice property, payload;
    const char *context; /* as it was kept */
};
typedef void (*store_replays_fn)(void *ctx, const struct store_replay *rows, size_t count,
                                 const struct error *err);
/* Takes dead letters that an administrator wants replayed, of partitions that we own. */
void store_claim_dead_letters(struct pg_connection *pg, const char *key, int max_rows,
                              store_replays_fn done, void *ctx);

struct store_settled {
    int64_t dead_letter_id;
    const char *outcome; /* delivered, refused, unbound */
    struct slice detail;
};
void store_settle_replays(struct pg_connection *pg, const char *key,
                          const struct store_settled *rows, size_t count, store_kept_fn done,
                          void *ctx);
