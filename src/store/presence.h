#pragma once
#include "base/slice.h"
#include "store/coordination.h"

/* Things that are known as connected by a heartbeat rule. */

struct store_presence {
    int partition_id;
    int64_t token;
    struct slice thing, device, module;
    bool present; /* write the row, or delete it */
};

/* Rows of a partition that another session owns by now are passed over. */
void store_note_presence(struct pg_connection *pg, const char *key,
                         const struct store_presence *rows, size_t count, store_done_fn done,
                         void *ctx);

typedef void (*store_presence_fn)(void *ctx, const struct store_presence *rows, size_t count,
                                  const struct error *err);
/* All rows of a partition. */
void store_presence_of(struct pg_connection *pg, const char *key, int partition_id,
                       store_presence_fn done, void *ctx);
