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

enum store_filed {
    STORE_FILED_KEPT,
    STORE_FILED_DROPPED, /* its device is at the ceiling, and an administrator wants it so */
    STORE_FILED_HELD,    /* its device is at the ceiling: hold the event back, and try again */
    STORE_FILED_STALE    /* the caller does not own its partition any more */
};
/* One outcome for each row; none with an error. */
typedef void (*store_filed_fn)(void *ctx, const enum store_filed *outcomes, size_t count,
                               const struct error *err);
void store_file_dead_letters(struct pg_connection *pg, const char *key,
                             const struct store_dead_letter *rows, size_t count,
                             store_filed_fn done, void *ctx);

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
typedef void (*store_settled_fn)(void *ctx, const struct error *err);
void store_settle_replays(struct pg_connection *pg, const char *key,
                          const struct store_settled *rows, size_t count, store_settled_fn done,
                          void *ctx);
