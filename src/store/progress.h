#pragma once
#include "base/error.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

/* How far the partitions have come: checkpoints, and what a node reports of itself. */

struct pg_connection;

struct store_checkpoint {
    int partition_id;
    int64_t token;
    struct slice offset;
    int64_t sequence, enqueued_ms;
};

enum store_saved { STORE_SAVED, STORE_STALE_TOKEN, STORE_NOT_MONOTONE };
struct store_saved_row {
    int partition_id;
    enum store_saved outcome;
};
typedef void (*store_saved_fn)(void *ctx, const struct store_saved_row *rows, size_t count,
                               const struct error *err);

/* Saves a batch in one statement. A partition that does not come back was not written. */
void store_save_checkpoints(struct pg_connection *pg, const char *key,
                            const struct store_checkpoint *rows, size_t count, store_saved_fn done,
                            void *ctx);

struct store_partition_end {
    int partition_id;
    int64_t last_sequence, last_enqueued_ms; /* the end of the partition's log */
};
typedef void (*store_reported_fn)(void *ctx, const struct error *err);
/* `stats` is a JSON object, see holdfast.report. */
void store_report(struct pg_connection *pg, const char *key, const char *stats,
                  const struct store_partition_end *ends, size_t count, store_reported_fn done,
                  void *ctx);
/* A sentence for the administrators, shown by holdfast.events. */
void store_report_event(struct pg_connection *pg, const char *key, const char *kind,
                        const char *subject, const struct error *what);
